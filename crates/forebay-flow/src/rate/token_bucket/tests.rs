//! The bucket against its definition, and at the ends of its ranges.

use std::time::Duration;

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

const SECOND: Tick = 1_000_000_000;

fn bucket(num: u64, burst: u64) -> TokenBucket {
    TokenBucket::new(Rate::per_second(num)).with_burst(burst)
}

#[test]
fn starts_are_spaced_evenly() {
    let mut bucket = bucket(4, 1);
    let starts: Vec<Tick> =
        (0..SECOND).step_by(10_000_000).filter(|&now| bucket.take(1, now).is_ok()).collect();
    assert_eq!(starts, [0, SECOND / 4, SECOND / 2, 3 * SECOND / 4]);
}

#[test]
fn nothing_drifts_in_a_year_of_thirds() {
    let mut bucket = bucket(3, 1);
    // As if each start came the very moment it may, a year of them later.
    let year = 365 * 24 * 3600;
    bucket.charge(3 * year, 0);
    assert_eq!(bucket.next_available(1, 0), Ok(year * SECOND));
    bucket.take(1, year * SECOND).expect("it is time");
    assert_eq!(bucket.next_available(1, year * SECOND), Ok(year * SECOND + 333_333_334));
}

#[test]
fn booked_ahead_is_spaced_as_if_each_had_come_then() {
    let mut bucket = bucket(10, 2);
    let at: Vec<_> = (0..4).map(|_| bucket.book(1, 0).expect("light").at()).collect();
    assert_eq!(at, [0, 0, SECOND / 10, SECOND / 5]);
    assert_eq!(bucket.next_available(1, 0), Ok(3 * SECOND / 10));
    assert_eq!(bucket.book(3, 0), Err(Refusal::TooHeavy));
}

#[test]
fn booked_and_given_back_is_there_for_the_next_unless_somebody_booked_after_it() {
    let mut bucket = bucket(10, 1);
    let [_, second, third] = [(); 3].map(|()| bucket.book(1, 0).expect("light"));
    assert!(!bucket.unbook(second));
    assert!(bucket.unbook(third));
    let again = bucket.book(1, 0).expect("light");
    assert_eq!(again.at(), SECOND / 5);
    bucket.set_rate(Rate::per_second(5), 1, 0);
    assert!(!bucket.unbook(again), "it is another account now");
}

#[test]
fn silence_saves_up_a_burst_and_no_more() {
    let mut bucket = bucket(10, 3);
    let hour = 3600 * SECOND;
    assert_eq!((0..9).filter(|_| bucket.take(1, hour).is_ok()).count(), 3);
    assert_eq!(bucket.available(hour), 0);
    assert_eq!(bucket.available(hour + SECOND / 10), 1);
    assert_eq!(bucket.available(2 * hour), 3);
}

#[test]
fn a_heavy_start_takes_the_place_of_light_ones() {
    let mut bucket = bucket(10, 5);
    assert_eq!(bucket.take(4, 0), Ok(()));
    assert_eq!(bucket.take(4, 0), Err(Refusal::Until(3 * SECOND / 10)));
    assert_eq!(bucket.take(1, 0), Ok(()));
    assert_eq!(bucket.take(6, 0), Err(Refusal::TooHeavy));
    assert_eq!(bucket.next_available(6, 0), Err(Refusal::TooHeavy));
    assert_eq!(bucket.take(0, 0), Ok(()));
}

#[test]
fn a_clock_that_jumps_back_gives_nothing_away() {
    let mut bucket = bucket(1, 1);
    assert_eq!(bucket.take(1, 10 * SECOND), Ok(()));
    assert_eq!(bucket.take(1, 0), Err(Refusal::Until(11 * SECOND)));
    assert_eq!(bucket.next_available(1, 3), Ok(11 * SECOND));
    assert_eq!(bucket.take(1, 11 * SECOND), Ok(()));
}

#[test]
fn what_is_not_used_of_a_reservation_is_there_for_others() {
    let mut bucket = bucket(10, 10);
    let reserved = bucket.reserve(8, 0).expect("it is full");
    assert_eq!(bucket.available(0), 2);
    bucket.commit(reserved, 3, 0);
    assert_eq!(bucket.available(0), 7);
    let reserved = bucket.reserve(7, 0).expect("they are there");
    assert_eq!(bucket.reserve(1, 0), Err(Refusal::Until(SECOND / 10)));
    bucket.cancel(reserved);
    assert_eq!(bucket.available(0), 7);
}

#[test]
fn a_reservation_that_is_kept_is_charged_when_it_is_used() {
    let mut bucket = bucket(1, 1);
    let reserved = bucket.reserve(1, 0).expect("it is full");
    assert_eq!(bucket.take(1, 10 * SECOND), Err(Refusal::Until(11 * SECOND)));
    bucket.commit(reserved, 1, 10 * SECOND);
    assert_eq!(bucket.next_available(1, 10 * SECOND), Ok(11 * SECOND));
}

#[test]
fn a_debt_is_paid_before_anything_starts() {
    let mut bucket = bucket(10, 2);
    let reserved = bucket.reserve(1, 0).expect("it is full");
    bucket.commit(reserved, 12, 0);
    assert_eq!(bucket.available(0), 0);
    assert_eq!(bucket.take(1, SECOND), Err(Refusal::Until(SECOND + SECOND / 10)));
    assert_eq!(bucket.take(1, SECOND + SECOND / 10), Ok(()));
}

#[test]
fn a_new_rate_replenishes_what_was_spent_before() {
    let mut bucket = bucket(10, 10);
    bucket.take(10, 0).expect("it is full");
    bucket.set_rate(Rate::per_second(1), 10, 0);
    assert_eq!(bucket.next_available(1, 0), Ok(SECOND));
    bucket.set_rate(Rate::new(3, Duration::from_secs(7)), 10, 0);
    assert_eq!(bucket.next_available(3, 0), Ok(7 * SECOND));
    bucket.set_rate(Rate::per_second(1000), 4, SECOND / 100);
    assert_eq!((bucket.burst(), bucket.rate()), (4, Rate::per_second(1000)));
    assert_eq!(bucket.available(SECOND / 50), 4);
}

#[test]
fn numbers_at_the_ends_of_their_ranges_do_no_harm() {
    let slowest = Rate::new(1, Duration::MAX);
    let fastest = Rate::new(u64::MAX, Duration::from_nanos(1));
    let unlimited = Rate::new(1, Duration::ZERO);
    for rate in [slowest, fastest, unlimited] {
        for burst in [1, u64::MAX] {
            let mut bucket = TokenBucket::new(rate).with_burst(burst);
            for now in [0, 1, Tick::MAX, 0] {
                let _ = bucket.take(u64::MAX, now);
                let _ = bucket.reserve(1, now).map(|reserved| bucket.commit(reserved, u64::MAX, now));
                bucket.charge(u64::MAX, now);
                let _ = (bucket.available(now), bucket.next_available(1, now));
                bucket.set_rate(slowest, u64::MAX, now);
                bucket.set_rate(rate, burst, now);
            }
        }
    }
    let mut free = TokenBucket::new(unlimited);
    assert!((0..100).all(|_| free.take(1, 7).is_ok()));
    assert_eq!(free.available(7), 1);
}

/// What was spent, and when.
type Spent = Vec<(Tick, u64)>;

/// The definition: whether, with this one more, in each span from some start on no more is spent than the burst
/// and what the span replenishes.
fn conforms(spent: &[(Tick, u64)], rate: Rate, burst: u64, cost: u64, now: Tick) -> bool {
    let mut sum = u128::from(cost);
    let most = |since: Tick| {
        u128::from(burst) * u128::from(rate.nanos()) + u128::from(rate.num()) * u128::from(now - since)
    };
    sum * u128::from(rate.nanos()) <= most(now)
        && spent.iter().rev().all(|&(at, cost)| {
            sum += u128::from(cost);
            sum * u128::from(rate.nanos()) <= most(at)
        })
}

proptest! {
    #[test]
    fn decides_as_the_definition_does(
        num in 1..7_u64,
        per in 1..40_u64,
        burst in 1..5_u64,
        steps in vec((0..20_u64, 0..4_u64), 1..80),
    ) {
        let rate = Rate::new(num, Duration::from_nanos(per));
        let mut bucket = TokenBucket::new(rate).with_burst(burst);
        let (mut now, mut spent) = (0, Spent::new());
        for (later, cost) in steps {
            now += later;
            let allowed = conforms(&spent, rate, burst, cost, now);
            match bucket.next_available(cost, now) {
                Ok(at) => {
                    prop_assert_eq!(at == now, allowed);
                    prop_assert!(conforms(&spent, rate, burst, cost, at));
                    prop_assert!(at == now || !conforms(&spent, rate, burst, cost, at - 1));
                }
                Err(refusal) => prop_assert!(refusal == Refusal::TooHeavy && cost > burst),
            }
            let most = (0..).take_while(|&cost| conforms(&spent, rate, burst, cost, now)).last();
            prop_assert_eq!(Some(bucket.available(now)), most);
            prop_assert_eq!(bucket.take(cost, now).is_ok(), allowed);
            if allowed {
                spent.push((now, cost));
            }
        }
    }

    /// Starts on credit take place whenever and are charged late. They are within the rate all the same, and never is more missing
    /// than the credit.
    #[test]
    fn on_credit_nothing_exceeds_the_rate_and_little_is_missing(
        num in 1..7_u64,
        per in 1..40_u64,
        burst in 128..1_000_u64,
        steps in vec((0..1_000_u64, 0..60_u64, 0..8_u64), 1..60),
    ) {
        let rate = Rate::new(num, Duration::from_nanos(per));
        let mut late = TokenBucket::new(rate).with_burst(burst);
        let mut exact = late.clone();
        let (mut now, mut spent) = (0, Spent::new());
        for (later, cost, starts) in steps {
            // Between the last look at the clock and this one.
            let (begin, starts) = (now, starts.min(late.credit(now)));
            now += later;
            for at in (0..starts).map(|start| begin + later * start / starts) {
                prop_assert!(conforms(&spent, rate, burst, 1, at));
                spent.push((at, 1));
                exact.charge(1, at);
            }
            late.charge(starts, now);
            let missing = exact.available(now).checked_sub(late.available(now));
            prop_assert!(missing.is_some_and(|missing| missing <= burst / 128), "{missing:?}");
            if late.take(cost, now).is_ok() {
                prop_assert!(conforms(&spent, rate, burst, cost, now));
                spent.push((now, cost));
                exact.charge(cost, now);
            }
        }
    }

    #[test]
    fn credit_is_given_while_half_of_the_burst_is_there(num in 1..7_u64, burst in 1..300_000_u64, cost in 0..300_000_u64) {
        let mut bucket = bucket(num, burst);
        bucket.charge(cost, 0);
        let most = (burst / 128).min(128);
        prop_assert_eq!(bucket.credit(0), if 2 * cost <= burst { most } else { 0 });
    }

    #[test]
    fn whatever_is_given_back_what_is_used_stays_within_the_rate(
        num in 1..7_u64,
        per in 1..40_u64,
        burst in 1..6_u64,
        steps in vec((0..20_u64, 1..5_u64, any::<bool>(), 0..5_u64), 1..60),
    ) {
        let rate = Rate::new(num, Duration::from_nanos(per));
        let mut bucket = TokenBucket::new(rate).with_burst(burst);
        // A start counts from when it was reserved, with what it cost in the end.
        let (mut now, mut started, mut open) = (0, Spent::new(), Vec::new());
        for (later, cost, begin, which) in steps {
            now += later;
            if begin {
                if let Ok(reserved) = bucket.reserve(cost, now) {
                    started.push((now, 0));
                    open.push((started.len() - 1, reserved));
                }
            } else if !open.is_empty() {
                let (index, reserved) = open.swap_remove(which as usize % open.len());
                let actual = which.min(reserved.cost());
                started[index].1 = actual;
                bucket.commit(reserved, actual, now);
            }
        }
        for end in 0..started.len() {
            let (now, cost) = started[end];
            prop_assert!(conforms(&started[..end], rate, burst, cost, now));
        }
    }
}

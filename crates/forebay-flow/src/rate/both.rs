//! Two rates that must agree.

use forebay_queue::Tick;

use super::{Book, Booked, RatePolicy, Refusal, Reserved};

/// Combines two policies: a start needs both, and both are charged, or neither.
///
/// For an API that allows 10 a second and 300 a minute, say. For more than two, nest another `Both`. A start that one policy
/// refuses costs nothing with the other, and the refusal names the later time, at which both allow it.
///
/// Bookings keep the order in which they were made. Charging, committing and giving back are passed on to both.
///
/// # When not to use it
///
/// Where costs differ between the two, for calls here and bytes there: take the one, and reserve the other.
/// .NET's `RateLimiter.CreateChained` asks one after the other and gives back on a refusal; it names no time.
///
/// ```
/// use std::time::Duration;
/// use forebay_flow::rate::{Both, RatePolicy};
/// use forebay_flow::{Rate, Refusal, TokenBucket, Window};
///
/// const SECOND: u64 = 1_000_000_000;
/// let a_minute = Window::new(Rate::new(3, Duration::from_secs(60)));
/// let mut both = Both::new(TokenBucket::new(Rate::per_second(1)), a_minute);
/// assert_eq!(both.take(1, 0), Ok(()));
/// assert_eq!(both.take(1, 0), Err(Refusal::Until(SECOND))); // the first says when
/// assert_eq!(both.take(1, SECOND), Ok(()));
/// assert_eq!(both.take(1, 2 * SECOND), Ok(()));
/// assert_eq!(both.take(1, 2 * SECOND), Err(Refusal::Until(60 * SECOND))); // the second says later
/// both.first_mut().set_rate(Rate::per_second(2), 1, 3 * SECOND);
/// ```
#[derive(Debug, Clone)]
pub struct Both<A, B> {
    first: A,
    second: B,
}

// === impl Both ===

impl<A: RatePolicy, B: RatePolicy> Both<A, B> {
    /// Allows what both policies allow.
    pub const fn new(first: A, second: B) -> Self {
        Self { first, second }
    }

    /// One of the two.
    pub const fn first(&self) -> &A {
        &self.first
    }

    /// The other one.
    pub const fn second(&self) -> &B {
        &self.second
    }

    /// One of the two, to set another rate. A caller that takes from it here takes past the other.
    pub const fn first_mut(&mut self) -> &mut A {
        &mut self.first
    }

    /// The other one, likewise.
    pub const fn second_mut(&mut self) -> &mut B {
        &mut self.second
    }

    /// Refuses what one of them refuses now, as of the later time.
    fn agree(&self, cost: u64, now: Tick) -> Result<(), Refusal> {
        let first = self.first.next_available(cost, now)?;
        let second = self.second.next_available(cost, now)?;
        // They may have seen different times, if one was used past the other.
        let at = first.max(second);
        if first > self.first.next_available(0, now)? || second > self.second.next_available(0, now)? {
            return Err(Refusal::Until(at));
        }
        Ok(())
    }
}

impl<A: RatePolicy, B: RatePolicy> Book for Both<A, B> {
    fn book(&mut self, cost: u64, now: Tick) -> Result<Booked, Refusal> {
        self.book_from(cost, now, now)
    }

    fn unbook(&mut self, booked: Booked) -> bool {
        let Some(parts) = booked.parts else { return false };
        let (first, second) = *parts;
        let (at, cost) = (first.at, first.cost);
        // Later bookings are with both, so it is both or neither.
        if !self.first.unbook(first) {
            return false;
        }
        if self.second.unbook(second) {
            return true;
        }
        // Somebody has charged only the second one. The first one has it again, at its time, as it was.
        let _ = self.first.book_from(cost, at, 0);
        false
    }

    fn charge(&mut self, cost: u64, now: Tick) {
        self.first.charge(cost, now);
        self.second.charge(cost, now);
    }
}

impl<A: RatePolicy, B: RatePolicy> RatePolicy for Both<A, B> {
    fn take(&mut self, cost: u64, now: Tick) -> Result<(), Refusal> {
        self.agree(cost, now)?;
        self.charge(cost, now);
        Ok(())
    }

    fn reserve(&mut self, cost: u64, now: Tick) -> Result<Reserved, Refusal> {
        self.agree(cost, now)?;
        let first = self.first.reserve(cost, now)?;
        match self.second.reserve(cost, now) {
            // Each part is told the same cost when it ends.
            Ok(second) => Ok(second),
            Err(refusal) => {
                self.first.cancel(first);
                Err(refusal)
            }
        }
    }

    fn commit(&mut self, reserved: Reserved, actual: u64, now: Tick) {
        self.first.commit(Reserved { cost: reserved.cost }, actual, now);
        self.second.commit(reserved, actual, now);
    }

    fn cancel(&mut self, reserved: Reserved) {
        self.first.cancel(Reserved { cost: reserved.cost });
        self.second.cancel(reserved);
    }

    fn next_available(&self, cost: u64, now: Tick) -> Result<Tick, Refusal> {
        Ok(self.first.next_available(cost, now)?.max(self.second.next_available(cost, now)?))
    }

    fn available(&self, now: Tick) -> u64 {
        self.first.available(now).min(self.second.available(now))
    }

    fn book_from(&mut self, cost: u64, from: Tick, now: Tick) -> Result<Booked, Refusal> {
        // The policy that says later is bound by what it has booked, so that no start comes before an earlier one.
        let at = self.next_available(cost, from.max(now))?;
        let first = self.first.book_from(cost, at, now)?;
        let second = match self.second.book_from(cost, first.at, now) {
            Ok(second) => second,
            Err(refusal) => {
                self.first.unbook(first);
                return Err(refusal);
            }
        };
        let (at, rate) = (first.at.max(second.at), first.rate);
        Ok(Booked { at, cost, before: 0, after: 0, rate, parts: Some(Box::new((first, second))) })
    }

    fn forgets_at(&self, now: Tick) -> Tick {
        self.first.forgets_at(now).max(self.second.forgets_at(now))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;
    use crate::{Rate, TokenBucket, Window};

    fn rate(num: u64, per: u64) -> Rate {
        Rate::new(num, Duration::from_nanos(per))
    }

    #[test]
    fn what_one_refuses_costs_the_other_nothing() {
        let mut both = Both::new(Window::new(rate(5, 100)), Window::new(rate(1, 10)));
        assert_eq!(both.take(1, 0), Ok(()));
        for now in 1..10 {
            assert_eq!(both.take(1, now), Err(Refusal::Until(10)));
            assert_eq!(both.reserve(1, now), Err(Refusal::Until(10)));
        }
        assert_eq!(both.first().available(9), 4);
        assert_eq!(both.take(2, 10), Err(Refusal::TooHeavy));
        assert_eq!(both.first().available(10), 4);
    }

    #[test]
    fn what_was_reserved_is_committed_or_given_back_with_both() {
        let mut both = Both::new(Window::new(rate(5, 100)), TokenBucket::new(rate(1, 10)).with_burst(4));
        let reserved = both.reserve(3, 0).expect("both are new");
        assert_eq!((both.first().available(0), both.second().available(0)), (2, 1));
        both.commit(reserved, 1, 0);
        assert_eq!((both.first().available(0), both.second().available(0)), (4, 3));
        let reserved = both.reserve(3, 0).expect("there is room");
        both.cancel(reserved);
        assert_eq!((both.first().available(0), both.second().available(0)), (4, 3));
    }

    #[test]
    fn booked_and_given_back_is_there_again_unless_somebody_booked_after_it() {
        let mut both = Both::new(TokenBucket::new(rate(1, 10)), Window::new(rate(2, 100)));
        let [_, second, third, fourth] = [(); 4].map(|()| both.book(1, 0).expect("light"));
        assert_eq!([second.at(), third.at(), fourth.at()], [10, 100, 110]);
        assert!(!both.unbook(second));
        assert!(both.unbook(fourth));
        assert_eq!(both.book(1, 0).expect("light").at(), 110);
    }

    proptest! {
        #[test]
        fn lets_start_what_both_let_start_by_themselves(
            (num, per, burst) in (1..5_u64, 1..30_u64, 1..5_u64),
            (most, within) in (1..7_u64, 1..60_u64),
            steps in vec((0..20_u64, 0..4_u64), 1..80),
        ) {
            let bucket = TokenBucket::new(rate(num, per)).with_burst(burst);
            let window = Window::new(rate(most, within));
            let (mut model, mut both) = ((bucket.clone(), window.clone()), Both::new(bucket, window));
            let mut now = 0;
            for (later, cost) in steps {
                now += later;
                let first = model.0.next_available(cost, now);
                let second = model.1.next_available(cost, now);
                let taken = both.take(cost, now);
                match (first, second) {
                    (Ok(first), Ok(second)) if first == now && second == now => {
                        prop_assert_eq!(taken, Ok(()));
                        model.0.take(cost, now).expect("it said so");
                        model.1.take(cost, now).expect("it said so");
                    }
                    (Ok(first), Ok(second)) => prop_assert_eq!(taken, Err(Refusal::Until(first.max(second)))),
                    _ => prop_assert_eq!(taken, Err(Refusal::TooHeavy)),
                }
            }
        }

        #[test]
        fn what_is_booked_is_in_order_and_within_both(
            (num, per, burst) in (1..5_u64, 1..30_u64, 1..5_u64),
            (most, within) in (1..7_u64, 1..60_u64),
            steps in vec((0..20_u64, 1..4_u64, any::<bool>()), 1..60),
        ) {
            let bucket = TokenBucket::new(rate(num, per)).with_burst(burst);
            let window = Window::new(rate(most, within));
            let (mut model, mut both) = ((bucket.clone(), window.clone()), Both::new(bucket, window));
            let (mut now, mut last) = (0, 0);
            for (later, cost, leaves) in steps {
                now += later;
                let cost = cost.min(burst).min(most);
                let booked = both.book(cost, now).expect("not too heavy");
                let at = booked.at();
                prop_assert!(at >= now && at >= last);
                if leaves {
                    prop_assert!(both.unbook(booked));
                } else {
                    prop_assert_eq!(model.0.take(cost, at), Ok(()));
                    prop_assert_eq!(model.1.take(cost, at), Ok(()));
                    last = at;
                }
            }
        }
    }
}

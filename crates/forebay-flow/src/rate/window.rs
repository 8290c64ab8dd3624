//! At most a number of starts in any period.

use std::collections::VecDeque;

use forebay_queue::Tick;

use super::{Book, Booked, Rate, RatePolicy, Refusal, Reserved};

/// Lets at most `n` starts through in any period of that length, as soon as they come.
///
/// A period is half open: what started at its beginning counts, and what starts at its end does not. So after `n` starts
/// at once the next may start exactly one period later.
///
/// | | | |
/// | --- | --- | --- |
/// | `n` | 1 or more | the most that may start in a period, and that one start may cost |
/// | period | 0 is no limit | |
/// | cost | 0 or more | 0 is never refused |
///
/// # Source
///
/// A sliding log: the times of all starts in the last period. It remembers up to `n` of them, and those that are booked ahead, 16
/// bytes each; starts of the same nanosecond share a place. A counter for each half of a period would take less and be wrong by up to `n`.
///
/// # Time
///
/// As for [`TokenBucket`](crate::TokenBucket#time).
///
/// # When not to use it
///
/// Where `n` is very large, or where bunches do harm: [`TokenBucket`](crate::TokenBucket) spaces starts evenly, in two numbers. The
/// neighbour, `tower::limit::RateLimit`, begins a new window after the old one and lets `2n - 1` through around its edge.
///
/// ```
/// use std::time::Duration;
/// use forebay_flow::{Rate, Refusal, Window};
///
/// let mut window = Window::new(Rate::new(2, Duration::from_nanos(100)));
/// assert_eq!(window.take(1, 90), Ok(()));
/// assert_eq!(window.take(1, 99), Ok(()));
/// assert_eq!(window.take(1, 101), Err(Refusal::Until(190))); // not at the edge of a window, but behind the first
/// ```
#[derive(Debug, Clone)]
pub struct Window {
    rate: Rate,
    /// What was spent in the last period, oldest first: when, and how much.
    spent: VecDeque<(Tick, u64)>,
    /// How much that is; more than `n` in debt.
    sum: u128,
    /// What is reserved and not committed.
    held: u64,
    latest: Tick,
}

// === impl Window ===

impl Window {
    /// A window in which nothing has started yet: `rate.num()` in any `rate.per()`.
    pub const fn new(rate: Rate) -> Self {
        Self { rate, spent: VecDeque::new(), sum: 0, held: 0, latest: 0 }
    }

    /// How much may start in which period.
    pub const fn rate(&self) -> Rate {
        self.rate
    }

    /// Starts something of that cost now.
    ///
    /// # Errors
    ///
    /// [`Refusal::Until`] when it may not, with the time at which it may; [`Refusal::TooHeavy`] if it never may. Nothing is charged then.
    pub fn take(&mut self, cost: u64, now: Tick) -> Result<(), Refusal> {
        let now = self.at(now);
        self.fits(cost, now)?;
        self.charge(cost, now);
        Ok(())
    }

    /// Keeps room for a start that comes later, or whose cost is known only later. It counts from when it is
    /// [committed](Self::commit).
    ///
    /// # Errors
    ///
    /// As [`take`](Self::take). The time is an estimate if others have reserved: it is as if they all committed now.
    pub fn reserve(&mut self, cost: u64, now: Tick) -> Result<Reserved, Refusal> {
        let now = self.at(now);
        self.fits(cost, now)?;
        self.held = self.held.saturating_add(cost);
        Ok(Reserved { cost })
    }

    /// What was reserved has started or ended, and cost `actual`. If that is more than was reserved, the rest is
    /// [charged](Self::charge) all the same.
    pub fn commit(&mut self, reserved: Reserved, actual: u64, now: Tick) {
        self.cancel(reserved);
        self.charge(actual, now);
    }

    /// What was reserved is not needed: all of it is there for others.
    pub fn cancel(&mut self, reserved: Reserved) {
        self.held = self.held.saturating_sub(reserved.cost);
    }

    /// Charges what was used without asking. Beyond `n` it is a debt: nothing starts until enough of it is a period
    /// old.
    pub fn charge(&mut self, cost: u64, now: Tick) {
        // Behind the bookings ahead, so that the times stay in order; that is on the safe side.
        let now = self.at(now).max(self.last());
        if cost == 0 || self.rate.nanos() == 0 {
            return;
        }
        self.sum += u128::from(cost);
        let full = self.spent.len() as u128 >= u128::from(self.rate.num());
        match self.spent.back_mut() {
            // Only a debt needs more places than `n`. A start that counts from a later time on is on the safe side.
            Some((at, spent)) if *at == now || full => {
                *at = now;
                *spent = spent.saturating_add(cost);
            }
            _ => self.spent.push_back((now, cost)),
        }
    }

    /// The first time at which something of that cost may start, if nobody else starts meanwhile: `now` if it may now.
    ///
    /// # Errors
    ///
    /// [`Refusal::TooHeavy`] if it never may.
    pub fn next_available(&self, cost: u64, now: Tick) -> Result<Tick, Refusal> {
        let now = now.max(self.latest);
        match self.fits(cost, now) {
            Ok(()) => Ok(now),
            Err(Refusal::Until(at)) => Ok(at),
            Err(refusal) => Err(refusal),
        }
    }

    /// How much may start at once now.
    pub fn available(&self, now: Tick) -> u64 {
        let used = self.used(now.max(self.latest)) + u128::from(self.held);
        u128::from(self.rate.num()).saturating_sub(used) as u64
    }

    /// Changes how much may start in which period. What started in the last period counts on; with a longer one, what
    /// is forgotten already does not.
    pub fn set_rate(&mut self, rate: Rate, now: Tick) {
        self.at(now);
        self.rate = rate;
        if rate.nanos() == 0 {
            self.spent.clear();
            self.sum = 0;
        }
    }

    /// Takes the time, and forgets what is a period old.
    fn at(&mut self, now: Tick) -> Tick {
        self.latest = self.latest.max(now);
        while let Some(&(at, cost)) = self.spent.front()
            && self.is_over(at, self.latest)
        {
            self.sum -= u128::from(cost);
            self.spent.pop_front();
        }
        self.latest
    }

    /// The latest time at which something was charged or is booked.
    fn last(&self) -> Tick {
        self.spent.back().map_or(0, |&(at, _)| at)
    }

    fn is_over(&self, at: Tick, now: Tick) -> bool {
        now.saturating_sub(at) >= self.rate.nanos()
    }

    /// How much was spent in the period that ends now.
    fn used(&self, now: Tick) -> u128 {
        let over = self.spent.iter().take_while(|&&(at, _)| self.is_over(at, now));
        self.sum - over.map(|&(_, cost)| u128::from(cost)).sum::<u128>()
    }

    fn fits(&self, cost: u64, now: Tick) -> Result<(), Refusal> {
        let most = u128::from(self.rate.num());
        if cost == 0 {
            return Ok(());
        }
        if u128::from(cost) > most {
            return Err(Refusal::TooHeavy);
        }
        let mut sum = self.sum + u128::from(self.held) + u128::from(cost);
        let mut earliest = now;
        for &(at, spent) in &self.spent {
            if sum <= most {
                break;
            }
            sum -= u128::from(spent);
            earliest = now.max(at.saturating_add(self.rate.nanos()));
        }
        if sum > most {
            // Reservations are in the way, as if they had started now.
            earliest = now.saturating_add(self.rate.nanos());
        }
        if earliest == now { Ok(()) } else { Err(Refusal::Until(earliest)) }
    }
}

impl Book for Window {
    /// Remembers each that is booked ahead, beside those of the last period.
    fn book(&mut self, cost: u64, now: Tick) -> Result<Booked, Refusal> {
        self.book_from(cost, now, now)
    }

    fn unbook(&mut self, booked: Booked) -> bool {
        let Some((at, spent)) = self.spent.back_mut() else { return booked.cost == 0 };
        // Starts of the same moment are as good as each other.
        if booked.cost == 0 || *at != booked.at || *spent < booked.cost {
            return booked.cost == 0;
        }
        *spent -= booked.cost;
        self.sum -= u128::from(booked.cost);
        if *spent == 0 {
            self.spent.pop_back();
        }
        true
    }

    fn charge(&mut self, cost: u64, now: Tick) {
        Self::charge(self, cost, now);
    }
}

impl RatePolicy for Window {
    fn take(&mut self, cost: u64, now: Tick) -> Result<(), Refusal> {
        Self::take(self, cost, now)
    }

    fn reserve(&mut self, cost: u64, now: Tick) -> Result<Reserved, Refusal> {
        Self::reserve(self, cost, now)
    }

    fn commit(&mut self, reserved: Reserved, actual: u64, now: Tick) {
        Self::commit(self, reserved, actual, now);
    }

    fn cancel(&mut self, reserved: Reserved) {
        Self::cancel(self, reserved);
    }

    fn next_available(&self, cost: u64, now: Tick) -> Result<Tick, Refusal> {
        Self::next_available(self, cost, now)
    }

    fn available(&self, now: Tick) -> u64 {
        Self::available(self, now)
    }

    fn book_from(&mut self, cost: u64, from: Tick, now: Tick) -> Result<Booked, Refusal> {
        let at = self.next_available(cost, from.max(now))?;
        self.at(now);
        if cost == 0 || self.rate.nanos() == 0 {
            return Ok(Booked { at, cost: 0, before: 0, after: 0, rate: self.rate, parts: None });
        }
        let at = at.max(self.last());
        self.sum += u128::from(cost);
        match self.spent.back_mut() {
            Some((last, spent)) if *last == at => *spent = spent.saturating_add(cost),
            _ => self.spent.push_back((at, cost)),
        }
        Ok(Booked { at, cost, before: 0, after: 0, rate: self.rate, parts: None })
    }

    fn forgets_at(&self, now: Tick) -> Tick {
        let now = now.max(self.latest);
        let from = if self.held > 0 { now } else { self.last() };
        if self.spent.is_empty() && self.held == 0 {
            now
        } else {
            from.saturating_add(self.rate.nanos()).max(now)
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    fn window(num: u64, per: u64) -> Window {
        Window::new(Rate::new(num, Duration::from_nanos(per)))
    }

    #[test]
    fn the_next_one_starts_a_period_after_the_first() {
        let mut window = window(3, 100);
        let starts: Vec<Tick> = (0..250).filter(|&now| window.take(1, now).is_ok()).collect();
        assert_eq!(starts, [0, 1, 2, 100, 101, 102, 200, 201, 202]);
    }

    #[test]
    fn booked_ahead_no_period_holds_more() {
        let mut window = window(2, 100);
        let at: Vec<_> = [0, 10, 10, 10, 120].map(|now| window.book(1, now).expect("light").at()).into();
        assert_eq!(at, [0, 10, 100, 110, 200]);
        assert_eq!(window.next_available(1, 120), Ok(210));
        assert_eq!(window.book(3, 120), Err(Refusal::TooHeavy));
    }

    #[test]
    fn booked_and_given_back_is_there_for_the_next_unless_somebody_booked_after_it() {
        let mut window = window(1, 100);
        let [_, second, third] = [(); 3].map(|()| window.book(1, 0).expect("light"));
        assert!(!window.unbook(second));
        assert!(window.unbook(third));
        assert_eq!(window.book(1, 0).expect("light").at(), 200);
    }

    #[test]
    fn a_heavy_start_waits_until_enough_is_over() {
        let mut window = window(5, 100);
        for now in [0, 10, 20, 30] {
            window.take(1, now).expect("there is room");
        }
        assert_eq!(window.take(3, 40), Err(Refusal::Until(110)));
        assert_eq!(window.take(6, 40), Err(Refusal::TooHeavy));
        assert_eq!((window.available(40), window.available(110)), (1, 3));
        assert_eq!(window.take(3, 110), Ok(()));
    }

    #[test]
    fn a_clock_that_jumps_back_gives_nothing_away() {
        let mut window = window(1, 100);
        assert_eq!(window.take(1, 1000), Ok(()));
        assert_eq!(window.take(1, 0), Err(Refusal::Until(1100)));
        assert_eq!(window.available(5), 0);
    }

    #[test]
    fn what_is_not_used_of_a_reservation_is_there_for_others() {
        let mut window = window(4, 100);
        let reserved = window.reserve(4, 0).expect("it is empty");
        assert_eq!(window.take(1, 50), Err(Refusal::Until(150)));
        window.commit(reserved, 1, 60);
        assert_eq!((window.available(60), window.available(159), window.available(160)), (3, 3, 4));
        let reserved = window.reserve(3, 60).expect("they are there");
        window.cancel(reserved);
        assert_eq!(window.available(60), 3);
    }

    #[test]
    fn a_debt_is_over_when_it_is_a_period_old_and_takes_no_more_memory() {
        let mut window = window(2, 100);
        for now in 0..50 {
            window.charge(10, now);
        }
        assert_eq!(window.spent.len(), 2);
        assert_eq!(window.take(1, 60), Err(Refusal::Until(149)));
        assert_eq!(window.take(1, 149), Ok(()));
    }

    #[test]
    fn a_change_counts_what_has_started() {
        let mut window = window(2, 100);
        window.take(2, 0).expect("it is empty");
        window.set_rate(Rate::new(3, Duration::from_nanos(50)), 10);
        assert_eq!(window.available(10), 1);
        assert_eq!(window.available(50), 3);
        window.set_rate(Rate::new(1, Duration::ZERO), 10);
        assert!((0..9).all(|_| window.take(1, 10).is_ok()), "no limit");
    }

    #[test]
    fn numbers_at_the_ends_of_their_ranges_do_no_harm() {
        for (num, per) in [(1, u64::MAX), (u64::MAX, 1), (u64::MAX, u64::MAX), (1, 0)] {
            let mut window = window(num, per);
            for now in [0, 1, Tick::MAX, 0] {
                let _ = window.take(u64::MAX, now);
                let _ = window.reserve(1, now).map(|reserved| window.commit(reserved, u64::MAX, now));
                window.charge(u64::MAX, now);
                let _ = (window.available(now), window.next_available(1, now));
                window.set_rate(Rate::new(num, Duration::from_nanos(per)), now);
            }
        }
    }

    /// The definition: whether, with one more start, no period holds more than `n`.
    fn conforms(spent: &[(Tick, u64)], rate: Rate, cost: u64, now: Tick) -> bool {
        let used = spent
            .iter()
            .filter(|&&(at, _)| now.saturating_sub(at) < rate.nanos())
            .map(|&(_, cost)| cost)
            .sum::<u64>();
        used + cost <= rate.num()
    }

    proptest! {
        #[test]
        fn decides_as_the_definition_does(
            num in 1..7_u64,
            per in 1..40_u64,
            steps in vec((0..20_u64, 0..4_u64), 1..80),
        ) {
            let rate = Rate::new(num, Duration::from_nanos(per));
            let mut window = Window::new(rate);
            let (mut now, mut spent) = (0, Vec::new());
            for (later, cost) in steps {
                now += later;
                let allowed = cost == 0 || conforms(&spent, rate, cost, now);
                match window.next_available(cost, now) {
                    Ok(at) => {
                        prop_assert_eq!(at == now, allowed);
                        prop_assert!(conforms(&spent, rate, cost, at));
                        prop_assert!(at == now || !conforms(&spent, rate, cost, at - 1));
                    }
                    Err(refusal) => prop_assert!(refusal == Refusal::TooHeavy && cost > num),
                }
                let most = (0..).take_while(|&cost| conforms(&spent, rate, cost, now)).last();
                prop_assert_eq!(Some(window.available(now)), most);
                prop_assert_eq!(window.take(cost, now).is_ok(), allowed);
                if allowed {
                    spent.push((now, cost));
                }
                prop_assert!(window.spent.len() as u64 <= num);
            }
        }

        #[test]
        fn whatever_is_booked_no_period_holds_more_and_times_are_in_order(
            num in 1..7_u64,
            per in 1..40_u64,
            steps in vec((0..20_u64, 1..5_u64, any::<bool>()), 1..60),
        ) {
            let rate = Rate::new(num, Duration::from_nanos(per));
            let mut window = Window::new(rate);
            let (mut now, mut booked) = (0, Vec::new());
            for (later, cost, leaves) in steps {
                now += later;
                let cost = cost.min(num);
                let start = window.book(cost, now).expect("not too heavy");
                let at = start.at();
                prop_assert!(at >= now && booked.last().is_none_or(|&(last, _)| last <= at));
                prop_assert!(conforms(&booked, rate, cost, at));
                if leaves {
                    prop_assert!(window.unbook(start));
                } else {
                    booked.push((at, cost));
                }
            }
        }

        #[test]
        fn whatever_is_given_back_no_period_holds_more(
            num in 1..7_u64,
            per in 1..40_u64,
            steps in vec((0..20_u64, 1..5_u64, any::<bool>(), 0..5_u64), 1..60),
        ) {
            let rate = Rate::new(num, Duration::from_nanos(per));
            let mut window = Window::new(rate);
            // A start counts from when it was reserved, with what it cost in the end.
            let (mut now, mut started, mut open) = (0, Vec::new(), Vec::new());
            for (later, cost, begin, which) in steps {
                now += later;
                if begin {
                    if let Ok(reserved) = window.reserve(cost, now) {
                        started.push((now, 0));
                        open.push((started.len() - 1, reserved));
                    }
                } else if !open.is_empty() {
                    let (index, reserved) = open.swap_remove(which as usize % open.len());
                    let actual = which.min(reserved.cost());
                    started[index].1 = actual;
                    window.commit(reserved, actual, now);
                }
            }
            for end in 0..started.len() {
                let (now, cost) = started[end];
                prop_assert!(conforms(&started[..end], rate, cost, now));
            }
        }
    }
}

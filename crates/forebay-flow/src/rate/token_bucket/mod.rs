//! Spaced evenly, with bursts.

use forebay_queue::Tick;

use super::{Book, Booked, Rate, RatePolicy, Refusal, Reserved};

/// Lets `num` starts through in each period, spaced evenly, and up to `burst` at once if earlier ones were not used.
///
/// | | | |
/// | --- | --- | --- |
/// | rate | at least one start in 584 years | 10 a second are one each 100 ms |
/// | burst | 1 or more; by default 1 | how much may start at once after a quiet time, and the most that one start may cost |
/// | cost | 0 or more | 0 is never refused |
///
/// In any span of time `t` no more than `burst + num * t / per` is spent.
///
/// # Source
///
/// The generic cell rate algorithm of ITU-T I.371 (virtual scheduling): with an interval `T = per / num` and the theoretical
/// arrival time `tat`, a start of cost `c` at time `t` conforms if `max(tat, t) + c T <= t + burst T`, and then `tat` becomes the
/// left side. That is a token bucket that nobody has to fill.
///
/// `T` need not be a whole number of nanoseconds, so times are counted in `num`-ths of one: nothing is ever rounded
/// in favour of anybody, and nothing drifts, however long it runs. At the ends of their ranges numbers saturate.
///
/// # Time
///
/// In nanoseconds since whenever the caller began to count. A time before the latest one that was told counts as the
/// latest, so that a clock that jumps back gives nothing away.
///
/// # Credit
///
/// With a burst of 128 or more, a 128th of it, and no more than 128 starts, may be [on credit](Book::credit), for a layer
/// that then need not read the clock for each. Nothing exceeds the rate; after a quiet time that much less may start at
/// once.
///
/// # When not to use it
///
/// Where the other side counts starts in a period and any burst is fine, [`Window`](crate::Window) lets everything start at
/// once. The crate `governor` is a GCRA too; it has no costs that are known later, and no debt.
///
/// ```
/// use std::time::Duration;
/// use forebay_flow::{Rate, Refusal, TokenBucket};
///
/// const MS: u64 = 1_000_000;
/// let mut bucket = TokenBucket::new(Rate::new(3, Duration::from_secs(1))).with_burst(2);
/// assert_eq!(bucket.take(1, 0), Ok(()));
/// assert_eq!(bucket.take(1, 0), Ok(()));
/// assert_eq!(bucket.take(1, 0), Err(Refusal::Until(333_333_334))); // the first nanosecond at which it may
/// assert_eq!(bucket.take(1, 334 * MS), Ok(()));
/// ```
#[derive(Debug, Clone)]
pub struct TokenBucket {
    rate: Rate,
    burst: u64,
    /// The theoretical arrival time, in `num`-ths of a nanosecond.
    tat: u128,
    /// What is reserved and not committed: it is charged when it is committed.
    held: u64,
    latest: Tick,
}

/// The part of the burst that may start on credit, and be missing from the burst after a silence.
const CREDIT_SHARE: u64 = 128;

/// More credit makes nothing faster: the cost of a look at the clock is divided by it.
const MOST_CREDIT: u64 = 128;

// === impl TokenBucket ===

impl TokenBucket {
    /// A full bucket, with a burst of 1.
    pub const fn new(rate: Rate) -> Self {
        Self { rate, burst: 1, tat: 0, held: 0, latest: 0 }
    }

    /// How much may start at once. At least 1: 0 counts as 1.
    #[must_use]
    pub const fn with_burst(self, burst: u64) -> Self {
        Self { burst: if burst == 0 { 1 } else { burst }, ..self }
    }

    /// How often something may start.
    pub const fn rate(&self) -> Rate {
        self.rate
    }

    /// How much may start at once.
    pub const fn burst(&self) -> u64 {
        self.burst
    }

    /// Starts something of that cost now.
    ///
    /// # Errors
    ///
    /// [`Refusal::Until`] when it may not, with the time at which it may; [`Refusal::TooHeavy`] if it never may. Nothing is charged then.
    pub fn take(&mut self, cost: u64, now: Tick) -> Result<(), Refusal> {
        self.admit(cost, now)?;
        self.charge(cost, now);
        Ok(())
    }

    /// Keeps room for a start that comes later, or whose cost is known only later.
    ///
    /// What is reserved counts against the burst and is not replenished before it is [committed](Self::commit): so what
    /// is used in the end never exceeds the rate, whatever is given back. Long reservations need a burst for that.
    ///
    /// # Errors
    ///
    /// As [`take`](Self::take). The time is an estimate if others have reserved: it is as if they all committed now.
    pub fn reserve(&mut self, cost: u64, now: Tick) -> Result<Reserved, Refusal> {
        self.admit(cost, now)?;
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

    /// Charges what was used without asking. Beyond the burst it is a debt: nothing starts until that is paid.
    #[inline]
    pub fn charge(&mut self, cost: u64, now: Tick) {
        let now = self.at(now);
        self.tat = self.tat.max(self.scaled(now)).saturating_add(self.worth(cost));
    }

    /// The first time at which something of that cost may start, if nobody else starts meanwhile: `now` if it may now.
    ///
    /// # Errors
    ///
    /// [`Refusal::TooHeavy`] if it never may.
    #[inline]
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
        let backlog = self.backlog(now.max(self.latest));
        let room = self.worth(self.burst).saturating_sub(backlog);
        let room = room.checked_div(self.worth(1)).unwrap_or(u128::from(self.burst));
        (room as u64).saturating_sub(self.held)
    }

    /// Changes rate and burst. What was spent and not replenished so far stays spent, as a number of starts; from now
    /// on it is replenished at the new rate.
    pub fn set_rate(&mut self, rate: Rate, burst: u64, now: Tick) {
        let now = self.at(now);
        let (backlog, old, new) = (self.backlog(now), self.worth(1), u128::from(rate.nanos()));
        // Divided before it is multiplied, which would overflow, and the rest is rounded up.
        let whole = backlog.checked_div(old).unwrap_or_default().saturating_mul(new);
        let rest = backlog.checked_rem(old).unwrap_or_default() * new;
        let rest = if old == 0 { 0 } else { rest.div_ceil(old) };
        self.rate = rate;
        self.burst = burst.max(1);
        self.tat = self.scaled(now).saturating_add(whole).saturating_add(rest);
    }

    fn admit(&mut self, cost: u64, now: Tick) -> Result<(), Refusal> {
        let now = self.at(now);
        self.fits(cost, now)
    }

    #[inline]
    fn fits(&self, cost: u64, now: Tick) -> Result<(), Refusal> {
        if cost == 0 {
            return Ok(());
        }
        if cost > self.burst {
            return Err(Refusal::TooHeavy);
        }
        let from = self.tat.max(self.scaled(now));
        let spent = from.saturating_add(self.worth(self.held.saturating_add(cost)));
        let earliest = spent.saturating_sub(self.worth(self.burst));
        if earliest <= self.scaled(now) {
            return Ok(());
        }
        let at = earliest.div_ceil(u128::from(self.rate.num()));
        Err(Refusal::Until(Tick::try_from(at).unwrap_or(Tick::MAX)))
    }

    /// The time that counts.
    #[inline]
    fn at(&mut self, now: Tick) -> Tick {
        self.latest = self.latest.max(now);
        self.latest
    }

    /// What is spent and not replenished, in the units of `tat`.
    fn backlog(&self, now: Tick) -> u128 {
        self.tat.saturating_sub(self.scaled(now))
    }

    /// A time in the units of `tat`.
    #[inline]
    fn scaled(&self, time: Tick) -> u128 {
        u128::from(time) * u128::from(self.rate.num())
    }

    /// How long it takes to replenish `cost`, in the units of `tat`.
    #[inline]
    fn worth(&self, cost: u64) -> u128 {
        u128::from(cost) * u128::from(self.rate.nanos())
    }
}

impl Book for TokenBucket {
    #[inline]
    fn book(&mut self, cost: u64, now: Tick) -> Result<Booked, Refusal> {
        self.book_from(cost, now, now)
    }

    fn unbook(&mut self, booked: Booked) -> bool {
        let is_last = self.tat == booked.after && self.rate == booked.rate;
        if is_last {
            self.tat = booked.before;
        }
        is_last
    }

    fn charge(&mut self, cost: u64, now: Tick) {
        Self::charge(self, cost, now);
    }

    /// A 128th of the burst, and no more than 128, while at least half of the burst is there.
    ///
    /// What is charged late is charged exactly unless the bucket has become full meanwhile; when half of it is
    /// spent, somebody uses it in bursts, and should find it whole after the next silence.
    #[inline]
    fn credit(&self, now: Tick) -> u64 {
        let most = (self.burst / CREDIT_SHARE).min(MOST_CREDIT);
        if most == 0 {
            return 0;
        }
        let spent = self.backlog(now.max(self.latest)).saturating_add(self.worth(self.held));
        if spent.saturating_mul(2) <= self.worth(self.burst) { most } else { 0 }
    }
}

impl RatePolicy for TokenBucket {
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

    #[inline]
    fn book_from(&mut self, cost: u64, from: Tick, now: Tick) -> Result<Booked, Refusal> {
        let at = self.next_available(cost, from.max(now))?;
        self.at(now);
        let before = self.tat;
        // The clock stays where it is, so that what is charged meanwhile counts from then.
        self.tat = self.tat.max(self.scaled(at)).saturating_add(self.worth(cost));
        Ok(Booked { at, cost, before, after: self.tat, rate: self.rate, parts: None })
    }

    fn forgets_at(&self, now: Tick) -> Tick {
        let now = now.max(self.latest);
        let end = self.tat.max(self.scaled(now)).saturating_add(self.worth(self.held));
        Tick::try_from(end.div_ceil(u128::from(self.rate.num()))).unwrap_or(Tick::MAX)
    }
}

#[cfg(test)]
mod tests;

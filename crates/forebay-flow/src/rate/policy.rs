//! What all policies for rates can do.

use forebay_queue::Tick;

use super::{Book, Booked, Refusal, Reserved};

/// A policy for how often something may start: the ways to pay, whatever it counts.
///
/// For layers and for policies that are made of others ([`Both`](super::Both), [`Keyed`](super::Keyed)). Changing the rate is
/// not part of it, since each policy needs different settings.
///
/// ```
/// use forebay_flow::rate::RatePolicy;
/// use forebay_flow::{Rate, TokenBucket, Window};
///
/// fn starts(policy: &mut dyn RatePolicy) -> usize {
///     (0..1_000_000_000).step_by(1_000_000).filter(|&now| policy.take(1, now).is_ok()).count()
/// }
/// assert_eq!(starts(&mut TokenBucket::new(Rate::per_second(10))), 10);
/// assert_eq!(starts(&mut Window::new(Rate::per_second(10))), 10);
/// ```
pub trait RatePolicy: Book {
    /// Starts something of that cost now.
    ///
    /// # Errors
    ///
    /// [`Refusal::Until`] when it may not, with the time at which it may; [`Refusal::TooHeavy`] if it never may. Nothing is charged then.
    fn take(&mut self, cost: u64, now: Tick) -> Result<(), Refusal>;

    /// Keeps room for a start that comes later, or whose cost is known only later.
    ///
    /// # Errors
    ///
    /// As [`take`](Self::take). The time is an estimate if others have reserved: it is as if they all committed now.
    fn reserve(&mut self, cost: u64, now: Tick) -> Result<Reserved, Refusal>;

    /// What was reserved has started or ended, and cost `actual`.
    fn commit(&mut self, reserved: Reserved, actual: u64, now: Tick);

    /// What was reserved is not needed.
    fn cancel(&mut self, reserved: Reserved);

    /// The first time at which something of that cost may start, if nobody else starts meanwhile.
    ///
    /// # Errors
    ///
    /// [`Refusal::TooHeavy`] if it never may.
    fn next_available(&self, cost: u64, now: Tick) -> Result<Tick, Refusal>;

    /// How much may start at once now.
    fn available(&self, now: Tick) -> u64;

    /// As [`book`](Book::book), but not before `from`. For a caller that has to agree on a time with somebody else.
    ///
    /// # Errors
    ///
    /// As `book`.
    fn book_from(&mut self, cost: u64, from: Tick, now: Tick) -> Result<Booked, Refusal>;

    /// The time from which on it decides as if it were new: nothing is spent, booked or reserved any more. What is reserved
    /// counts as if it were committed at `now`.
    fn forgets_at(&self, now: Tick) -> Tick;
}

/// Whichever is chosen while the program runs, as by its configuration.
///
/// ```
/// use forebay_flow::rate::RatePolicy;
/// use forebay_flow::{Rate, TokenBucket, Window};
///
/// fn by_name(name: &str) -> Option<Box<dyn RatePolicy>> {
///     let rate = Rate::per_second(10);
///     match name {
///         "smooth" => Some(Box::new(TokenBucket::new(rate))),
///         "bunched" => Some(Box::new(Window::new(rate))),
///         _ => None,
///     }
/// }
/// let at_once = |name| by_name(name).map(|policy| policy.available(0));
/// assert_eq!(["smooth", "bunched", "quick"].map(at_once), [Some(1), Some(10), None]);
/// ```
impl<P: RatePolicy + ?Sized> RatePolicy for Box<P> {
    fn take(&mut self, cost: u64, now: Tick) -> Result<(), Refusal> {
        (**self).take(cost, now)
    }

    fn reserve(&mut self, cost: u64, now: Tick) -> Result<Reserved, Refusal> {
        (**self).reserve(cost, now)
    }

    fn commit(&mut self, reserved: Reserved, actual: u64, now: Tick) {
        (**self).commit(reserved, actual, now);
    }

    fn cancel(&mut self, reserved: Reserved) {
        (**self).cancel(reserved);
    }

    fn next_available(&self, cost: u64, now: Tick) -> Result<Tick, Refusal> {
        (**self).next_available(cost, now)
    }

    fn available(&self, now: Tick) -> u64 {
        (**self).available(now)
    }

    fn book_from(&mut self, cost: u64, from: Tick, now: Tick) -> Result<Booked, Refusal> {
        (**self).book_from(cost, from, now)
    }

    fn forgets_at(&self, now: Tick) -> Tick {
        (**self).forgets_at(now)
    }
}

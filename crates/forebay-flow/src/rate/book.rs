//! Starts that are booked ahead.

use forebay_queue::Tick;

use super::{Rate, Refusal};

/// A rate whose starts can be booked ahead: each gets the first time that is free, at or after all that were booked
/// before.
///
/// Nobody waits in a line for that: a caller that has booked sleeps until then, and needs nobody to wake it.
///
/// ```
/// use forebay_flow::rate::Book;
/// use forebay_flow::{Rate, TokenBucket};
///
/// const MS: u64 = 1_000_000;
/// let mut bucket = TokenBucket::new(Rate::per_second(10));
/// let booked = [bucket.book(1, 0)?, bucket.book(1, 0)?, bucket.book(1, 0)?];
/// assert_eq!(booked.each_ref().map(|booked| booked.at()), [0, 100 * MS, 200 * MS]);
/// let [_, second, third] = booked;
/// assert!(!bucket.unbook(second), "somebody booked after it");
/// assert!(bucket.unbook(third));
/// assert_eq!(bucket.book(1, 0)?.at(), 200 * MS);
/// # Ok::<(), forebay_flow::Refusal>(())
/// ```
#[diagnostic::on_unimplemented(
    message = "no starts can be booked ahead with `{Self}`",
    note = "a `Rate` alone goes into `TokenBucket::new` or `Window::new`, and two of these into `rate::Both`; \
            a `rate::Keyed` is asked where the key is known, since no layer knows it"
)]
pub trait Book: Send {
    /// Books the first time at which something of that cost may start, and charges it as of then.
    ///
    /// # Errors
    ///
    /// [`Refusal::TooHeavy`] if it never may.
    fn book(&mut self, cost: u64, now: Tick) -> Result<Booked, Refusal>;

    /// Returns an unused booking. Possible only while nothing was booked or charged after it; otherwise it stays charged. Says whether
    /// it was returned.
    fn unbook(&mut self, booked: Booked) -> bool;

    /// Charges what was used without asking; it may lead into debt.
    fn charge(&mut self, cost: u64, now: Tick);

    /// How many starts of cost 1 may take place on credit: at any times from now on, until something else is asked of this
    /// policy. Before that, those that did are [charged](Self::charge), with the time as it is then.
    ///
    /// A start that is charged late counts for longer than it should. So nothing exceeds the rate, but what may start at
    /// once after a silence is less by as many; a policy that gives credit bounds and states it. By default there is none.
    fn credit(&self, now: Tick) -> u64 {
        let _ = now;
        0
    }
}

/// Whichever is chosen while the program runs.
impl<B: Book + ?Sized> Book for Box<B> {
    #[inline]
    fn book(&mut self, cost: u64, now: Tick) -> Result<Booked, Refusal> {
        (**self).book(cost, now)
    }

    fn unbook(&mut self, booked: Booked) -> bool {
        (**self).unbook(booked)
    }

    fn charge(&mut self, cost: u64, now: Tick) {
        (**self).charge(cost, now);
    }

    #[inline]
    fn credit(&self, now: Tick) -> u64 {
        (**self).credit(now)
    }
}

/// A start that was booked ahead.
#[derive(Debug, PartialEq, Eq)]
#[must_use = "a start that does not take place should be given back"]
pub struct Booked {
    pub(super) at: Tick,
    pub(super) cost: u64,
    /// What the policy's account was before, and what it became; what that is, the policy knows.
    pub(super) before: u128,
    pub(super) after: u128,
    /// The rate in whose units that is.
    pub(super) rate: Rate,
    /// What a policy that is made of two has booked with each.
    pub(super) parts: Option<Box<(Booked, Booked)>>,
}

// === impl Booked ===

impl Booked {
    /// When it may start.
    pub const fn at(&self) -> Tick {
        self.at
    }

    /// A copy, to try whether the booking can be taken back. Only one of the two may be used.
    #[cfg(feature = "tower")]
    pub(crate) fn copy(&self) -> Self {
        let parts = self.parts.as_ref().map(|parts| Box::new((parts.0.copy(), parts.1.copy())));
        Self { parts, ..*self }
    }

    /// What it costs.
    pub const fn cost(&self) -> u64 {
        self.cost
    }
}

//! The cooperative budget: a task that is always served must still give way to its neighbours.
//!
//! tokio gives each task 128 units for each time that it is polled. A receiver in a hot loop would
//! otherwise never return to the scheduler. Charged before the lock, so a spent budget means "pending",
//! never "full".
//!
//! Giving way takes as long as hundreds of items, since tokio wakes a sleeping thread to look for work. So a unit is
//! charged for each item only if items take long enough; otherwise for as many as take [`UNIT`](pace::UNIT) together.

use std::task::{Context, Poll};

#[cfg(all(feature = "tokio", not(loom)))]
pub(crate) use self::pace::{is_free, spend_unit};

/// How often a unit is charged.
#[cfg(all(feature = "tokio", not(loom)))]
mod pace {
    use std::cell::Cell;
    use std::task::{Context, Poll, ready};
    use std::time::{Duration, Instant};

    use tokio::task::coop::poll_proceed;

    /// The time for which a unit is charged: a budget is half a millisecond, of which giving way takes some hundredths. The
    /// clock is read once for each unit, which takes a hundredth of it.
    pub(super) const UNIT: Duration = Duration::from_micros(4);

    /// The most items for which a unit is charged. So many may pass before it is noticed that items take longer now.
    const MOST: u32 = 128;

    thread_local! {
        /// The pace of all tasks that run on this thread: a task in a hot loop is alone on it.
        static PACE: Pace = const { Pace { left: Cell::new(0), share: Cell::new(1), looked: Cell::new(None) } };
    }

    /// How fast items come.
    struct Pace {
        /// Items until the next unit.
        left: Cell<u32>,
        /// Items that the last unit was charged for.
        share: Cell<u32>,
        /// When it was charged.
        looked: Cell<Option<Instant>>,
    }

    /// Takes one of the items that the last unit was charged for. `false`: there is none left, and the next costs a unit.
    #[inline(always)]
    pub(crate) fn is_free() -> bool {
        PACE.with(|pace| match pace.left.get() {
            0 => false,
            left => {
                pace.left.set(left - 1);
                true
            }
        })
    }

    /// Charges a unit and polls. A call that ends pending gives the unit back; while the budget is spent it does not poll.
    #[cold]
    #[inline(never)]
    pub(crate) fn spend_unit<R>(
        cx: &mut Context<'_>,
        poll: impl FnOnce(&mut Context<'_>) -> Poll<R>,
    ) -> Poll<R> {
        let unit = ready!(poll_proceed(cx));
        PACE.with(Pace::look);
        let polled = ready!(poll(cx));
        unit.made_progress();
        Poll::Ready(polled)
    }

    // === impl Pace ===

    impl Pace {
        /// Finds for how many items the unit that was charged stands.
        fn look(&self) {
            let now = Instant::now();
            if let Some(before) = self.looked.replace(Some(now)) {
                self.share.set(next_share(self.share.get(), now.saturating_duration_since(before)));
            }
            self.left.set(self.share.get() - 1);
        }
    }

    /// How many items the next unit stands for, after `share` items took this long: as many as take a [`UNIT`], but no more
    /// than twice as many as before, since a short time says little.
    fn next_share(share: u32, took: Duration) -> u32 {
        let in_unit = u128::from(share) * UNIT.as_nanos() / took.as_nanos().max(1);
        u32::try_from(in_unit).unwrap_or(MOST).clamp(1, MOST.min(2 * share))
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn unit_stands_for_as_many_items_as_take_its_time() {
            // For items of 100 ns: 1, 2, 4, ..., until 40 of them take the time of a unit.
            let shares = std::iter::successors(Some(1), |&share| {
                Some(next_share(share, Duration::from_nanos(100) * share))
            });
            assert_eq!(shares.take(9).collect::<Vec<_>>(), [1, 2, 4, 8, 16, 32, 40, 40, 40]);
            assert_eq!(next_share(MOST, Duration::from_nanos(1)), MOST);
            assert_eq!(next_share(MOST, Duration::ZERO), MOST);
        }

        #[test]
        fn items_that_take_longer_than_a_unit_cost_one_each() {
            assert_eq!(next_share(MOST, UNIT * MOST), 1);
            assert_eq!(next_share(1, Duration::from_secs(3600)), 1);
            assert_eq!(next_share(4, UNIT * 2), 2);
        }
    }
}

/// Without a runtime there is no budget.
#[cfg(not(all(feature = "tokio", not(loom))))]
pub(crate) fn is_free() -> bool {
    true
}

#[cfg(not(all(feature = "tokio", not(loom))))]
pub(crate) fn spend_unit<R>(cx: &mut Context<'_>, poll: impl FnOnce(&mut Context<'_>) -> Poll<R>) -> Poll<R> {
    poll(cx)
}

/// Polls for one item, and charges for it.
pub(crate) fn spend<R>(cx: &mut Context<'_>, poll: impl FnOnce(&mut Context<'_>) -> Poll<R>) -> Poll<R> {
    if is_free() { poll(cx) } else { spend_unit(cx, poll) }
}

/// Lets other tasks be polled, and comes back behind them. For a task that returns pending now.
///
/// Uses the runtime's own way to yield: the task is put behind those that are ready on its thread, and no idle thread is
/// woken to take it over. A blocking call on such a thread would never come back from that.
#[cfg(all(feature = "tokio", not(loom)))]
pub(crate) fn give_way(cx: &mut Context<'_>) {
    use std::future::Future;
    use std::pin::pin;

    if crate::park::will_sleep() {
        return cx.waker().wake_by_ref();
    }
    // One poll is enough: by then the waker is handed to the runtime.
    let yielded = pin!(tokio::task::yield_now()).poll(cx);
    debug_assert!(yielded.is_pending(), "the first poll yields");
}

/// Without a runtime the task is ready again at once.
#[cfg(not(all(feature = "tokio", not(loom))))]
pub(crate) fn give_way(cx: &mut Context<'_>) {
    cx.waker().wake_by_ref();
}

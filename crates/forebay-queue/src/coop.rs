//! The cooperative budget: who is always served must still give way to its neighbours.
//!
//! tokio gives each task a number of units for each time that it is polled. A receiver in a hot loop would
//! otherwise never return to the scheduler. Charged before the lock, so a spent budget means "pending",
//! never "full".

use std::task::{Context, Poll};

#[cfg(all(feature = "tokio", not(loom)))]
pub(crate) use tokio::task::coop::RestoreOnPending as Charge;

/// Takes one unit. Keep the result until the outcome is known: a call that ends pending gives the unit back.
#[cfg(all(feature = "tokio", not(loom)))]
pub(crate) fn charge(cx: &mut Context<'_>) -> Poll<Charge> {
    tokio::task::coop::poll_proceed(cx)
}

/// Without a runtime there is no budget.
#[cfg(not(all(feature = "tokio", not(loom))))]
pub(crate) struct Charge;

#[cfg(not(all(feature = "tokio", not(loom))))]
impl Charge {
    pub(crate) fn made_progress(&self) {}
}

#[cfg(not(all(feature = "tokio", not(loom))))]
pub(crate) fn charge(_: &mut Context<'_>) -> Poll<Charge> {
    Poll::Ready(Charge)
}

/// Lets others be polled, and comes back behind them. For a task that returns pending now.
///
/// Where the runtime has a way for a task to say so, this is it: the task is put behind those that are ready on its
/// thread, and no idle thread is woken to take it over.
#[cfg(all(feature = "tokio", not(loom)))]
pub(crate) fn give_way(cx: &mut Context<'_>) {
    use std::future::Future;
    use std::pin::pin;

    // Once is enough: it has handed the waker to the runtime by then.
    let yielded = pin!(tokio::task::yield_now()).poll(cx);
    debug_assert!(yielded.is_pending(), "the first poll yields");
}

/// Without a runtime the task is ready again at once.
#[cfg(not(all(feature = "tokio", not(loom))))]
pub(crate) fn give_way(cx: &mut Context<'_>) {
    cx.waker().wake_by_ref();
}

//! The cooperative budget: a service that is always ready must still give way to its neighbours.
//!
//! Spent by response futures, never by readiness: there a spent budget would be mistaken for a limit that is used up.

use std::task::{Context, Poll, ready};

/// Spends one unit, once. Pending while there is none, and woken by the runtime.
#[inline]
pub(super) fn charge_once(charged: &mut bool, cx: &mut Context<'_>) -> Poll<()> {
    if !*charged {
        ready!(tokio::task::coop::poll_proceed(cx)).made_progress();
        *charged = true;
    }
    Poll::Ready(())
}

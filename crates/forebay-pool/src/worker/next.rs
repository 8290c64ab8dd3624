//! How a worker comes to its next item: when its handler is ready, and where items are taken from.

use std::future::{pending, poll_fn};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::task::coop::has_budget_remaining;
use tokio::time::{sleep, sleep_until};

use super::alone::{break_off, poll_end, poll_some, poll_tap, wake_senders};
use super::known::Known;
use super::{AnyTap, Bench, Seated};
use crate::contain::contain;
use crate::desk::Desk;
use crate::handler::Handle;
use crate::hands::RunEnd;
use crate::outcome::chain;

/// What came of waiting for an item.
pub(super) enum Next<T> {
    /// There is one: in the hands, or here, if the worker took it itself.
    Item(Option<T>),
    End,
    /// The handler failed, or panicked, while it was asked whether it is ready.
    Unready(String),
    /// There is none for a handler that is ready, or the item is not to be begun for now, and the handler may keep
    /// something from others.
    Idle,
    /// The item in hand is not to be tried again, because of that.
    Unwanted(RunEnd),
}

/// Whether a worker looks for an item before it asks its handler whether that is ready.
///
/// What a ready handler keeps from others can only be given back with the handler. So a worker that had to wait for its last
/// item, and most likely waits for the next one, does not ask before there is one; a worker that had not saves the look.
pub(super) struct Caution {
    looks: bool,
    /// For the item that is to come.
    waited: bool,
}

// === impl Seated ===

impl<T: Send + 'static> Seated<'_, T> {
    /// Waits until the item in hand may be tried again: after this long, when the handler is ready, and not in a pause.
    pub(super) async fn again<H: Handle<T>>(
        &mut self,
        bench: &mut Bench<'_, T, H>,
        after: Duration,
    ) -> Next<T> {
        let desk = self.desk;
        tokio::select! {
            biased;
            run_end = Self::unwanted(desk) => Next::Unwanted(run_end),
            next = async {
                sleep(after).await;
                self.next(bench, true).await
            } => next,
        }
    }

    /// Waits until the item in hand is not to be tried again: it was cancelled or lost, or its own deadline has passed.
    async fn unwanted(desk: &Desk<T>) -> RunEnd {
        let expires = match contain(|| desk.expires()) {
            Ok(expires) => expires,
            // As when the item is tried: it counts as an attempt.
            Err(panic) => return RunEnd::Panicked(panic),
        };
        tokio::select! {
            biased;
            run_end = poll_fn(|cx| desk.hands.poll_unwanted(cx)) => run_end,
            () = async {
                match expires {
                    Some(expires) => sleep_until(expires).await,
                    None => pending().await,
                }
            } => RunEnd::Expired,
        }
    }

    /// Waits until the handler is ready, and only then for an item: one that is taken can be started at once.
    ///
    /// `in_hand`: there is one already, which is tried again.
    pub(super) async fn next<H: Handle<T>>(&mut self, bench: &mut Bench<'_, T, H>, in_hand: bool) -> Next<T> {
        let intake = &self.desk.shared.intake;
        let seat = self.desk.seat();
        let Bench { handler, is_asked, .. } = bench;
        let handler = handler.as_mut().expect("it stays until the bench goes");
        let mut ready = false;
        let next = poll_fn(|cx| {
            // First, so that nothing is kept ready in a pause.
            if in_hand && intake.poll_resumed(seat, cx).is_pending() {
                return if H::HOLDS && *is_asked { Poll::Ready(Next::Idle) } else { Poll::Pending };
            }
            // A handler that was ready for an item which was not begun is not to wait for the next one like that.
            if H::HOLDS && !in_hand && !*is_asked && self.caution.looks() {
                let some = match &mut self.tap {
                    Some(tap) => contain(|| poll_some(self.desk, &mut **tap, cx)).unwrap_or_else(|panic| {
                        break_off(self.desk, panic);
                        Poll::Ready(false)
                    }),
                    None => intake.poll_look(seat, cx),
                };
                match some {
                    Poll::Ready(true) => self.caution.found(),
                    Poll::Ready(false) => return Poll::Ready(Next::End),
                    Poll::Pending => return self.caution.wait(),
                }
            }
            if !ready {
                *is_asked = true;
                // Turning the error into text may run foreign code too.
                match contain(|| handler.poll_ready(cx).map_err(|error| chain(&error))) {
                    Ok(Poll::Ready(Ok(()))) => ready = true,
                    Ok(Poll::Pending) if in_hand => return Poll::Pending,
                    Ok(Poll::Pending) => {
                        return poll_end(self.desk, self.tap.as_deref_mut(), cx).map(|()| Next::End);
                    }
                    Ok(Poll::Ready(Err(error))) => return Poll::Ready(Next::Unready(error)),
                    Err(panic) => return Poll::Ready(Next::Unready(format!("panicked: {panic}"))),
                }
            }
            if in_hand {
                return Poll::Ready(Next::Item(None));
            }
            if let Some(tap) = &mut self.tap {
                let quick = self.desk.hands.quick();
                quick.ask();
                let polled = contain(|| poll_tap(self.desk, quick, &mut Known::Other(&mut **tap), cx))
                    .unwrap_or_else(|panic| {
                        break_off(self.desk, panic);
                        Err(Poll::Ready(()))
                    });
                wake_senders(self.desk, &mut **tap);
                return match polled {
                    Ok(item) => Poll::Ready(Next::Item(Some(item))),
                    Err(Poll::Pending) if is_idle::<T, H>(cx) => Poll::Ready(Next::Idle),
                    Err(none) => none.map(|()| Next::End),
                };
            }
            match intake.poll_take(seat, cx) {
                Poll::Pending if is_idle::<T, H>(cx) => Poll::Ready(Next::Idle),
                taken => taken.map(|taken| if taken { Next::Item(None) } else { Next::End }),
            }
        });
        let next = next.await;
        match &next {
            Next::Item(_) => self.caution.take(),
            Next::Idle => self.caution.waits(),
            Next::End | Next::Unready(_) | Next::Unwanted(_) => {}
        }
        next
    }

    /// Waits after `setbacks` failures in a row, so that a worker that cannot be built does not spin. `Some`: the item
    /// that is in hand meanwhile is not to be tried again, because of that.
    pub(super) async fn rest(
        desk: &Desk<T>,
        mut tap: Option<&mut AnyTap<T>>,
        setbacks: u32,
        in_hand: bool,
    ) -> Option<RunEnd> {
        let pause = desk.shared.backoff.after_failures(setbacks);
        tokio::select! {
            biased;
            run_end = Self::unwanted(desk), if in_hand => Some(run_end),
            () = sleep(pause) => None,
            () = poll_fn(|cx| poll_end(desk, tap.as_deref_mut(), cx)) => None,
        }
    }
}

// === impl Caution ===

impl Caution {
    /// Of a worker that has had nothing to do yet.
    pub(super) fn new() -> Self {
        Self { looks: true, waited: false }
    }

    /// Is the worker to look for an item before the handler is asked?
    pub(super) fn looks(&self) -> bool {
        self.looks
    }

    /// There is an item, which was looked for.
    pub(super) fn found(&mut self) {
        self.looks = false;
    }

    /// The worker waits for an item, and is woken when there may be one.
    pub(super) fn waits(&mut self) {
        *self = Self { looks: false, waited: true };
    }

    /// The same, unless it is only others' turn.
    pub(super) fn wait<R>(&mut self) -> Poll<R> {
        if has_budget_remaining() {
            self.waits();
        }
        Poll::Pending
    }

    /// There was an item.
    pub(super) fn take(&mut self) {
        if self.waited {
            *self = Self { looks: true, waited: false };
        }
    }
}

/// A handler that is ready has nothing to do, and is given up for what it may keep from others.
pub(super) fn is_idle<T, H: Handle<T>>(cx: &Context<'_>) -> bool {
    if !H::HOLDS || has_budget_remaining() {
        return H::HOLDS;
    }
    // A worker that has spent the budget may be told that there is nothing, whatever there is: it looks again in its next turn.
    cx.waker().wake_by_ref();
    false
}

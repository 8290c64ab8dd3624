//! Waiting for a change that is neither an item nor a place: of the pressure, of the senders, or the end.

use std::future::poll_fn;
use std::task::{Context, Poll, Waker, ready};

use super::Shared;
use super::moment::{self, Moment, Timer};
use super::state::State;
use super::waiters::{Key, Turn};
use crate::Line;
use crate::hooks::let_go;

/// What a watcher is to look at. All watchers are told when the queue is closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Change {
    /// The pressure has changed.
    Pressure,
    /// A sender is gone.
    Senders,
    /// The queue was closed.
    Closed,
}

/// Waits until `seen` returns a result, which comes with a `change` of that kind.
///
/// Watchers are few, so each change wakes all that watch for its kind.
pub(crate) async fn watch<T, L: Line<T>, R>(
    shared: &Shared<T, L>,
    change: Change,
    mut seen: impl FnMut(&State<T, L>) -> Option<R>,
) -> R {
    let mut place = Place { shared, key: None };
    poll_fn(|cx| {
        let mut waker = Some(cx.waker().clone());
        // Afterwards `waker` holds the waker that is to be dropped outside of the lock.
        shared.update(|state| match seen(state) {
            Some(result) => Poll::Ready(result),
            None => {
                state.watch_on(change, &mut place.key, &mut waker);
                Poll::Pending
            }
        })
    })
    .await
}

/// A node in the line of watchers, given up with the future.
struct Place<'a, T, L: Line<T>> {
    shared: &'a Shared<T, L>,
    key: Option<Key>,
}

impl<T, L: Line<T>> Drop for Place<'_, T, L> {
    fn drop(&mut self) {
        if let Some(key) = self.key {
            let_go(self.shared.update(|state| state.stop_watching(key)));
        }
    }
}

/// What an onlooker waits for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Sight {
    /// That the queue has ended. It is told, too, when the queue is closed.
    #[default]
    End,
    /// That nothing can be taken.
    Nothing,
}

/// A receiver's place among the onlookers, if it is one: it takes nothing, and is told of what it waits for. Kept in the
/// handle.
#[derive(Default)]
pub(crate) struct Onlooker {
    sight: Sight,
    key: Option<Key>,
    /// Wakes it when the next item of a closed queue expires, or is due; or of any queue, if it waits until nothing can be
    /// taken, when the next item expires.
    timer: Timer,
}

// === impl Onlooker ===

impl Onlooker {
    pub(crate) fn of(sight: Sight) -> Self {
        Self { sight, ..Self::default() }
    }

    /// Waits until the queue has ended.
    pub(crate) fn poll_end<T, L: Line<T>>(
        &mut self,
        shared: &Shared<T, L>,
        cx: &mut Context<'_>,
    ) -> Poll<()> {
        self.poll_in_time(shared, cx, |state| (state.onlooker_due(), state.has_ended()))
    }

    /// Waits until nothing can be taken.
    pub(crate) fn poll_nothing<T, L: Line<T>>(
        &mut self,
        shared: &Shared<T, L>,
        cx: &mut Context<'_>,
    ) -> Poll<()> {
        self.poll_in_time(shared, cx, |state| (state.idler_due(), state.held.ready() == 0))
    }

    /// Waits until `look` says that it sees it. It also says when to look again.
    fn poll_in_time<T, L: Line<T>>(
        &mut self,
        shared: &Shared<T, L>,
        cx: &mut Context<'_>,
        mut look: impl FnMut(&mut State<T, L>) -> (Option<Moment>, bool),
    ) -> Poll<()> {
        loop {
            let mut due = None;
            let polled = self.poll(shared, cx, |state| {
                state.refresh();
                let seen;
                (due, seen) = look(state);
                seen
            });
            match due {
                // Outside of a runtime nobody can be woken then.
                Some(due) if polled.is_pending() && moment::now().is_some() => {
                    ready!(self.timer.poll(due, cx));
                }
                _ => {
                    self.timer.stop();
                    return polled;
                }
            }
        }
    }

    /// Waits until `seen`. Woken when its sight says.
    pub(crate) fn poll<T, L: Line<T>>(
        &mut self,
        shared: &Shared<T, L>,
        cx: &Context<'_>,
        seen: impl FnOnce(&mut State<T, L>) -> bool,
    ) -> Poll<()> {
        let mut waker = Some(cx.waker().clone());
        // Afterwards `waker` holds the waker that is to be dropped outside of the lock.
        let polled = shared.update(|state| {
            if seen(state) {
                return Poll::Ready(());
            }
            state.look_on(self.sight, &mut self.key, &mut waker);
            Poll::Pending
        });
        let_go(waker);
        polled
    }

    /// Does not look on, if it did.
    #[inline]
    pub(crate) fn leave<T, L: Line<T>>(&mut self, shared: &Shared<T, L>) {
        self.timer.stop();
        if let Some(key) = self.key.take() {
            let_go(shared.update(|state| state.look_away(self.sight, key)));
        }
    }
}

impl<T, L: Line<T>> State<T, L> {
    /// Waits on, with the waker in `waker`. Leaves the replaced waker there.
    fn watch_on(&mut self, change: Change, key: &mut Option<Key>, waker: &mut Option<Waker>) {
        let Some(new) = waker.take() else { unreachable!("who watches brings a waker") };
        match *key {
            Some(waiting) if self.watchers.turn(waiting) == Turn::Waiting => {
                *waker = self.watchers.renew(waiting, new);
            }
            told => {
                *waker = told.and_then(|told| self.stop_watching(told));
                *key = Some(self.watchers.push_back(change, new));
            }
        }
    }

    fn stop_watching(&mut self, key: Key) -> Option<Waker> {
        self.watchers.remove(key).0
    }
}

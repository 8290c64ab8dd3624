//! Waiting for a change that is neither an item nor a place: of the pressure, or the end.

use std::future::poll_fn;
use std::task::{Poll, Waker};

use super::Shared;
use super::state::State;
use super::waiters::{Key, Turn};

/// Waits until `seen` sees what it waits for.
///
/// Those who watch are few, so each change wakes all of them to look.
pub(crate) async fn watch<T, R>(shared: &Shared<T>, mut seen: impl FnMut(&State<T>) -> Option<R>) -> R {
    let mut place = Place { shared, key: None };
    poll_fn(|cx| {
        let waker = cx.waker().clone();
        let (result, stale) = shared.update(|state, _| match seen(state) {
            Some(result) => (Poll::Ready(result), None),
            None => (Poll::Pending, state.watch_on(&mut place.key, waker)),
        });
        drop(stale);
        result
    })
    .await
}

/// A node in the line of those who watch, given up with the future.
struct Place<'a, T> {
    shared: &'a Shared<T>,
    key: Option<Key>,
}

impl<T> Drop for Place<'_, T> {
    fn drop(&mut self) {
        if let Some(key) = self.key {
            drop(self.shared.update(|state, _| state.stop_watching(key)));
        }
    }
}

impl<T> State<T> {
    /// Waits on. Gives the waker that is replaced, to be dropped after the lock is released.
    fn watch_on(&mut self, key: &mut Option<Key>, waker: Waker) -> Option<Waker> {
        match *key {
            Some(waiting) if self.watchers.turn(waiting) == Turn::Waiting => {
                self.watchers.renew(waiting, waker)
            }
            told => {
                let stale = told.and_then(|told| self.stop_watching(told));
                *key = Some(self.watchers.push_back((), waker));
                stale
            }
        }
    }

    fn stop_watching(&mut self, key: Key) -> Option<Waker> {
        self.watchers.remove(key).0
    }
}

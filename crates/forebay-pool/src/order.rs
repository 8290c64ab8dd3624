//! Results in the order in which their items came, whichever is done first.
//!
//! ```text
//! taken:      1 2 3 4 5         a place in the line for each
//! done:       2, 4 failed, 1
//! handed on:  1 2 | 3 ? 4-gap   3 is still in work, and the others wait behind it
//! ```
//!
//! 1. An item gets its place when it is taken from the source. It keeps it through retries, and until it leaves the
//!    pool's hands.
//! 2. The result lies in the place from the handler's end on, and counts when the item is completed: what is told
//!    downstream agrees with the report.
//! 3. The window bounds how many places there are. Where it is used up nothing is taken, even if workers are free.

use std::collections::VecDeque;
use std::fmt;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use forebay_queue::Sender;
use tokio::sync::Notify;

use crate::contain::{contain, contained};
use crate::hands::{Became, Settlements};
use crate::held_up;

/// The result of an item, or a gap, handed on in the order in which the items came; see
/// [`handler_ordered`](crate::Builder::handler_ordered).
///
/// ```
/// use forebay_pool::{Gap, Ordered, Pool};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let (tx, mut results) = forebay_queue::bounded(10);
/// let half = async |n: u32| if n % 2 == 0 { Ok(n / 2) } else { Err("odd") };
/// let pool = Pool::builder().workers(2).queue(10).handler_ordered(tx, half).start()?;
/// pool.produce(8).await?;
/// pool.produce(7).await?;
/// pool.finish().await;
/// assert_eq!(results.recv().await, Some(Ordered::Done(4)));
/// assert_eq!(results.recv().await, Some(Ordered::Gap(Gap::Failed)));
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Ordered<R> {
    /// The handler's result.
    Done(R),
    /// The item left the pool without one.
    Gap(Gap),
}

/// Why an item in the order has no result; [`Ordered`] has an example.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Gap {
    /// The item failed.
    Failed,
    /// The item went back to its source. When it is delivered again it has another place.
    Returned,
    /// The item was dead-lettered.
    DeadLettered,
}

/// What intake and hands do to the line, whatever the results are.
pub(crate) trait Places: Send + Sync + fmt::Debug {
    /// The next place.
    fn begin(&self) -> u64;

    /// The item of that place left the hands.
    fn end(&self, place: u64, became: Became);

    /// How many places there are whose items were not handed on.
    fn outstanding(&self) -> usize;

    /// From `window` places on nothing more is taken.
    fn bound(&self, window: usize);

    /// Is nothing more taken because a result waits to be taken?
    fn is_held_up(&self) -> bool;

    /// How many results were to be handed on, and could not be.
    fn unsent(&self) -> u64;
}

/// The line, shared by those that fill it and the task that empties it.
pub(crate) struct Book<R> {
    row: Mutex<Row<R>>,
    outstanding: AtomicUsize,
    unsent: AtomicU64,
    /// 1 while the reader is waited for.
    waiting: AtomicUsize,
    /// From this many places on nothing more is taken.
    window: AtomicUsize,
    /// Rung when the first place may be ready.
    ready: Notify,
}

/// Pure: what is in which place.
struct Row<R> {
    first: u64,
    places: VecDeque<Place<R>>,
}

enum Place<R> {
    /// In work, or on its way there.
    Open,
    /// Its handler is done, its item is not yet.
    Result(R),
    Ready(Ordered<R>),
}

// === impl Row ===

impl<R> Row<R> {
    fn begin(&mut self) -> u64 {
        self.places.push_back(Place::Open);
        self.first + self.places.len() as u64 - 1
    }

    fn at(&mut self, place: u64) -> Option<&mut Place<R>> {
        let index = usize::try_from(place.checked_sub(self.first)?).ok()?;
        self.places.get_mut(index)
    }

    /// The handler is done. What it said in an earlier attempt is replaced, and returned to be dropped.
    fn put(&mut self, place: u64, result: R) -> Option<Place<R>> {
        let there = self.at(place)?;
        Some(std::mem::replace(there, Place::Result(result)))
    }

    /// The item is done, or gone. Its result, if it is not handed on, is returned to be dropped.
    fn end(&mut self, place: u64, became: Became) -> Option<Place<R>> {
        let there = self.at(place)?;
        let gap = match became {
            Became::Completed => None,
            Became::Failed => Some(Gap::Failed),
            Became::Returned => Some(Gap::Returned),
            Became::DeadLettered => Some(Gap::DeadLettered),
        };
        let before = std::mem::replace(there, Place::Ready(Ordered::Gap(gap.unwrap_or(Gap::Failed))));
        match (before, gap) {
            (Place::Result(result), None) => {
                *there = Place::Ready(Ordered::Done(result));
                None
            }
            (before, _) => Some(before),
        }
    }

    fn pop(&mut self) -> Option<Ordered<R>> {
        let Some(Place::Ready(_)) = self.places.front() else { return None };
        self.first += 1;
        match self.places.pop_front() {
            Some(Place::Ready(ordered)) => Some(ordered),
            _ => None,
        }
    }
}

impl<R> Drop for Row<R> {
    fn drop(&mut self) {
        // One by one: two that panic, the second while the first unwinds, would end the process.
        self.places.drain(..).for_each(drop_contained);
    }
}

// === impl Book ===

impl<R> Book<R> {
    pub(crate) fn new() -> Self {
        Self {
            row: Mutex::new(Row { first: 0, places: VecDeque::new() }),
            outstanding: AtomicUsize::new(0),
            unsent: AtomicU64::new(0),
            waiting: AtomicUsize::new(0),
            window: AtomicUsize::new(usize::MAX),
            ready: Notify::new(),
        }
    }

    fn row(&self) -> MutexGuard<'_, Row<R>> {
        self.row.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The handler is done with the item of that place.
    pub(crate) fn put(&self, place: u64, result: R) {
        // What it replaces is dropped after the lock is released, and is not this result's fault.
        let replaced = self.row().put(place, result);
        drop_contained(replaced);
    }

    /// Hands on what is ready, for ever.
    ///
    /// # Cancel safety
    ///
    /// A result that is being handed on when this is dropped still counts as outstanding.
    pub(crate) async fn hand_on(self: Arc<Self>, output: Sender<Ordered<R>>, settlements: Arc<Settlements>) {
        loop {
            let ready = self.row().pop();
            let Some(ordered) = ready else {
                // Rung while nobody waits, it keeps the call.
                self.ready.notified().await;
                continue;
            };
            // The queue may ask code of others what a result weighs, and everything else waits for this task.
            let sending = contained(async { output.send(ordered).await });
            match held_up::counted(&self.waiting, sending).await {
                Ok(Ok(sent)) => drop_contained(sent),
                Err(panic) => {
                    self.unsent.fetch_add(1, Ordering::AcqRel);
                    tracing::error!(%panic, "an ordered result could not be handed on");
                }
                Ok(Err(refused)) => {
                    if self.unsent.fetch_add(1, Ordering::AcqRel) == 0 {
                        tracing::warn!("nobody takes the ordered results; they are dropped");
                    }
                    drop_contained(refused);
                }
            }
            self.outstanding.fetch_sub(1, Ordering::AcqRel);
            // There is room in the window, or nothing left to wait for.
            settlements.ring();
        }
    }
}

impl<R: Send> Places for Book<R> {
    fn begin(&self) -> u64 {
        self.outstanding.fetch_add(1, Ordering::AcqRel);
        self.row().begin()
    }

    fn end(&self, place: u64, became: Became) {
        // What goes with it is dropped after the lock is released.
        let gone = self.row().end(place, became);
        drop_contained(gone);
        self.ready.notify_one();
    }

    fn outstanding(&self) -> usize {
        self.outstanding.load(Ordering::Acquire)
    }

    fn bound(&self, window: usize) {
        self.window.store(window, Ordering::Relaxed);
    }

    fn is_held_up(&self) -> bool {
        self.waiting.load(Ordering::Relaxed) > 0 && self.outstanding() >= self.window.load(Ordering::Relaxed)
    }

    fn unsent(&self) -> u64 {
        self.unsent.load(Ordering::Acquire) + self.outstanding() as u64
    }
}

impl<R> fmt::Debug for Book<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Book").field("outstanding", &self.outstanding).finish_non_exhaustive()
    }
}

/// Results are not our code.
fn drop_contained<T>(gone: T) {
    if let Err(panic) = contain(|| drop(gone)) {
        tracing::error!(%panic, "an ordered result panicked when it was dropped");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_wait_for_those_before_them() {
        let mut row = Row { first: 0, places: VecDeque::new() };
        let places: Vec<u64> = (0..4).map(|_| row.begin()).collect();
        assert_eq!(places, [0, 1, 2, 3]);
        row.put(2, 'c');
        row.end(2, Became::Completed);
        row.end(1, Became::DeadLettered);
        row.put(0, 'x');
        assert_eq!(row.pop(), None, "its item is not done");
        // Another attempt.
        row.put(0, 'a');
        row.end(0, Became::Completed);
        // It had a result, and went back all the same.
        row.put(3, 'd');
        row.end(3, Became::Returned);
        let all: Vec<_> = std::iter::from_fn(|| row.pop()).collect();
        assert_eq!(
            all,
            [
                Ordered::Done('a'),
                Ordered::Gap(Gap::DeadLettered),
                Ordered::Done('c'),
                Ordered::Gap(Gap::Returned),
            ]
        );
        assert_eq!(row.begin(), 4);
        row.end(1, Became::Failed);
        assert_eq!(row.pop(), None, "what is gone cannot end again");
    }

    #[test]
    fn what_is_replaced_may_panic_when_it_is_dropped() {
        struct Bomb(bool);
        impl Drop for Bomb {
            fn drop(&mut self) {
                assert!(!self.0, "dropped");
            }
        }
        let book = Book::new();
        let place = book.begin();
        book.put(place, Bomb(true));
        book.put(place, Bomb(false));
        book.end(place, Became::Completed);
        assert!(matches!(book.row().pop(), Some(Ordered::Done(Bomb(false)))));
    }
}

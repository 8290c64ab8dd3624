//! The youngest item first.

use forebay_queue::{ById, Discipline, Entry, Tick};

use crate::lane::Lane;

/// Last in, first out: for work that loses its value as it waits, such as answers to callers who give up.
///
/// Under overload some items are served at once and the others not at all, where first in, first out would serve all of
/// them too late. Set a time to live as well, so that items at the bottom are not served in the end for nobody.
///
/// # Bounds
///
/// None: an item at the bottom starves while enough others arrive. The one to displace is the oldest.
///
/// **Time.** O(1) for the first and the next, O(log n) to remove and put back.
///
/// # Source
///
/// B. Maurer, *Fail at Scale*, ACM Queue 13(8), 2015, where a queue turns to it while it is overloaded.
///
/// # Example
///
/// ```
/// use forebay_priority::Lifo;
/// use forebay_queue::{By, builder};
///
/// let (tx, mut rx) = builder().line(By::label(Lifo::new())).build();
/// for call in ["first", "second"] {
///     tx.try_send(call).expect("there is room");
/// }
/// assert_eq!((rx.try_recv(), rx.try_recv()), (Ok("second"), Ok("first")));
/// ```
#[derive(Debug, Clone)]
pub struct Lifo(Lane);

// === impl Lifo ===

impl Lifo {
    /// Last in, first out.
    pub fn new() -> Self {
        Self(Lane::new())
    }
}

impl Default for Lifo {
    fn default() -> Self {
        Self::new()
    }
}

impl Discipline for Lifo {
    type Rank = ();
    type Shelf<P: Send> = ById<P, Self>;

    fn insert(&mut self, entry: Entry<()>) {
        self.0.insert(entry.seq, entry.since, (), entry.id);
    }

    fn next(&mut self, _: Tick) -> Option<u32> {
        self.0.pop_last().map(|slot| slot.what)
    }

    fn put_back(&mut self, entry: Entry<()>) {
        self.insert(entry);
    }

    fn remove(&mut self, entry: Entry<()>) -> bool {
        self.0.remove(entry.seq).is_some()
    }

    fn last(&self) -> Option<u32> {
        self.0.first().map(|slot| *slot.what)
    }
}

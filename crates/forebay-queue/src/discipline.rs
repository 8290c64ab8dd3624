//! Who is next.

/// Nanoseconds since the queue's start.
///
/// ```
/// use std::time::Duration;
/// use forebay_queue::Tick;
///
/// let second: Tick = 1_000_000_000;
/// assert_eq!(Duration::from_nanos(second), Duration::from_secs(1));
/// ```
pub type Tick = u64;

/// Decides which of those that wait is next.
///
/// It orders ids, not items, so that what waits can be removed, moved to another class, displaced and put back,
/// and so that the same code orders items and the senders that wait for room. An id is in use from `insert` (or
/// `put_back`) until `next` or `remove`. Numbers of sequence grow with arrival; among equals the lower one goes
/// first.
///
/// Pure: the time comes in as an argument, and who does not [need it](Self::uses_time) gets 0.
///
/// ```
/// use std::collections::BTreeSet;
/// use forebay_queue::{Discipline, Tick};
///
/// /// The lower the rank, the earlier; first come, first served within a rank.
/// #[derive(Default)]
/// struct ByRank(BTreeSet<(u8, u64, u32)>);
///
/// impl Discipline for ByRank {
///     type Rank = u8;
///     fn insert(&mut self, id: u32, rank: u8, seq: u64, _: Tick) {
///         self.0.insert((rank, seq, id));
///     }
///     fn next(&mut self, _: Tick) -> Option<u32> {
///         self.0.pop_first().map(|(_, _, id)| id)
///     }
///     fn put_back(&mut self, id: u32, rank: u8, seq: u64) {
///         self.insert(id, rank, seq, 0);
///     }
///     fn remove(&mut self, id: u32, rank: u8, seq: u64) -> bool {
///         self.0.remove(&(rank, seq, id))
///     }
///     fn last(&self) -> Option<u32> {
///         self.0.last().map(|&(_, _, id)| id)
///     }
/// }
///
/// let mut line = ByRank::default();
/// line.insert(10, 1, 0, 0);
/// line.insert(11, 0, 1, 0);
/// line.insert(12, 0, 2, 0);
/// assert_eq!(line.last(), Some(10));
/// assert_eq!(line.next(0), Some(11));
/// line.put_back(11, 0, 1); // it came back, and takes its old place
/// assert_eq!([line.next(0), line.next(0), line.next(0), line.next(0)], [Some(11), Some(12), Some(10), None]);
/// ```
pub trait Discipline: Send {
    /// Class, cost or deadline: what a classifier makes of an item.
    type Rank: Copy + Send;

    /// `id` joins.
    fn insert(&mut self, id: u32, rank: Self::Rank, seq: u64, now: Tick);

    /// Takes out who is next; `None` only if nobody is in it.
    fn next(&mut self, now: Tick) -> Option<u32>;

    /// `id` was taken out, has come back, and takes the place that `seq` gives it among its equals.
    fn put_back(&mut self, id: u32, rank: Self::Rank, seq: u64);

    /// Takes `id` out, wherever it is. `false` if it is not there.
    fn remove(&mut self, id: u32, rank: Self::Rank, seq: u64) -> bool;

    /// Who would be next after all others: the one to displace.
    fn last(&self) -> Option<u32>;

    /// Does the order depend on the time? If not, nobody reads a clock, which costs more than an item.
    fn uses_time(&self) -> bool {
        false
    }
}

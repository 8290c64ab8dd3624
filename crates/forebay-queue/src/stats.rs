//! What has become of the items.

use std::time::Duration;

/// A queue's counters, read together under its lock.
///
/// At any time
/// `accepted == completed + failed + dropped + returned + dead_lettered + held`,
/// and `held` is counted where the items are, not computed from the others.
///
/// ```
/// let (tx, mut rx) = forebay_queue::bounded(4);
/// tx.try_send(1).expect("there is room");
/// tx.try_send(2).expect("there is room");
/// rx.try_recv().expect("something is there");
/// let stats = tx.stats();
/// assert_eq!((stats.accepted, stats.completed, stats.held), (2, 1, 1));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct QueueStats {
    /// Items that the queue took from senders.
    pub accepted: u64,
    /// Items that consumers took for good: received by value, or acknowledged.
    pub completed: u64,
    /// Deliveries that were not done and whose value was lost on the way.
    pub failed: u64,
    /// Items dropped because the queue was full, as [`WhenFull`](crate::WhenFull) says, or because their time was over.
    pub dropped: u64,
    /// How many of those dropped had their [time to live](crate::Outgoing::ttl) over.
    pub expired: u64,
    /// Items that went back: handed to `on_undelivered`, since no receiver was left, or taken out by their
    /// [`Ticket`](crate::Ticket).
    pub returned: u64,
    /// Items set aside by [`Delivery::dead_letter`](crate::Delivery::dead_letter).
    pub dead_lettered: u64,
    /// Items that were refused because the queue was full ([`WhenFull::Refuse`](crate::WhenFull::Refuse)), or their class
    /// was. They were not accepted, so they are not part of the equation. A `try_` call that would have had to wait is not
    /// counted.
    pub refused: u64,
    /// Items that wait in the queue now or are in a consumer's hands.
    pub held: usize,
}

/// Counts of one class of a queue that is served [`By`](crate::By) a discipline.
///
/// ```
/// # use std::collections::BTreeSet;
/// # use forebay_queue::{ById, By, Discipline, Entry, Tick, builder};
/// # #[derive(Clone, Default)]
/// # struct ByRank(BTreeSet<(u8, u64, u32)>);
/// # impl Discipline for ByRank {
/// #     type Rank = u8;
/// #     type Shelf<P: Send> = ById<P, Self>;
/// #     fn insert(&mut self, entry: Entry<u8>) {
/// #         self.0.insert((entry.rank, entry.seq, entry.id));
/// #     }
/// #     fn next(&mut self, _: Tick) -> Option<u32> {
/// #         self.0.pop_first().map(|(_, _, id)| id)
/// #     }
/// #     fn put_back(&mut self, entry: Entry<u8>) {
/// #         self.insert(entry);
/// #     }
/// #     fn remove(&mut self, entry: Entry<u8>) -> bool {
/// #         self.0.remove(&(entry.rank, entry.seq, entry.id))
/// #     }
/// #     fn last(&self) -> Option<u32> {
/// #         self.0.last().map(|&(_, _, id)| id)
/// #     }
/// # }
/// let by_rank = By::new(ByRank::default(), |rank: &u8| Ok(*rank)); // without classes, all are of one
/// let (tx, mut rx) = builder().line(by_rank).build();
/// tx.try_send(2).expect("there is room");
/// tx.try_send(1).expect("there is room");
/// rx.try_recv().expect("something is there");
/// let stats = &tx.class_stats()[0];
/// assert_eq!((stats.waiting, stats.served), (1, 1));
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct ClassStats {
    /// Its name; empty where the discipline has no classes.
    pub class: String,
    /// Items that can be taken now.
    pub waiting: usize,
    /// How long ago the oldest of those came. `None` without any, and where it is not recorded when they come: the
    /// discipline must use the time, or a line before a service be [timed](crate::layer::QueueLayer::timed).
    pub oldest: Option<Duration>,
    /// Items handed out. One that came back counts anew.
    pub served: u64,
    /// How many of those served out of their turn, so that they would not starve.
    pub promoted: u64,
    /// Refused because as many waited as may: calls before a service, and items of a queue that
    /// [refuses](crate::WhenFull::Refuse). One that is tried again and refused again counts twice.
    pub shed: u64,
    /// Items dropped from a full queue.
    pub displaced: u64,
    /// Items dropped because their time was over.
    pub expired: u64,
}

/// Something that can be monitored.
///
/// A monitor reads it when it wants to, and sees counters that are kept anyway; nothing is pushed.
///
/// ```
/// use forebay_queue::{Stats, Visitor, bounded};
///
/// /// Writes a line for each number.
/// #[derive(Default)]
/// struct Lines(String);
///
/// impl Visitor for Lines {
///     fn counter(&mut self, name: &'static str, labels: &[(&'static str, &str)], value: u64) {
///         self.0 += &format!("{name}{labels:?} {value}\n");
///     }
///     fn gauge(&mut self, name: &'static str, labels: &[(&'static str, &str)], value: f64) {
///         self.0 += &format!("{name}{labels:?} {value}\n");
///     }
/// }
///
/// let (tx, _rx) = bounded(10);
/// tx.try_send("item").expect("there is room");
/// let mut lines = Lines::default();
/// tx.observe(&mut lines);
/// assert!(lines.0.contains("forebay_queue_length[] 1\n"));
/// assert!(lines.0.contains("forebay_queue_ended_total[(\"end\", \"dropped\")] 0\n"));
/// ```
pub trait Stats: Send + Sync {
    /// Shows every number to `visitor`.
    fn observe(&self, visitor: &mut dyn Visitor);
}

/// Receives numbers from [`Stats`]. Names end in their unit, as exposition formats expect.
///
/// ```
/// use forebay_queue::{Stats, Visitor, bounded};
///
/// /// Remembers one number.
/// struct Held(Option<f64>);
///
/// impl Visitor for Held {
///     fn counter(&mut self, _: &'static str, _: &[(&'static str, &str)], _: u64) {}
///     fn gauge(&mut self, name: &'static str, _: &[(&'static str, &str)], value: f64) {
///         if name == "forebay_queue_held" {
///             self.0 = Some(value);
///         }
///     }
/// }
///
/// let (tx, _rx) = bounded(2);
/// tx.try_send('x').expect("there is room");
/// let mut held = Held(None);
/// tx.observe(&mut held);
/// assert_eq!(held.0, Some(1.0));
/// ```
pub trait Visitor {
    /// A number that only grows.
    fn counter(&mut self, name: &'static str, labels: &[(&'static str, &str)], value: u64);

    /// A number that goes up and down.
    fn gauge(&mut self, name: &'static str, labels: &[(&'static str, &str)], value: f64);
}

// === impl ClassStats ===

impl ClassStats {
    /// Shows the counts of these classes, as far as they have names.
    pub(crate) fn observe_all(classes: &[Self], visitor: &mut dyn Visitor) {
        for class in classes.iter().filter(|class| !class.class.is_empty()) {
            let label = [("class", class.class.as_str())];
            visitor.gauge("forebay_queue_class_length", &label, class.waiting as f64);
            if let Some(oldest) = class.oldest {
                visitor.gauge("forebay_queue_class_oldest_seconds", &label, oldest.as_secs_f64());
            }
            visitor.counter("forebay_queue_class_served_total", &label, class.served);
            visitor.counter("forebay_queue_class_promoted_total", &label, class.promoted);
            visitor.counter("forebay_queue_class_shed_total", &label, class.shed);
            visitor.counter("forebay_queue_class_displaced_total", &label, class.displaced);
            visitor.counter("forebay_queue_class_expired_total", &label, class.expired);
        }
    }
}

// === impl QueueStats ===

impl QueueStats {
    /// Shows the counts under the names that Forebay's monitor uses.
    pub(crate) fn observe(&self, visitor: &mut dyn Visitor) {
        visitor.counter("forebay_queue_accepted_total", &[], self.accepted);
        let ends = [
            ("completed", self.completed),
            ("failed", self.failed),
            ("dropped", self.dropped - self.expired),
            ("expired", self.expired),
            ("returned", self.returned),
            ("dead_lettered", self.dead_lettered),
        ];
        for (end, count) in ends {
            visitor.counter("forebay_queue_ended_total", &[("end", end)], count);
        }
        visitor.counter("forebay_queue_refused_total", &[], self.refused);
        visitor.gauge("forebay_queue_held", &[], self.held as f64);
    }
}

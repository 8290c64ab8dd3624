//! The order in which a queue serves.

use std::fmt;
use std::marker::PhantomData;

use thiserror::Error;

use crate::core::{Arrival, ByDiscipline, Ordered, Ring};
use crate::{Discipline, Label};

/// First in, first out: the default order of a queue.
///
/// ```
/// use forebay_queue::{Fifo, builder};
///
/// let (tx, mut rx) = builder().capacity(2).line(Fifo).build();
/// tx.try_send("first").expect("there is room");
/// tx.try_send("second").expect("there is room");
/// assert_eq!((rx.try_recv(), rx.try_recv()), (Ok("first"), Ok("second")));
/// ```
#[derive(Debug, Clone, Copy, Default)]
pub struct Fifo;

/// The order of a [`Discipline`], first in, first out among equals. Senders that wait for room are served in the same
/// order.
///
/// A classifier ranks each item; see [`By::new`].
///
/// ```
/// use std::collections::BTreeSet;
/// use forebay_queue::{ById, By, Discipline, Entry, Tick, builder};
///
/// /// The lower the rank, the earlier.
/// #[derive(Clone, Default)]
/// struct ByRank(BTreeSet<(u8, u64, u32)>);
///
/// impl Discipline for ByRank {
///     type Rank = u8;
///     type Shelf<P: Send> = ById<P, Self>;
///     fn insert(&mut self, entry: Entry<u8>) {
///         self.0.insert((entry.rank, entry.seq, entry.id));
///     }
///     fn next(&mut self, _: Tick) -> Option<u32> {
///         self.0.pop_first().map(|(_, _, id)| id)
///     }
///     fn put_back(&mut self, entry: Entry<u8>) {
///         self.insert(entry);
///     }
///     fn remove(&mut self, entry: Entry<u8>) -> bool {
///         self.0.remove(&(entry.rank, entry.seq, entry.id))
///     }
///     fn last(&self) -> Option<u32> {
///         self.0.last().map(|&(_, _, id)| id)
///     }
/// }
///
/// let by_length = By::new(ByRank::default(), |word: &&str| Ok(word.len() as u8));
/// let (tx, mut rx) = builder().capacity(3).line(by_length).build();
/// for word in ["three", "one", "four"] {
///     tx.try_send(word).expect("there is room");
/// }
/// assert_eq!((rx.try_recv(), rx.try_recv(), rx.try_recv()), (Ok("one"), Ok("four"), Ok("three")));
/// ```
#[derive(Clone)]
pub struct By<D, C> {
    discipline: D,
    classifier: C,
    /// The most items of each class that may wait; empty if no class is bounded.
    most: Vec<usize>,
}

/// The classifier of [`By::label`], which gives every item the default rank.
///
/// ```
/// use forebay_queue::{ById, By, Discipline, Unclassified, builder};
///
/// /// The name of a line that is served by labels.
/// type Labelled<T, D> = By<D, Unclassified<T, D>>;
///
/// fn line<T, D: Discipline<Rank: Default> + Clone>(discipline: D) -> Labelled<T, D> {
///     By::label(discipline)
/// }
/// ```
pub type Unclassified<T, D> = fn(&T) -> Result<<D as Discipline>::Rank, UnknownClass>;

/// The order in which a queue serves: [`Fifo`], or [`By`] a discipline.
///
/// Sealed: what a queue needs from its line is an internal matter. For an order of your own, write a [`Discipline`].
///
/// ```
/// use forebay_queue::{Line, Receiver};
///
/// /// Does not care in which order its queue serves.
/// fn is_idle<T, L: Line<T>>(rx: &Receiver<T, L>) -> bool {
///     rx.is_empty()
/// }
///
/// let (_tx, rx) = forebay_queue::bounded::<u8>(1);
/// assert!(is_idle(&rx));
/// ```
pub trait Line<T>: sealed::Lane<T> {}

/// A [`Line`] of a queue whose handles are `Send` if its items are: both lines are.
///
/// ```
/// use forebay_queue::{Receiver, SendLine, Source};
///
/// /// For a pool, whatever the order.
/// fn boxed<T: Send + 'static, L: SendLine<T>>(rx: Receiver<T, L>) -> Box<dyn Source<Item = T>> {
///     Box::new(rx)
/// }
///
/// let (_tx, rx) = forebay_queue::bounded::<u8>(1);
/// assert!(!boxed(rx).redelivers());
/// ```
pub trait SendLine<T>:
    Line<T> + sealed::Lane<T, Items: Send, Waiting: Send, Classifier: Send + Sync> + 'static
{
}

/// A classifier met a class that it does not know.
///
/// ```
/// use forebay_queue::UnknownClass;
///
/// let unknown = UnknownClass::new("urgent", ["high", "medium", "low"]);
/// assert_eq!(unknown.to_string(), "unknown class \"urgent\", known are: high, medium, low");
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("unknown class {class:?}, known are: {}", .known.join(", "))]
pub struct UnknownClass {
    class: String,
    known: Vec<String>,
}

pub(crate) mod sealed {
    use crate::core::{Items, Waiting};
    use crate::{Label, UnknownClass};

    /// What a queue needs from its line.
    pub trait Lane<T> {
        /// What the classifier returns for an item.
        type Rank: Copy + Send;
        /// The items that can be taken.
        type Items: Items<T, Self::Rank>;
        /// The order of the senders that wait for room.
        type Waiting: Waiting<Self::Rank>;
        /// Finds the rank of an item.
        type Classifier;
        /// The rank of all items, if they have only one: then no classifier needs to be asked.
        const ONLY_RANK: Option<Self::Rank>;

        /// A new, empty line. `timed`: does somebody want to know when items came?
        fn open(self, timed: bool) -> (Self::Items, Self::Waiting, Self::Classifier);

        /// Runs user code, so it is never called under the lock.
        fn rank(classifier: &Self::Classifier, item: &T) -> Result<Self::Rank, UnknownClass>;

        /// The rank after an item was given this label.
        fn relabel(
            classifier: &Self::Classifier,
            rank: Self::Rank,
            label: &Label<'_>,
        ) -> Result<Self::Rank, UnknownClass>;
    }
}

// === impl Fifo ===

impl<T> sealed::Lane<T> for Fifo {
    type Rank = ();
    type Items = Ring<T>;
    type Waiting = Arrival;
    type Classifier = PhantomData<fn(T)>;
    const ONLY_RANK: Option<()> = Some(());

    fn open(self, timed: bool) -> (Ring<T>, Arrival, PhantomData<fn(T)>) {
        (Ring::new(timed), Arrival, PhantomData)
    }

    fn rank(_: &PhantomData<fn(T)>, _: &T) -> Result<(), UnknownClass> {
        Ok(())
    }

    fn relabel(_: &PhantomData<fn(T)>, (): (), _: &Label<'_>) -> Result<(), UnknownClass> {
        Ok(())
    }
}

// === impl By ===

impl<D, C> By<D, C> {
    /// The order of `discipline`, which must be empty, by the ranks that `classifier` gives.
    ///
    /// The classifier is called once for each item, by its sender and outside the queue's lock. The queue keeps
    /// copies of the discipline: one for the items, one for the senders that wait for room, and one that stays empty and
    /// knows the names. The first two run under the lock, so a discipline must not use the queue, and one that panics
    /// breaks it.
    ///
    /// A waiting sender that was chosen to be next stays next until there is enough room for it, even if a more urgent
    /// one comes meanwhile. That matters only where weight is bounded.
    pub fn new<T>(discipline: D, classifier: C) -> Self
    where
        D: Discipline + Clone,
        C: Fn(&T) -> Result<D::Rank, UnknownClass>,
    {
        Self { discipline, classifier, most: Vec::new() }
    }
}

impl<D: Discipline, C> By<D, C> {
    /// The most items of this class that may wait, besides the capacity of the queue. 0 refuses all of them.
    ///
    /// One more is not sent, whatever room there is: a queue that waits or refuses when it is full gives it back as
    /// [`SendError::Full`](crate::SendError::Full) at once, so that a class that has its share does not hold up the senders
    /// that wait; a queue that drops drops it. A permit is a place, however many its class holds, and an item that comes
    /// back or changes its class while it waits has its place, too: a class may exceed its bound by those, and by no more
    /// than the queue has places and had items in hand. At a rendezvous nothing waits.
    ///
    /// ```
    /// # use std::collections::BTreeSet;
    /// # use forebay_queue::{ById, By, Discipline, Entry, Label, Tick, TrySendError, UnknownClass, builder};
    /// # #[derive(Clone)]
    /// # struct Levels(BTreeSet<(u8, u64, u32)>, [String; 2]);
    /// # impl Discipline for Levels {
    /// #     type Rank = u8;
    /// #     type Shelf<P: Send> = ById<P, Self>;
    /// #     fn insert(&mut self, entry: Entry<u8>) { self.0.insert((entry.rank, entry.seq, entry.id)); }
    /// #     fn next(&mut self, _: Tick) -> Option<u32> { self.0.pop_first().map(|(_, _, id)| id) }
    /// #     fn put_back(&mut self, entry: Entry<u8>) { self.insert(entry); }
    /// #     fn remove(&mut self, entry: Entry<u8>) -> bool { self.0.remove(&(entry.rank, entry.seq, entry.id)) }
    /// #     fn last(&self) -> Option<u32> { self.0.last().map(|&(_, _, id)| id) }
    /// #     fn classes(&self) -> &[String] { &self.1 }
    /// #     fn class(&self, rank: u8) -> usize { rank.into() }
    /// #     fn relabel(&self, rank: u8, label: &Label<'_>) -> Result<u8, UnknownClass> {
    /// #         Ok(label.class.map_or(rank, |class| u8::from(class == "bulk")))
    /// #     }
    /// # }
    /// # let levels = Levels(BTreeSet::new(), ["urgent", "bulk"].map(str::to_owned));
    /// // A discipline with the classes `urgent` and `bulk`.
    /// let line = By::label(levels).class_capacity("bulk", 1)?;
    /// let (tx, _rx) = builder().capacity(10).line(line).build();
    /// tx.item("report").class("bulk").try_send().expect("there is room");
    /// assert_eq!(tx.item("index").class("bulk").try_send(), Err(TrySendError::Full("index")));
    /// tx.item("alarm").class("urgent").try_send().expect("there is room for others");
    /// # Ok::<_, forebay_queue::UnknownClass>(())
    /// ```
    ///
    /// # Errors
    ///
    /// The discipline has no class of that name.
    pub fn class_capacity(mut self, class: &str, capacity: usize) -> Result<Self, UnknownClass> {
        let names = self.discipline.classes();
        let at = names.iter().position(|name| name == class);
        let at = at.ok_or_else(|| UnknownClass::new(class, names.iter().map(String::as_str)))?;
        self.most.resize(names.len(), usize::MAX);
        self.most[at] = capacity;
        Ok(self)
    }
}

impl<T, D> By<D, Unclassified<T, D>>
where
    D: Discipline<Rank: Default> + Clone,
{
    /// The order of `discipline`, which must be empty, where senders [label](crate::Outgoing::class) each item, and
    /// items without a label have the default rank.
    ///
    /// The rest is as for [`new`](Self::new).
    pub fn label(discipline: D) -> Self {
        Self { discipline, classifier: |_| Ok(D::Rank::default()), most: Vec::new() }
    }
}

impl<T, D, C> sealed::Lane<T> for By<D, C>
where
    T: Send,
    D: Discipline + Clone,
    C: Fn(&T) -> Result<D::Rank, UnknownClass>,
{
    type Rank = D::Rank;
    type Items = Ordered<T, D>;
    type Waiting = ByDiscipline<D>;
    type Classifier = Self;
    const ONLY_RANK: Option<D::Rank> = None;

    fn open(self, timed: bool) -> (Ordered<T, D>, ByDiscipline<D>, Self) {
        let items = Ordered::new(self.discipline.clone(), self.most.clone(), timed);
        (items, ByDiscipline::new(self.discipline.clone()), self)
    }

    fn rank(by: &Self, item: &T) -> Result<D::Rank, UnknownClass> {
        (by.classifier)(item)
    }

    // Asks the copy that stays empty, so that nobody waits for the lock.
    fn relabel(by: &Self, rank: D::Rank, label: &Label<'_>) -> Result<D::Rank, UnknownClass> {
        by.discipline.relabel(rank, label)
    }
}

impl<D, C> fmt::Debug for By<D, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("By").finish_non_exhaustive()
    }
}

// === impl Line ===

impl<T, L: sealed::Lane<T>> Line<T> for L {}

impl<T, L> SendLine<T> for L where
    L: Line<T> + sealed::Lane<T, Items: Send, Waiting: Send, Classifier: Send + Sync> + 'static
{
}

// === impl UnknownClass ===

impl UnknownClass {
    /// `class` is none of `known`.
    pub fn new<K: Into<String>>(class: impl Into<String>, known: impl IntoIterator<Item = K>) -> Self {
        Self { class: class.into(), known: known.into_iter().map(Into::into).collect() }
    }
}

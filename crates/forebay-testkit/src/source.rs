//! A source that does as the test scripts, and remembers what was asked of it.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::future::poll_fn;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use forebay_queue::{Delivery, End, Receipt, Settle, Source, SourceError};

/// A [`Source`] for tests: hands out scripted items and records demand, settlements and closing.
///
/// It keeps the contract that sources have: it never hands out more than was asked for, says that it
/// ended only when nothing is in anybody's hands, and delivers a nacked item again with the next
/// attempt number, in its old place. It has no clock, so a nacked item is there again at once; that it was
/// to wait is in the [`Record`].
///
/// The consumer under test owns the source; the test keeps its [`Script`].
///
/// ```
/// use forebay_testkit::RecordingSource;
///
/// let (source, script) = RecordingSource::builder().redelivers().never_ending().items(1..=3).build();
/// # drop(source);
/// script.push(4);
/// script.end();
/// assert!(script.record().demands.is_empty(), "nobody has asked yet");
/// ```
pub struct RecordingSource<T> {
    shared: Arc<Shared<T>>,
}

/// What a [`RecordingSource`] starts with.
///
/// ```
/// use forebay_queue::SourceError;
/// use forebay_testkit::RecordingSource;
///
/// // Two items, an outage, a third one; a copy of each is kept, as a broker would.
/// let (source, script) = RecordingSource::builder()
///     .redelivers()
///     .items(["a", "b"])
///     .fail(SourceError::Unavailable("connection refused".into()))
///     .items(["c"])
///     .build();
/// assert_eq!(script.remaining(), 3);
/// # drop(source);
/// ```
#[must_use = "a builder does nothing until `build`"]
pub struct RecordingSourceBuilder<T> {
    steps: VecDeque<Step<T>>,
    next_place: u64,
    ends: bool,
    copy: Option<fn(&T) -> T>,
    lease: Option<Duration>,
}

/// The test's end of a [`RecordingSource`]: adds to the script and reads the record. Cloneable.
///
/// ```
/// use forebay_testkit::{Driver, RecordingSource};
///
/// let (source, script) = RecordingSource::builder().items([1]).never_ending().build();
/// script.push(2);
/// script.hold_settlements(); // as if the disk were slow
///
/// let mut dropped = Driver::new(script.until(|record| record.dropped));
/// dropped.assert_pending();
/// drop(source); // what the consumer under test would do
/// dropped.assert_ready();
/// assert_eq!((script.remaining(), script.outstanding()), (2, 0));
/// ```
pub struct Script<T> {
    shared: Arc<Shared<T>>,
}

/// What was asked of a [`RecordingSource`] so far, in the order in which it came.
///
/// ```
/// # use std::num::NonZeroUsize;
/// # use std::task::{Context, Waker};
/// # use std::time::Duration;
/// # use forebay_queue::{End, Source};
/// # use forebay_testkit::{RecordingSource, assert_ready};
/// # let (mut source, script) = RecordingSource::new(["a", "b"]);
/// # let two = NonZeroUsize::new(2).expect("2 is not 0");
/// # let mut hands = Vec::new();
/// # assert_ready(source.poll_next(&mut Context::from_waker(Waker::noop()), two, &mut hands)).expect("no error");
/// // A consumer asked a source of two items for two, and acked the second.
/// hands.remove(1).ack();
/// let record = script.record();
/// assert_eq!((record.most_demanded(), record.handed_out, record.most_outstanding), (2, 2, 2));
/// assert_eq!(record.ends(), [End::Ack]);
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Record {
    /// The `max` of each `poll_next`.
    pub demands: Vec<usize>,
    /// How many deliveries were handed out, each attempt counted.
    pub handed_out: usize,
    /// The most deliveries that were in the consumer's hands at one time.
    pub most_outstanding: usize,
    /// How deliveries ended.
    pub settlements: Vec<Settlement>,
    /// Which leases were extended.
    pub extensions: Vec<Extension>,
    /// Which deliveries were settled although they were [lost](Script::lose), or settled before.
    pub late: Vec<Receipt>,
    /// How often `poll_settled` was called.
    pub settled_polls: usize,
    /// How often `close` was called.
    pub closes: usize,
    /// How many items the script pushed after that, which are dropped.
    pub refused: usize,
    /// Whether the source itself was dropped.
    pub dropped: bool,
}

/// How one delivery of a [`RecordingSource`] ended.
///
/// ```
/// # use std::num::NonZeroUsize;
/// # use std::task::{Context, Waker};
/// # use std::time::Duration;
/// # use forebay_queue::{End, Source};
/// # use forebay_testkit::{RecordingSource, assert_ready};
/// # let (mut source, script) = RecordingSource::new(["a", "b"]);
/// # let two = NonZeroUsize::new(2).expect("2 is not 0");
/// # let mut hands = Vec::new();
/// # assert_ready(source.poll_next(&mut Context::from_waker(Waker::noop()), two, &mut hands)).expect("no error");
/// // A consumer took the value out of the first of two deliveries, and dropped the delivery.
/// let value = hands[0].take();
/// drop(hands.remove(0));
/// let settlement = &script.record().settlements[0];
/// assert_eq!((settlement.receipt.get(), settlement.attempt, settlement.with_item), (0, 1, false));
/// assert_eq!(settlement.end, End::Nack { after: Duration::ZERO });
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Settlement {
    /// Which delivery; the first one handed out has receipt 0.
    pub receipt: Receipt,
    /// Which attempt it was.
    pub attempt: u32,
    /// How it ended.
    pub end: End,
    /// Whether the value came back with it.
    pub with_item: bool,
}

/// One call of `extend`.
///
/// ```
/// # use std::num::NonZeroUsize;
/// # use std::task::{Context, Waker};
/// # use std::time::Duration;
/// # use forebay_queue::{End, Source};
/// # use forebay_testkit::{RecordingSource, assert_ready};
/// # let (mut source, script) = RecordingSource::new(["a", "b"]);
/// # let two = NonZeroUsize::new(2).expect("2 is not 0");
/// # let mut hands = Vec::new();
/// # assert_ready(source.poll_next(&mut Context::from_waker(Waker::noop()), two, &mut hands)).expect("no error");
/// // A consumer needs longer for the second of two deliveries.
/// hands[1].extend(Duration::from_secs(30));
/// let extension = script.record().extensions[0];
/// assert_eq!((extension.receipt.get(), extension.lease), (1, Duration::from_secs(30)));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Extension {
    /// Which delivery.
    pub receipt: Receipt,
    /// For how long from then.
    pub lease: Duration,
}

/// One thing that `poll_next` will meet.
struct Step<T> {
    /// Where it is in the script; an item that comes back goes before all that came after it.
    place: u64,
    what: What<T>,
}

enum What<T> {
    Item { value: T, attempt: u32 },
    Fail(SourceError),
}

/// A delivery in the consumer's hands.
struct Outstanding<T> {
    attempt: u32,
    place: u64,
    /// Kept by a source that redelivers.
    copy: Option<T>,
}

struct Shared<T> {
    state: Mutex<State<T>>,
}

struct State<T> {
    steps: VecDeque<Step<T>>,
    outstanding: BTreeMap<Receipt, Outstanding<T>>,
    next_receipt: u64,
    next_place: u64,
    /// Nothing will be added: the end comes when the steps are done and no delivery is outstanding.
    ends: bool,
    copy: Option<fn(&T) -> T>,
    lease: Option<Duration>,
    /// Lost deliveries that the consumer has not heard of.
    lost: Vec<Receipt>,
    settlements_held: bool,
    settle_errors: VecDeque<SourceError>,
    record: Record,
    next_waker: Option<Waker>,
    settled_waker: Option<Waker>,
    lost_waker: Option<Waker>,
    /// Tests that wait in [`Script::until`].
    watchers: Vec<Waker>,
    /// To be woken once the lock is released.
    called: Vec<Waker>,
    /// To be dropped then.
    replaced: Vec<Waker>,
}

// === impl RecordingSource ===

impl<T> RecordingSource<T> {
    /// A source in memory that hands out `items` and then ends.
    pub fn new(items: impl IntoIterator<Item = T>) -> (Self, Script<T>) {
        Self::builder().items(items).build()
    }

    /// A source with more to its script.
    pub fn builder() -> RecordingSourceBuilder<T> {
        RecordingSourceBuilder { steps: VecDeque::new(), next_place: 0, ends: true, copy: None, lease: None }
    }
}

impl<T: Send + 'static> Source for RecordingSource<T> {
    type Item = T;

    fn poll_next(
        &mut self,
        cx: &mut Context<'_>,
        max: NonZeroUsize,
        out: &mut Vec<Delivery<T>>,
    ) -> Poll<Result<usize, SourceError>> {
        // Foreign code (a waker's or an item's clone) runs outside of the lock.
        let waker = cx.waker().clone();
        let copy = self.shared.lock().copy;
        let mut items = Vec::new();
        let polled = self.shared.change(|state| {
            state.record.demands.push(max.get());
            while items.len() < max.get()
                && let Some(step) = state.steps.pop_front()
            {
                match step.what {
                    What::Item { value, attempt } => {
                        items.push((state.hand_out(step.place, attempt), value, attempt));
                    }
                    What::Fail(error) if items.is_empty() => return Poll::Ready(Err(error)),
                    What::Fail(_) => {
                        state.steps.push_front(step);
                        break;
                    }
                }
            }
            if !items.is_empty() {
                return Poll::Ready(Ok(items.len()));
            }
            if state.ends && state.outstanding.is_empty() {
                return Poll::Ready(Ok(0));
            }
            state.replaced.extend(state.next_waker.replace(waker));
            Poll::Pending
        });
        for (receipt, value, attempt) in items {
            if let Some(copy) = copy {
                let copy = copy(&value);
                if let Some(outstanding) = self.shared.lock().outstanding.get_mut(&receipt) {
                    outstanding.copy = Some(copy);
                }
            }
            let settler: Arc<dyn Settle<T>> = Arc::<Shared<T>>::clone(&self.shared);
            out.push(Delivery::new(value, receipt, settler).with_attempt(attempt));
        }
        polled
    }

    fn poll_settled(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), SourceError>> {
        let waker = cx.waker().clone();
        self.shared.change(|state| {
            state.record.settled_polls += 1;
            if let Some(error) = state.settle_errors.pop_front() {
                return Poll::Ready(Err(error));
            }
            if state.settlements_held {
                state.replaced.extend(state.settled_waker.replace(waker));
                return Poll::Pending;
            }
            Poll::Ready(Ok(()))
        })
    }

    fn close(&mut self) {
        self.shared.change(|state| state.record.closes += 1);
    }

    fn redelivers(&self) -> bool {
        self.shared.lock().copy.is_some()
    }

    fn lease(&self) -> Option<Duration> {
        self.shared.lock().lease
    }

    fn poll_lost(&mut self, cx: &mut Context<'_>, lost: &mut Vec<Receipt>) -> Poll<usize> {
        let waker = cx.waker().clone();
        self.shared.change(|state| {
            if state.lost.is_empty() {
                state.replaced.extend(state.lost_waker.replace(waker));
                return Poll::Pending;
            }
            let count = state.lost.len();
            lost.append(&mut state.lost);
            Poll::Ready(count)
        })
    }
}

impl<T> Drop for RecordingSource<T> {
    fn drop(&mut self) {
        self.shared.change(|state| state.record.dropped = true);
    }
}

impl<T> fmt::Debug for RecordingSource<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RecordingSource").field("record", &self.shared.lock().record).finish_non_exhaustive()
    }
}

// === impl RecordingSourceBuilder ===

impl<T> RecordingSourceBuilder<T> {
    /// Hands out `items`, after what the script has so far.
    pub fn items(mut self, items: impl IntoIterator<Item = T>) -> Self {
        for value in items {
            self.add(What::Item { value, attempt: 1 });
        }
        self
    }

    /// Fails once with `error`, after what the script has so far.
    pub fn fail(mut self, error: SourceError) -> Self {
        self.add(What::Fail(error));
        self
    }

    /// Does not end when the script is done, not even when closed: only [`Script::end`] ends it.
    pub fn never_ending(mut self) -> Self {
        self.ends = false;
        self
    }

    /// Keeps a copy of each item it hands out, as a disk or a broker does, and delivers that again
    /// after a nack without the value.
    pub fn redelivers(mut self) -> Self
    where
        T: Clone,
    {
        self.copy = Some(T::clone);
        self
    }

    /// Says that deliveries are the consumer's for so long. There is no clock to hold it to that: the test says when
    /// one is [lost](Script::lose).
    ///
    /// ```
    /// use std::time::Duration;
    /// use forebay_queue::Source;
    /// use forebay_testkit::RecordingSource;
    ///
    /// let lease = Duration::from_secs(30);
    /// let (source, _script) = RecordingSource::builder().redelivers().lease(lease).items(["a"]).build();
    /// assert_eq!(source.lease(), Some(lease));
    /// ```
    pub fn lease(mut self, lease: Duration) -> Self {
        self.lease = Some(lease);
        self
    }

    fn add(&mut self, what: What<T>) {
        self.steps.push_back(Step { place: self.next_place, what });
        self.next_place += 1;
    }

    /// The source, and the test's end of it.
    pub fn build(self) -> (RecordingSource<T>, Script<T>) {
        let state = State {
            steps: self.steps,
            outstanding: BTreeMap::new(),
            next_receipt: 0,
            next_place: self.next_place,
            ends: self.ends,
            copy: self.copy,
            lease: self.lease,
            lost: Vec::new(),
            settlements_held: false,
            settle_errors: VecDeque::new(),
            record: Record::default(),
            next_waker: None,
            settled_waker: None,
            lost_waker: None,
            watchers: Vec::new(),
            called: Vec::new(),
            replaced: Vec::new(),
        };
        let shared = Arc::new(Shared { state: Mutex::new(state) });
        (RecordingSource { shared: Arc::clone(&shared) }, Script { shared })
    }
}

impl<T> fmt::Debug for RecordingSourceBuilder<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RecordingSourceBuilder")
            .field("steps", &self.steps.len())
            .field("ends", &self.ends)
            .field("redelivers", &self.copy.is_some())
            .finish()
    }
}

// === impl Script ===

impl<T> Script<T> {
    /// Adds an item, and wakes whoever waits for one. A source that was closed accepts nothing new: the item is
    /// dropped, and counted in the [`Record`].
    pub fn push(&self, item: T) {
        let refused = self.shared.change(|state| {
            if state.record.closes > 0 {
                state.record.refused += 1;
                return Some(item);
            }
            state.add(What::Item { value: item, attempt: 1 });
            None
        });
        drop(refused);
    }

    /// Adds a failure of `poll_next`.
    pub fn fail(&self, error: SourceError) {
        self.shared.change(|state| {
            state.add(What::Fail(error));
        });
    }

    /// Adds nothing more: the source ends when the script is done and nothing is outstanding.
    pub fn end(&self) {
        self.shared.change(|state| {
            state.ends = true;
            state.call_next();
        });
    }

    /// From now on `poll_settled` is pending, as if a disk or a network were slow.
    pub fn hold_settlements(&self) {
        self.shared.change(|state| state.settlements_held = true);
    }

    /// Settlements are durable again: wakes whoever waits in `poll_settled`.
    pub fn release_settlements(&self) {
        self.shared.change(|state| {
            state.settlements_held = false;
            state.call_settled();
        });
    }

    /// The next `poll_settled` fails with `error`, once.
    pub fn fail_settling(&self, error: SourceError) {
        self.shared.change(|state| {
            state.settle_errors.push_back(error);
            state.call_settled();
        });
    }

    /// Takes a delivery back from the consumer, as if its lease had run out, and tells it so when it asks. A source that
    /// [redelivers](RecordingSourceBuilder::redelivers) delivers the item again at once. `false`: the consumer has no
    /// such delivery.
    pub fn lose(&self, receipt: Receipt) -> bool {
        self.shared.change(|state| {
            let Some(Outstanding { attempt, place, copy }) = state.outstanding.remove(&receipt) else {
                return false;
            };
            state.lost.push(receipt);
            state.called.extend(state.lost_waker.take());
            if let Some(value) = copy {
                state.put_back(place, value, attempt);
            }
            if !state.steps.is_empty() || (state.ends && state.outstanding.is_empty()) {
                state.call_next();
            }
            true
        })
    }

    /// What was asked of the source so far.
    pub fn record(&self) -> Record {
        self.shared.lock().record.clone()
    }

    /// How many deliveries are in the consumer's hands.
    pub fn outstanding(&self) -> usize {
        self.shared.lock().outstanding.len()
    }

    /// How many items the script still has to hand out.
    pub fn remaining(&self) -> usize {
        self.shared.lock().steps.iter().filter(|step| matches!(step.what, What::Item { .. })).count()
    }

    /// Waits until the record is as `condition` wants it. It is looked at after each change.
    ///
    /// # Cancel safety
    ///
    /// Dropping it changes nothing.
    pub async fn until(&self, mut condition: impl FnMut(&Record) -> bool) {
        poll_fn(|cx| {
            // Whoever changes the record after this wakes us, so looking at a copy of it misses nothing.
            let waker = cx.waker().clone();
            let record = {
                let mut state = self.shared.lock();
                state.watchers.push(waker);
                state.record.clone()
            };
            if condition(&record) { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }
}

impl<T> Clone for Script<T> {
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared) }
    }
}

impl<T> fmt::Debug for Script<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Script").field("record", &self.shared.lock().record).finish_non_exhaustive()
    }
}

// === impl Record ===

impl Record {
    /// How deliveries ended, in the order in which they did.
    pub fn ends(&self) -> Vec<End> {
        self.settlements.iter().map(|settlement| settlement.end.clone()).collect()
    }

    /// The largest demand so far; 0 before the first.
    pub fn most_demanded(&self) -> usize {
        self.demands.iter().copied().max().unwrap_or(0)
    }
}

// === impl Shared ===

impl<T> Shared<T> {
    /// A test that panicked elsewhere must not hide its own message behind a poisoned lock.
    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the state, then wakes the tests that watch it, outside the lock.
    fn change<R>(&self, change: impl FnOnce(&mut State<T>) -> R) -> R {
        let mut state = self.lock();
        let result = change(&mut state);
        let mut wakers = std::mem::take(&mut state.watchers);
        wakers.append(&mut state.called);
        let replaced = std::mem::take(&mut state.replaced);
        drop(state);
        drop(replaced);
        wakers.into_iter().for_each(Waker::wake);
        result
    }
}

impl<T: Send + 'static> Settle<T> for Shared<T> {
    fn settle(&self, receipt: Receipt, item: Option<T>, end: End) {
        let left = self.change(|state| {
            let Some(Outstanding { attempt, place, copy }) = state.outstanding.remove(&receipt) else {
                state.record.late.push(receipt);
                return (item, None);
            };
            let with_item = item.is_some();
            let goes_back = matches!(end, End::Nack { .. });
            state.record.settlements.push(Settlement { receipt, attempt, end, with_item });
            let (value, left) = if with_item { (item, copy) } else { (copy, None) };
            let left = if goes_back && let Some(value) = value {
                state.put_back(place, value, attempt);
                (None, left)
            } else {
                (value, left)
            };
            if !state.steps.is_empty() || (state.ends && state.outstanding.is_empty()) {
                state.call_next();
            }
            left
        });
        // Destructors of items may panic; they run here, after the record is complete.
        drop(left);
    }

    fn extend(&self, receipt: Receipt, lease: Duration) {
        self.change(|state| state.record.extensions.push(Extension { receipt, lease }));
    }
}

// === impl State ===

impl<T> State<T> {
    fn add(&mut self, what: What<T>) {
        self.steps.push_back(Step { place: self.next_place, what });
        self.next_place += 1;
        self.call_next();
    }

    fn hand_out(&mut self, place: u64, attempt: u32) -> Receipt {
        let receipt = Receipt::new(self.next_receipt);
        self.next_receipt += 1;
        self.outstanding.insert(receipt, Outstanding { attempt, place, copy: None });
        self.record.handed_out += 1;
        self.record.most_outstanding = self.record.most_outstanding.max(self.outstanding.len());
        receipt
    }

    /// Attempt number `attempt` at the item is over, and it is to be delivered again.
    fn put_back(&mut self, place: u64, value: T, attempt: u32) {
        let at = self.steps.partition_point(|step| step.place < place);
        let what = What::Item { value, attempt: attempt.saturating_add(1) };
        self.steps.insert(at, Step { place, what });
    }

    fn call_next(&mut self) {
        self.called.extend(self.next_waker.take());
    }

    fn call_settled(&mut self) {
        self.called.extend(self.settled_waker.take());
    }
}

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
/// attempt number. It has no clock, so a nacked item is there again at once; that it was to wait is
/// in the [`Record`].
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
#[must_use = "a builder does nothing until `build`"]
pub struct RecordingSourceBuilder<T> {
    steps: VecDeque<Step<T>>,
    ends: bool,
    copy: Option<fn(&T) -> T>,
}

/// The test's end of a [`RecordingSource`]: adds to the script and reads the record. Cloneable.
pub struct Script<T> {
    shared: Arc<Shared<T>>,
}

/// What was asked of a [`RecordingSource`] so far, in the order in which it came.
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
    /// How often `poll_settled` was called.
    pub settled_polls: usize,
    /// How often `close` was called.
    pub closes: usize,
    /// Whether the source itself was dropped.
    pub dropped: bool,
}

/// How one delivery of a [`RecordingSource`] ended.
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
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Extension {
    /// Which delivery.
    pub receipt: Receipt,
    /// For how long from then.
    pub lease: Duration,
}

/// One thing that `poll_next` will meet.
enum Step<T> {
    Item { item: T, attempt: u32 },
    Fail(SourceError),
}

/// A delivery in the consumer's hands.
struct Outstanding<T> {
    attempt: u32,
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
    /// Nothing will be added: the end comes when the steps are done and no delivery is outstanding.
    ends: bool,
    copy: Option<fn(&T) -> T>,
    settlements_held: bool,
    settle_errors: VecDeque<SourceError>,
    record: Record,
    next_waker: Option<Waker>,
    settled_waker: Option<Waker>,
    /// Tests that wait in [`Script::until`].
    watchers: Vec<Waker>,
    /// To be woken once the lock is released.
    called: Vec<Waker>,
}

// === impl RecordingSource ===

impl<T> RecordingSource<T> {
    /// A source in memory that hands out `items` and then ends.
    pub fn new(items: impl IntoIterator<Item = T>) -> (Self, Script<T>) {
        Self::builder().items(items).build()
    }

    /// A source with more to its script.
    pub fn builder() -> RecordingSourceBuilder<T> {
        RecordingSourceBuilder { steps: VecDeque::new(), ends: true, copy: None }
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
        self.shared.change(|state| {
            state.record.demands.push(max.get());
            match state.steps.front() {
                Some(Step::Fail(_)) => {
                    let Some(Step::Fail(error)) = state.steps.pop_front() else {
                        unreachable!("the front was just seen to be a failure")
                    };
                    return Poll::Ready(Err(error));
                }
                Some(Step::Item { .. }) => {}
                None if state.ends && state.outstanding.is_empty() => return Poll::Ready(Ok(0)),
                None => {
                    state.next_waker = Some(cx.waker().clone());
                    return Poll::Pending;
                }
            }
            let before = out.len();
            while out.len() - before < max.get() && matches!(state.steps.front(), Some(Step::Item { .. })) {
                let Some(Step::Item { item, attempt }) = state.steps.pop_front() else {
                    unreachable!("the front was just seen to be an item")
                };
                out.push(state.hand_out(item, attempt, &self.shared));
            }
            Poll::Ready(Ok(out.len() - before))
        })
    }

    fn poll_settled(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), SourceError>> {
        self.shared.change(|state| {
            state.record.settled_polls += 1;
            if let Some(error) = state.settle_errors.pop_front() {
                return Poll::Ready(Err(error));
            }
            if state.settlements_held {
                state.settled_waker = Some(cx.waker().clone());
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
        self.steps.extend(items.into_iter().map(|item| Step::Item { item, attempt: 1 }));
        self
    }

    /// Fails once with `error`, after what the script has so far.
    pub fn fail(mut self, error: SourceError) -> Self {
        self.steps.push_back(Step::Fail(error));
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

    /// The source, and the test's end of it.
    pub fn build(self) -> (RecordingSource<T>, Script<T>) {
        let state = State {
            steps: self.steps,
            outstanding: BTreeMap::new(),
            next_receipt: 0,
            ends: self.ends,
            copy: self.copy,
            settlements_held: false,
            settle_errors: VecDeque::new(),
            record: Record::default(),
            next_waker: None,
            settled_waker: None,
            watchers: Vec::new(),
            called: Vec::new(),
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
    /// Adds an item, and wakes whoever waits for one.
    pub fn push(&self, item: T) {
        self.shared.change(|state| {
            state.steps.push_back(Step::Item { item, attempt: 1 });
            state.call_next();
        });
    }

    /// Adds a failure of `poll_next`.
    pub fn fail(&self, error: SourceError) {
        self.shared.change(|state| {
            state.steps.push_back(Step::Fail(error));
            state.call_next();
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
        self.shared.lock().steps.iter().filter(|step| matches!(step, Step::Item { .. })).count()
    }

    /// Waits until the record is as `condition` wants it. It is looked at after each change.
    ///
    /// # Cancel safety
    ///
    /// Dropping it changes nothing.
    pub async fn until(&self, mut condition: impl FnMut(&Record) -> bool) {
        poll_fn(|cx| {
            let mut state = self.shared.lock();
            if condition(&state.record) {
                return Poll::Ready(());
            }
            state.watchers.push(cx.waker().clone());
            Poll::Pending
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
        drop(state);
        wakers.into_iter().for_each(Waker::wake);
        result
    }
}

impl<T: Send + 'static> Settle<T> for Shared<T> {
    fn settle(&self, receipt: Receipt, item: Option<T>, end: End) {
        let kept = self.change(|state| {
            let outstanding = state.outstanding.remove(&receipt)?;
            let attempt = outstanding.attempt;
            state.record.settlements.push(Settlement {
                receipt,
                attempt,
                end: end.clone(),
                with_item: item.is_some(),
            });
            let kept = match (end, item.or(outstanding.copy)) {
                (End::Nack { .. }, Some(item)) => {
                    state.steps.push_front(Step::Item { item, attempt: attempt.saturating_add(1) });
                    None
                }
                (_, kept) => kept,
            };
            if !state.steps.is_empty() || (state.ends && state.outstanding.is_empty()) {
                state.call_next();
            }
            kept
        });
        // The item's destructor may panic; it runs here, after the record is complete.
        drop(kept);
    }

    fn extend(&self, receipt: Receipt, lease: Duration) {
        self.change(|state| state.record.extensions.push(Extension { receipt, lease }));
    }
}

// === impl State ===

impl<T: Send + 'static> State<T> {
    fn hand_out(&mut self, item: T, attempt: u32, shared: &Arc<Shared<T>>) -> Delivery<T> {
        let receipt = Receipt::new(self.next_receipt);
        self.next_receipt += 1;
        let copy = self.copy.map(|copy| copy(&item));
        self.outstanding.insert(receipt, Outstanding { attempt, copy });
        self.record.handed_out += 1;
        self.record.most_outstanding = self.record.most_outstanding.max(self.outstanding.len());
        let settler: Arc<dyn Settle<T>> = Arc::clone(shared) as Arc<dyn Settle<T>>;
        Delivery::new(item, receipt, settler).with_attempt(attempt)
    }
}

impl<T> State<T> {
    fn call_next(&mut self) {
        self.called.extend(self.next_waker.take());
    }

    fn call_settled(&mut self) {
        self.called.extend(self.settled_waker.take());
    }
}

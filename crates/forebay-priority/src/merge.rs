//! Several sources as one.
//!
//! # The rules
//!
//! 1. A source is *ready* while it may have something: at first, after it gave something, and after its waker was called.
//!    It is asked only then, and for one delivery at a time, so nothing lies here.
//! 2. A ready source has two entries in the discipline. When one is taken out, for its turn, the other is still there until
//!    both are back at the end: so a source that goes on giving is never seen to leave, which would cost it what it has
//!    saved up.
//! 3. A source that has nothing, has ended or has failed leaves the discipline with both.
//! 4. Each source has a waker of its own, which notes whose it is and calls the caller's.

mod contained;
mod leases;

use std::fmt;
use std::mem;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

use forebay_queue::{ClassStats, Delivery, Receipt, Source, SourceError};

use self::contained::Contained;
use self::leases::Leases;
use crate::config::nanos;
use crate::contain::{let_go, wake};
use crate::{Discipline, Entry, Label, Tick, UnknownClass};

/// Several sources as one, in the order of a discipline: a queue for each topic or tenant, say.
///
/// Each delivery comes from whichever source is next among those that have something; an empty source never holds up the
/// others. A merge stores nothing: a source is asked when it is its turn, for one delivery. It keeps its own order, and
/// learns itself how its deliveries ended.
///
/// A merge has ended when all its sources have. A source that is unavailable is asked again with each call, and the failure
/// is reported when no other source has anything. A pool then waits a while before it asks again, and an item that another
/// source gets meanwhile waits as long: up to the longest backoff, a second by default.
///
/// A broken source counts as ended, even if it reports so only while it is settled; that is reported when all others have
/// ended, instead of the end. Settlements that it has not confirmed by then count as not confirmed. A source that panics is
/// treated the same way. Settlement failures of several sources are reported one at a time, the newest of each.
///
/// # Bounds
///
/// Those of the discipline, counted in deliveries that it handed out. A cost of 1 is right, unless the deliveries of one source
/// are known to cost more than those of another. To [`Strict`](crate::Strict) and to [`Aging`](crate::Aging) by arrivals each
/// delivery counts twice: a source that is passed over has its turn after half as many as set.
///
/// # Example
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use forebay_priority::{Merge, WeightedFair};
/// use forebay_queue::{Source, bounded};
///
/// let (paid, paid_jobs) = bounded(100);
/// let (free, free_jobs) = bounded(100);
/// let mut both = Merge::new(WeightedFair::new([("paid", 2), ("free", 1)])?)
///     .source("paid", paid_jobs)?
///     .source("free", free_jobs)?; // a pool takes it as its source
///
/// for n in 0..4 {
///     paid.try_send(format!("paid {n}"))?;
///     free.try_send(format!("free {n}"))?;
/// }
/// let mut hands = Vec::new();
/// std::future::poll_fn(|cx| both.poll_next(cx, 6.try_into().expect("not 0"), &mut hands)).await?;
/// let order: Vec<_> = hands.iter().filter_map(|delivery| delivery.item()).collect();
/// assert_eq!(order, ["paid 0", "paid 1", "free 0", "paid 2", "paid 3", "free 1"]);
/// # Ok(()) }
/// ```
pub struct Merge<T, D: Discipline> {
    discipline: D,
    branches: Vec<Branch<T, D::Rank>>,
    bell: Arc<Bell>,
    leases: Leases<T>,
    /// Does one of the sources have leases?
    lends: bool,
    /// Do some of the sources redeliver, and others not?
    is_mixed: bool,
    seq: u64,
    start: Instant,
    /// The counts of each class.
    counts: Vec<Count>,
    /// The error of the first broken source.
    broken: Option<SourceError>,
    /// The source whose settlement failure is reported next, if it has one.
    next_told: usize,
}

#[derive(Debug, Clone, Copy, Default)]
struct Count {
    served: u64,
    promoted: u64,
    /// As the discipline counts, for which a source that had nothing was promoted, too.
    promoted_in_all: u64,
}

struct Branch<T, R> {
    source: Contained<T>,
    rank: R,
    state: State<R>,
    waker: Waker,
    settling: Settling,
}

/// The state of a source's settlements.
#[derive(Debug)]
enum Settling {
    Well,
    /// Settling fails, and that is still to be reported; `again` if it was reported before, and nothing has worked since.
    Failed {
        error: SourceError,
        again: bool,
    },
    /// Settling fails, and that was reported.
    Told,
    /// It will never work again.
    Broken,
}

#[derive(Debug, Clone, Copy)]
enum State<R> {
    /// It may have something, and these entries are in the discipline.
    Ready([Entry<R>; 2]),
    /// It had nothing, and will call its waker.
    Waiting,
    /// It failed, and will not call its waker.
    Failed,
    Ended,
}

/// Which sources have called, and the waker to call for them.
#[derive(Default)]
struct Bell(Mutex<Rung>);

#[derive(Default)]
struct Rung {
    caller: Option<Waker>,
    by: Vec<usize>,
}

/// The waker of one source.
struct Rope {
    bell: Arc<Bell>,
    at: usize,
}

// === impl Merge ===

impl<T: Send + 'static, D: Discipline> Merge<T, D> {
    /// A merge in the order of `discipline`, which must be empty; it has no source yet, and so has ended.
    pub fn new(discipline: D) -> Self {
        Self {
            counts: vec![Count::default(); discipline.classes().len().max(1)],
            discipline,
            branches: Vec::new(),
            bell: Arc::default(),
            leases: Leases::new(),
            lends: false,
            is_mixed: false,
            seq: 0,
            start: Instant::now(),
            broken: None,
            next_told: 0,
        }
    }

    /// Adds a source whose deliveries are of this class. Several sources of one class take turns.
    ///
    /// # Errors
    ///
    /// The discipline does not know the class.
    pub fn source(self, class: &str, source: impl Source<Item = T>) -> Result<Self, UnknownClass>
    where
        D::Rank: Default,
    {
        let rank = self.discipline.relabel(D::Rank::default(), &Label::class(class))?;
        Ok(self.source_as(rank, source))
    }

    /// Adds a source whose deliveries are of this rank.
    #[must_use]
    pub fn source_as(mut self, rank: D::Rank, source: impl Source<Item = T>) -> Self {
        let at = self.branches.len();
        let waker = Waker::from(Arc::new(Rope { bell: self.bell.clone(), at }));
        let source = Contained::new(source);
        self.lends |= source.lease().is_some();
        self.is_mixed |= self.branches.iter().any(|other| other.source.redelivers() != source.redelivers());
        let (state, settling) = (State::Waiting, Settling::Well);
        self.branches.push(Branch { source, rank, state, waker, settling });
        self.make_ready(at);
        self
    }

    /// How many deliveries each class gave, and how many of them out of turn. Only the sources know what waits.
    pub fn class_stats(&self) -> Vec<ClassStats> {
        let names = self.discipline.classes();
        let stats = self.counts.iter().enumerate().map(|(class, count)| {
            let mut stats = ClassStats::default();
            stats.class = names.get(class).cloned().unwrap_or_default();
            stats.served = count.served;
            stats.promoted = count.promoted;
            stats
        });
        stats.collect()
    }

    fn entry(&mut self, at: usize, half: u32, now: Tick) -> Entry<D::Rank> {
        let id = 2 * u32::try_from(at).expect("so many sources do not fit") + half;
        self.seq += 1;
        Entry::new(id, self.branches[at].rank, self.seq, now)
    }

    fn now(&self) -> Tick {
        if self.discipline.uses_time() { nanos(self.start.elapsed()) } else { 0 }
    }

    /// Called when the source may have something again.
    fn make_ready(&mut self, at: usize) {
        let now = self.now();
        if let State::Waiting | State::Failed = self.branches[at].state {
            let both = [self.entry(at, 0, now), self.entry(at, 1, now)];
            both.iter().for_each(|entry| self.discipline.insert(*entry));
            self.branches[at].state = State::Ready(both);
        }
    }

    /// Called when the source may have panicked: then it will not call any more, and is asked, so that it reports that.
    fn notice_panic(&mut self, at: usize) {
        let Branch { source, state, .. } = &self.branches[at];
        if source.has_panicked() && matches!(state, State::Waiting | State::Failed) {
            self.make_ready(at);
            self.bell.call();
        }
    }

    /// Called when the source gives nothing more.
    fn end(&mut self, at: usize) {
        if let State::Ready(both) = mem::replace(&mut self.branches[at].state, State::Ended) {
            for entry in both {
                self.discipline.remove(entry);
            }
        }
        // It may have been the last source.
        self.bell.call();
    }

    /// A settlement failure that was not reported yet; of another source than the last one, if there is one.
    fn told(&mut self) -> Option<SourceError> {
        let sources = self.branches.len();
        let fails = |at: &usize| matches!(self.branches[*at].settling, Settling::Failed { .. });
        let at = (0..sources).map(|more| (self.next_told + more) % sources).find(fails)?;
        self.next_told = at + 1;
        match mem::replace(&mut self.branches[at].settling, Settling::Told) {
            Settling::Failed { error, .. } => Some(error),
            _ => None,
        }
    }

    /// Asks the source whose entry `id` was taken out.
    fn ask(&mut self, id: u32, now: Tick, out: &mut Vec<Delivery<T>>) -> Result<(), SourceError> {
        let (at, half) = ((id / 2) as usize, (id % 2) as usize);
        let Branch { source, state, waker, rank, .. } = &mut self.branches[at];
        let State::Ready(both) = *state else { return Ok(()) };
        let class = self.discipline.class(*rank);
        let promoted_in_all = self.discipline.promoted(class);
        let count = &mut self.counts[class];
        let promoted = promoted_in_all - mem::replace(&mut count.promoted_in_all, promoted_in_all);
        let before = out.len();
        let polled = source.poll_next(&mut Context::from_waker(waker), NonZeroUsize::MIN, out);
        if let Poll::Ready(Ok(1..)) = polled {
            if let Some(delivery) = out.pop_if(|_| self.is_mixed) {
                // A source that is itself a merge has said it.
                let redelivers = delivery.redelivers().unwrap_or_else(|| source.redelivers());
                out.push(delivery.with_redelivers(redelivers));
            }
            if self.lends {
                self.leases.lend(at, before, out);
            }
            count.served += 1;
            count.promoted += promoted;
            let again = [self.entry(at, 0, now), self.entry(at, 1, now)];
            self.discipline.insert(again[half]);
            // Both entries go behind their equals.
            self.discipline.remove(both[1 - half]);
            self.discipline.insert(again[1 - half]);
            self.branches[at].state = State::Ready(again);
            return Ok(());
        }
        self.discipline.remove(both[1 - half]);
        self.branches[at].state = match polled {
            Poll::Pending => State::Waiting,
            Poll::Ready(Err(error @ SourceError::Broken(_))) => {
                self.broken.get_or_insert(error);
                State::Ended
            }
            Poll::Ready(Err(error)) => {
                self.branches[at].state = State::Failed;
                return Err(error);
            }
            Poll::Ready(Ok(_)) => State::Ended,
        };
        Ok(())
    }
}

impl<T: Send + 'static, D: Discipline<Rank: Send> + 'static> Source for Merge<T, D> {
    type Item = T;

    fn poll_next(
        &mut self,
        cx: &mut Context<'_>,
        max: NonZeroUsize,
        out: &mut Vec<Delivery<T>>,
    ) -> Poll<Result<usize, SourceError>> {
        let before = out.len();
        // Before any source is asked, so that no call is missed.
        for at in self.bell.answer(cx.waker().clone()) {
            self.make_ready(at);
        }
        for at in 0..self.branches.len() {
            if let State::Failed = self.branches[at].state {
                self.make_ready(at);
            }
        }
        let now = self.now();
        let mut failed = None;
        while out.len() - before < max.get()
            && let Some(id) = self.discipline.next(now)
        {
            if let Err(error) = self.ask(id, now, out) {
                failed.get_or_insert(error);
            }
        }
        if out.len() > before {
            return Poll::Ready(Ok(out.len() - before));
        }
        if let Some(error) = failed {
            return Poll::Ready(Err(error));
        }
        if self.branches.iter().all(|branch| matches!(branch.state, State::Ended)) {
            return Poll::Ready(self.broken.take().map_or(Ok(0), Err));
        }
        Poll::Pending
    }

    fn poll_settled(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), SourceError>> {
        let mut all = Poll::Ready(Ok(()));
        for at in 0..self.branches.len() {
            let Branch { source, settling, .. } = &mut self.branches[at];
            if let Settling::Broken = settling {
                // This source confirms nothing any more, which the consumer learns at the end.
                all = Poll::Pending;
                continue;
            }
            match source.poll_settled(cx) {
                Poll::Ready(Ok(())) => {
                    if settling.was_told() {
                        *settling = Settling::Well;
                    }
                }
                Poll::Ready(Err(error @ SourceError::Broken(_))) => {
                    *settling = Settling::Broken;
                    self.end(at);
                    self.broken.get_or_insert(error);
                    all = Poll::Pending;
                }
                Poll::Ready(Err(error)) => {
                    *settling = Settling::Failed { error, again: settling.was_told() };
                }
                Poll::Pending => all = Poll::Pending,
            }
        }
        // A failure is reported at once, whatever other sources still have to do; of several, one with each call, in turns.
        self.told().map_or(all, |error| Poll::Ready(Err(error)))
    }

    fn close(&mut self) {
        for at in 0..self.branches.len() {
            self.branches[at].source.close();
            self.notice_panic(at);
        }
    }

    fn is_closed(&self) -> bool {
        self.branches.iter().all(|branch| matches!(branch.state, State::Ended) || branch.source.is_closed())
    }

    fn poll_closed(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let mut all = Poll::Ready(());
        // Each keeps the waker.
        for at in 0..self.branches.len() {
            let Branch { source, state, .. } = &mut self.branches[at];
            if !matches!(state, State::Ended) && source.poll_closed(cx).is_pending() {
                all = Poll::Pending;
            }
            self.notice_panic(at);
        }
        all
    }

    /// Only if all sources do. If some do, each delivery says [by itself](Delivery::redelivers) whether its source does.
    fn redelivers(&self) -> bool {
        self.branches.iter().all(|branch| branch.source.redelivers())
    }

    /// The shortest lease of all sources.
    fn lease(&self) -> Option<Duration> {
        self.branches.iter().filter_map(|branch| branch.source.lease()).min()
    }

    fn poll_lost(&mut self, cx: &mut Context<'_>, lost: &mut Vec<Receipt>) -> Poll<usize> {
        let before = lost.len();
        let mut theirs = Vec::new();
        for at in 0..self.branches.len() {
            // Until the source has no more to report, since it calls its waker only then.
            while let Poll::Ready(1..) = self.branches[at].source.poll_lost(cx, &mut theirs) {
                lost.extend(theirs.drain(..).filter_map(|receipt| self.leases.lose(at, receipt)));
            }
            self.notice_panic(at);
        }
        if lost.len() > before { Poll::Ready(lost.len() - before) } else { Poll::Pending }
    }
}

impl<T, D: Discipline> fmt::Debug for Merge<T, D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Merge").field("sources", &self.branches.len()).finish_non_exhaustive()
    }
}

// === impl Settling ===

impl Settling {
    /// Was it reported that settling fails, and does it still?
    fn was_told(&self) -> bool {
        matches!(self, Self::Told | Self::Failed { again: true, .. })
    }
}

// === impl Bell ===

impl Bell {
    /// The sources that have called since; from now on they wake this caller.
    fn answer(&self, caller: Waker) -> Vec<usize> {
        let mut rung = self.lock();
        let old = rung.caller.replace(caller);
        let by = mem::take(&mut rung.by);
        drop(rung);
        let_go(old);
        by
    }

    /// Wakes the last caller.
    fn call(&self) {
        let caller = self.lock().caller.take();
        caller.into_iter().for_each(wake);
    }

    // Nothing that is done under the lock can panic halfway.
    fn lock(&self) -> MutexGuard<'_, Rung> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl Rope ===

impl Wake for Rope {
    fn wake(self: Arc<Self>) {
        let mut rung = self.bell.lock();
        if !rung.by.contains(&self.at) {
            rung.by.push(self.at);
        }
        let caller = rung.caller.take();
        drop(rung);
        caller.into_iter().for_each(wake);
    }
}

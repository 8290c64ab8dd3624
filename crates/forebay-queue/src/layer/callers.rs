//! Calls without an answer yet: what the handles, the response futures and the worker share.
//!
//! # The rules
//!
//! 1. A call waits as a node in the line; the request lies in the node, and the response future knows its key. A
//!    response future that is dropped takes its node out at once, wherever in the line that is.
//! 2. The worker takes the next request out of the line and calls the service outside of the lock. Until it brings
//!    the answer, the node belongs to the worker: a caller that leaves meanwhile only says so, and the worker removes
//!    the node. So a key never names another call than its owner's.
//! 3. The answer is the service's *future*, which the caller drives, or an error. So answers do not wait for each
//!    other, and the service decides how many run at once.
//! 4. A call that is to go on without its caller is *running* from the answer on. When its caller drops the future,
//!    the worker takes the future over, and does not end while anything is running.
//! 5. Wakers are called, and user values are dropped, after the lock is released.

mod state;

use std::mem;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::Instant;
use tracing::Span;

use self::state::{Call, Gone, State, Tally};
use super::config::Options;
use super::{QueueError, WhenDropped};
use crate::core::{ByDiscipline, Key, Timer, Turn, Waiters, Waiting, changed, moment, wake};
use crate::sync::{self, Mutex};
use crate::{
    By, ClassStats, Discipline, Fifo, Line, Pressure, QueueStats, RetuneError, UnknownClass, WhenFull, hooks,
};

pub(super) struct Callers<R, F, E, L: Line<R> = Fifo> {
    pub(super) options: Options,
    classifier: L::Classifier,
    /// Mirrors `State::closed`, written under the lock: readiness is asked for before each call and needs no more. The
    /// call itself looks again under the lock, so nothing depends on when the change is seen.
    closed: AtomicBool,
    state: Mutex<State<R, F, E, L>>,
}

/// How a call was answered.
pub(super) type Answer<R, F, E> = Result<F, QueueError<E, R>>;

/// A request that did not join the line, and the error that its caller gets: built once the lock is released.
type Rejected<R, E> = (fn(R) -> QueueError<E, R>, Request<R>);

/// A request in the line.
pub(super) struct Request<R> {
    pub(super) request: R,
    /// The caller's span.
    pub(super) span: Span,
    /// When it joined the line, in a line that is timed.
    pub(super) since: Option<Instant>,
}

/// A request that the worker has taken out of the line; it is answered in any case, also on drop.
pub(super) struct Taken<'a, R, F, E, L: Line<R>> {
    callers: &'a Callers<R, F, E, L>,
    /// `None` once it is answered.
    key: Option<Key>,
}

/// A request, and the duty to answer it.
pub(super) type InHand<'a, R, F, E, L> = (Request<R>, Taken<'a, R, F, E, L>);

/// What the worker finds.
pub(super) enum Front {
    /// A call waits.
    Call,
    /// There are futures to take over.
    Left,
    /// Nobody waits or will, and nothing is running.
    End,
}

// === impl Callers: everybody ===

impl<R, F, E, L: Line<R>> Callers<R, F, E, L> {
    pub(super) fn new(options: Options, line: L) -> Arc<Self> {
        let (_, order, classifier) = line.open(false);
        let state = State {
            line: Waiters::new(),
            classes: vec![Tally::default(); order.classes().len().max(1)],
            order,
            joined: 0,
            tally: QueueStats::default(),
            in_hand: 0,
            running: 0,
            left: Vec::new(),
            worker: None,
            idle: false,
            handles: 1,
            closed: false,
            alone: false,
            alarm: None,
            pressure: Pressure::Normal,
        };
        Arc::new(Self { options, classifier, closed: AtomicBool::new(false), state: Mutex::new(state) })
    }

    pub(super) fn add_handle(&self) {
        sync::lock(&self.state).handles += 1;
    }

    pub(super) fn remove_handle(&self) {
        let mut state = sync::lock(&self.state);
        state.handles -= 1;
        if state.handles == 0 {
            self.shut(&mut state);
            let worker = state.worker.take();
            drop(state);
            worker.into_iter().for_each(wake);
        }
    }

    pub(super) fn close(&self) {
        let worker = {
            let mut state = sync::lock(&self.state);
            self.shut(&mut state);
            state.worker.take()
        };
        worker.into_iter().for_each(wake);
    }

    pub(super) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Relaxed)
    }

    pub(super) fn len(&self) -> usize {
        sync::lock(&self.state).line.len()
    }

    pub(super) fn pressure(&self) -> Pressure {
        sync::lock(&self.state).pressure
    }

    pub(super) fn stats(&self) -> QueueStats {
        let state = sync::lock(&self.state);
        QueueStats { held: state.line.len() + state.in_hand, ..state.tally }
    }

    pub(super) fn oldest_wait(&self) -> Option<Duration> {
        let since = {
            let mut state = sync::lock(&self.state);
            let first = state.line.first()?;
            match state.line.what(first) {
                Call::Waiting(request, _) => request.since?,
                _ => unreachable!("who is in the line waits"),
            }
        };
        Some(since.elapsed())
    }

    pub(super) fn class_stats(&self) -> Vec<ClassStats> {
        let mut state = sync::lock(&self.state);
        let oldest = state.oldest_of_classes();
        let names = state.order.classes();
        let each = state.classes.iter().zip(oldest).enumerate();
        each.map(|(class, (&Tally { waiting, served, shed, displaced, expired }, oldest))| ClassStats {
            class: names.get(class).cloned().unwrap_or_default(),
            waiting,
            oldest: oldest.map(|since| since.elapsed()),
            served,
            promoted: state.order.promoted(class),
            shed,
            displaced,
            expired,
        })
        .collect()
    }

    fn shut(&self, state: &mut State<R, F, E, L>) {
        state.closed = true;
        self.closed.store(true, Ordering::Relaxed);
    }

    fn detaches(&self) -> bool {
        self.options.when_dropped == WhenDropped::Detach
    }
}

// === impl Callers: the callers ===

impl<R, F, E, L: Line<R>> Callers<R, F, E, L> {
    /// Joins the line, or answers as a full line does.
    pub(super) fn join(&self, request: R) -> Result<Key, QueueError<E, R>> {
        let (request, rank) = match L::ONLY_RANK {
            Some(rank) => (request, Ok(rank)),
            None => hooks::ask_about(request, |request| L::rank(&self.classifier, request)),
        };
        let rank = match rank {
            Ok(rank) => rank,
            Err(unknown) => return Err(QueueError::Unclassified(request, Box::new(unknown))),
        };
        let since = self.options.timed.then(Instant::now);
        let request = Request { request, span: Span::current(), since };
        let (joined, worker) = {
            let mut state = sync::lock(&self.state);
            let joined = self.place(&mut state, request, rank);
            state.measure(&self.options);
            let concerns_worker = joined.is_ok() && (state.idle || state.is_late_before_alarm());
            let worker = if concerns_worker { state.worker.take() } else { None };
            (joined, worker)
        };
        worker.into_iter().for_each(wake);
        match joined {
            Ok((key, displaced)) => {
                displaced.into_iter().for_each(Gone::tell);
                Ok(key)
            }
            Err((error, request)) => Err(error(request.request)),
        }
    }

    /// Returns the node, and the call that was displaced for it.
    fn place(
        &self,
        state: &mut State<R, F, E, L>,
        request: Request<R>,
        rank: L::Rank,
    ) -> Result<(Key, Option<Gone>), Rejected<R, E>> {
        if state.closed {
            return Err((|request| QueueError::Closed(Some(request)), request));
        }
        let class = state.order.class(rank);
        // An idle worker takes a call at once, however few may wait.
        let most = self.options.most_of.get(class).map(|most| (*most).max(usize::from(state.idle)));
        if most.is_some_and(|most| state.classes[class].waiting >= most) {
            state.classes[class].shed += 1;
            state.tally.refused += 1;
            return Err((QueueError::Full, request));
        }
        if state.line.len() < self.most(state) {
            state.tally.accepted += 1;
            return Ok((state.push(request, rank), None));
        }
        let displaces = match self.options.when_full {
            WhenFull::Wait | WhenFull::Refuse => {
                state.classes[class].shed += 1;
                state.tally.refused += 1;
                return Err((QueueError::Full, request));
            }
            WhenFull::DropIncoming => false,
            WhenFull::DropYoungest | WhenFull::DropOldest => !state.line.is_empty(),
        };
        state.tally.accepted += 1;
        state.tally.dropped += 1;
        if !displaces {
            state.classes[class].displaced += 1;
            return Err((QueueError::Displaced, request));
        }
        // With a discipline the newcomer may itself be the last, so there it joins first.
        let joins_first = L::ONLY_RANK.is_none() && self.options.when_full == WhenFull::DropYoungest;
        let mut newcomer = Some(request);
        let joined =
            if joins_first { newcomer.take().map(|request| state.push(request, rank)) } else { None };
        let other = match self.options.when_full {
            WhenFull::DropYoungest => state.line.last().and_then(|last| state.order.last(last)),
            _ => state.next(),
        };
        let other = other.expect("somebody is in the line");
        if self.options.when_full == WhenFull::DropYoungest {
            state.leave_order(other);
        }
        if joined == Some(other) {
            let (_, call) = state.line.remove(other);
            let Call::Waiting(own, _) = call else { unreachable!("who is in the line waits") };
            state.classes[class].displaced += 1;
            return Err((QueueError::Displaced, own));
        }
        let displaced = state.turn_away(other, QueueError::Displaced, |tally| &mut tally.displaced);
        let joined = joined.or_else(|| newcomer.map(|request| state.push(request, rank)));
        Ok((joined.expect("it joins before or after"), Some(displaced)))
    }

    /// How many calls may be in the line.
    fn most(&self, state: &State<R, F, E, L>) -> usize {
        match (self.options.capacity, self.options.when_full) {
            // An idle worker may take a call at once, even where none may wait.
            (0, WhenFull::Wait) => self.options.max_waiting.max(usize::from(state.idle)),
            (capacity, WhenFull::Wait) => capacity.saturating_add(self.options.max_waiting),
            (0, _) => usize::from(state.idle),
            (capacity, _) => capacity,
        }
    }

    /// Waits for the answer, and then takes `key`.
    pub(super) fn poll_answer(
        &self,
        key: &mut Option<Key>,
        parked: &mut bool,
        cx: &mut Context<'_>,
    ) -> Poll<Answer<R, F, E>> {
        let owned = key.expect("polled after completion");
        // Cloned outside of the lock, since cloning runs user code; and only if it is likely to be needed: a future that
        // is polled again most likely has its answer.
        let mut waker = (!*parked).then(|| cx.waker().clone());
        let mut state = sync::lock(&self.state);
        while state.waits(owned) {
            let Some(waker) = waker.take() else {
                drop(state);
                waker = Some(cx.waker().clone());
                state = sync::lock(&self.state);
                continue;
            };
            let old = state.line.renew(owned, waker);
            *parked = true;
            drop(state);
            drop(old);
            return Poll::Pending;
        }
        *key = None;
        let (old, call) = state.line.remove(owned);
        drop(state);
        drop((old, waker));
        Poll::Ready(match call {
            Call::Answered(answer) => answer,
            // Dismissed and counted when the worker went away.
            Call::Waiting(request, _) => Err(QueueError::Closed(Some(request.request))),
            Call::Taken | Call::Left => unreachable!("waits for the worker"),
        })
    }

    /// Called when a response future is dropped before it had its answer (rules 1 and 2).
    pub(super) fn leave(&self, key: Key) {
        let mut state = sync::lock(&self.state);
        let turn = state.line.turn(key);
        if let call @ Call::Taken = state.line.what(key) {
            *call = Call::Left;
            return;
        }
        if turn == Turn::Waiting {
            state.leave_order(key);
        }
        let (waker, call) = state.line.remove(key);
        let mut worker = None;
        let rest = match call {
            Call::Answered(Ok(future)) if self.detaches() && !state.alone => {
                state.left.push(Box::pin(future));
                worker = state.worker.take();
                None
            }
            Call::Waiting(..) if turn == Turn::Waiting => {
                state.tally.returned += 1;
                state.measure(&self.options);
                // It may have been the last call that the worker stayed for, or asked the service for.
                if state.line.is_empty() {
                    worker = state.worker.take();
                }
                Some(call)
            }
            call => Some(call),
        };
        drop(state);
        worker.into_iter().for_each(wake);
        drop((waker, rest));
    }

    /// Called when a running call has ended (rule 4).
    pub(super) fn ended(&self) {
        let worker = {
            let mut state = sync::lock(&self.state);
            state.running -= 1;
            if state.closed && state.running == 0 { state.worker.take() } else { None }
        };
        worker.into_iter().for_each(wake);
    }

    /// Gives a running call to the worker (rule 4). Without a worker it ends here.
    pub(super) fn take_over(&self, future: Pin<Box<F>>) {
        let mut state = sync::lock(&self.state);
        if state.alone {
            drop(state);
            return drop(future);
        }
        state.left.push(future);
        let worker = state.worker.take();
        drop(state);
        worker.into_iter().for_each(wake);
    }
}

// === impl Callers: the worker ===

impl<R, F, E, L: Line<R>> Callers<R, F, E, L> {
    /// Waits until there is something to do, and says what.
    pub(super) fn poll_front(&self, cx: &mut Context<'_>) -> Poll<Front> {
        let mut waker = None;
        loop {
            let mut state = sync::lock(&self.state);
            state.idle = false;
            let front = if !state.left.is_empty() {
                Front::Left
            } else if !state.line.is_empty() {
                Front::Call
            } else if state.closed && state.running == 0 {
                Front::End
            } else if waker.is_none() {
                drop(state);
                waker = Some(cx.waker().clone());
                continue;
            } else {
                state.idle = true;
                let old = mem::replace(&mut state.worker, waker);
                drop(state);
                drop(old);
                return Poll::Pending;
            };
            return Poll::Ready(front);
        }
    }

    /// Waits while the service is not ready: the service wakes the worker, and so does any other work for it. Ready if
    /// there is such work already. Calls that become too late meanwhile are told so at once, by `timer`.
    pub(super) fn wait_for_service(&self, timer: &mut Timer, cx: &mut Context<'_>) -> Poll<()> {
        let waker = cx.waker().clone();
        let mut state = sync::lock(&self.state);
        let late = state.turn_late_away();
        if !late.is_empty() {
            state.measure(&self.options);
        }
        let is_over = state.line.is_empty() || !state.left.is_empty();
        // Without a runtime there is no timer, and late calls are told when it is their turn.
        let alarm = state.order.overdue_from().filter(|_| moment::now().is_some());
        let rest = if is_over { Some(waker) } else { state.worker.replace(waker) };
        state.alarm = alarm;
        drop(state);
        late.into_iter().for_each(Gone::tell);
        drop(rest);
        match alarm {
            _ if is_over => Poll::Ready(()),
            Some(due) => timer.poll(due, cx),
            None => Poll::Pending,
        }
    }

    /// Takes the next request in the line, if there still is one. Calls that are too late are turned away first.
    pub(super) fn take(&self) -> Option<InHand<'_, R, F, E, L>> {
        let mut state = sync::lock(&self.state);
        let late = state.turn_late_away();
        let next = state.next().map(|key| {
            let waker = state.line.serve_at(key);
            let Call::Waiting(request, spot) = mem::replace(state.line.what(key), Call::Taken) else {
                unreachable!("who is in the line waits");
            };
            // The caller is woken when it is answered.
            let none = waker.and_then(|waker| state.line.renew(key, waker));
            let class = state.order.class(spot.rank);
            state.classes[class].served += 1;
            state.in_hand += 1;
            (request, key, none)
        });
        state.measure(&self.options);
        drop(state);
        late.into_iter().for_each(Gone::tell);
        let (request, key, none) = next?;
        drop(none);
        Some((request, Taken { callers: self, key: Some(key) }))
    }

    /// Returns whether another call waits and nothing else is to be done, which the worker would ask next.
    pub(super) fn answer(&self, key: Key, answer: Answer<R, F, E>) -> bool {
        let mut state = sync::lock(&self.state);
        state.in_hand -= 1;
        match &answer {
            Ok(_) => state.tally.completed += 1,
            Err(_) => state.tally.failed += 1,
        }
        if self.detaches() && answer.is_ok() {
            state.running += 1;
        }
        let call = state.line.what(key);
        if let Call::Taken = call {
            *call = Call::Answered(answer);
            let caller = state.line.take_waker(key);
            let more = state.left.is_empty() && !state.line.is_empty();
            drop(state);
            caller.into_iter().for_each(wake);
            return more;
        }
        let node = state.line.remove(key);
        let rest = match answer {
            Ok(future) if self.detaches() => {
                state.left.push(Box::pin(future));
                None
            }
            answer => Some(answer),
        };
        drop(state);
        // User code runs on the worker here, and must not end it.
        hooks::contain(|| drop((node, rest)));
        false
    }

    /// The calls that callers have left to the worker. Each counts as running until it has [`ended`](Self::ended).
    pub(super) fn left(&self) -> Vec<Pin<Box<F>>> {
        mem::take(&mut sync::lock(&self.state).left)
    }

    /// Called when there is no service any more: waiting calls get their requests back, and nobody joins.
    pub(super) fn dismiss(&self) {
        let mut wakers = Vec::new();
        {
            let mut state = sync::lock(&self.state);
            self.shut(&mut state);
            while let Some(first) = state.line.first() {
                state.leave_order(first);
                state.tally.returned += 1;
                wakers.extend(state.line.dismiss_at(first));
            }
            state.measure(&self.options);
        }
        wakers.into_iter().for_each(wake);
    }

    /// Called when the worker goes away.
    pub(super) fn lose_worker(&self) {
        self.dismiss();
        let left = {
            let mut state = sync::lock(&self.state);
            state.alone = true;
            state.idle = false;
            (state.worker.take(), mem::take(&mut state.left))
        };
        drop(left);
    }
}

impl<R, F, E, D, C> Callers<R, F, E, By<D, C>>
where
    R: Send,
    D: Discipline + Clone,
    C: Fn(&R) -> Result<D::Rank, UnknownClass>,
{
    pub(super) fn retune(&self, change: impl FnOnce(&mut D)) -> Result<(), RetuneError> {
        let (old, worker) = {
            let mut state = sync::lock(&self.state);
            let new = changed(ByDiscipline::discipline(&state.order), change)?;
            let old = ByDiscipline::retune(&mut state.order, new);
            // A call may now be too late before the worker's alarm.
            (old, if state.is_late_before_alarm() { state.worker.take() } else { None })
        };
        worker.into_iter().for_each(wake);
        drop(old);
        Ok(())
    }
}

// === impl Taken ===

impl<R, F, E, L: Line<R>> Taken<'_, R, F, E, L> {
    /// As [`Callers::answer`].
    pub(super) fn answer(mut self, answer: Answer<R, F, E>) -> bool {
        self.key.take().is_some_and(|key| self.callers.answer(key, answer))
    }
}

impl<R, F, E, L: Line<R>> Drop for Taken<'_, R, F, E, L> {
    fn drop(&mut self) {
        if let Some(key) = self.key.take() {
            self.callers.answer(key, Err(QueueError::Panicked("the queue's worker panicked".to_owned())));
        }
    }
}

//! The calls in the line, and the order in which they leave it: what the lock of [`Callers`](super::Callers) guards.

use std::mem;
use std::pin::Pin;
use std::task::Waker;

use tokio::time::Instant;
use tracing::Span;

use super::super::QueueError;
use super::super::config::Options;
use super::{Answer, Request};
use crate::core::{Key, Moment, Turn, Waiters, Waiting, wake};
use crate::{Line, Pressure, QueueStats, Tick};

pub(super) struct State<R, F, E, L: Line<R>> {
    pub(super) line: Waiters<Call<R, F, E, L::Rank>>,
    /// Which of the calls in the line is next.
    pub(super) order: L::Waiting,
    /// How many calls have joined the line.
    pub(super) joined: u64,
    /// One for each class of the line; a single one if it has no classes.
    pub(super) classes: Vec<Tally>,
    pub(super) tally: QueueStats,
    /// Requests that the worker has taken and not answered: one at the most.
    pub(super) in_hand: usize,
    /// Calls that may yet become the worker's (rule 4).
    pub(super) running: usize,
    /// Calls that were left to the worker, and that it has not seen yet.
    pub(super) left: Vec<Pin<Box<F>>>,
    /// The worker, while it waits.
    pub(super) worker: Option<Waker>,
    /// Does the worker wait for a call, rather than for the service?
    pub(super) idle: bool,
    pub(super) handles: usize,
    pub(super) closed: bool,
    /// Is the worker gone? Then nobody takes over what callers leave.
    pub(super) alone: bool,
    /// When the worker, while it waits for the service, will look for calls that are too late.
    pub(super) alarm: Option<Moment>,
    pub(super) pressure: Pressure,
}

/// What has become of the calls of a class.
#[derive(Clone, Default)]
pub(super) struct Tally {
    pub(super) waiting: usize,
    pub(super) served: u64,
    pub(super) shed: u64,
    pub(super) displaced: u64,
    pub(super) expired: u64,
}

pub(super) enum Call<R, F, E, K> {
    Waiting(Request<R>, Spot<K>),
    /// The worker has the request.
    Taken,
    /// The worker has the request, and the caller is gone.
    Left,
    Answered(Answer<R, F, E>),
}

/// A caller that was turned away: it is told, and its span is dropped, once the lock is released.
#[must_use]
pub(super) struct Gone {
    waker: Option<Waker>,
    /// Dropping a span runs code of the subscriber.
    _span: Span,
}

/// Where a call stands in the order of the line.
#[derive(Clone, Copy)]
pub(super) struct Spot<K> {
    pub(super) rank: K,
    pub(super) seq: u64,
    pub(super) came: Tick,
}

// === impl Gone ===

impl Gone {
    pub(super) fn tell(self) {
        self.waker.into_iter().for_each(wake);
    }
}

// === impl State ===

impl<R, F, E, L: Line<R>> State<R, F, E, L> {
    /// Joins the line.
    pub(super) fn push(&mut self, request: Request<R>, rank: L::Rank) -> Key {
        let seq = self.joined;
        self.joined += 1;
        let class = self.order.class(rank);
        let spot = Spot { rank, seq, came: 0 };
        // The response future leaves its waker when it is polled.
        let key = self.line.push_back(Call::Waiting(request, spot), Waker::noop().clone());
        let at = self.order.insert(key, rank, seq);
        if let Call::Waiting(_, Spot { came, .. }) = self.line.what(key) {
            *came = at;
        }
        self.classes[class].waiting += 1;
        key
    }

    /// Takes the next call out of the order, but not out of the line.
    pub(super) fn next(&mut self) -> Option<Key> {
        let first = self.line.first()?;
        let key = self.order.next(first)?;
        self.left_order(key);
        Some(key)
    }

    /// Takes a call that is in the line out of its order.
    pub(super) fn leave_order(&mut self, key: Key) {
        if let &mut Call::Waiting(_, Spot { rank, seq, came }) = self.line.what(key) {
            self.order.remove(key, rank, seq, came);
        }
        self.left_order(key);
    }

    pub(super) fn left_order(&mut self, key: Key) {
        if let &mut Call::Waiting(_, Spot { rank, .. }) = self.line.what(key) {
            let class = self.order.class(rank);
            self.classes[class].waiting -= 1;
        }
    }

    /// Answers a call that is in the line, and out of the order, with an error.
    pub(super) fn turn_away(
        &mut self,
        key: Key,
        error: fn(R) -> QueueError<E, R>,
        count: fn(&mut Tally) -> &mut u64,
    ) -> Gone {
        let waker = self.line.serve_at(key);
        let call = self.line.what(key);
        let Call::Waiting(request, spot) = mem::replace(call, Call::Taken) else {
            unreachable!("who is in the line waits");
        };
        let Request { request, span, .. } = request;
        *call = Call::Answered(Err(error(request)));
        let class = self.order.class(spot.rank);
        *count(&mut self.classes[class]) += 1;
        Gone { waker, _span: span }
    }

    /// When the oldest of each class joined, in a line that is timed.
    pub(super) fn oldest_of_classes(&mut self) -> Vec<Option<Instant>> {
        let mut oldest = vec![None; self.classes.len()];
        let mut missing = self.classes.iter().filter(|tally| tally.waiting > 0).count();
        // The line itself is in order of arrival.
        let mut next = self.line.first();
        while let Some(key) = next.filter(|_| missing > 0) {
            next = self.line.behind(key);
            let Call::Waiting(Request { since: Some(since), .. }, Spot { rank, .. }) = self.line.what(key)
            else {
                break;
            };
            let oldest = &mut oldest[self.order.class(*rank)];
            missing -= usize::from(oldest.is_none());
            oldest.get_or_insert(*since);
        }
        oldest
    }

    /// Turns away the calls that are too late.
    pub(super) fn turn_late_away(&mut self) -> Vec<Gone> {
        let mut late = Vec::new();
        while let Some(key) = self.order.overdue() {
            self.left_order(key);
            late.push(self.turn_away(key, QueueError::Expired, |tally| &mut tally.expired));
            self.tally.dropped += 1;
            self.tally.expired += 1;
        }
        late
    }

    /// Will a call be too late before the worker looks?
    pub(super) fn is_late_before_alarm(&self) -> bool {
        let due = self.order.overdue_from();
        due.is_some_and(|due| self.alarm.is_none_or(|alarm| due < alarm))
    }

    /// Has the call no answer yet?
    pub(super) fn waits(&mut self, key: Key) -> bool {
        match self.line.turn(key) {
            Turn::Waiting => true,
            Turn::Served => matches!(self.line.what(key), Call::Taken),
            Turn::Closed => false,
        }
    }

    pub(super) fn measure(&mut self, options: &Options) {
        self.pressure = options.watermarks.update(self.pressure, self.line.len(), options.capacity);
    }
}

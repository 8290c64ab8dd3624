//! How many calls run at once.

use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::mem;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker, ready};

use forebay_queue::{CallEnd, Limit, Sample};
use pin_project_lite::pin_project;
use tokio::time::Instant;
use tower_service::Service;

use crate::ConfigError;
use crate::config::{in_range, nanos};
use crate::contain::{contain, let_go, wake};

/// How many calls may run at once: a number, or a [`Limit`] that learns it. Clones share the same seats.
///
/// ```
/// use forebay_priority::Seats;
///
/// let seats = Seats::new(8)?;
/// assert_eq!((seats.number(), seats.taken()), (8, 0));
/// seats.set(4)?; // who sits stays; nobody else sits down until fewer than four do
/// # Ok::<_, forebay_priority::ConfigError>(())
/// ```
#[derive(Clone)]
pub struct Seats(Arc<Mutex<Room>>);

struct Room {
    seats: Number,
    taken: usize,
    /// The workers that wait for a seat, by their numbers: one for each service, so all are called.
    waiting: BTreeMap<u64, Waker>,
    /// How many workers have waited.
    numbers: u64,
}

enum Number {
    Fixed(usize),
    /// A limit, and the moment at which its clock began.
    Learned(Box<dyn Limit>, Instant),
}

/// A seat that is taken; free again when it is dropped.
struct Seat {
    seats: Seats,
    /// When the call began, and how many calls ran then, where a limit wants to know.
    began: Option<(Instant, usize)>,
}

/// A service that is ready only while there is a seat; made by [`PriorityLayer`](super::PriorityLayer). It reserves: a
/// ready handle keeps its seat until it calls or is dropped, and clones start without.
///
/// A seat that comes free wakes all waiters, and the first one polled gets it. For an order among them put a line in
/// front, which is what [`PriorityLayer`](super::PriorityLayer) does.
///
/// ```
/// use forebay_priority::layer::{ByResult, Seated};
/// use forebay_priority::Seats;
/// use tower::Service;
/// use std::task::{Context, Waker};
///
/// # fn main() -> Result<(), forebay_priority::ConfigError> {
/// let seats = Seats::new(1)?;
/// let echo = tower::service_fn(async |n: u32| Ok::<_, ()>(n));
/// let mut first = Seated::new(echo, seats, ByResult);
/// let mut second = first.clone();
/// let mut cx = Context::from_waker(Waker::noop());
/// assert!(first.poll_ready(&mut cx).is_ready());
/// assert!(second.poll_ready(&mut cx).is_pending());
/// drop(first);
/// assert!(second.poll_ready(&mut cx).is_ready());
/// # Ok(()) }
/// ```
pub struct Seated<S, J = ByResult> {
    inner: S,
    seats: Seats,
    seat: Option<Seat>,
    /// Its number among the waiters.
    waits: Option<u64>,
    judge: J,
}

/// Says how a call ended, as far as a [`Limit`] is concerned. Every `Fn(Result<&T, &E>) -> CallEnd` is one.
///
/// ```
/// use forebay_priority::layer::{ByResult, Judge};
/// use forebay_queue::CallEnd;
///
/// let by_status = |result: Result<&u16, &String>| match result {
///     Ok(503) => CallEnd::Overload,
///     _ => CallEnd::Success,
/// };
/// assert_eq!(by_status.judge(Ok(&503)), CallEnd::Overload);
/// assert_eq!(ByResult.judge(Err::<&u16, _>(&"timeout".to_owned())), CallEnd::Overload);
/// ```
pub trait Judge<T, E> {
    /// Asked when the response or the error is there.
    fn judge(&self, result: Result<&T, &E>) -> CallEnd;
}

/// A response is a success, an error an overload.
///
/// ```
/// use forebay_priority::layer::{ByResult, Judge};
/// use forebay_queue::CallEnd;
///
/// assert_eq!(ByResult.judge(Ok::<_, &()>(&1)), CallEnd::Success);
/// ```
#[derive(Debug, Clone, Copy, Default)]
pub struct ByResult;

pin_project! {
    /// A call that has a seat until its response is there.
    ///
    /// # Cancel safety
    ///
    /// Dropped, it gives up its seat, and says nothing to a limit about how it ended.
    pub struct SeatedFuture<F, J> {
        #[pin]
        future: F,
        seat: Option<Seat>,
        judge: J,
    }
}

// === impl Seats ===

impl Seats {
    /// This many seats, 1 or more.
    ///
    /// # Errors
    ///
    /// If there are none.
    pub fn new(number: usize) -> Result<Self, ConfigError> {
        check(number)?;
        Ok(Self::of(Number::Fixed(number)))
    }

    /// As many seats as `limit` says, which learns of each call when it begins and when it ends. Costs two clock reads for
    /// each call.
    pub fn by(limit: impl Limit + 'static) -> Self {
        Self::of(Number::Learned(Box::new(limit), Instant::now()))
    }

    fn of(seats: Number) -> Self {
        Self(Arc::new(Mutex::new(Room { seats, taken: 0, waiting: BTreeMap::new(), numbers: 0 })))
    }

    /// Changes the number of seats, 1 or more; a limit that gave it is no longer asked. With fewer seats than are taken, no
    /// new call gets one until enough are free again.
    ///
    /// # Errors
    ///
    /// If there are none.
    pub fn set(&self, number: usize) -> Result<(), ConfigError> {
        check(number)?;
        let (old, waiting) = {
            let mut room = self.lock();
            (mem::replace(&mut room.seats, Number::Fixed(number)), mem::take(&mut room.waiting))
        };
        // A limit is user code: if it panics, the waiters are called all the same.
        let_go(old);
        waiting.into_values().for_each(wake);
        Ok(())
    }

    /// How many seats there are now.
    pub fn number(&self) -> usize {
        self.lock().number()
    }

    /// How many seats are taken now.
    pub fn taken(&self) -> usize {
        self.lock().taken
    }

    fn poll_seat(&self, waits: &mut Option<u64>, cx: &mut Context<'_>) -> Poll<Seat> {
        let waker = cx.waker().clone();
        let mut room = self.lock();
        if room.taken < room.number() {
            room.taken += 1;
            let old = waits.take().and_then(|number| room.waiting.remove(&number));
            drop(room);
            let_go((old, waker));
            return Poll::Ready(Seat { seats: self.clone(), began: None });
        }
        let number = *waits.get_or_insert(room.numbers);
        room.numbers += u64::from(number == room.numbers);
        let old = room.waiting.insert(number, waker);
        drop(room);
        let_go(old);
        Poll::Pending
    }

    // A limit that panics has said nothing, and no count is half-changed when it is asked.
    fn lock(&self) -> MutexGuard<'_, Room> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Seats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Seats").field("number", &self.number()).field("taken", &self.taken()).finish()
    }
}

impl Room {
    fn number(&self) -> usize {
        match &self.seats {
            Number::Fixed(number) => *number,
            Number::Learned(limit, _) => limit.seats().max(1),
        }
    }
}

fn check(number: usize) -> Result<(), ConfigError> {
    in_range("seats", number as u64, 1, u64::MAX)
}

// === impl Seat ===

impl Seat {
    /// Called when the call begins.
    fn begin(&mut self) {
        let mut room = self.seats.lock();
        let taken = room.taken;
        let Number::Learned(limit, _) = &mut room.seats else { return };
        limit.started(taken);
        self.began = Some((Instant::now(), taken));
        // The limit may have learned that there are more seats.
        let has_free = taken < room.number();
        let waiting = if has_free { mem::take(&mut room.waiting) } else { BTreeMap::new() };
        drop(room);
        waiting.into_values().for_each(wake);
    }

    /// Called when the call has ended.
    fn end(mut self, end: CallEnd) {
        self.tell(end);
    }

    fn tell(&mut self, end: CallEnd) {
        let Some((began, in_flight)) = self.began.take() else { return };
        if let Number::Learned(limit, origin) = &mut self.seats.lock().seats {
            let now = Instant::now();
            let sample = Sample { rtt: now.duration_since(began), in_flight, end };
            limit.update(&sample, nanos(now.duration_since(*origin)));
        }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        // A limit is user code: if it panics, the seat is free and the waiters are called all the same.
        let _ = contain(|| self.tell(CallEnd::Ignore));
        let waiting = {
            let mut room = self.seats.lock();
            room.taken -= 1;
            mem::take(&mut room.waiting)
        };
        waiting.into_values().for_each(wake);
    }
}

// === impl Seated ===

impl<S, J> Seated<S, J> {
    /// `inner`, ready only while there is a seat.
    pub fn new(inner: S, seats: Seats, judge: J) -> Self {
        Self { inner, seats, seat: None, waits: None, judge }
    }
}

impl<S, R, J> Service<R> for Seated<S, J>
where
    S: Service<R>,
    J: Judge<S::Response, S::Error> + Clone,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = SeatedFuture<S::Future, J>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        ready!(self.inner.poll_ready(cx))?;
        if self.seat.is_none() {
            self.seat = Some(ready!(self.seats.poll_seat(&mut self.waits, cx)));
        }
        Poll::Ready(Ok(()))
    }

    /// # Panics
    ///
    /// If it was not ready.
    #[track_caller]
    fn call(&mut self, request: R) -> Self::Future {
        let mut seat = self.seat.take().expect("poll_ready must be called first");
        seat.begin();
        SeatedFuture { future: self.inner.call(request), seat: Some(seat), judge: self.judge.clone() }
    }
}

impl<S, J> Drop for Seated<S, J> {
    fn drop(&mut self) {
        let waker = self.waits.and_then(|number| self.seats.lock().waiting.remove(&number));
        let_go(waker);
    }
}

/// The clone has no seat: a seat belongs to one handle.
impl<S: Clone, J: Clone> Clone for Seated<S, J> {
    fn clone(&self) -> Self {
        Self::new(self.inner.clone(), self.seats.clone(), self.judge.clone())
    }
}

impl<S, J> fmt::Debug for Seated<S, J> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Seated").field("seats", &self.seats).finish_non_exhaustive()
    }
}

// === impl SeatedFuture ===

impl<F, J, T, E> Future for SeatedFuture<F, J>
where
    F: Future<Output = Result<T, E>>,
    J: Judge<T, E>,
{
    type Output = Result<T, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<T, E>> {
        let this = self.project();
        let result = ready!(this.future.poll(cx));
        if let Some(seat) = this.seat.take() {
            seat.end(this.judge.judge(result.as_ref()));
        }
        Poll::Ready(result)
    }
}

impl<F, J> fmt::Debug for SeatedFuture<F, J> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SeatedFuture").finish_non_exhaustive()
    }
}

// === impl Judge ===

impl<T, E> Judge<T, E> for ByResult {
    fn judge(&self, result: Result<&T, &E>) -> CallEnd {
        if result.is_ok() { CallEnd::Success } else { CallEnd::Overload }
    }
}

impl<T, E, F: Fn(Result<&T, &E>) -> CallEnd> Judge<T, E> for F {
    fn judge(&self, result: Result<&T, &E>) -> CallEnd {
        self(result)
    }
}

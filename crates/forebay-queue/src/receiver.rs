//! The consumers' half.

use std::future::poll_fn;
use std::num::NonZeroUsize;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::SystemTime;

use crate::core::{Claim, Onlooker, Shared, State, Taken, Taking};
use crate::park::block_on;
use crate::sync::MutexGuard;
use crate::tap::ReceiverTap;
use crate::{Delivery, Fifo, Line, SendLine, Settle, Source, SourceError, Tap, TryRecvError, coop};

/// The consumers' half of a queue. Clones take from the same queue, each item once; when the last one is dropped,
/// the queue is closed and what is left goes to `on_undelivered`.
///
/// Receivers that wait for an item are served first come, first served. A running receiver may overtake one that was
/// woken and has not been polled yet, by 16 items at most.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let (tx, mut rx) = forebay_queue::bounded(4);
/// let mut other = rx.clone();
/// tx.send_many(&mut vec![1, 2, 3]).await.expect("there is room");
/// assert_eq!((rx.recv().await, other.recv().await, rx.recv().await), (Some(1), Some(2), Some(3)));
/// # }
/// ```
///
/// As a [`Source`] it hands out deliveries. One that is not acknowledged comes back, in its old place and with the
/// next attempt number; a delayed one comes back when it is due. The source has ended when it is closed, nothing
/// waits, and nothing is in a consumer's hands.
///
/// A handle waits for one thing at a time: a `recv` on a handle whose `poll_next` was pending takes over its place in
/// the line, and the task that polled is no longer woken. Use a clone for each.
///
/// Delays need a runtime's clock. Outside a tokio runtime, and without the feature `tokio`, nothing is delayed, and a
/// receiver that is called on a plain thread finds everything due.
///
/// # Panics
///
/// While an item is delayed, waiting panics in a tokio runtime that was built without its time driver. So does a [tap](Tap)
/// that is shut, where the queue is closed and the next item may expire or is delayed; and one that waits until nothing can
/// be taken, where the next item may expire.
pub struct Receiver<T, L: Line<T> = Fifo> {
    pub(crate) shared: Arc<Shared<T, L>>,
    /// The crossing of pressure that this handle saw last. Written and read by `pressure_changed` alone.
    pub(crate) seen: AtomicU64,
    taking: Taking,
    onlooker: Onlooker,
}

// === impl Receiver ===

impl<T, L: Line<T>> Receiver<T, L> {
    pub(crate) fn first(shared: Arc<Shared<T, L>>) -> Self {
        Self { shared, seen: AtomicU64::new(0), taking: Taking::default(), onlooker: Onlooker::default() }
    }

    /// Takes the next item, waiting for one. `None` means that the queue is closed and nothing is left.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// let (tx, mut rx) = forebay_queue::bounded(10);
    /// tokio::spawn(async move {
    ///     for n in 0..3 {
    ///         tx.send(n).await.expect("the receiver is there");
    ///     }
    /// });
    /// let mut sum = 0;
    /// while let Some(n) = rx.recv().await {
    ///     sum += n;
    /// }
    /// assert_eq!(sum, 3);
    /// # }
    /// ```
    ///
    /// # Cancel safety
    ///
    /// A `recv` that is dropped has taken nothing. If an item was meant for it, the next receiver gets it.
    pub fn recv(&mut self) -> impl Future<Output = Option<T>> {
        LeaveOnDrop(self)
    }

    /// Takes the next item if one is there that is not meant for a waiting receiver.
    ///
    /// # Errors
    ///
    /// [`TryRecvError::Empty`], or [`TryRecvError::Closed`] when nothing will come any more.
    pub fn try_recv(&mut self) -> Result<T, TryRecvError> {
        let taken = self.taking.now(&self.shared, |state, _| state.take_item());
        taken.map_err(|claim| match claim {
            Claim::Ended => TryRecvError::Closed,
            Claim::Empty | Claim::Take(_) => TryRecvError::Empty,
        })
    }

    /// Takes the available items, at most `max`, and appends them to `out`; waits if there are none. Returns how many, 0
    /// only when the queue is closed and nothing is left.
    ///
    /// It holds up others for 1024 items at most; if somebody waits for the rest by then, it is theirs.
    ///
    /// # Panics
    ///
    /// If `max` is 0, since 0 as an answer would mean the end.
    ///
    /// # Cancel safety
    ///
    /// A `recv_many` that is dropped has taken nothing, and `out` is as it was.
    #[track_caller]
    pub fn recv_many(&mut self, out: &mut Vec<T>, max: usize) -> impl Future<Output = usize> {
        assert!(max > 0, "recv_many of at most 0 items: 0 would be taken for the end of the queue");
        async move {
            let waiting = LeaveOnDrop(self);
            let Receiver { shared, taking, .. } = &mut *waiting.0;
            let most = max.min(SECTION);
            let taken = poll_fn(|cx| {
                taking.poll(shared, cx, most, |state, n| {
                    out.push(state.take_item());
                    1 + take_more(state, n.min(most) - 1, out)
                })
            });
            let mut last = taken.await.unwrap_or(0);
            let mut all = last;
            while last == SECTION && all < max {
                last = shared.update(|state| {
                    state.refresh();
                    take_more(state, state.unclaimed().min(max - all).min(SECTION), out)
                });
                all += last;
            }
            all
        }
    }

    /// Takes the next item from a thread outside any runtime, blocking it while the queue is empty.
    ///
    /// Never call it from async code: it would block the runtime's thread.
    pub fn blocking_recv(&mut self) -> Option<T> {
        block_on(self.recv())
    }

    /// What all handles share, and our place in the line.
    pub(crate) fn parts(&mut self) -> (&Shared<T, L>, &mut Taking, &mut Onlooker) {
        (&self.shared, &mut self.taking, &mut self.onlooker)
    }

    /// Always inlined: for most items, a call would cost as much as the rest.
    #[inline(always)]
    pub(crate) fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<Option<T>> {
        let Self { shared, taking, .. } = self;
        if !coop::is_free() {
            return poll_charged(taking, shared, cx);
        }
        match taking.take_quietly(shared, State::take_quietly) {
            Ok(item) => Poll::Ready(Some(item)),
            Err(locked) => poll_in_line(taking, shared, locked, cx),
        }
    }
}

#[cold]
#[inline(never)]
fn poll_charged<T, L: Line<T>>(
    taking: &mut Taking,
    shared: &Shared<T, L>,
    cx: &mut Context<'_>,
) -> Poll<Option<T>> {
    coop::spend_unit(cx, |cx| poll_in_line(taking, shared, None, cx))
}

/// For a receiver that has to wait, or when somebody else is concerned.
#[inline(never)]
fn poll_in_line<'a, T, L: Line<T>>(
    taking: &mut Taking,
    shared: &'a Shared<T, L>,
    locked: Option<MutexGuard<'a, State<T, L>>>,
    cx: &mut Context<'_>,
) -> Poll<Option<T>> {
    taking.poll_charged(shared, locked, cx, |_, _| None, State::take_item)
}

impl<T, L: Line<T>> Clone for Receiver<T, L> {
    fn clone(&self) -> Self {
        self.shared.update(|state| state.add_receiver());
        let seen = AtomicU64::new(self.seen.load(Ordering::Relaxed));
        Self { shared: self.shared.clone(), seen, taking: Taking::default(), onlooker: Onlooker::default() }
    }
}

impl<T, L: Line<T>> Drop for Receiver<T, L> {
    fn drop(&mut self) {
        self.taking.end(&self.shared);
        self.onlooker.leave(&self.shared);
        self.shared.remove_receiver();
    }
}

impl<T: Send + 'static, L: SendLine<T>> Source for Receiver<T, L> {
    type Item = T;

    fn poll_next(
        &mut self,
        cx: &mut Context<'_>,
        max: NonZeroUsize,
        out: &mut Vec<Delivery<T>>,
    ) -> Poll<Result<usize, SourceError>> {
        let Self { shared, taking, .. } = self;
        let polled = taking.poll(shared, cx, max.get(), |state, n| {
            let before = out.len();
            let mut next = Some(state.take());
            while let Some(Taken { item, place }) = next {
                let (attempt, weight, headers) = (place.attempt, place.tag.weight(), place.tag.headers());
                // Rarely known; only then the system clock is read too.
                let came = state.held.waited(&place).and_then(|waited| SystemTime::now().checked_sub(waited));
                let receipt = state.held.hand_out(place);
                let settler: Arc<dyn Settle<T>> = shared.clone();
                let delivery = Delivery::new(item, receipt, settler).with_attempt(attempt);
                let delivery = delivery.with_weight(weight).with_headers(headers);
                out.push(match came {
                    Some(came) => delivery.with_enqueued_at(came),
                    None => delivery,
                });
                let enough = out.len() - before >= n.min(max.get());
                next = if enough { None } else { state.take_another() };
            }
            out.len() - before
        });
        polled.map(|taken| Ok(taken.unwrap_or(0)))
    }

    /// In memory, settling is done when the call returns.
    fn poll_settled(&mut self, _: &mut Context<'_>) -> Poll<Result<(), SourceError>> {
        Poll::Ready(Ok(()))
    }

    fn close(&mut self) {
        self.shared.close();
    }

    fn is_closed(&self) -> bool {
        Self::is_closed(self)
    }

    fn poll_closed(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.onlooker.poll(&self.shared, cx, |state| state.is_closed())
    }

    /// Memory keeps no copy of what it handed out.
    fn redelivers(&self) -> bool {
        false
    }

    fn tap(&self) -> Option<Box<dyn Tap<Item = T>>> {
        Some(Box::new(ReceiverTap::new(self.clone())))
    }
}

/// How many items are taken while the lock is held.
const SECTION: usize = 1024;

/// Takes `most` more items, or as many as are left.
fn take_more<T, L: Line<T>>(state: &mut State<T, L>, most: usize, out: &mut Vec<T>) -> usize {
    let before = out.len();
    out.extend((0..most).map_while(|_| state.take_another()).map(|taken| taken.item));
    let taken = out.len() - before;
    state.tally.completed += taken as u64;
    taken
}

/// Receives one item; leaves the line when it is dropped.
pub(crate) struct LeaveOnDrop<'a, T, L: Line<T>>(pub(crate) &'a mut Receiver<T, L>);

impl<T, L: Line<T>> Future for LeaveOnDrop<'_, T, L> {
    type Output = Option<T>;

    #[inline(always)]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<T>> {
        self.0.poll_recv(cx)
    }
}

impl<T, L: Line<T>> Drop for LeaveOnDrop<'_, T, L> {
    #[inline]
    fn drop(&mut self) {
        self.0.taking.leave(&self.0.shared);
    }
}

//! Taking from a source at several places at once, by value.

use std::any::Any;
use std::cell::Cell;
use std::fmt;
use std::hint::cold_path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use crate::coop;
use crate::core::{Onlooker, Shared, Sight, State, Taking};
use crate::sync::MutexGuard;
use crate::{Fifo, Headers, Receiver, SendLine};

/// One consumer's own way to take items from a [`Source`](crate::Source), by value and one at a time.
///
/// A source has one caller. Consumers that share a source share that caller's lock as well, and for items that take
/// less than a microsecond, the lock decides the throughput. A source whose items can be taken in several places at once
/// gives each consumer a tap ([`Source::tap`](crate::Source::tap)); its taps and `poll_next` hand out the same stream of
/// items, each item once.
///
/// An item that was taken is *in hand* until the next one is asked for, which marks it as done: so both need only one
/// access to the source. A consumer that asks for no more says so by [`empty`](Self::empty). A tap cannot give an item
/// back: a consumer that needs to takes deliveries instead.
///
/// ```
/// use std::sync::atomic::AtomicBool;
/// use std::task::{Context, Poll, Waker};
/// use forebay_queue::{Source, Tap, Tapped, bounded};
///
/// let (tx, rx) = bounded(4);
/// let mut tap = rx.tap().expect("a queue in memory has taps");
/// tx.try_send("item").expect("there is room");
///
/// let (mut cx, open) = (Context::from_waker(Waker::noop()), AtomicBool::new(true));
/// assert!(matches!(tap.poll_take(&mut cx, &open), Poll::Ready(Tapped::Plain("item"))));
/// assert_eq!((tx.stats().completed, tx.stats().held), (0, 1));
/// tap.empty(true);
/// assert_eq!((tx.stats().completed, tx.stats().held), (1, 0));
/// ```
pub trait Tap: Any + Send {
    /// The value that is taken.
    type Item: Send + 'static;

    /// Takes one item, waiting for one. The item that was in hand is done.
    ///
    /// A sender that this gave room to may not be woken yet: see [`wake_senders`](Self::wake_senders).
    ///
    /// `open` is read under the lock under which items are taken: while it is `false`, none is taken. Who finds an item then
    /// ([`Tapped::Shut`]) waits for none, and is woken when the source has ended, unless it asks again or steps back before.
    /// Spends the cooperative budget.
    ///
    /// # Cancel safety
    ///
    /// A caller that stops polling loses nothing, but it keeps its place in the line, and may have been called for an
    /// item: see [`step_back`](Self::step_back).
    fn poll_take(&mut self, cx: &mut Context<'_>, open: &AtomicBool) -> Poll<Tapped<Self::Item>>;

    /// Wakes the senders that got room since items were taken, and are still to be woken.
    ///
    /// Waking a task may cost more than many short items do. So while there is much to be taken, a tap may postpone it, to
    /// wake several at once, or one for several places. A caller that does not ask for another item at once calls this instead; dropping the tap does
    /// the same.
    fn wake_senders(&mut self);

    /// Says what became of the item in hand, if there is one: it is done, or it failed and its value is gone. Dropping the
    /// tap says that it is done.
    fn empty(&mut self, done: bool);

    /// Stops waiting, also for the end, and [until nothing can be taken](Self::poll_none_waiting): somebody else gets the
    /// item that this tap was called for.
    fn step_back(&mut self);

    /// How many items can be taken, read under the lock under which they are.
    fn waiting(&self) -> usize;

    /// Waits until nothing can be taken, whoever took it, or if it expired. Takes nothing, and is called for nothing; an item
    /// that comes before this is polled again has it wait on.
    ///
    /// By default nobody is woken: a pool whose service is not ready, and from whose source somebody else takes the last item,
    /// learns only when it looks next that it is idle.
    ///
    /// # Cancel safety
    ///
    /// A caller that stops polling is woken once more, unless it steps back.
    fn poll_none_waiting(&mut self, _cx: &mut Context<'_>) -> Poll<()> {
        if self.waiting() == 0 { Poll::Ready(()) } else { Poll::Pending }
    }
}

/// What [`Tap::poll_take`] returned.
///
/// ```
/// use forebay_queue::{Headers, Tapped};
///
/// fn in_words(tapped: &Tapped<&str>) -> String {
///     match tapped {
///         Tapped::Plain(item) => format!("{item}, attempt 1"),
///         Tapped::Item { item, attempt, .. } => format!("{item}, attempt {attempt}"),
///         Tapped::Shut => "not now".to_owned(),
///         Tapped::Ended => "never more".to_owned(),
///     }
/// }
/// assert_eq!(in_words(&Tapped::Plain("parcel")), "parcel, attempt 1");
/// let again = Tapped::Item { item: "parcel", attempt: 2, headers: Headers::default(), waited: None };
/// assert_eq!(in_words(&again), "parcel, attempt 2");
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Tapped<T> {
    /// An item of which nothing is known but its value: the first attempt, without headers. Most items are like that, and
    /// passing on more would cost as much as taking the item.
    Plain(T),
    /// An item, and what is known of it.
    Item {
        /// The value.
        item: T,
        /// 1 the first time.
        attempt: u32,
        /// What its sender said about it.
        headers: Headers,
        /// How long it was in the source, where that is known.
        waited: Option<Duration>,
    },
    /// There is an item, but the tap is not open. The caller is woken when the source has ended.
    Shut,
    /// Nothing is held, nothing is in anybody's hands, nothing will come.
    Ended,
}

/// The tap of a queue in memory: a receiver that counts the item that it took as in hand.
///
/// A consumer that has the [`Tap`] of some source can find out that it is this one, and then call it directly: for items
/// that take no time, a call through a pointer costs as much as taking the item.
///
/// ```
/// use std::any::Any;
/// use forebay_queue::{ReceiverTap, Source, bounded};
///
/// let (_tx, rx) = bounded::<u32>(4);
/// let tap = rx.tap().expect("a queue in memory has taps");
/// let tap: Box<dyn Any> = tap;
/// assert!(tap.is::<ReceiverTap<u32>>());
/// ```
pub struct ReceiverTap<T, L: SendLine<T> = Fifo> {
    receiver: Receiver<T, L>,
    hand: Hand<T>,
    /// Waits until nothing can be taken.
    idler: Onlooker,
}

struct Hand<T> {
    /// Is an item in hand?
    is_full: Cell<bool>,
    /// What is about to be returned, if it is anything but a plain item.
    known: Cell<Option<Tapped<T>>>,
}

// === impl Hand ===

impl<T> Hand<T> {
    /// Takes an item. `None`: it is in `known`. Always inlined: for most items, a call would cost as much as the rest.
    #[inline(always)]
    fn fill<L: SendLine<T>>(&self, state: &mut State<T, L>) -> Option<T> {
        let plain = state.tap_plain();
        let item = if plain.is_some() { plain } else { self.fill_with_known(state) };
        // Not before: a discipline may panic, and then nothing is in hand.
        self.is_full.set(true);
        item
    }

    /// Takes an item for the one in hand, which is done, if nothing else follows from that.
    #[inline(always)]
    fn refill<L: SendLine<T>>(&self, state: &mut State<T, L>, open: &AtomicBool) -> Option<T> {
        if self.is_full.get() && open.load(Ordering::Relaxed) && state.quiet_to_take() > 0 {
            state.tap_plain_next()
        } else {
            cold_path();
            None
        }
    }

    /// Takes an item with everything that is known of it; in the same lock section if the lock was taken before.
    #[inline(never)]
    fn poll_fill<'a, L: SendLine<T>>(
        &self,
        taking: &mut Taking,
        onlooker: &mut Onlooker,
        shared: &'a Shared<T, L>,
        locked: Option<MutexGuard<'a, State<T, L>>>,
        cx: &mut Context<'_>,
        open: &AtomicBool,
    ) -> Poll<Tapped<T>> {
        let at_once = |state: &mut State<T, L>, at_once: bool| {
            if self.is_full.take() {
                state.end_tapped(true);
            }
            if !at_once || !open.load(Ordering::Relaxed) || state.quiet_to_take() == 0 {
                return None;
            }
            Some(self.fill(state))
        };
        let taken = taking.poll_charged(shared, locked, cx, at_once, |state| {
            if open.load(Ordering::Relaxed) {
                return self.fill(state);
            }
            self.known.set(Some(Tapped::Shut));
            None
        });
        let tapped = taken.map(|taken| match taken {
            Some(Some(item)) => Tapped::Plain(item),
            Some(None) => self.known.take().expect("it was put there under the lock"),
            None => Tapped::Ended,
        });
        if let Poll::Ready(Tapped::Shut) = tapped {
            // The items may have gone another way meanwhile.
            return Poll::Ready(match onlooker.poll_end(shared, cx) {
                Poll::Ready(()) => Tapped::Ended,
                Poll::Pending => Tapped::Shut,
            });
        }
        onlooker.leave(shared);
        tapped
    }

    #[cold]
    fn fill_with_known<L: SendLine<T>>(&self, state: &mut State<T, L>) -> Option<T> {
        self.known.set(Some(state.tap_known()));
        None
    }
}

// === impl ReceiverTap ===

impl<T, L: SendLine<T>> ReceiverTap<T, L> {
    pub(crate) fn new(mut receiver: Receiver<T, L>) -> Self {
        receiver.parts().1.may_be_late();
        let hand = Hand { is_full: Cell::new(false), known: Cell::new(None) };
        Self { receiver, hand, idler: Onlooker::of(Sight::Nothing) }
    }

    /// [Takes an item](Tap::poll_take), and goes on with `plain` if it is a [plain](Tapped::Plain) one, otherwise with `other`.
    /// Either is given `with`, which may be what both of them change.
    ///
    /// Who goes on after a call gets the item through memory, as one of several things that may be returned. Where items take
    /// no time, that was up to a fifth of a pool's worker's.
    ///
    /// ```
    /// use std::sync::atomic::AtomicBool;
    /// use std::task::{Context, Poll, Waker};
    /// use forebay_queue::{ReceiverTap, Source, Tapped, bounded};
    ///
    /// let (tx, rx) = bounded::<u32>(4);
    /// let tap: Box<dyn std::any::Any> = rx.tap().expect("a queue in memory has taps");
    /// let mut tap = tap.downcast::<ReceiverTap<u32>>().expect("it is that of a queue");
    /// tx.try_send(20).expect("there is room");
    /// tx.try_send(30).expect("there is room");
    ///
    /// let (mut cx, open, mut sum) = (Context::from_waker(Waker::noop()), AtomicBool::new(true), 0);
    /// while tap.poll_take_then(&mut cx, &open, &mut sum, |sum, item| { *sum += item; true }, |_, _, _| false) {}
    /// assert_eq!(sum, 50);
    /// ```
    #[inline(always)]
    pub fn poll_take_then<C, R>(
        &mut self,
        cx: &mut Context<'_>,
        open: &AtomicBool,
        with: C,
        plain: impl FnOnce(C, T) -> R,
        other: impl FnOnce(C, &mut Self, Poll<Tapped<T>>) -> R,
    ) -> R {
        // One place where `plain` is called, to which nothing comes but the item.
        let item = 'plain: {
            let tapped = if coop::is_free() {
                let Self { receiver, hand, .. } = self;
                let (shared, taking, onlooker) = receiver.parts();
                match taking.take_quietly(shared, |state| hand.refill(state, open)) {
                    Ok(item) => break 'plain item,
                    Err(locked) => {
                        cold_path();
                        hand.poll_fill(taking, onlooker, shared, locked, cx, open)
                    }
                }
            } else {
                self.poll_charged(cx, open)
            };
            match tapped {
                Poll::Ready(Tapped::Plain(item)) => item,
                tapped => return other(with, self, tapped),
            }
        };
        plain(with, item)
    }

    #[cold]
    #[inline(never)]
    fn poll_charged(&mut self, cx: &mut Context<'_>, open: &AtomicBool) -> Poll<Tapped<T>> {
        coop::spend_unit(cx, |cx| {
            let Self { receiver, hand, .. } = self;
            let (shared, taking, onlooker) = receiver.parts();
            match taking.take_quietly(shared, |state| hand.refill(state, open)) {
                Ok(item) => Poll::Ready(Tapped::Plain(item)),
                Err(locked) => hand.poll_fill(taking, onlooker, shared, locked, cx, open),
            }
        })
    }

    fn let_go(&self, done: bool) {
        if self.hand.is_full.take() {
            self.receiver.shared.update(|state| state.end_tapped(done));
        }
    }
}

impl<T: Send + 'static, L: SendLine<T>> Tap for ReceiverTap<T, L> {
    type Item = T;

    #[inline(always)]
    fn poll_take(&mut self, cx: &mut Context<'_>, open: &AtomicBool) -> Poll<Tapped<T>> {
        self.poll_take_then(cx, open, (), |(), item| Poll::Ready(Tapped::Plain(item)), |(), _, tapped| tapped)
    }

    fn wake_senders(&mut self) {
        let (shared, taking, _) = self.receiver.parts();
        taking.wake_late(shared);
    }

    fn empty(&mut self, done: bool) {
        self.let_go(done);
    }

    fn step_back(&mut self) {
        let (shared, taking, onlooker) = self.receiver.parts();
        taking.leave(shared);
        onlooker.leave(shared);
        self.idler.leave(shared);
    }

    fn waiting(&self) -> usize {
        self.receiver.shared.read(|state| state.held.ready())
    }

    fn poll_none_waiting(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.idler.poll_nothing(&self.receiver.shared, cx)
    }
}

impl<T, L: SendLine<T>> Drop for ReceiverTap<T, L> {
    fn drop(&mut self) {
        self.let_go(true);
        self.idler.leave(&self.receiver.shared);
    }
}

impl<T, L: SendLine<T>> fmt::Debug for ReceiverTap<T, L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { receiver, hand, .. } = self;
        f.debug_struct("ReceiverTap").field("receiver", receiver).field("is_full", &hand.is_full).finish()
    }
}

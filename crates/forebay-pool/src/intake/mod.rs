//! Where free workers wait, and where the one source is asked on their behalf.
//!
//! There is no dispatcher task: a worker that becomes free asks for itself.
//!
//! ```text
//!             waiting, in the order of coming
//! source ◀── [lead] [w5] [w1] [w7]        demand = 4: everybody here is free
//!    │  poll_next(waker of lead, 4)
//!    └─▶ 2 deliveries ─▶ the asking worker first (it is running), then the youngest: [w7], woken
//!        poll_next(waker of lead, 2) ─▶ pending: the lead's waker is with the source
//! ```
//!
//! The rules, all under one lock that is held while the source is polled and never across an await:
//!
//! 1. A worker that becomes free joins the line and leaves its waker there. Then it asks.
//! 2. To ask is to poll the source with the waker of the *lead* (the worker that has waited longest) and a demand
//!    of all that wait, until the source is pending or nobody waits. It does not matter which worker asks.
//! 3. So whenever the lock is released and somebody waits, the source has the lead's waker (or there is an outage,
//!    and the supervisor will ask). That is the whole defence against lost wake-ups: a lead that is served or
//!    leaves makes the next one the lead, and the source is asked again on its behalf (rule 2), or the new lead is
//!    woken to ask (when a waiting worker is cancelled, and when asking on would hold the lock for too long).
//! 4. A delivery goes into the hands of a worker that waits, and to nobody else. No item lies in the pocket of a
//!    busy worker, and none is taken that nobody could start. Where there is a stock (`stock.rs`: keys, batches,
//!    prefetching, ordered results) an item goes through it first; what it holds belongs to no worker, and is bounded.
//! 5. What is ours to call is called after the lock is released: the wakers of workers and supervisor, the
//!    destructors of surplus, events. What the source calls while it is polled (a queue's `on_pressure`, the wakers
//!    of its senders) runs under the lock, so nothing that it can reach through the pool's handle waits for the
//!    lock: the counters are read without it, and a command from inside a poll (a source that is to be closed, a
//!    key that is to be cancelled) is carried out by the polling thread, as soon as the source has answered.
//! 6. Where nobody waits and nothing is in hand, since no worker is ready, nobody asks, and the end of the source
//!    would go unseen. So the supervisor waits for the end through a tap that is shut, if the source has taps, or until
//!    nothing new will come, and then the source is asked for one item on its behalf. If there is an item, it lies in the
//!    stock for the first worker that is ready; it is the one exception to rule 4. Whoever wants to know before that whether
//!    the pool is idle looks through a tap, and the supervisor is called once nothing waits any more; a source without taps
//!    is asked then, too.
//!
//! 7. Where being ready may keep something from others (services), workers are ready only while they ask (`calls.rs`).
//!
//! Polling outside of the lock would do without rule 5's exceptions. It was rejected: a worker that comes while
//! another asks would have to be woken, which costs more than to wait out a poll, and the asking worker would go on
//! asking for others while its own item lies in its hands.

/// What is done once the lock is released.
mod afterwards;
/// When a batch is complete.
mod batch;
/// Workers that are ready only while they ask.
mod calls;
/// Which items may start, where keys bound them.
mod gate;
/// Which idle workers wait at the source, where they take items themselves.
mod leaders;
/// What the lock guards.
mod state;
/// What is held between source and workers.
mod stock;
/// Workers that take items themselves.
mod taps;

use std::cell::Cell;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use forebay_queue::{Source, SourceError, Tap};
use tokio::time::Instant;

use crate::bell::Bell;
use crate::hands::{Hands, Settlements};
use crate::letters::Letters;

use self::afterwards::Afterwards;
use self::leaders::Leaders;
use self::state::{Gauges, Pause, State};

pub(crate) use self::batch::BatchLimits;
pub(crate) use self::calls::Look;
pub(crate) use self::gate::{GateLimits, KeyHash};
pub(crate) use self::leaders::Standing;
pub(crate) use self::state::Outage;
pub(crate) use self::stock::{StockAccount, StockPlan, StockTally};
pub(crate) use self::taps::DESPITE_THE_GATE;

/// The source, and the line of free workers before it.
pub(crate) struct Intake<T> {
    settlements: Arc<Settlements>,
    gauges: Arc<Gauges>,
    stock: Arc<StockAccount>,
    /// Where dead letters go, if not to the source.
    letters: Option<Arc<Letters<T>>>,
    /// How many callers wait for the pool to be idle.
    idle_watchers: AtomicUsize,
    /// Rung when the pool may have become idle, if somebody waits for that.
    idle_bell: Bell,
    /// Which thread has the lock, 0 for none. A thread finds itself here only if it put itself here.
    holder: AtomicUsize,
    /// Commands that came from inside a poll of the source, and that the polling thread has not obeyed yet.
    owed: Mutex<Vec<Command>>,
    /// Whether there are any; cheaper to read.
    is_owing: AtomicBool,
    leaders: Leaders,
    state: Mutex<State<T>>,
}

/// What the handle wants of the intake.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Command {
    /// Tell the source to accept nothing new. What it holds is still handed out, also if the pool was paused.
    Close,
    /// Only handlers add to what the source has: batches need not wait for more than it has now.
    GatherNoMore,
    /// Hand out nothing until that time, or, if none is given, until told to resume.
    Pause(Option<Instant>),
    Resume,
    /// Resume for ever: the pool is to come to an end.
    PauseNoMore,
    /// Hand out only to the first workers, as many as this.
    Resize(usize),
    /// Set aside the items with this key that are not in work, and cancel those that are.
    Cancel(KeyHash),
}

/// Counts a caller that waits for the pool to be idle.
struct Watching<'a>(&'a AtomicUsize);

// === impl Intake ===

impl<T: Send + 'static> Intake<T> {
    pub(crate) fn new(
        source: Box<dyn Source<Item = T>>,
        hands: impl IntoIterator<Item = Arc<Hands<T>>>,
        settlements: Arc<Settlements>,
        plan: StockPlan<T>,
    ) -> Self {
        let stock = Arc::new(StockAccount::default());
        let gauges = Arc::new(Gauges::default());
        Self {
            settlements,
            gauges: Arc::clone(&gauges),
            letters: None,
            idle_watchers: AtomicUsize::new(0),
            idle_bell: Bell::default(),
            holder: AtomicUsize::new(0),
            owed: Mutex::default(),
            is_owing: AtomicBool::new(false),
            leaders: Leaders::default(),
            state: Mutex::new(State::new(
                source,
                hands,
                gauges,
                plan.into_stock(Arc::clone(&stock)),
                Arc::clone(&stock),
            )),
            stock,
        }
    }

    /// Says where dead letters go.
    pub(crate) fn with_letters(mut self, letters: Option<Arc<Letters<T>>>) -> Self {
        self.letters = letters;
        self
    }

    /// Says that workers are ready only while they ask, and how to look at the source, if that can be done.
    pub(crate) fn with_fleeting_workers(self, look: Option<Box<dyn Look>>) -> Self {
        self.lock().set_fleeting(look);
        self
    }

    /// Waits until nothing is in anybody's hands, and neither the source nor `nothing_waits` knows of anything.
    /// `knows_all`: the latter knows of all that the source has, which need not be asked where no worker asks it.
    pub(crate) async fn when_idle(&self, knows_all: bool, nothing_waits: impl Fn() -> bool) {
        let _watching = Watching::begin(&self.idle_watchers);
        let idle = || {
            let idle = |state: &mut State<T>, afterwards: &mut Afterwards<T>| {
                state.is_idle(knows_all, &|| nothing_waits() && self.is_posted(), afterwards)
            };
            // Asked from inside a poll it is not idle, and will be told so when that is over.
            !self.is_held_here() && self.with(idle)
        };
        self.idle_bell.until(idle).await;
    }

    /// The pool may have become idle.
    pub(crate) fn ring_idle(&self) {
        if self.idle_watchers.load(Ordering::SeqCst) > 0 {
            self.idle_bell.ring();
        }
    }

    /// Waits for an item. `true`: there is one in the hands of `seat`; `false`: there will be none for it.
    pub(crate) fn poll_take(&self, seat: usize, cx: &mut Context<'_>) -> Poll<bool> {
        let taken = self.with(|state, afterwards| {
            state.mind_settlements(&self.settlements, afterwards);
            state.mind_released(&self.settlements);
            state.come_by(seat);
            state.join_line(seat);
            state.leave_waker(seat, cx.waker(), afterwards);
            state.ask(Some(seat), afterwards);

            if state.take_served(seat) {
                return Poll::Ready(true);
            }
            if state.is_over_for(seat) {
                state.leave_line(seat);
                // The end wakes everybody who waits; this one need not be told twice.
                afterwards.wakers.retain(|waker| !waker.will_wake(cx.waker()));
                return Poll::Ready(false);
            }
            Poll::Pending
        });
        if taken != Poll::Ready(true) {
            self.ring_idle();
        }
        taken
    }

    /// Waits until it is worth being ready for an item. `false`: there will be none for the worker of `seat`.
    pub(crate) fn poll_look(&self, seat: usize, cx: &mut Context<'_>) -> Poll<bool> {
        let some = self.with(|state, afterwards| {
            state.mind_settlements(&self.settlements, afterwards);
            if state.mind_released(&self.settlements) {
                state.ask(None, afterwards);
            }
            state.poll_look(seat, cx, afterwards)
        });
        if some != Poll::Ready(true) {
            self.ring_idle();
        }
        some
    }

    /// Has each worker take items itself, if the source can be asked at several places. Up to `leaders` of them wait there.
    pub(crate) fn with_taps(mut self, leaders: usize) -> Self {
        self.leaders = Leaders::new(leaders);
        self.with(|state, _| state.open_taps());
        self
    }

    /// A tap for one worker, where they [take items themselves](Self::open_taps).
    pub(crate) fn tap(&self) -> Option<Box<dyn Tap<Item = T>>> {
        self.with(State::tap)
    }

    /// The worker of `seat` waits at the source by its tap. Says whether it goes on doing so, or follows.
    pub(crate) fn line_up(&self, seat: usize, waker: &Waker) -> Standing {
        if self.leaders.are_all_of(self.open_seats()) {
            return Standing::Apart;
        }
        self.leaders.line_up(seat, waker)
    }

    /// The worker of `seat` follows, and comes back. It leads if it was made a leader meanwhile.
    pub(crate) fn fall_out(&self, seat: usize) -> Standing {
        self.leaders.fall_out(seat)
    }

    /// A worker that leads waits no longer.
    pub(crate) fn step_down(&self) {
        self.leaders.step_down();
    }

    /// The worker of `seat` may not take for now. Waits until it may, which is true until its gate is shut again;
    /// `false`: there will be nothing for it.
    pub(crate) fn poll_admitted(&self, seat: usize, cx: &mut Context<'_>) -> Poll<bool> {
        self.with(|state, afterwards| state.poll_admitted(seat, cx.waker(), afterwards))
    }

    /// A tap said that the source has ended, or panicked.
    pub(crate) fn source_ended(&self, panic: Option<String>) {
        self.with(|state, afterwards| state.source_ended(panic, afterwards));
        self.ring_idle();
    }

    /// Waits, without taking anything, until there will be nothing to take for `seat`.
    pub(crate) fn poll_over(&self, seat: usize, cx: &mut Context<'_>) -> Poll<()> {
        let over = self.with(|state, afterwards| {
            // A worker that is not back for its next item would otherwise leave its last settlement unattended.
            state.mind_settlements(&self.settlements, afterwards);
            state.stand_aside(seat, afterwards);
            if state.mind_released(&self.settlements) {
                state.ask(None, afterwards);
            }
            // Nobody else may be there to learn of it.
            state.seek_end(afterwards);
            if state.is_over_for(seat) {
                return Poll::Ready(());
            }
            state.leave_waker(seat, cx.waker(), afterwards);
            Poll::Pending
        });
        // Its last item may have been the last of all.
        self.ring_idle();
        over
    }

    /// Waits until the pool is not paused.
    pub(crate) fn poll_resumed(&self, seat: usize, cx: &mut Context<'_>) -> Poll<()> {
        self.with(|state, afterwards| {
            if state.pause == Pause::No {
                return Poll::Ready(());
            }
            state.leave_waker(seat, cx.waker(), afterwards);
            Poll::Pending
        })
    }

    /// The worker of `seat` goes away, whatever it was doing. Its hands are not touched.
    pub(crate) fn leave(&self, seat: usize) {
        self.with(|state, afterwards| state.vacate(seat, afterwards));
    }

    /// Makes a seat for one more worker.
    pub(crate) fn add_seat(&self, hands: Arc<Hands<T>>) {
        self.with(|state, _| state.add_seat(hands));
    }

    /// What the supervisor has to see to: keeps settlements going also while no worker is free, and returns what
    /// went wrong with the source.
    pub(crate) fn poll_duties(&self, cx: &mut Context<'_>) -> Poll<Outage> {
        let outage =
            self.with(|state, afterwards| state.poll_duties(cx.waker(), &self.settlements, afterwards));
        // What a handler moved elsewhere may have been settled.
        self.ring_idle();
        outage
    }

    /// When to [look again](Self::tick) at what is held back.
    pub(crate) fn due(&self) -> Option<Instant> {
        self.lock().arm()
    }

    /// Something that was held back may be due.
    pub(crate) fn tick(&self) {
        self.with(|state, afterwards| state.ask(None, afterwards));
    }

    /// Sets aside the items with this key that were given to nobody yet, and cancels those in somebody's hands.
    /// Returns how many they were; 0 from inside a poll of the source, where it is done when the poll is over.
    pub(crate) fn cancel(&self, key: KeyHash) -> usize {
        if self.owes(Command::Cancel(key)) {
            return 0;
        }
        // First what was not given to anybody: what is given meanwhile is then found in somebody's hands.
        let (waiting, all) =
            self.with(|state, afterwards| (state.cancel(key, afterwards), state.all_hands()));
        waiting + all.iter().filter(|hands| hands.cancel(key)).count()
    }

    /// The account of what is held here. Takes no other lock.
    pub(crate) fn stock(&self) -> &StockAccount {
        &self.stock
    }

    /// Asks the source again after an outage.
    pub(crate) fn reopen(&self) {
        self.with(State::reopen);
        self.ring_idle();
    }

    /// Does as the handle wants before it returns.
    ///
    /// From inside a poll of the source (see rule 5) it is done when the poll is over.
    pub(crate) fn obey(&self, command: Command) {
        if !self.owes(command) {
            self.with(|state, afterwards| state.obey(command, afterwards));
            self.ring_idle();
        }
    }

    /// Leaves a command that comes from inside a poll to the polling thread. `false`: it does not come from there.
    fn owes(&self, command: Command) -> bool {
        let inside = self.is_held_here();
        if inside {
            self.owed.lock().unwrap_or_else(PoisonError::into_inner).push(command);
            self.is_owing.store(true, Ordering::Relaxed);
        }
        inside
    }

    /// Does this very thread have the lock?
    fn is_held_here(&self) -> bool {
        // Only this thread itself reads or writes what matters here, so no ordering is needed.
        self.holder.load(Ordering::Relaxed) == this_thread()
    }

    /// Ends a pause that was to last no longer than until `now`. `true`: it did.
    pub(crate) fn end_pause(&self, now: Instant) -> bool {
        self.with(|state, afterwards| {
            let is_over = matches!(state.pause, Pause::Until(until) if until <= now);
            if is_over {
                state.obey(Command::Resume, afterwards);
            }
            is_over
        })
    }

    /// When the supervisor is to [end the pause](Self::end_pause).
    pub(crate) fn pause_ends(&self) -> Option<Instant> {
        match self.lock().pause {
            Pause::Until(until) => Some(until),
            Pause::No | Pause::Open => None,
        }
    }

    /// Is nothing handed out for now? Takes no lock.
    pub(crate) fn is_paused(&self) -> bool {
        self.gauges.paused.load(Ordering::Relaxed)
    }

    /// Hands out nothing more, whatever the source holds.
    pub(crate) fn stop(&self) {
        self.with(|state, afterwards| state.end(afterwards));
    }

    /// Polls settlements a last time and takes the source away.
    ///
    /// The caller drops it, which may hand items back to their owner.
    pub(crate) fn dismiss(&self) -> Option<Box<dyn Source<Item = T>>> {
        self.with(|state, afterwards| state.dismiss(&self.settlements, afterwards))
    }

    /// Hands out nothing more, and takes the source away in the middle of its work: settlements stay as they are.
    pub(crate) fn forsake(&self) -> Option<Box<dyn Source<Item = T>>> {
        self.with(|state, afterwards| {
            let source = state.take_source();
            if source.is_some() {
                state.end(afterwards);
            }
            source
        })
    }

    /// Has the source confirmed all that was settled?
    pub(crate) fn is_settled(&self) -> bool {
        self.lock().is_settled(&self.settlements)
    }

    /// How many acks the source has not confirmed.
    pub(crate) fn unconfirmed(&self) -> u64 {
        self.lock().unconfirmed(&self.settlements)
    }

    /// Is there nothing to wait for: is no dead letter on its way, and has the source confirmed all, or will it never?
    pub(crate) fn is_done_settling(&self) -> bool {
        self.is_posted() && self.lock().is_done_settling(&self.settlements)
    }

    /// Is no dead letter on its way?
    fn is_posted(&self) -> bool {
        self.letters.as_ref().is_none_or(|letters| letters.held() == 0)
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.lock().has_ended()
    }

    /// Will there be nothing more to take for `seat`?
    pub(crate) fn is_over_for(&self, seat: usize) -> bool {
        self.lock().is_over_for(seat)
    }

    /// How many workers there are to be. Takes no lock.
    pub(crate) fn open_seats(&self) -> usize {
        self.gauges.open.load(Ordering::Relaxed)
    }

    /// Why the source will never work again, if so.
    pub(crate) fn broken(&self) -> Option<Arc<SourceError>> {
        self.lock().broken()
    }

    /// How many workers wait for an item. Takes no lock.
    pub(crate) fn idle(&self) -> usize {
        self.gauges.idle.load(Ordering::Relaxed)
    }

    fn lock(&self) -> MutexGuard<'_, State<T>> {
        // Code that is not ours runs contained, so the lock is poisoned only by a fault in this file.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs a section, then does what it left for afterwards.
    fn with<R>(&self, section: impl FnOnce(&mut State<T>, &mut Afterwards<T>) -> R) -> R {
        let mut afterwards = Afterwards::default();
        let mut state = self.lock();
        self.holder.store(this_thread(), Ordering::Relaxed);
        let result = section(&mut state, &mut afterwards);
        while self.is_owing.swap(false, Ordering::Relaxed) {
            let owed = std::mem::take(&mut *self.owed.lock().unwrap_or_else(PoisonError::into_inner));
            owed.into_iter().for_each(|command| state.obey(command, &mut afterwards));
        }
        self.holder.store(0, Ordering::Relaxed);
        drop(state);
        if afterwards.rearm {
            self.settlements.ring();
        }
        if afterwards.is_nothing() {
            return result;
        }
        let told = afterwards.run(self.letters.as_deref());
        if told > 0 {
            self.settlements.note();
            // After that, so that a reader that sees everything at rest sees the note.
            self.stock.lock().telling -= told;
            self.settlements.ring();
        }
        result
    }
}

// === impl Watching ===

impl<'a> Watching<'a> {
    fn begin(watchers: &'a AtomicUsize) -> Self {
        watchers.fetch_add(1, Ordering::SeqCst);
        Self(watchers)
    }
}

impl Drop for Watching<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

/// A number that is this thread's alone as long as it lives, and never 0: where a byte of its own lies. Many times
/// cheaper than [`std::thread::current`], which counts references.
fn this_thread() -> usize {
    thread_local!(static HERE: Cell<u8> = const { Cell::new(0) });
    HERE.with(|here| std::ptr::from_ref(here).addr())
}

#[cfg(test)]
mod tests;

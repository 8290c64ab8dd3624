//! Where free workers wait, and where the one source is asked on their behalf.
//!
//! There is no dispatcher task: whoever is free asks.
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
//! 2. To ask is to poll the source with the waker of the *lead* (whoever waits longest) and a demand of all that
//!    wait, until the source is pending or nobody waits. It does not matter who asks.
//! 3. So whenever the lock is released and somebody waits, the source has the lead's waker (or there is an outage,
//!    and the supervisor will ask). That is the whole defence against lost wake-ups: a lead that is served or
//!    leaves makes the next one the lead, and the source is asked again on its behalf (rule 2), or the new lead is
//!    woken to ask (when a waiting worker is cancelled).
//! 4. A delivery goes into the hands of a worker that waits, and to nobody else. No item lies in the pocket of a
//!    busy worker, and none is taken that nobody could start.
//! 5. What is ours to call is called after the lock is released: the wakers of workers and supervisor, the
//!    destructors of surplus, events. What the source calls while it is polled (a queue's `on_pressure`, the wakers
//!    of its senders) runs under the lock, so nothing that it can reach through the pool's handle waits for the
//!    lock: the counters are read without it, and a source that is to be closed from inside its own poll is closed
//!    by whoever polls it, as soon as it has answered.
//!
//! Polling outside of the lock would do without rule 5's exceptions. It was left: a worker that comes while another
//! asks would have to be woken, which costs more than to wait out a poll, and who asks would go on asking for
//! others while its own item lies in its hands.

use std::cell::Cell;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use forebay_queue::{Delivery, Source, SourceError};

use crate::contain::contain;
use crate::hands::{Hands, Settlements};

/// The source, and the line of free workers before it.
pub(crate) struct Intake<T> {
    settlements: Arc<Settlements>,
    /// How many workers wait: the length of the line, to be read without the lock.
    idle: Arc<AtomicUsize>,
    /// Which thread has the lock, 0 for none. A thread finds itself here only if it put itself here.
    holder: AtomicUsize,
    /// The source was to be closed from inside of its own poll, and whoever polls it has not done so yet.
    close_owed: AtomicBool,
    state: Mutex<State<T>>,
}

/// Something that the supervisor must act on.
#[derive(Debug)]
pub(crate) struct Outage {
    /// How many in a row, this one included.
    pub(crate) failures: u32,
    pub(crate) error: SourceError,
}

struct State<T> {
    /// Gone once the pool has stopped.
    source: Option<Box<dyn Source<Item = T>>>,
    /// Nothing more is handed out, for ever: the source ended, broke, or the pool stopped.
    ended: bool,
    /// The source was told to accept nothing new.
    closed: bool,
    /// The source is neither asked nor told anything until the supervisor says so.
    unavailable: bool,
    /// The source was told of ends that it has not confirmed, as far as it was polled for that.
    settling: bool,
    /// Indices of the seats whose workers wait, the lead first.
    waiting: Vec<usize>,
    /// The length of `waiting`, for whoever must not wait for the lock.
    idle: Arc<AtomicUsize>,
    /// One for each worker.
    seats: Vec<Seat<T>>,
    /// Room for deliveries on their way from the source; empty outside a poll.
    out: Vec<Delivery<T>>,
    supervisor: Option<Waker>,
    /// Failures in a row to hand out, and to settle. Each is over when that very thing works again: a source that
    /// hands out and cannot settle is asked less and less often.
    ask_failures: u32,
    settle_failures: u32,
    /// For the supervisor, which takes it.
    outage: Option<Outage>,
    /// Why the source will never work again.
    broken: Option<Arc<SourceError>>,
}

struct Seat<T> {
    hands: Arc<Hands<T>>,
    place: Place,
    /// Left by a worker that waits for anything: an item, its service, the end.
    waker: Option<Waker>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// Busy, or not ready to take an item.
    Away,
    Waiting,
    /// Its hands were given an item that it has not noticed yet.
    Served,
}

/// What is done once the lock is released.
struct Afterwards<T> {
    wakers: Vec<Waker>,
    /// Those that are only dropped.
    replaced: Vec<Waker>,
    surplus: Vec<Delivery<T>>,
    /// The source works again after an outage.
    recovered: bool,
}

// === impl Intake ===

impl<T: Send + 'static> Intake<T> {
    pub(crate) fn new(
        source: Box<dyn Source<Item = T>>,
        hands: impl IntoIterator<Item = Arc<Hands<T>>>,
        settlements: Arc<Settlements>,
    ) -> Self {
        let seats: Vec<_> =
            hands.into_iter().map(|hands| Seat { hands, place: Place::Away, waker: None }).collect();
        let idle = Arc::new(AtomicUsize::new(0));
        let state = State {
            source: Some(source),
            ended: false,
            closed: false,
            unavailable: false,
            settling: false,
            waiting: Vec::with_capacity(seats.len()),
            idle: Arc::clone(&idle),
            out: Vec::with_capacity(seats.len()),
            seats,
            supervisor: None,
            ask_failures: 0,
            settle_failures: 0,
            outage: None,
            broken: None,
        };
        Self {
            settlements,
            idle,
            holder: AtomicUsize::new(0),
            close_owed: AtomicBool::new(false),
            state: Mutex::new(state),
        }
    }

    /// Waits for an item. `true`: there is one in the hands of `seat`; `false`: there will be none.
    pub(crate) fn poll_take(&self, seat: usize, cx: &mut Context<'_>) -> Poll<bool> {
        self.with(|state, afterwards| {
            state.mind_settlements(&self.settlements, afterwards);
            if state.seats[seat].place == Place::Away {
                state.join_line(seat);
            }
            state.leave_waker(seat, cx.waker(), afterwards);
            state.ask(Some(seat), afterwards);

            if state.seats[seat].place == Place::Served {
                state.seats[seat].place = Place::Away;
                return Poll::Ready(true);
            }
            if state.ended {
                state.leave_line(seat);
                // The end wakes everybody who waits; this one need not be told twice.
                afterwards.wakers.retain(|waker| !waker.will_wake(cx.waker()));
                return Poll::Ready(false);
            }
            Poll::Pending
        })
    }

    /// Waits, without taking anything, until there will be nothing to take.
    pub(crate) fn poll_ended(&self, seat: usize, cx: &mut Context<'_>) -> Poll<()> {
        self.with(|state, afterwards| {
            // A worker that is not back for its next item would otherwise leave its last settlement unattended.
            state.mind_settlements(&self.settlements, afterwards);
            if state.ended {
                return Poll::Ready(());
            }
            state.leave_waker(seat, cx.waker(), afterwards);
            Poll::Pending
        })
    }

    /// The worker of `seat` goes away, whatever it was doing. Its hands are not touched.
    pub(crate) fn leave(&self, seat: usize) {
        self.with(|state, afterwards| {
            let was_lead = state.waiting.first() == Some(&seat);
            state.leave_line(seat);
            afterwards.replaced.extend(state.seats[seat].waker.take());
            // The source has the waker of somebody who is no longer there. We may be inside a destructor, where the
            // source should not be polled, so the next one is woken to ask.
            if was_lead && let Some(&lead) = state.waiting.first() {
                afterwards.wakers.extend(state.seats[lead].waker.clone());
            }
        });
    }

    /// What the supervisor has to see to: keeps settlements going also while no worker is free, and returns what
    /// went wrong with the source.
    pub(crate) fn poll_duties(&self, cx: &mut Context<'_>) -> Poll<Outage> {
        self.with(|state, afterwards| {
            leave(&mut state.supervisor, cx.waker(), afterwards);
            if state.outage.is_none() {
                // Also when nothing new was settled: the source may have woken us to go on with what it has.
                state.settling |= self.settlements.take_open();
                state.poll_settled(afterwards);
            }
            state.outage.take().map_or(Poll::Pending, Poll::Ready)
        })
    }

    /// Asks the source again after an outage.
    pub(crate) fn reopen(&self) {
        self.with(|state, afterwards| {
            state.unavailable = false;
            state.ask(None, afterwards);
        });
    }

    /// Tells the source to accept nothing new. What it holds is still handed out.
    ///
    /// From inside a poll of the source (see rule 5) it is told when the poll is over.
    pub(crate) fn close(&self) {
        // Only this thread itself reads or writes what matters here, so no ordering is needed.
        if self.holder.load(Ordering::Relaxed) == this_thread() {
            self.close_owed.store(true, Ordering::Relaxed);
        } else {
            self.with(State::close);
        }
    }

    /// Hands out nothing more, whatever the source holds.
    pub(crate) fn stop(&self) {
        self.with(|state, afterwards| state.end(afterwards));
    }

    /// Polls settlements a last time and takes the source away.
    ///
    /// The caller drops it, which may hand items back to their owner.
    pub(crate) fn dismiss(&self) -> Option<Box<dyn Source<Item = T>>> {
        self.with(|state, afterwards| {
            state.settling |= self.settlements.take_open();
            state.poll_settled(afterwards);
            state.source.take()
        })
    }

    /// Has the source confirmed all that was settled?
    pub(crate) fn is_settled(&self) -> bool {
        self.lock().is_settled(&self.settlements)
    }

    /// Is there nothing to wait for: has the source confirmed all, or will it never?
    pub(crate) fn is_done_settling(&self) -> bool {
        let state = self.lock();
        state.broken.is_some() || state.is_settled(&self.settlements)
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.lock().ended
    }

    /// Why the source will never work again, if so.
    pub(crate) fn broken(&self) -> Option<Arc<SourceError>> {
        self.lock().broken.clone()
    }

    /// How many workers wait for an item. Takes no lock.
    pub(crate) fn idle(&self) -> usize {
        self.idle.load(Ordering::Relaxed)
    }

    fn lock(&self) -> MutexGuard<'_, State<T>> {
        // Code that is not ours runs contained, so the lock is poisoned only by a fault in this file.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs a section, then does what it left for afterwards.
    fn with<R>(&self, section: impl FnOnce(&mut State<T>, &mut Afterwards<T>) -> R) -> R {
        let mut afterwards =
            Afterwards { wakers: Vec::new(), replaced: Vec::new(), surplus: Vec::new(), recovered: false };
        let mut state = self.lock();
        self.holder.store(this_thread(), Ordering::Relaxed);
        let result = section(&mut state, &mut afterwards);
        while self.close_owed.swap(false, Ordering::Relaxed) {
            state.close(&mut afterwards);
        }
        self.holder.store(0, Ordering::Relaxed);
        drop(state);
        afterwards.wakers.into_iter().for_each(Waker::wake);
        if afterwards.recovered {
            tracing::debug!("source is available again");
        }
        if !afterwards.surplus.is_empty() {
            let count = afterwards.surplus.len();
            tracing::error!(count, "source handed out items beyond the demand; they go back");
            let _ = contain(|| drop(afterwards.surplus));
        }
        result
    }
}

// === impl State ===

impl<T: Send + 'static> State<T> {
    /// Closing twice is closing once.
    fn close(&mut self, afterwards: &mut Afterwards<T>) {
        if std::mem::replace(&mut self.closed, true) {
            return;
        }
        let Some(source) = &mut self.source else { return };
        if let Err(panic) = contain(|| source.close()) {
            self.break_off(panicked(panic), afterwards);
        }
        // It may have ended just now, and need not say so unasked.
        self.ask(None, afterwards);
    }

    /// Rule 2. `asker` is served first: it is running, and needs no wake-up.
    fn ask(&mut self, asker: Option<usize>, afterwards: &mut Afterwards<T>) {
        while !self.ended
            && !self.unavailable
            && let Some(&lead) = self.waiting.first()
            && let Some(demand) = NonZeroUsize::new(self.waiting.len())
            && let Some(source) = &mut self.source
        {
            let waker = self.seats[lead].waker.as_ref().expect("who waits has left its waker");
            let out = &mut self.out;
            let polled = contain(|| source.poll_next(&mut Context::from_waker(waker), demand, out));
            if !matches!(polled, Ok(Poll::Ready(Ok(1..)))) {
                // A source that panicked may have left some behind; one that keeps its contract has not.
                afterwards.surplus.append(&mut self.out);
            }
            match polled {
                Ok(Poll::Pending) => break,
                Ok(Poll::Ready(Ok(0))) => self.end(afterwards),
                Ok(Poll::Ready(Ok(_))) if self.out.is_empty() => {
                    self.break_off(
                        SourceError::Broken("it said that it handed out items, but did not".into()),
                        afterwards,
                    );
                }
                Ok(Poll::Ready(Ok(_))) => self.hand_out(asker, afterwards),
                Ok(Poll::Ready(Err(error))) => {
                    self.ask_failures = self.ask_failures.saturating_add(1);
                    self.fail(error, self.ask_failures, afterwards);
                }
                Err(panic) => self.break_off(panicked(panic), afterwards),
            }
        }
    }

    /// Rule 4: gives what the source handed out to workers that wait.
    fn hand_out(&mut self, asker: Option<usize>, afterwards: &mut Afterwards<T>) {
        afterwards.recovered |= std::mem::take(&mut self.ask_failures) > 0;
        let mut out = std::mem::take(&mut self.out);
        for delivery in out.drain(..) {
            let asker = asker.filter(|&asker| self.seats[asker].place == Place::Waiting);
            // The youngest of the others: its memory is the warmest, and the lead stays the lead.
            let Some(seat) = asker.or_else(|| self.waiting.last().copied()) else {
                afterwards.surplus.push(delivery);
                continue;
            };
            self.leave_line(seat);
            self.seats[seat].place = Place::Served;
            self.seats[seat].hands.give(delivery);
            if asker.is_none() {
                afterwards.wakers.extend(self.seats[seat].waker.take());
            }
        }
        self.out = out;
    }

    fn is_settled(&self, settlements: &Settlements) -> bool {
        !self.settling && !settlements.is_open()
    }

    /// Has the source work on what was settled since it was last polled. The supervisor is the one that it wakes.
    fn mind_settlements(&mut self, settlements: &Settlements, afterwards: &mut Afterwards<T>) {
        // Before the supervisor has come to life there is nobody to wake; it begins by polling.
        if self.supervisor.is_some() && settlements.take_open() {
            self.settling = true;
            self.poll_settled(afterwards);
        }
    }

    fn poll_settled(&mut self, afterwards: &mut Afterwards<T>) {
        let (Some(source), Some(waker)) = (&mut self.source, &self.supervisor) else { return };
        if self.broken.is_some() || self.unavailable {
            return;
        }
        let polled = contain(|| source.poll_settled(&mut Context::from_waker(waker)));
        match polled {
            Ok(Poll::Pending) => self.settling = true,
            Ok(Poll::Ready(Ok(()))) => {
                self.settling = false;
                afterwards.recovered |= std::mem::take(&mut self.settle_failures) > 0;
            }
            Ok(Poll::Ready(Err(error))) => {
                self.settling = true;
                self.settle_failures = self.settle_failures.saturating_add(1);
                self.fail(error, self.settle_failures, afterwards);
            }
            Err(panic) => self.break_off(panicked(panic), afterwards),
        }
    }

    fn fail(&mut self, error: SourceError, failures: u32, afterwards: &mut Afterwards<T>) {
        match error {
            error @ SourceError::Unavailable(_) => {
                self.outage = Some(Outage { failures, error });
                self.unavailable = true;
                afterwards.wakers.extend(self.supervisor.clone());
            }
            error => self.break_off(error, afterwards),
        }
    }

    /// The source will not work again.
    fn break_off(&mut self, error: SourceError, afterwards: &mut Afterwards<T>) {
        self.broken = Some(Arc::new(error));
        self.end(afterwards);
    }

    /// Nothing more is handed out: everybody who waits for anything learns it.
    fn end(&mut self, afterwards: &mut Afterwards<T>) {
        self.ended = true;
        afterwards.wakers.extend(self.seats.iter_mut().filter_map(|seat| seat.waker.take()));
        afterwards.wakers.extend(self.supervisor.clone());
    }

    fn leave_waker(&mut self, seat: usize, waker: &Waker, afterwards: &mut Afterwards<T>) {
        leave(&mut self.seats[seat].waker, waker, afterwards);
    }

    fn join_line(&mut self, seat: usize) {
        self.seats[seat].place = Place::Waiting;
        self.waiting.push(seat);
        self.idle.store(self.waiting.len(), Ordering::Relaxed);
    }

    fn leave_line(&mut self, seat: usize) {
        if self.seats[seat].place == Place::Waiting {
            // From the back, where the one that just came is.
            let index = self.waiting.iter().rposition(|&waiting| waiting == seat);
            self.waiting.remove(index.expect("who waits is in the line"));
            self.idle.store(self.waiting.len(), Ordering::Relaxed);
        }
        self.seats[seat].place = Place::Away;
    }
}

/// Leaves a waker in a place. Cloning it is no foreign code: workers and supervisor are tasks of tokio.
fn leave<T>(place: &mut Option<Waker>, waker: &Waker, afterwards: &mut Afterwards<T>) {
    if !place.as_ref().is_some_and(|left| left.will_wake(waker)) {
        afterwards.replaced.extend(place.replace(waker.clone()));
    }
}

/// A number that is this thread's alone as long as it lives, and never 0: where a byte of its own lies. Many times
/// cheaper than [`std::thread::current`], which counts references.
fn this_thread() -> usize {
    thread_local!(static HERE: Cell<u8> = const { Cell::new(0) });
    HERE.with(|here| std::ptr::from_ref(here).addr())
}

fn panicked(message: String) -> SourceError {
    SourceError::Broken(format!("it panicked: {message}").into())
}

#[cfg(test)]
mod tests;

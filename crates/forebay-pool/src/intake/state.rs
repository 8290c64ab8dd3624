//! What the line's lock guards, and what is done under it: the line of workers, and asking the source for them.

/// What the handle wants.
mod commands;
/// The supervisor's part.
mod duties;
/// What can be seen where no worker asks.
mod rest;

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use forebay_queue::{Delivery, End, Source, SourceError, Tap};
use tokio::task::coop::has_budget_remaining;
use tokio::time::Instant;

use super::Look;
use super::afterwards::Afterwards;
use super::batch::Asked;
use super::gate::KeyHash;
use super::stock::{Stock, StockAccount};
use crate::contain::{Contained, contain};
use crate::hands::{Given, Hands, Settlements};

/// How often the source may be asked for what is held first, and how many items without a key may be met, in one
/// section of the lock.
const SECTION: usize = 64;

/// Something that the supervisor must act on.
pub(crate) struct Outage {
    /// How many in a row, this one included.
    pub(crate) failures: u32,
    pub(crate) error: Contained<SourceError>,
}

pub(super) struct State<T> {
    /// Gone once the pool has stopped.
    pub(super) source: Option<Box<dyn Source<Item = T>>>,
    /// Workers are ready only while they ask.
    pub(super) fleeting: bool,
    /// Looks at the source, where that can be done and workers are ready only while they ask.
    pub(super) look: Option<Box<dyn Look>>,
    /// The seat whose waker the source has, if the source had nothing and that worker has not come by since.
    pub(super) asked_for: Option<usize>,
    /// Our own tap, where each worker has one and takes items itself. Then nobody is in the line.
    pub(super) tap: Option<Box<dyn Tap<Item = T>>>,
    /// By which the supervisor hears of the end while nobody else is there to hear of it.
    watch: Option<Box<dyn Tap<Item = T>>>,
    /// By which the supervisor hears that nothing waits in the source any more, while somebody waits for that.
    quiet: Option<Box<dyn Tap<Item = T>>>,
    /// Nothing more is handed out, for ever: the source ended, broke, or the pool stopped.
    ended: bool,
    /// The source has nothing more, and the pool ends with what is in stock.
    exhausted: bool,
    /// The source was told to accept nothing new.
    closed: bool,
    /// What the source does not have now is not worth waiting for.
    last: bool,
    /// The source is neither asked nor told anything until the supervisor says so.
    unavailable: bool,
    /// The source was told of ends that it has not confirmed, as of its last poll for that.
    settling: bool,
    pub(super) pause: Pause,
    /// What feeds the source was closed.
    pauses_no_more: bool,
    /// How many workers there are to be: only seats below this take.
    pub(super) open: usize,
    /// Indices of the seats whose workers wait, the lead first.
    pub(super) waiting: Vec<usize>,
    /// For readers that must not wait for the lock.
    gauges: Arc<Gauges>,
    /// One for each worker there ever was.
    pub(super) seats: Vec<Seat<T>>,
    /// What is held between source and workers, where anything is.
    pub(super) stock: Option<Box<Stock<T>>>,
    /// Of the stock, also before there is one.
    stock_account: Arc<StockAccount>,
    /// The source is asked whether this is the end, and not on behalf of a worker.
    seeking: bool,
    /// When the supervisor will look at the stock.
    armed: Option<u64>,
    /// Room for keys on their way from the hands.
    released: Vec<KeyHash>,
    /// Room for deliveries on their way from the source; empty outside a poll.
    out: Vec<Delivery<T>>,
    pub(super) supervisor: Option<Waker>,
    /// Failures in a row to hand out, and to settle. Each count ends when that very thing works again: a source
    /// that hands out and cannot settle is asked less and less often.
    ask_failures: u32,
    settle_failures: u32,
    /// For the supervisor, which takes it.
    outage: Option<Outage>,
    /// Why the source will never work again.
    broken: Option<Arc<SourceError>>,
    /// How many acks the source has confirmed.
    confirmed: u64,
}

pub(super) struct Seat<T> {
    hands: Arc<Hands<T>>,
    place: Place,
    /// Left by a worker that waits for anything: an item, its service, the end.
    pub(super) waker: Option<Waker>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// Busy, or not ready to take an item.
    Away,
    Waiting,
    /// Its hands were given an item that it has not noticed yet.
    Served,
}

/// What may be read without the lock. Written under it.
#[derive(Debug, Default)]
pub(super) struct Gauges {
    /// How many workers wait: the length of the line.
    pub(super) idle: AtomicUsize,
    /// How many workers there are to be.
    pub(super) open: AtomicUsize,
    pub(super) paused: AtomicBool,
}

/// Whether the source is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pause {
    No,
    /// Not until somebody says so.
    Open,
    /// Not before that time.
    Until(Instant),
}

// === impl State ===

impl<T: Send + 'static> State<T> {
    pub(super) fn new(
        source: Box<dyn Source<Item = T>>,
        hands: impl IntoIterator<Item = Arc<Hands<T>>>,
        gauges: Arc<Gauges>,
        stock: Option<Stock<T>>,
        stock_account: Arc<StockAccount>,
    ) -> Self {
        let mut state = Self {
            source: Some(source),
            tap: None,
            watch: None,
            quiet: None,
            fleeting: false,
            look: None,
            asked_for: None,
            ended: false,
            exhausted: false,
            closed: false,
            last: false,
            unavailable: false,
            settling: false,
            pause: Pause::No,
            pauses_no_more: false,
            open: 0,
            waiting: Vec::new(),
            gauges,
            stock: stock.map(Box::new),
            stock_account,
            seeking: false,
            armed: None,
            released: Vec::new(),
            out: Vec::new(),
            seats: Vec::new(),
            supervisor: None,
            ask_failures: 0,
            settle_failures: 0,
            outage: None,
            broken: None,
            confirmed: 0,
        };
        hands.into_iter().for_each(|hands| state.add_seat(hands));
        state.set_open(state.seats.len());
        // What a poll needs is there before the first one.
        state.waiting.reserve(state.open);
        state.out.reserve(state.open);
        state
    }

    pub(super) fn add_seat(&mut self, hands: Arc<Hands<T>>) {
        self.seats.push(Seat { hands, place: Place::Away, waker: None });
    }

    /// The hands of all workers there are, or ever were.
    pub(super) fn all_hands(&self) -> Vec<Arc<Hands<T>>> {
        self.seats.iter().map(|seat| Arc::clone(&seat.hands)).collect()
    }

    /// The worker of `seat` is no longer there.
    pub(super) fn vacate(&mut self, seat: usize, afterwards: &mut Afterwards<T>) {
        let was_lead = self.waiting.first() == Some(&seat);
        self.leave_line(seat);
        afterwards.replaced.extend(self.seats[seat].waker.take());
        // The next worker of this seat leaves a waker of its own before it takes anything.
        self.hands(seat).quick().set_open(false);
        // The source has the waker of somebody who is no longer there. We may be inside a destructor, where the
        // source should not be polled, so the next one is woken to ask.
        if was_lead && let Some(&lead) = self.waiting.first() {
            afterwards.wakers.extend(self.seats[lead].waker.clone());
        }
    }

    /// Will there be nothing more to take for `seat`?
    pub(super) fn is_over_for(&self, seat: usize) -> bool {
        self.ended || seat >= self.open
    }

    pub(super) fn has_ended(&self) -> bool {
        self.ended
    }

    pub(super) fn broken(&self) -> Option<Arc<SourceError>> {
        self.broken.clone()
    }

    /// Was `seat` given an item? Says so once.
    pub(super) fn take_served(&mut self, seat: usize) -> bool {
        let served = self.seats[seat].place == Place::Served;
        if served {
            self.seats[seat].place = Place::Away;
        }
        served
    }

    /// Rule 2. `asker` is served first: it is running, and needs no wake-up.
    pub(super) fn ask(&mut self, asker: Option<usize>, afterwards: &mut Afterwards<T>) {
        self.ask_and_serve(asker, afterwards);
        if self.fleeting {
            self.call_lead(afterwards);
        }
        self.mind_due(afterwards);
    }

    fn ask_and_serve(&mut self, asker: Option<usize>, afterwards: &mut Afterwards<T>) {
        if self.stock.is_none() {
            self.ask_source(asker, afterwards);
            return;
        }
        self.serve(asker, Asked::NotYet, afterwards);
        loop {
            if !self.ask_source(asker, afterwards) {
                self.serve(asker, Asked::Enough, afterwards);
                // After serving, which may have served the lead.
                self.call_asker(afterwards);
                break;
            }
            // A batch that was waiting for more need not, if there is no more. That may serve the lead, so that the
            // source must be asked for another.
            if !self.serve(asker, Asked::Dry, afterwards) || self.waiting.is_empty() {
                break;
            }
        }
    }

    /// `false`: there may be more, but others are to have the lock first.
    fn ask_source(&mut self, asker: Option<usize>, afterwards: &mut Afterwards<T>) -> bool {
        let mut met = 0;
        while self.may_ask()
            && let Some(demand) = NonZeroUsize::new(self.demand(asker))
            && let Some(waker) = match self.waiting.first() {
                Some(&lead) => self.seats[lead].waker.as_ref(),
                // What is fetched for later: the supervisor will ask again.
                None => self.supervisor.as_ref(),
            }
            && let Some(source) = &mut self.source
        {
            let out = &mut self.out;
            let polled = contain(|| source.poll_next(&mut Context::from_waker(waker), demand, out));
            if !matches!(polled, Ok(Poll::Ready(Ok(1..)))) {
                // A source that panicked may have left some behind; one that keeps its contract has not.
                afterwards.surplus.append(&mut self.out);
            }
            self.asked_for = None;
            match polled {
                Ok(Poll::Pending) => {
                    self.asked_for = self.waiting.first().copied();
                    // Asked after the poll: a source that is closed after this wakes the poller.
                    match contain(|| self.stock.is_some() && source.is_closed()) {
                        Ok(closed) => self.last |= closed,
                        Err(panic) => self.break_off(panicked(panic), afterwards),
                    }
                    // A poller whose budget is spent is told that there is nothing, whatever there is.
                    if self.stock.is_some() && !has_budget_remaining() {
                        return false;
                    }
                    break;
                }
                Ok(Poll::Ready(Ok(0))) => {
                    self.exhausted = true;
                    self.end_if_dry(afterwards);
                }
                Ok(Poll::Ready(Ok(_))) if self.out.is_empty() => {
                    self.break_off(
                        SourceError::Broken("it said that it handed out items, but did not".into()),
                        afterwards,
                    );
                }
                Ok(Poll::Ready(Ok(_))) => {
                    met += self.hand_out(asker, afterwards) + usize::from(self.stock.is_some());
                    // Items without a key lessen no demand, nor need those of a batch: a source that always has one
                    // would never let go.
                    if met >= SECTION {
                        return false;
                    }
                }
                Ok(Poll::Ready(Err(error))) => {
                    self.ask_failures = self.ask_failures.saturating_add(1);
                    self.fail(error, self.ask_failures, afterwards);
                }
                Err(panic) => self.break_off(panicked(panic), afterwards),
            }
        }
        true
    }

    /// Wakes the task on whose behalf the source is asked, to ask it again (rule 3).
    fn call_asker(&self, afterwards: &mut Afterwards<T>) {
        let waker = match self.waiting.first() {
            Some(&lead) => &self.seats[lead].waker,
            None => &self.supervisor,
        };
        afterwards.wakers.extend(waker.clone());
    }

    /// Whether the source may be asked.
    pub(super) fn may_ask(&self) -> bool {
        !self.ended && !self.exhausted && !self.unavailable && self.pause == Pause::No
    }

    /// How many items there is a use for.
    fn demand(&self, asker: Option<usize>) -> usize {
        let waiting = match asker {
            Some(asker) if self.fleeting => usize::from(self.seats[asker].place == Place::Waiting),
            None if self.fleeting => 0,
            _ => self.waiting.len(),
        };
        match &self.stock {
            Some(stock) if self.seeking => stock.demand_of_nobody(),
            Some(stock) => stock.demand(waiting),
            None => waiting,
        }
    }

    /// Gives what is in stock to workers that wait. `true`: some worker was served.
    fn serve(&mut self, asker: Option<usize>, asked: Asked, afterwards: &mut Afterwards<T>) -> bool {
        let Some(mut stock) = self.stock.take() else { return false };
        let now = stock.now();
        let mut some = false;
        while !self.ended
            && self.pause == Pause::No
            && let Some(seat) = self.next_seat(asker)
            && stock.give(&self.seats[seat].hands, now, asked, self.closed || self.last || self.exhausted)
        {
            self.served(seat, asker, afterwards);
            some = true;
        }
        self.stock = Some(stock);
        self.end_if_dry(afterwards);
        some
    }

    /// Ends once the source has nothing more and nothing of it is in stock.
    fn end_if_dry(&mut self, afterwards: &mut Afterwards<T>) {
        let dry = self.exhausted && self.stock.as_ref().is_none_or(|stock| stock.is_empty());
        if dry && !self.ended {
            self.end(afterwards);
        }
    }

    /// Calls the supervisor if something will be due before it looks.
    pub(super) fn mind_due(&mut self, afterwards: &mut Afterwards<T>) {
        if let Some(due) = self.next_due()
            && self.armed.is_none_or(|armed| due < armed)
        {
            afterwards.rearm = true;
        }
    }

    /// When something in stock may be given, if somebody waits for it.
    fn next_due(&self) -> Option<u64> {
        let wanted = !self.ended && self.pause == Pause::No && !self.waiting.is_empty();
        self.stock.as_ref().filter(|_| wanted)?.due()
    }

    /// The supervisor will look at that time.
    pub(super) fn arm(&mut self) -> Option<Instant> {
        self.armed = self.next_due();
        let stock = self.stock.as_ref()?;
        self.armed.map(|due| stock.instant(due))
    }

    /// Learns of keys that are free again. `true`: there were some.
    pub(super) fn mind_released(&mut self, settlements: &Settlements) -> bool {
        let Some(stock) = &mut self.stock else { return false };
        settlements.take_released(&mut self.released);
        let some = !self.released.is_empty();
        stock.release(&mut self.released);
        some
    }

    /// Which seat to serve next.
    fn next_seat(&self, asker: Option<usize>) -> Option<usize> {
        let asker = asker.filter(|&asker| self.seats[asker].place == Place::Waiting);
        // The youngest of the others: its memory is the warmest, and the lead stays the lead.
        asker.or_else(|| self.waiting.last().copied().filter(|_| !self.fleeting))
    }

    /// Something is in the hands of `seat`.
    fn served(&mut self, seat: usize, asker: Option<usize>, afterwards: &mut Afterwards<T>) {
        self.leave_line(seat);
        self.seats[seat].place = Place::Served;
        if asker != Some(seat) {
            afterwards.wakers.extend(self.seats[seat].waker.take());
        }
    }

    /// Rule 4: gives what the source handed out to workers that wait. Returns for how many items no key could be found.
    fn hand_out(&mut self, asker: Option<usize>, afterwards: &mut Afterwards<T>) -> usize {
        let mut keyless = 0;
        afterwards.recovered |= std::mem::take(&mut self.ask_failures) > 0;
        let mut out = std::mem::take(&mut self.out);
        let demand = self.demand(asker);
        for (index, delivery) in out.drain(..).enumerate() {
            if let Some(stock) = self.stock.as_mut().filter(|_| index < demand) {
                if let Err((delivery, panic)) = stock.put(delivery) {
                    tracing::error!(%panic, "key of an item panicked; it is dead-lettered");
                    let reason = format!("its key panicked: {panic}");
                    afterwards.ended.push((delivery, End::DeadLetter { reason }));
                    keyless += 1;
                }
            } else if let Some(seat) = self.next_seat(asker).filter(|_| index < demand) {
                self.seats[seat].hands.give(Given { delivery, key: None, place: None });
                self.served(seat, asker, afterwards);
            } else {
                afterwards.surplus.push(delivery);
            }
        }
        self.out = out;
        self.serve(asker, Asked::NotYet, afterwards);
        keyless
    }

    /// Nothing more is handed out: every task that waits for anything learns of it.
    pub(super) fn end(&mut self, afterwards: &mut Afterwards<T>) {
        self.ended = true;
        self.shut_taps(0);
        if let Some(stock) = &mut self.stock {
            let end = End::Nack { after: Duration::ZERO };
            afterwards.ended.extend(stock.drain().into_iter().map(|delivery| (delivery, end.clone())));
        }
        afterwards.wakers.extend(self.seats.iter_mut().filter_map(|seat| seat.waker.take()));
        afterwards.wakers.extend(self.supervisor.clone());
    }

    pub(super) fn leave_waker(&mut self, seat: usize, waker: &Waker, afterwards: &mut Afterwards<T>) {
        leave(&mut self.seats[seat].waker, waker, afterwards);
    }

    /// The worker that has waited longest.
    pub(super) fn lead(&self) -> Option<usize> {
        self.waiting.first().copied()
    }

    pub(super) fn place(&self, seat: usize) -> Place {
        self.seats[seat].place
    }

    pub(super) fn waker_of(&self, seat: usize) -> Option<Waker> {
        self.seats[seat].waker.clone()
    }

    pub(super) fn hands(&self, seat: usize) -> &Hands<T> {
        &self.seats[seat].hands
    }

    pub(super) fn each_hands(&self) -> impl Iterator<Item = &Hands<T>> {
        self.seats.iter().map(|seat| &*seat.hands)
    }

    /// Joins the line, unless it is in there, was served, or has no business there.
    pub(super) fn join_line(&mut self, seat: usize) {
        if self.seats[seat].place != Place::Away || seat >= self.open {
            return;
        }
        self.watch_no_more();
        self.seats[seat].place = Place::Waiting;
        self.waiting.push(seat);
        self.gauges.idle.store(self.waiting.len(), Ordering::Relaxed);
    }

    pub(super) fn leave_line(&mut self, seat: usize) {
        if self.seats[seat].place == Place::Waiting {
            // From the back, where the latest arrival is.
            let index = self.waiting.iter().rposition(|&waiting| waiting == seat);
            self.waiting.remove(index.expect("who waits is in the line"));
            self.come_by(seat);
            self.gauges.idle.store(self.waiting.len(), Ordering::Relaxed);
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

pub(super) fn panicked(message: String) -> SourceError {
    SourceError::Broken(format!("it panicked: {message}").into())
}

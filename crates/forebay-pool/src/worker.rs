//! One worker: a task that takes an item when it is free, and runs the handler on it.
//!
//! ```text
//!        ┌───────────── panic, or the service failed before it was ready ──────────────┐
//!        ▼                                                                             │
//!      build ──▶ ready? ──▶ take (Intake) ──▶ call ──▶ poll … poll ──▶ drop ──▶ finish (Hands)
//!        ▲         ▲            │ the end                                        │
//!        │         │            ├─▶ gone                                         │
//!        │         │            │ nothing for now                                │
//!        └─────────│── called ◀─┘                                                │
//!                  └─────────────────────────────────────────────────────────────┘
//! ```
//!
//! A service that is ready may keep something until it is called, such as one of the permits that others want. It gives
//! that back for certain only when it is dropped. So a worker that has nothing to do has no service that was asked
//! whether it is ready: it looks first whether there is an item ([`Caution`]), and where it asked in vain it waits
//! without one, and builds another when it is called.
//!
//! Everything that is not ours runs contained: making the handler, its readiness, the call, each poll, and the
//! destructors of future and handler. The future lives in this task, so an item costs no allocation.
//!
//! A task that is aborted drops its locals in reverse: [`Bench`], which drops the future (a delivery in it comes back
//! to the hands) and then the handler; then [`Seated`], which leaves the line and gives up what is still in hand.

/// Workers that take items themselves.
mod alone;
/// The tap of a queue in memory, called directly.
mod known;
/// How a worker comes to its next item.
mod next;
/// Where the future of a run lies.
mod running;
/// The times of one run.
mod watch;

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use forebay_queue::Tap;
use tokio::time::{Instant, sleep_until};
use tracing::Span;

use crate::WorkerId;
use crate::contain::{Contained, contain};
use crate::desk::Desk;
use crate::handler::{Handle, Make, Start};
use crate::hands::RunEnd;
use crate::intake::Standing;
use crate::outcome::{BoxError, chain};
use crate::timings::Sampler;

use self::alone::Unusual;
use self::next::{Caution, Next};
use self::running::Running;
use self::watch::Watch;

/// Makes the tasks of a pool's workers, whatever the handler's form.
pub(crate) trait Crew<T>: Send + Sync {
    /// The task of the worker at `desk`, which ends when there is nothing more to do for it.
    fn hire(&self, desk: Desk<T>) -> Pin<Box<dyn Future<Output = ()> + Send>>;

    /// Whether the handlers are lent deliveries.
    fn lends(&self) -> bool;

    /// Whether the handlers take batches.
    fn batches(&self) -> bool;

    /// Whether the handlers want nothing of an item but its value.
    fn by_value(&self) -> bool;

    /// Whether handlers that are ready may keep something that others want.
    fn holds(&self) -> bool;
}

/// A crew whose handlers `M` makes.
pub(crate) struct CrewOf<M>(Arc<Contained<M>>);

/// Why a worker gives up its handler.
enum Left {
    /// There is nothing more to do.
    Ended,
    /// The handler failed.
    Failed,
    /// There is nothing to do for now.
    Idle,
}

/// A worker's place in the intake. Dropped with the task, however that ends.
struct Seated<'a, T: Send + 'static> {
    desk: &'a Desk<T>,
    /// Where workers take items themselves.
    tap: Option<Box<AnyTap<T>>>,
    /// Where it waits while it idles.
    standing: Standing,
    caution: Caution,
    /// Of the present run, if it has one.
    span: Option<Span>,
}

/// The tap by which a worker takes items, if it does so itself.
type AnyTap<T> = dyn Tap<Item = T>;

/// For how long handlers of one worker may compute, one after the other, until other tasks of the runtime get their
/// turn. Items too short to be timed one by one get as long in spending the cooperative budget. Not shorter: to
/// give way costs some 20 µs where another thread of the runtime sleeps, since tokio wakes it to look for work.
const TURN: Duration = Duration::from_millis(2);

/// What a worker works with: its handler, and the place of the future that the handler runs.
///
/// Both are destroyed here and nowhere else, each contained by itself: two destructors that panic one after the
/// other, the second while the first unwinds, would end the process.
struct Bench<'a, T: Send + 'static, H: Handle<T>> {
    desk: &'a Desk<T>,
    handler: Option<H>,
    /// The handler was asked whether it is ready, and not called since: it may keep something, or a turn to get it.
    is_asked: bool,
    running: Pin<&'a mut Option<Running<H::Future>>>,
    /// In which it is running.
    span: Option<Span>,
}

// === impl CrewOf ===

impl<M> CrewOf<M> {
    pub(crate) fn new(make: M) -> Self {
        Self(Arc::new(Contained::new(make)))
    }
}

impl<T: Send + 'static, M: Make<T>> Crew<T> for CrewOf<M> {
    fn hire(&self, desk: Desk<T>) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        Box::pin(work(Arc::clone(&self.0), desk))
    }

    fn lends(&self) -> bool {
        M::Handle::LENDS
    }

    fn batches(&self) -> bool {
        M::Handle::BATCHES
    }

    fn by_value(&self) -> bool {
        M::Handle::BY_VALUE
    }

    fn holds(&self) -> bool {
        M::Handle::HOLDS
    }
}

// === impl Seated ===

impl<T: Send + 'static> Seated<'_, T> {
    /// Runs the handler on the item in hand, or on `taken`. If the item has a span, it is left here and with the bench.
    async fn run<H: Handle<T>>(&mut self, bench: &mut Bench<'_, T, H>, taken: Option<T>) -> RunEnd {
        let hands = &self.desk.hands;
        let handler = bench.handler.as_mut().expect("it stays until the bench goes");
        let keyed = self.desk.shared.rules.key_of.is_some();
        let leased = self.desk.shared.leases.is_some();
        if keyed && hands.is_cancelled() {
            hands.skip();
            return RunEnd::Cancelled;
        }
        if leased && H::BATCHES && !hands.shed_lost() {
            return RunEnd::Done;
        }
        if leased && !H::BATCHES && hands.is_lost() {
            hands.skip();
            return RunEnd::Lost;
        }
        let mut cut = None;
        if self.desk.is_limited() {
            cut = match contain(|| self.desk.cut()) {
                Ok(Some(cut)) if matches!(cut.end, RunEnd::Expired) && cut.at <= Instant::now() => {
                    hands.skip();
                    return cut.end;
                }
                Ok(cut) => cut,
                Err(panic) => return RunEnd::Panicked(panic),
            };
        }
        let deadline = cut.as_ref().map(|cut| cut.at);
        // If the worker took the item itself, there is no delivery to find a span by.
        self.span = if taken.is_none() { self.desk.span() } else { None };
        bench.span.clone_from(&self.span);
        // An item that was looked at could be cancelled meanwhile.
        if keyed && hands.is_cancelled() {
            hands.skip();
            return RunEnd::Cancelled;
        }
        let span = self.span.as_ref();
        bench.is_asked = false;
        match within(span, || contain(|| handler.call(self.desk, Start { deadline, taken }))) {
            Ok(future) => bench.running.set(Some(Running::new(future))),
            Err(panic) => return RunEnd::Panicked(panic),
        }
        // Made in its place, and only where it is needed: a timer is large.
        let mut too_late = pin!(None);
        if let Some(deadline) = deadline {
            too_late.set(Some(sleep_until(deadline)));
        }
        let run_end = poll_fn(|cx| {
            if H::LENDS {
                hands.enter_poll();
            }
            let future = bench.running.as_mut().as_pin_mut().expect("it stays until it is done");
            let polled =
                within(span, || contain(|| future.poll(cx).map(|output| run_end_of(H::outcome(output)))));
            if H::LENDS && matches!(polled, Ok(Poll::Pending)) {
                hands.leave_poll();
            }
            if (keyed || leased)
                && let Ok(Poll::Pending) = polled
                && let Poll::Ready(run_end) = hands.poll_unwanted(cx)
            {
                return Poll::Ready(run_end);
            }
            match polled {
                Ok(Poll::Pending) => match too_late.as_mut().as_pin_mut() {
                    // After the handler: what is done by then is done in time.
                    Some(too_late) => too_late.poll(cx).map(|()| cut.take().expect("it ends once").end),
                    None => Poll::Pending,
                },
                Ok(poll) => poll,
                Err(panic) => Poll::Ready(RunEnd::Panicked(panic)),
            }
        })
        .await;
        if H::IN_CONTEXT {
            // First, so that what the future's destructor reaches knows it.
            hands.runs().end();
        }
        within(span, || bench.clear(run_end))
    }

    /// Ends the item in hand as if it had been tried. `Some`: it is to be tried again all the same, after this long.
    fn give_up(&self, run_end: &RunEnd) -> Option<Duration> {
        let hands = &self.desk.hands;
        match run_end {
            // All that is in hand, which may be a batch.
            RunEnd::Lost => {
                hands.shed_lost();
                return None;
            }
            // An item that panicked while it was looked at counts as started on.
            RunEnd::Panicked(_) => {}
            _ => hands.skip(),
        }
        hands.finish(run_end)
    }
}

impl<T: Send + 'static> Drop for Seated<'_, T> {
    fn drop(&mut self) {
        self.desk.hands.presence().go();
        self.desk.shared.intake.leave(self.desk.seat());
        self.desk.hands.set_failing(false);
        if self.desk.hands.quick().is_busy() {
            self.finish_taken(&RunEnd::Aborted);
        }
        self.tell();
        within(self.span.as_ref(), || self.desk.hands.abandon());
        if let Err(panic) = contain(|| drop(self.tap.take())) {
            tracing::error!(%panic, "source's tap panicked when it was dropped");
        }
        self.desk.stand_apart(&mut self.standing);
    }
}

// === impl Bench ===

impl<T: Send + 'static, H: Handle<T>> Bench<'_, T, H> {
    /// The run is over, and its future goes. A lent delivery may still be in it: only after that is it known how it ends.
    fn clear(&mut self, run_end: RunEnd) -> RunEnd {
        match (contain(|| self.running.set(None)), &run_end) {
            (Ok(()), _) => run_end,
            // The first panic is the one that explains the other.
            (Err(panic), RunEnd::Panicked(_)) => {
                self.desk.hands.count_panic(&panic, "the handler's future was dropped after a panic");
                run_end
            }
            (Err(panic), _) => RunEnd::Panicked(panic),
        }
    }
}

impl<T: Send + 'static, H: Handle<T>> Drop for Bench<'_, T, H> {
    fn drop(&mut self) {
        if H::IN_CONTEXT {
            self.desk.hands.runs().end();
        }
        if self.running.is_some()
            && let Err(panic) = within(self.span.as_ref(), || contain(|| self.running.set(None)))
        {
            self.desk.hands.count_panic(&panic, "the handler's future was dropped");
        }
        if let Err(panic) = contain(|| drop(self.handler.take())) {
            self.desk.hands.count_panic(&panic, "the handler was dropped");
        }
    }
}

/// The life of one worker.
async fn work<T: Send + 'static, M: Make<T>>(make: Arc<Contained<M>>, desk: Desk<T>) {
    let mut seated = Seated {
        desk: &desk,
        tap: desk.shared.intake.tap(),
        standing: Standing::Apart,
        caution: Caution::new(),
        span: None,
    };
    let Desk { shared, hands } = &desk;
    hands.presence().come();
    let id = hands.id();
    let mut running = pin!(None);
    // In a row: makers that panicked, and services that failed before they were ready.
    let mut setbacks = 0_u32;
    let mut sampler = Sampler::new();
    // How long handlers worked since others last got their turn.
    let mut turn = Duration::ZERO;
    // How long to wait until the item in hand is tried again, if there is one.
    let mut again: Option<Duration> = None;
    while again.is_some() || !shared.intake.is_over_for(desk.seat()) {
        if setbacks > 0 {
            hands.set_failing(true);
            let rest = Seated::rest(&desk, seated.tap.as_deref_mut(), setbacks, again.is_some());
            let unwanted = match again {
                Some(_) => rest.await,
                None => hands.presence().rest(rest).await,
            };
            if let Some(run_end) = unwanted {
                again = seated.give_up(&run_end);
                continue;
            }
            if shared.intake.is_over_for(desk.seat()) {
                // An item in hand goes back with the seat.
                break;
            }
        }
        let mut bench = match contain(|| make.make(id)) {
            Ok(handler) => {
                let (handler, running) = (Some(handler), running.as_mut());
                Bench { desk: &desk, handler, is_asked: false, running, span: None }
            }
            Err(panic) => {
                setbacks = setbacks.saturating_add(1);
                tracing::error!(worker = id.index(), setbacks, %panic, "worker could not be built");
                continue;
            }
        };
        let left = loop {
            // A source may always have an item ready, and a handler may never wait: others must get their turn.
            // A tap spends the budget itself.
            if seated.tap.is_none() {
                tokio::task::coop::consume_budget().await;
            }
            if seated.tap.is_some() && !desk.is_limited() {
                match seated.work_alone(&mut bench, &mut sampler, &mut turn, &mut setbacks).await {
                    Unusual::End => break Left::Ended,
                    Unusual::Idle => break Left::Idle,
                    Unusual::Turn => {
                        turn = Duration::ZERO;
                        tokio::task::yield_now().await;
                        continue;
                    }
                    Unusual::Unready(error) => {
                        setbacks = setbacks.saturating_add(1);
                        tell_unready(id, setbacks, &error);
                        break Left::Failed;
                    }
                    Unusual::Run(run_end) => {
                        if M::Handle::IN_CONTEXT {
                            hands.runs().end();
                        }
                        let run_end = bench.clear(run_end);
                        seated.finish_taken(&run_end);
                        if matches!(run_end, RunEnd::Panicked(_)) {
                            break Left::Failed;
                        }
                        continue;
                    }
                }
            }
            let next = match again {
                Some(after) => seated.again(&mut bench, after).await,
                None => hands.presence().rest(seated.next(&mut bench, false)).await,
            };
            let taken = match next {
                Next::Unwanted(run_end) => {
                    again = seated.give_up(&run_end);
                    continue;
                }
                Next::Item(taken) => {
                    if setbacks > 0 {
                        setbacks = 0;
                        hands.set_failing(false);
                    }
                    taken
                }
                Next::End => break Left::Ended,
                Next::Idle => break Left::Idle,
                Next::Unready(error) => {
                    setbacks = setbacks.saturating_add(1);
                    tell_unready(id, setbacks, &error);
                    break Left::Failed;
                }
            };
            let taps = taken.is_some();
            let watch = Watch::start(&desk, &mut sampler);
            let run_end = seated.run(&mut bench, taken).await;
            turn += watch.stop(&desk, &mut sampler);
            again = if taps {
                seated.finish_taken(&run_end);
                None
            } else {
                within(seated.span.as_ref(), || hands.finish(&run_end))
            };
            (seated.span, bench.span) = (None, None);
            if matches!(run_end, RunEnd::Panicked(_)) {
                break Left::Failed;
            }
            // The budget counts items, and a handler that computes spends none for its time: without this, the
            // runtime would not look at its timers for a hundred items.
            if turn >= TURN {
                turn = Duration::ZERO;
                tokio::task::yield_now().await;
            }
        };
        drop(bench);
        match left {
            Left::Ended => break,
            Left::Failed => {
                seated.tell();
                shared.count_restart();
            }
            Left::Idle => {
                // The handler was as it should be.
                setbacks = 0;
                hands.set_failing(false);
                match &mut again {
                    // The worker has waited for that already.
                    Some(after) => *after = Duration::ZERO,
                    None => hands.presence().rest(called()).await,
                }
            }
        }
    }
}

/// Waits until the task is woken: everybody that may have something for it has its waker.
async fn called() {
    let mut is_called = false;
    poll_fn(|_| if std::mem::replace(&mut is_called, true) { Poll::Ready(()) } else { Poll::Pending }).await;
}

/// Does something in a span, if there is one.
fn within<R>(span: Option<&Span>, what: impl FnOnce() -> R) -> R {
    match span {
        Some(span) => span.in_scope(what),
        None => what(),
    }
}

fn tell_unready(worker: WorkerId, setbacks: u32, error: &str) {
    tracing::warn!(worker = worker.index(), setbacks, %error, "service failed before it was ready");
}

fn run_end_of(outcome: Result<(), BoxError>) -> RunEnd {
    match outcome {
        Ok(()) => RunEnd::Done,
        Err(error) => RunEnd::Failed(chain(&error)),
    }
}

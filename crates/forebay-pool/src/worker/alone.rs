//! A worker that takes its items itself (`intake/taps.rs`), by value and one after the other.
//!
//! Most of them are quick, and then what counts is what is done beside the handler. So there is one future for all
//! of them, which nothing is moved into or out of, and which comes to its end only where something is out of the
//! ordinary: the source ended, the handler failed, or other tasks are to get their turn. All code that is not ours
//! is contained at once, however many items that is; whose code it was follows from where the worker stands.

use std::future::poll_fn;
use std::hint::cold_path;
use std::pin::Pin;
use std::sync::atomic::AtomicBool;
use std::task::{Context, Poll};
use std::time::Duration;

use forebay_queue::Tapped;
use tokio::task::coop::has_budget_remaining;
use tokio::time::Instant;

use super::known::Known;
use super::next::{Caution, is_idle};
use super::running::Running;
use super::{AnyTap, Bench, Seated, TURN, run_end_of};
use crate::contain::contain;
use crate::desk::Desk;
use crate::handler::{Handle, Start};
use crate::hands::{Quick, RunEnd};
use crate::intake::{DESPITE_THE_GATE, Standing};
use crate::outcome::chain;
use crate::presence::Resting;
use crate::timings::Sampler;

/// What is out of the ordinary.
pub(super) enum Unusual {
    /// There will be nothing more to take.
    End,
    /// There is nothing to take for a handler that is ready, and that may keep something from others.
    Idle,
    /// The handler failed, or panicked, while it was asked whether it is ready.
    Unready(String),
    /// Handlers worked for so long that others are to get their turn.
    Turn,
    /// A run ended otherwise than well. Its future may still be there.
    Run(RunEnd),
}

/// A worker on its own, in one poll. Made anew for each, and not lent to anything that is not inlined: so these
/// pointers stay in registers, and an item does not have to go from one to the next to find them.
struct Alone<'a, 'w, T: Send + 'static, H: Handle<T>> {
    desk: &'w Desk<T>,
    quick: &'w Quick,
    tap: Known<'a, T>,
    handler: &'a mut H,
    sampler: &'a mut Sampler,
    progress: &'a mut Progress<'w>,
}

/// How far a worker on its own is, from one poll to the next.
struct Progress<'w> {
    /// How long handlers have worked since others last got their turn.
    turn: &'w mut Duration,
    setbacks: &'w mut u32,
    caution: &'w mut Caution,
    /// Where the worker waits while it idles.
    standing: &'w mut Standing,
    /// The handler is being asked whether it is ready. Where nothing is kept ready, it never is.
    asks: bool,
    /// The handler said in an earlier poll that it can take an item.
    ready: bool,
    /// When the present run began, if it is timed.
    began: Option<Instant>,
    resting: Option<Resting<'w>>,
}

// === impl Seated ===

impl<T: Send + 'static> Seated<'_, T> {
    /// Takes items and runs the handler on each, as [`next`](Self::next) and [`run`](Self::run) do where there may be
    /// more to it.
    pub(super) async fn work_alone<H: Handle<T>>(
        &mut self,
        bench: &mut Bench<'_, T, H>,
        sampler: &mut Sampler,
        turn: &mut Duration,
        setbacks: &mut u32,
    ) -> Unusual {
        let desk = self.desk;
        let tap = self.tap.as_deref_mut().expect("it is there as long as its worker");
        let handler = bench.handler.as_mut().expect("it stays until the bench goes");
        let mut running = bench.running.as_mut();
        let mut progress = Progress {
            turn,
            setbacks,
            caution: &mut self.caution,
            standing: &mut self.standing,
            asks: false,
            ready: false,
            began: None,
            resting: None,
        };
        poll_fn(|cx| {
            let polled = contain(|| {
                let (quick, tap, progress) = (desk.hands.quick(), Known::of(tap), &mut progress);
                Alone { desk, quick, tap, handler, sampler, progress }.poll(running.as_mut(), cx)
            });
            let polled = polled.unwrap_or_else(|panic| Poll::Ready(progress.panicked(desk, sampler, panic)));
            // Before the worker waits: what its handler waits for may be a sender.
            wake_senders(desk, tap);
            polled
        })
        .await
    }

    /// A worker that took items itself asks for no more for now: the source hears of the last one all the same.
    pub(super) fn tell(&mut self) {
        if let Some(tap) = &mut self.tap {
            tell(self.desk, &mut **tap);
        }
    }

    /// The run of an item that the worker took itself ended.
    pub(super) fn finish_taken(&mut self, run_end: &RunEnd) {
        let hands = &self.desk.hands;
        if matches!(run_end, RunEnd::Done) {
            // The source is told when it is asked for the next one.
            hands.quick().done();
            return;
        }
        if let Some(tap) = &mut self.tap {
            empty(self.desk, &mut **tap, false);
        }
        hands.fail_quick(run_end);
        self.desk.shared.intake.ring_idle();
    }
}

// === impl Alone ===

impl<'w, T: Send + 'static, H: Handle<T>> Alone<'_, 'w, T, H> {
    /// May panic where code panics that is not ours; not to be polled again after that.
    #[inline(always)]
    fn poll(
        mut self,
        mut running: Pin<&mut Option<Running<H::Future>>>,
        cx: &mut Context<'_>,
    ) -> Poll<Unusual> {
        if running.is_none() {
            self.quick.ask();
            self.desk.fall_out(self.progress.standing);
            match self.take(self.progress.ready, cx) {
                Ok(item) => {
                    // Later in a poll the worker has not rested, nor has its handler failed.
                    self.progress.revive(self.desk);
                    self.start(running.as_mut(), item);
                }
                Err(none) => {
                    if none.is_ready() {
                        self.desk.stand_apart(self.progress.standing);
                    }
                    return none;
                }
            }
        }
        loop {
            let future = running.as_mut().as_pin_mut().expect("it stays until it is done");
            let Poll::Ready(output) = future.poll(cx) else { return Poll::Pending };
            match run_end_of(H::outcome(output)) {
                RunEnd::Done => {}
                run_end => {
                    cold_path();
                    self.progress.stop_clock(self.desk, self.sampler);
                    return Poll::Ready(Unusual::Run(run_end));
                }
            }
            if H::IN_CONTEXT {
                // First, so that what the future's destructor reaches knows it.
                self.desk.hands.runs().end();
            }
            running.set(None);
            // The source is told when it is asked for the next one, which is done now.
            self.quick.done();
            if self.progress.began.is_some() {
                self.progress.stop_clock(self.desk, self.sampler);
                if *self.progress.turn >= TURN {
                    return Poll::Ready(Unusual::Turn);
                }
            }
            if let Err(none) = self.go_on(running.as_mut(), cx) {
                cold_path();
                return none;
            }
        }
    }

    /// Takes an item once the handler is ready. `Err`: there is none for now, or something is out of the ordinary.
    #[inline(always)]
    fn take(&mut self, ready: bool, cx: &mut Context<'_>) -> Result<T, Poll<Unusual>> {
        let Self { desk, quick, tap, progress, .. } = self;
        if !ready {
            if H::HOLDS && progress.caution.looks() {
                match progress.poll_look(desk, tap.any(), cx) {
                    Poll::Ready(true) => {}
                    Poll::Ready(false) => return Err(Poll::Ready(Unusual::End)),
                    Poll::Pending => return Err(Poll::Pending),
                }
            }
            if H::HOLDS {
                progress.asks = true;
            }
            let ready = self.handler.poll_ready(cx).map_err(|error| chain(&error));
            if H::HOLDS {
                progress.asks = false;
            }
            match ready {
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(error)) => return Err(Poll::Ready(Unusual::Unready(error))),
                Poll::Pending => return Err(progress.poll_unready(desk, tap.any(), cx)),
            }
        }
        let taken = poll_tap(desk, quick, tap, cx);
        self.took(taken, cx)
    }

    /// What follows from what came of asking the source.
    #[inline(always)]
    fn took(&mut self, taken: Result<T, Poll<()>>, cx: &mut Context<'_>) -> Result<T, Poll<Unusual>> {
        let Self { desk, tap, progress, .. } = self;
        match taken {
            Ok(item) => {
                if H::HOLDS {
                    progress.caution.take();
                }
                Ok(item)
            }
            Err(Poll::Ready(())) => Err(Poll::Ready(Unusual::End)),
            Err(Poll::Pending) if is_idle::<T, H>(cx) => {
                progress.caution.waits();
                Err(Poll::Ready(Unusual::Idle))
            }
            Err(Poll::Pending) => {
                progress.ready = true;
                progress.rest(desk);
                if !H::HOLDS {
                    progress.line_up(desk, tap.any(), cx);
                }
                Err(Poll::Pending)
            }
        }
    }

    /// Takes another item and starts the handler on it, as [`take`](Self::take) and [`start`](Self::start) do. The item
    /// does not come back from a call on the way, so it stays in registers; where the worker has nothing else to do for an
    /// item, that is a fifth of its time.
    #[inline(always)]
    fn go_on(
        &mut self,
        running: Pin<&mut Option<Running<H::Future>>>,
        cx: &mut Context<'_>,
    ) -> Result<(), Poll<Unusual>> {
        if H::HOLDS || !self.quick.is_open() {
            let item = self.take(false, cx)?;
            self.start(running, item);
            return Ok(());
        }
        match self.handler.poll_ready(cx).map_err(|error| chain(&error)) {
            Poll::Ready(Ok(())) => {}
            Poll::Ready(Err(error)) => return Err(Poll::Ready(Unusual::Unready(error))),
            Poll::Pending => return Err(self.progress.poll_unready(self.desk, self.tap.any(), cx)),
        }
        let Self { desk, quick, tap, handler, sampler, progress } = self;
        let (desk, quick) = (*desk, *quick);
        let tapped = tap.poll_take_then(
            cx,
            quick.gate(),
            running,
            |running, item| {
                quick.take();
                start(desk, &mut **handler, sampler, progress, running, item);
                None
            },
            |running, _, tapped| Some((running, tapped)),
        );
        let Some((running, tapped)) = tapped else { return Ok(()) };
        cold_path();
        let item = self.take_tapped(tapped, cx)?;
        self.start(running, item);
        Ok(())
    }

    /// Takes the item if asking the source came to anything but a plain one.
    #[inline(never)]
    fn take_tapped(&mut self, tapped: Poll<Tapped<T>>, cx: &mut Context<'_>) -> Result<T, Poll<Unusual>> {
        if matches!(tapped, Poll::Ready(Tapped::Shut)) {
            return self.take(true, cx);
        }
        let taken = take_known(self.desk, self.tap.any(), tapped);
        self.took(taken, cx)
    }

    #[inline(always)]
    fn start(&mut self, running: Pin<&mut Option<Running<H::Future>>>, item: T) {
        start(self.desk, self.handler, self.sampler, self.progress, running, item);
    }
}

/// Starts the handler on an item.
#[inline(always)]
fn start<T: Send + 'static, H: Handle<T>>(
    desk: &Desk<T>,
    handler: &mut H,
    sampler: &mut Sampler,
    progress: &mut Progress<'_>,
    mut running: Pin<&mut Option<Running<H::Future>>>,
    item: T,
) {
    if sampler.is_due() {
        cold_path();
        progress.began = Some(Instant::now());
    }
    // Nothing is there: said once more, so that the future is made in its place.
    running.set(None);
    running.set(Some(Running::new(handler.call(desk, Start { deadline: None, taken: Some(item) }))));
}

// === impl Progress ===

impl<'w> Progress<'w> {
    /// Whose code panicked: the handler's while it is asked, and while there is an item in hand; otherwise the source's.
    #[cold]
    fn panicked<T: Send + 'static>(
        &mut self,
        desk: &Desk<T>,
        sampler: &mut Sampler,
        panic: String,
    ) -> Unusual {
        if self.asks {
            Unusual::Unready(format!("panicked: {panic}"))
        } else if desk.hands.quick().is_busy() {
            self.stop_clock(desk, sampler);
            Unusual::Run(RunEnd::Panicked(panic))
        } else {
            break_off(desk, panic);
            Unusual::End
        }
    }

    /// Waits until there is an item. `false`: there will be none.
    #[cold]
    fn poll_look<T: Send + 'static>(
        &mut self,
        desk: &'w Desk<T>,
        tap: &mut AnyTap<T>,
        cx: &mut Context<'_>,
    ) -> Poll<bool> {
        let some = poll_some(desk, tap, cx);
        match some {
            Poll::Ready(some) => {
                self.caution.found();
                Poll::Ready(some)
            }
            Poll::Pending => {
                self.rest(desk);
                self.caution.wait()
            }
        }
    }

    #[cold]
    fn poll_unready<T: Send + 'static>(
        &mut self,
        desk: &'w Desk<T>,
        tap: &mut AnyTap<T>,
        cx: &mut Context<'_>,
    ) -> Poll<Unusual> {
        self.rest(desk);
        desk.stand_apart(self.standing);
        poll_end(desk, Some(tap), cx).map(|()| Unusual::End)
    }

    /// There is nothing to do for now.
    #[cold]
    fn rest<T: Send + 'static>(&mut self, desk: &'w Desk<T>) {
        self.resting.get_or_insert_with(|| desk.hands.presence().begin_rest());
    }

    /// The worker waits at the source, or for a leader that waits there.
    #[cold]
    fn line_up<T: Send + 'static>(&mut self, desk: &Desk<T>, tap: &mut AnyTap<T>, cx: &mut Context<'_>) {
        // A worker that has spent its budget waits for nothing.
        if *self.standing == Standing::Apart && has_budget_remaining() {
            *self.standing = desk.shared.intake.line_up(desk.seat(), cx.waker());
            if *self.standing == Standing::Follows {
                tap.step_back();
            }
        }
    }

    /// There is something to do, for a handler that is as it should be.
    fn revive<T: Send + 'static>(&mut self, desk: &Desk<T>) {
        self.ready = false;
        self.resting = None;
        desk.stand_apart(self.standing);
        if *self.setbacks > 0 {
            *self.setbacks = 0;
            desk.hands.set_failing(false);
        }
    }

    #[cold]
    fn stop_clock<T: Send + 'static>(&mut self, desk: &Desk<T>, sampler: &mut Sampler) {
        if let Some(began) = self.began.take() {
            let service = began.elapsed();
            sampler.learn(service);
            // Nobody gave the worker the item, and how long the item waited is noted by the one that takes it.
            desk.shared.clockwork.note(None, None, service);
            *self.turn += service;
        }
    }
}

fn tell<T: Send + 'static>(desk: &Desk<T>, tap: &mut AnyTap<T>) {
    empty(desk, tap, true);
    desk.hands.quick().leave();
    desk.shared.intake.ring_idle();
}

/// Says what became of the item in hand, outside of where the source's code is contained anyway.
fn empty<T: Send + 'static>(desk: &Desk<T>, tap: &mut AnyTap<T>, done: bool) {
    if let Err(panic) = contain(|| tap.empty(done)) {
        desk.shared.intake.source_ended(Some(panic));
    }
}

/// The worker may not ask for another item at once.
pub(super) fn wake_senders<T: Send + 'static>(desk: &Desk<T>, tap: &mut AnyTap<T>) {
    if let Err(panic) = contain(|| tap.wake_senders()) {
        desk.shared.intake.source_ended(Some(panic));
    }
}

/// Waits, without taking anything, until there will be nothing to take.
pub(super) fn poll_end<T: Send + 'static>(
    desk: &Desk<T>,
    mut tap: Option<&mut AnyTap<T>>,
    cx: &mut Context<'_>,
) -> Poll<()> {
    let intake = &desk.shared.intake;
    if let Some(tap) = tap.as_deref_mut() {
        tell(desk, tap);
    }
    if let Some(tap) = tap.as_deref_mut().filter(|_| intake.is_paused()) {
        // Nothing ends in a pause, and whoever else can do the item that this worker may be called for is to get it.
        if let Err(panic) = contain(|| tap.step_back()) {
            intake.source_ended(Some(panic));
        }
    } else if let Some(tap) = tap {
        // Nothing is taken by a tap that is shut, and it sees the end all the same: maybe nobody else is there to see it.
        let shut = AtomicBool::new(false);
        match contain(|| tap.poll_take(cx, &shut)) {
            Ok(Poll::Ready(Tapped::Ended)) => intake.source_ended(None),
            Ok(Poll::Ready(Tapped::Plain(_) | Tapped::Item { .. })) => {
                intake.source_ended(Some(DESPITE_THE_GATE.to_owned()));
            }
            Ok(Poll::Ready(Tapped::Shut) | Poll::Pending) => {}
            Err(panic) => intake.source_ended(Some(panic)),
        }
    }
    intake.poll_over(desk.seat(), cx)
}

/// Waits for an item to take ourselves. `Err`: there is none, and once that is ready there will be none for us. The
/// worker has said that it asks. Runs the source's code; see [`break_off`].
///
/// Always inlined into its caller: an item that is nothing but a value is otherwise written to memory and read again.
#[inline(always)]
pub(super) fn poll_tap<T: Send + 'static>(
    desk: &Desk<T>,
    quick: &Quick,
    tap: &mut Known<'_, T>,
    cx: &mut Context<'_>,
) -> Result<T, Poll<()>> {
    loop {
        if !quick.is_open() {
            poll_shut(desk, tap.any(), cx)?;
        }
        match tap.poll_take(cx, quick.gate()) {
            Poll::Ready(Tapped::Plain(item)) => {
                quick.take();
                return Ok(item);
            }
            Poll::Ready(Tapped::Shut) => cold_path(),
            tapped => {
                cold_path();
                return take_known(desk, tap.any(), tapped);
            }
        }
    }
}

/// What came of asking, unless it is a plain item.
#[inline(never)]
fn take_known<T: Send + 'static>(
    desk: &Desk<T>,
    tap: &mut AnyTap<T>,
    tapped: Poll<Tapped<T>>,
) -> Result<T, Poll<()>> {
    let (item, attempt, waited) = match tapped {
        Poll::Ready(Tapped::Plain(item)) => (item, 1, None),
        Poll::Ready(Tapped::Item { item, attempt, waited, .. }) => (item, attempt, waited),
        Poll::Ready(Tapped::Ended) => {
            desk.shared.intake.source_ended(None);
            return Err(end(desk));
        }
        Poll::Ready(Tapped::Shut) | Poll::Pending => {
            // The budget may be the reason, and then the source was not told of the last item.
            tap.empty(true);
            return Err(wait(desk));
        }
    };
    desk.hands.quick().take_for(attempt);
    if let Some(waited) = waited {
        desk.shared.clockwork.note_wait(waited);
    }
    Ok(item)
}

/// Waits until there is an item for the worker, and does not take it. `false`: there will be none. Runs the source's code.
pub(super) fn poll_some<T: Send + 'static>(
    desk: &Desk<T>,
    tap: &mut AnyTap<T>,
    cx: &mut Context<'_>,
) -> Poll<bool> {
    let quick = desk.hands.quick();
    if !quick.is_open()
        && let Err(none) = poll_shut(desk, tap, cx)
    {
        return none.map(|()| false);
    }
    quick.ask();
    // Before the worker waits among those that are called: a called worker passes the call on where it does not take.
    if tap.waiting() > 0 {
        return Poll::Ready(true);
    }
    match tap.poll_take(cx, &AtomicBool::new(false)) {
        Poll::Ready(Tapped::Shut) => Poll::Ready(true),
        Poll::Ready(Tapped::Plain(_) | Tapped::Item { .. }) => {
            break_off(desk, DESPITE_THE_GATE.to_owned());
            Poll::Ready(false)
        }
        Poll::Ready(Tapped::Ended) => {
            desk.shared.intake.source_ended(None);
            end(desk).map(|()| false)
        }
        Poll::Pending => {
            // The budget may be the reason, and then the source was not told of the last item.
            tap.empty(true);
            wait(desk).map(|()| false)
        }
    }
}

/// Waits until the worker may take, as [`poll_tap`] does for an item.
#[cold]
fn poll_shut<T: Send + 'static>(
    desk: &Desk<T>,
    tap: &mut AnyTap<T>,
    cx: &mut Context<'_>,
) -> Result<(), Poll<()>> {
    tap.empty(true);
    tap.step_back();
    match desk.shared.intake.poll_admitted(desk.seat(), cx) {
        Poll::Ready(true) => Ok(()),
        Poll::Ready(false) => Err(end(desk)),
        Poll::Pending => Err(wait(desk)),
    }
}

#[cold]
fn wait<T: Send + 'static>(desk: &Desk<T>) -> Poll<()> {
    desk.hands.quick().wait();
    desk.shared.intake.ring_idle();
    Poll::Pending
}

#[cold]
fn end<T: Send + 'static>(desk: &Desk<T>) -> Poll<()> {
    desk.hands.quick().leave();
    desk.shared.intake.ring_idle();
    Poll::Ready(())
}

/// The source panicked.
#[cold]
pub(super) fn break_off<T: Send + 'static>(desk: &Desk<T>, panic: String) {
    desk.shared.intake.source_ended(Some(panic));
    desk.hands.quick().leave();
    desk.shared.intake.ring_idle();
}

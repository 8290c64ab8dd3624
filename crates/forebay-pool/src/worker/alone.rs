//! A worker that takes its items itself (`intake/taps.rs`), by value and one after the other.
//!
//! Most of them are quick, and then what counts is what is done beside the handler. So there is one future for all
//! of them, which nothing is moved into or out of, and which comes to its end only where something is out of the
//! ordinary: the source ended, the handler failed, or other tasks are to get their turn. All code that is not ours
//! is contained at once, however many items that is; whose code runs is noted before.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::atomic::AtomicBool;
use std::task::{Context, Poll};
use std::time::Duration;

use forebay_queue::Tapped;
use tokio::task::coop::has_budget_remaining;
use tokio::time::Instant;

use super::next::{Caution, is_idle};
use super::{AnyTap, Bench, Seated, TURN, run_end_of};
use crate::contain::contain;
use crate::desk::Desk;
use crate::handler::{Handle, Start};
use crate::hands::RunEnd;
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

/// A worker on its own.
struct Alone<'a, T: Send + 'static, H: Handle<T>> {
    desk: &'a Desk<T>,
    tap: &'a mut AnyTap<T>,
    handler: &'a mut H,
    sampler: &'a mut Sampler,
    /// How long handlers have worked since others last got their turn.
    turn: &'a mut Duration,
    setbacks: &'a mut u32,
    caution: &'a mut Caution,
    /// Where the worker waits while it idles.
    standing: &'a mut Standing,
    /// Whose code is running.
    whose: Whose,
    /// The handler said in an earlier poll that it can take an item.
    ready: bool,
    /// When the present run began, if it is timed.
    began: Option<Instant>,
    resting: Option<Resting<'a>>,
}

/// Whose code a panic may come from.
#[derive(Debug, Clone, Copy)]
enum Whose {
    /// The handler's, while it is asked whether it is ready.
    Readiness,
    Source,
    Handler,
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
        let mut alone = Alone {
            desk: self.desk,
            tap: self.tap.as_deref_mut().expect("it is there as long as its worker"),
            handler: bench.handler.as_mut().expect("it stays until the bench goes"),
            sampler,
            turn,
            setbacks,
            caution: &mut self.caution,
            standing: &mut self.standing,
            whose: Whose::Readiness,
            ready: false,
            began: None,
            resting: None,
        };
        let mut running = bench.running.as_mut();
        poll_fn(|cx| {
            let polled = contain(|| alone.poll(running.as_mut(), cx))
                .unwrap_or_else(|panic| Poll::Ready(alone.panicked(panic)));
            // Before the worker waits: what its handler waits for may be a sender.
            wake_senders(alone.desk, alone.tap);
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

impl<T: Send + 'static, H: Handle<T>> Alone<'_, T, H> {
    /// May panic where code panics that is not ours; not to be polled again after that.
    fn poll(&mut self, mut running: Pin<&mut Option<H::Future>>, cx: &mut Context<'_>) -> Poll<Unusual> {
        let quick = self.desk.hands.quick();
        if running.is_none() {
            quick.ask();
            self.desk.fall_out(self.standing);
            match self.take(self.ready, cx) {
                Ok(item) => {
                    // Later in a poll the worker has not rested, nor has its handler failed.
                    self.revive();
                    self.start(running.as_mut(), item);
                }
                Err(none) => {
                    if none.is_ready() {
                        self.desk.stand_apart(self.standing);
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
                    self.stop_clock();
                    return Poll::Ready(Unusual::Run(run_end));
                }
            }
            if H::IN_CONTEXT {
                // First, so that what the future's destructor reaches knows it.
                self.desk.hands.runs().end();
            }
            running.set(None);
            // The source is told when it is asked for the next one, which is done now.
            quick.done();
            if self.began.is_some() {
                self.stop_clock();
                if *self.turn >= TURN {
                    return Poll::Ready(Unusual::Turn);
                }
            }
            match self.take(false, cx) {
                Ok(item) => self.start(running.as_mut(), item),
                Err(none) => return none,
            }
        }
    }

    /// Takes an item once the handler is ready. `Err`: there is none for now, or something is out of the ordinary.
    /// Inlined into its caller, as [`poll_tap`] is.
    #[inline(always)]
    fn take(&mut self, ready: bool, cx: &mut Context<'_>) -> Result<T, Poll<Unusual>> {
        if !ready {
            if H::HOLDS && self.caution.looks() {
                match self.poll_look(cx) {
                    Poll::Ready(true) => {}
                    Poll::Ready(false) => return Err(Poll::Ready(Unusual::End)),
                    Poll::Pending => return Err(Poll::Pending),
                }
            }
            self.whose = Whose::Readiness;
            match self.handler.poll_ready(cx) {
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(error)) => return Err(Poll::Ready(Unusual::Unready(chain(&error)))),
                Poll::Pending => return Err(self.poll_unready(cx)),
            }
        }
        self.whose = Whose::Source;
        match poll_tap(self.desk, self.tap, cx) {
            Ok(item) => {
                if H::HOLDS {
                    self.caution.take();
                }
                Ok(item)
            }
            Err(Poll::Ready(())) => Err(Poll::Ready(Unusual::End)),
            Err(Poll::Pending) if is_idle::<T, H>(cx) => {
                self.caution.waits();
                Err(Poll::Ready(Unusual::Idle))
            }
            Err(Poll::Pending) => {
                self.ready = true;
                self.rest();
                self.line_up(cx);
                Err(Poll::Pending)
            }
        }
    }

    /// Starts the handler on an item. Inlined into its caller for the same reason.
    #[inline(always)]
    fn start(&mut self, mut running: Pin<&mut Option<H::Future>>, item: T) {
        if self.sampler.is_due() {
            self.began = Some(Instant::now());
        }
        self.whose = Whose::Handler;
        running.set(Some(self.handler.call(self.desk, Start { deadline: None, taken: Some(item) })));
    }

    #[cold]
    fn panicked(&mut self, panic: String) -> Unusual {
        match self.whose {
            Whose::Readiness => Unusual::Unready(format!("panicked: {panic}")),
            Whose::Source => {
                break_off(self.desk, panic);
                Unusual::End
            }
            Whose::Handler => {
                self.stop_clock();
                Unusual::Run(RunEnd::Panicked(panic))
            }
        }
    }

    /// Waits until there is an item. `false`: there will be none.
    #[cold]
    fn poll_look(&mut self, cx: &mut Context<'_>) -> Poll<bool> {
        self.whose = Whose::Source;
        let some = poll_some(self.desk, self.tap, cx);
        match some {
            Poll::Ready(some) => {
                self.caution.found();
                Poll::Ready(some)
            }
            Poll::Pending => {
                self.rest();
                self.caution.wait()
            }
        }
    }

    #[cold]
    fn poll_unready(&mut self, cx: &mut Context<'_>) -> Poll<Unusual> {
        self.rest();
        self.desk.stand_apart(self.standing);
        poll_end(self.desk, Some(self.tap), cx).map(|()| Unusual::End)
    }

    /// There is nothing to do for now.
    #[cold]
    fn rest(&mut self) {
        let desk = self.desk;
        self.resting.get_or_insert_with(|| desk.hands.presence().begin_rest());
    }

    /// The worker waits at the source, or for a leader that waits there.
    #[cold]
    fn line_up(&mut self, cx: &mut Context<'_>) {
        // A worker that has spent its budget waits for nothing.
        if !H::HOLDS && *self.standing == Standing::Apart && has_budget_remaining() {
            *self.standing = self.desk.shared.intake.line_up(self.desk.seat(), cx.waker());
            if *self.standing == Standing::Follows {
                self.tap.step_back();
            }
        }
    }

    /// There is something to do, for a handler that is as it should be.
    fn revive(&mut self) {
        self.ready = false;
        self.resting = None;
        self.desk.stand_apart(self.standing);
        if *self.setbacks > 0 {
            *self.setbacks = 0;
            self.desk.hands.set_failing(false);
        }
    }

    #[cold]
    fn stop_clock(&mut self) {
        if let Some(began) = self.began.take() {
            let service = began.elapsed();
            self.sampler.learn(service);
            // Nobody gave the worker the item, and how long the item waited is noted by the one that takes it.
            self.desk.shared.clockwork.note(None, None, service);
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
    if let Some(tap) = tap.filter(|_| !intake.is_paused()) {
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
    tap: &mut AnyTap<T>,
    cx: &mut Context<'_>,
) -> Result<T, Poll<()>> {
    let quick = desk.hands.quick();
    loop {
        if !quick.is_open() {
            poll_shut(desk, tap, cx)?;
        }
        match tap.poll_take(cx, quick.gate()) {
            Poll::Ready(Tapped::Plain(item)) => {
                quick.take(1);
                return Ok(item);
            }
            Poll::Ready(Tapped::Shut) => {}
            tapped => return take_known(desk, tap, tapped),
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
    desk.hands.quick().take(attempt);
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

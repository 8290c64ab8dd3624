//! A worker that takes its items itself (`intake/taps.rs`), by value and one after the other.
//!
//! Most of them are quick, and then what counts is what is done beside the handler. So there is one future for all
//! of them, which nothing is moved into or out of, and which comes to its end only where something is out of the
//! ordinary: the source ended, the handler failed, or it is somebody else's turn.

use std::future::poll_fn;
use std::sync::atomic::AtomicBool;
use std::task::{Context, Poll};
use std::time::Duration;

use forebay_queue::{Tap, Tapped};

use super::watch::Watch;
use super::{Bench, Seated, TURN, run_end_of};
use crate::contain::contain;
use crate::desk::Desk;
use crate::handler::{Handle, Start};
use crate::hands::RunEnd;
use crate::outcome::chain;
use crate::timings::Sampler;

/// What is out of the ordinary.
pub(super) enum Unusual {
    /// There will be nothing more to take.
    End,
    /// The handler failed, or panicked, while it was asked whether it is ready.
    Unready(String),
    /// Handlers worked for so long that others are to get their turn.
    Turn,
    /// A run ended otherwise than well. Its future may still be there.
    Run(RunEnd),
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
        let Desk { hands, .. } = desk;
        let handler = bench.handler.as_mut().expect("it stays until the bench goes");
        let running = &mut bench.running;
        let mut ready = false;
        let mut resting = None;
        let mut watch = Watch::idle();
        poll_fn(|cx| {
            let run_end = loop {
                if running.is_none() {
                    if !ready {
                        // Turning the error into text may run foreign code too.
                        match contain(|| handler.poll_ready(cx).map_err(|error| chain(&error))) {
                            Ok(Poll::Ready(Ok(()))) => ready = true,
                            Ok(Poll::Pending) => {
                                resting.get_or_insert_with(|| hands.presence().begin_rest());
                                return poll_end(desk, &mut self.tap, cx).map(|()| Unusual::End);
                            }
                            Ok(Poll::Ready(Err(error))) => return Poll::Ready(Unusual::Unready(error)),
                            Err(panic) => return Poll::Ready(Unusual::Unready(format!("panicked: {panic}"))),
                        }
                    }
                    let tap = self.tap.as_mut().expect("it is there as long as its worker");
                    let item = match poll_tap(desk, tap, cx) {
                        Poll::Ready(Some(item)) => item,
                        Poll::Ready(None) => return Poll::Ready(Unusual::End),
                        Poll::Pending => {
                            resting.get_or_insert_with(|| hands.presence().begin_rest());
                            return Poll::Pending;
                        }
                    };
                    if resting.is_some() {
                        resting = None;
                    }
                    if *setbacks > 0 {
                        *setbacks = 0;
                        hands.set_failing(false);
                    }
                    watch = Watch::start(desk, sampler);
                    let start = Start { deadline: None, taken: Some(item) };
                    match contain(|| handler.call(desk, start)) {
                        Ok(future) => running.set(Some(future)),
                        Err(panic) => break RunEnd::Panicked(panic),
                    }
                }
                let future = running.as_mut().as_pin_mut().expect("it stays until it is done");
                match contain(|| future.poll(cx).map(|output| run_end_of(H::outcome(output)))) {
                    Ok(Poll::Pending) => return Poll::Pending,
                    Ok(Poll::Ready(RunEnd::Done)) => {}
                    Ok(Poll::Ready(run_end)) => break run_end,
                    Err(panic) => break RunEnd::Panicked(panic),
                }
                if H::IN_CONTEXT {
                    // First, so that what the future's destructor reaches knows it.
                    hands.runs().end();
                }
                if let Err(panic) = contain(|| running.set(None)) {
                    break RunEnd::Panicked(panic);
                }
                *turn += watch.stop(desk, sampler);
                // The source is told when it is asked for the next one.
                hands.quick().done();
                ready = false;
                if *turn >= TURN {
                    return Poll::Ready(Unusual::Turn);
                }
            };
            *turn += watch.stop(desk, sampler);
            Poll::Ready(Unusual::Run(run_end))
        })
        .await
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
            tap.empty(false);
        }
        hands.fail_quick(run_end);
        self.desk.shared.intake.ring_idle();
    }
}

/// A worker that took items itself asks for no other for now: the source hears of the last one all the same.
pub(super) fn tell<T: Send + 'static>(desk: &Desk<T>, tap: &mut Option<Box<dyn Tap<Item = T>>>) {
    if let Some(tap) = tap {
        tap.empty(true);
        desk.hands.quick().leave();
        desk.shared.intake.ring_idle();
    }
}

/// Waits, without taking anything, until there will be nothing to take.
pub(super) fn poll_end<T: Send + 'static>(
    desk: &Desk<T>,
    tap: &mut Option<Box<dyn Tap<Item = T>>>,
    cx: &mut Context<'_>,
) -> Poll<()> {
    let intake = &desk.shared.intake;
    tell(desk, tap);
    if let Some(tap) = tap.as_mut().filter(|_| !intake.is_paused()) {
        // Nothing is taken by a tap that is shut, and it sees the end all the same: maybe nobody else is there to see it.
        let shut = AtomicBool::new(false);
        match contain(|| tap.poll_take(cx, &shut)) {
            Ok(Poll::Ready(Tapped::Ended)) => intake.source_ended(None),
            Ok(Poll::Ready(Tapped::Item { .. })) => {
                intake.source_ended(Some("it handed out an item to a tap that was shut".to_owned()));
            }
            Ok(Poll::Ready(Tapped::Shut) | Poll::Pending) => {}
            Err(panic) => intake.source_ended(Some(panic)),
        }
    }
    intake.poll_over(desk.seat(), cx)
}

/// Waits for an item to take ourselves. `None`: there will be none for us.
pub(super) fn poll_tap<T: Send + 'static>(
    desk: &Desk<T>,
    tap: &mut Box<dyn Tap<Item = T>>,
    cx: &mut Context<'_>,
) -> Poll<Option<T>> {
    let Desk { shared, hands } = desk;
    let quick = hands.quick();
    loop {
        if !quick.is_open() {
            tap.empty(true);
            tap.step_back();
            match shared.intake.poll_admitted(desk.seat(), cx) {
                Poll::Ready(true) => {}
                Poll::Ready(false) => break,
                Poll::Pending => {
                    quick.wait();
                    shared.intake.ring_idle();
                    return Poll::Pending;
                }
            }
        }
        quick.ask();
        match contain(|| tap.poll_take(cx, quick.gate())) {
            Ok(Poll::Ready(Tapped::Item { item, attempt, waited, .. })) => {
                quick.take(attempt);
                if let Some(waited) = waited {
                    shared.clockwork.note_wait(waited);
                }
                return Poll::Ready(Some(item));
            }
            Ok(Poll::Ready(Tapped::Shut)) => {}
            Ok(Poll::Pending) => {
                // It may have been the budget, and then the source was not told of the last item.
                tap.empty(true);
                quick.wait();
                shared.intake.ring_idle();
                return Poll::Pending;
            }
            Ok(Poll::Ready(Tapped::Ended)) => {
                shared.intake.source_ended(None);
                break;
            }
            Err(panic) => {
                shared.intake.source_ended(Some(panic));
                break;
            }
        }
    }
    quick.leave();
    shared.intake.ring_idle();
    Poll::Ready(None)
}

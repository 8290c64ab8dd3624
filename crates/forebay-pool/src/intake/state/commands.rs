//! What the handle's commands do.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use forebay_queue::End;

use super::{Pause, Place, State, panicked};
use crate::contain::contain;
use crate::intake::Command;
use crate::intake::afterwards::Afterwards;
use crate::intake::gate::KeyHash;

// === impl State ===

impl<T: Send + 'static> State<T> {
    pub(in crate::intake) fn obey(&mut self, command: Command, afterwards: &mut Afterwards<T>) {
        match command {
            Command::Close => self.close(afterwards),
            Command::GatherNoMore => {
                self.last = true;
                self.ask(None, afterwards);
            }
            // A closed source is to come to an end.
            Command::Pause(_) if self.closed || self.pauses_no_more => {}
            Command::Pause(until) => {
                self.set_pause(until.map_or(Pause::Open, Pause::Until));
                self.shut_taps(0);
            }
            Command::Resume => {
                self.end_pause(afterwards);
                self.ask(None, afterwards);
            }
            Command::PauseNoMore => {
                self.pauses_no_more = true;
                self.end_pause(afterwards);
                self.ask(None, afterwards);
            }
            Command::Resize(open) => self.resize(open, afterwards),
            Command::Cancel(key) => {
                self.cancel(key, afterwards);
                let hands = self.seats.iter().map(|seat| (Arc::clone(&seat.hands), key));
                afterwards.cancelled.extend(hands);
            }
        }
    }

    /// Closing twice is closing once.
    fn close(&mut self, afterwards: &mut Afterwards<T>) {
        if std::mem::replace(&mut self.closed, true) {
            return;
        }
        self.end_pause(afterwards);
        self.asked_for = None;
        let Some(source) = &mut self.source else { return };
        if let Err(panic) = contain(|| source.close()) {
            self.break_off(panicked(panic), afterwards);
        }
        // It may have ended just now, and need not say so unasked.
        self.ask(None, afterwards);
        self.seek_end(afterwards);
    }

    /// A worker that waits beyond the open seats is told to go. One that has an item finishes it first.
    fn resize(&mut self, open: usize, afterwards: &mut Afterwards<T>) {
        self.set_open(open);
        let beyond = open.min(self.seats.len());
        self.shut_taps(beyond);
        for seat in beyond..self.seats.len() {
            // A worker that was served has not left the line's care: it finds its item before it finds out.
            if self.seats[seat].place != Place::Served {
                self.leave_line(seat);
            }
            afterwards.wakers.extend(self.seats[seat].waker.take());
        }
        // The lead may have been one of them.
        self.ask(None, afterwards);
    }

    /// Goes on, also with what was to be tried again meanwhile: its workers are not in the line.
    fn end_pause(&mut self, afterwards: &mut Afterwards<T>) {
        if self.pause != Pause::No {
            self.set_pause(Pause::No);
            self.asked_for = None;
            let away = self.seats.iter_mut().filter(|seat| seat.place == Place::Away);
            afterwards.wakers.extend(away.filter_map(|seat| seat.waker.take()));
        }
    }

    fn set_pause(&mut self, pause: Pause) {
        self.pause = pause;
        self.gauges.paused.store(pause != Pause::No, Ordering::Relaxed);
    }

    pub(super) fn set_open(&mut self, open: usize) {
        self.open = open;
        self.gauges.open.store(open, Ordering::Relaxed);
    }

    /// Sets aside the items with this key that were given to nobody.
    pub(in crate::intake) fn cancel(&mut self, key: KeyHash, afterwards: &mut Afterwards<T>) -> usize {
        let Some(stock) = &mut self.stock else { return 0 };
        let cancelled = stock.cancel(key);
        let count = cancelled.len();
        let end = End::DeadLetter { reason: "cancelled".to_owned() };
        afterwards.ended.extend(cancelled.into_iter().map(|delivery| (delivery, end.clone())));
        // There may be room for others.
        self.ask(None, afterwards);
        count
    }
}

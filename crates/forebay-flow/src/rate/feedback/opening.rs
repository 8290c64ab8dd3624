//! How an eager rate begins: as answers come.
//!
//! A rate that begins low and doubles takes seconds to become fast, also where there is no limit at all. One call after the other is as
//! fast as the server answers, and if it refuses, there is one refusal for each call that is on its way. So as long as nothing is known, a
//! start need not wait for the rate while few are on their way: one, and one more for each [`SERVED`] that were served. A server with
//! a burst of `b` refuses `1 + b / SERVED` of them at the most, about.
//!
//! What was served until then is the server's burst, about. That makes the next refusal, after the rate has doubled for a while, a measure
//! of the limit: see [`Opened::limit`].

use forebay_queue::{Rate, Tick};

use crate::rate::Booked;

/// After this many answers one more call may be on its way.
const SERVED: u64 = 32;

#[derive(Debug, Clone, Default)]
pub(super) struct Opening {
    /// Calls that started and have not ended; one whose end is not told counts on, so that the rate is asked in the end.
    in_flight: u64,
    served: u64,
    first: Option<Tick>,
}

/// An opening that has ended with a refusal.
#[derive(Debug, Clone, Copy)]
pub(super) struct Opened {
    served: f64,
    /// In seconds.
    took: f64,
}

// === impl Opening ===

impl Opening {
    pub(super) const fn is_free(&self) -> bool {
        self.in_flight < 1 + self.served / SERVED
    }

    /// A call that started at that time was refused.
    pub(super) fn end(self, started: Tick) -> Opened {
        let took = started.saturating_sub(self.first.unwrap_or(started)) as f64 / 1e9;
        Opened { served: self.served as f64, took }
    }

    pub(super) fn started(&mut self, at: Tick) {
        self.first.get_or_insert(at);
        self.in_flight += 1;
    }

    pub(super) fn ended(&mut self) {
        self.in_flight = self.in_flight.saturating_sub(1);
    }

    pub(super) fn served(&mut self) {
        self.served += 1;
    }

    /// A start that costs nothing.
    pub(super) const fn booked(cost: u64, at: Tick, rate: Rate) -> Booked {
        Booked { at, cost, before: 0, after: 0, rate, parts: None }
    }

    /// Whether a booking is such a start: all others change an account.
    pub(super) fn has_booked(booked: &Booked) -> bool {
        booked.before == booked.after
    }
}

// === impl Opened ===

impl Opened {
    /// How many were served in a second.
    pub(super) fn rate(&self) -> f64 {
        if self.took > 0.0 { self.served / self.took } else { 0.0 }
    }

    /// The limit of the server, per second, that refuses at `rate` after that has doubled each `doubling` seconds.
    ///
    /// The server's burst was there as a whole when the rate passed the limit, `x` doublings ago, and has been used up since. With `L` the
    /// limit, `R = L 2^x` the rate, `D` the time of a doubling, and a burst of what was served before less what was allowed
    /// meanwhile, that is `L D ((2^x - 1) / ln 2 - x) = served - L took`, which has one solution for `x`.
    ///
    /// It has doubled since `start` at the most: one that is refused at once, as by a window that is used up for the rest of its
    /// time, says nothing of a limit far below.
    pub(super) fn limit(&self, start: f64, rate: f64, doubling: f64) -> f64 {
        let (mut low, mut high) = (0.0_f64, (rate / start).log2().clamp(0.0, 8.0));
        for _ in 0..40 {
            let x = f64::midpoint(low, high);
            let limit = rate / x.exp2();
            let used = limit * doubling * ((x.exp2() - 1.0) / std::f64::consts::LN_2 - x);
            if used + limit * self.took < self.served { low = x } else { high = x }
        }
        rate / low.exp2()
    }
}

//! How long calls take, and how long they would take if nobody waited.
//!
//! What [`Gradient2`](super::Gradient2) and [`Vegas`](super::Vegas) have in common: each compares the latency with that without load.
//! Single round trips are too noisy for either. Of exponentially distributed ones the shortest is nearly nothing, and every
//! fourth is half as long again as the mean.
//!
//! So round trips are averaged over *rounds*. A round is at least as long as a round trip, and goes on until its mean is
//! sure enough to decide by, but not longer than four. How sure a mean is follows from how much one round trip
//! differs from the next; where all are alike, a single one is a round.
//!
//! And the latency without load is that of rounds in which there was little: those in which less than half of the
//! limit was used; and, from time to time, *probes*, in which the limit is halved. A probe waits until the calls
//! from before are gone and the queue with them, and then measures. It is made only if since the last one there was
//! any doubt: a limit that never saw a longer latency has nothing to learn.

use forebay_queue::Tick;

/// Averages round trips over rounds, and knows the latency without load.
#[derive(Debug, Clone)]
pub(super) struct Latency {
    /// The mean round trip without load, in nanoseconds.
    no_load: Option<f64>,
    phase: Phase,
    round: Round,
    /// Only calls that began then or later say something: the limit was changed.
    since: Option<Tick>,
    /// The last round trip, and by how much two that follow each other differ, as a share, squared and averaged.
    last: f64,
    spread: f64,
    /// How many differences there were.
    differences: f64,
    /// Rounds since the last probe, and whether one of them was in doubt.
    rounds: u32,
    in_doubt: bool,
    /// Measurements of the latency without load that agree with each other, down to the last one.
    probes: u32,
}

/// Round trips that are averaged.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Round {
    start: Tick,
    sum: f64,
    /// How many there were.
    pub(super) samples: u32,
    /// The most calls in flight.
    in_flight: usize,
    /// The standard error of the mean, once it is complete.
    error: f64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// The limit is as it is.
    Steady,
    /// The limit is halved, and nothing that began since is back.
    Drains,
    /// The limit is halved, and what comes back is still a mixture of what waited before and what did not.
    Settles,
    /// The limit is halved, and that is measured.
    Measures,
    /// The limit is as it was, and many calls start at once: the quick ones of them come first, and tell too little.
    Refills,
}

/// The first probe comes after this many rounds, as what was learnt first may have been under load. Each that
/// agrees with those before doubles the distance.
const FIRST_PROBE: u32 = 3;
/// A probe comes after at most this many rounds.
const LAST_PROBE: u32 = 48;
/// The latency without load is averaged over at most this many measurements.
const MOST_PROBES: u32 = 8;
/// No round trip is taken for longer, in nanoseconds, so that a wrong one does not hold up the next round for ever.
const LONGEST: f64 = 10e9;
/// A mean is sure if its standard error is less than this share of it.
const SURE: f64 = 0.05;
/// The longest round, in round trips.
const LONGEST_ROUND: f64 = 4.0;
/// How much the next difference weighs in the spread.
const SPREAD_WEIGHT: f64 = 1.0 / 128.0;

// === impl Latency ===

impl Latency {
    pub(super) fn new() -> Self {
        Self {
            no_load: None,
            phase: Phase::Steady,
            round: Round::default(),
            since: None,
            last: 0.0,
            spread: 0.0,
            differences: 0.0,
            rounds: 0,
            in_doubt: false,
            probes: 0,
        }
    }

    /// The mean round trip without load, in nanoseconds; none before the first round.
    pub(super) fn no_load(&self) -> Option<f64> {
        self.no_load
    }

    /// How many may be at work under that limit, which a probe halves.
    pub(super) fn seats(&self, limit: f64, min: usize) -> usize {
        let probes = matches!(self.phase, Phase::Drains | Phase::Settles | Phase::Measures);
        (if probes { limit / 2.0 } else { limit } as usize).max(min)
    }

    /// A call has succeeded. Returns the round that it completes, for a limit to decide by: there is none while a probe is made,
    /// and none by which the latency without load became known.
    ///
    /// A round is clear as soon as its mean is surely on one side of `threshold` times the latency without load.
    pub(super) fn success(&mut self, rtt: f64, in_flight: usize, threshold: f64, now: Tick) -> Option<Round> {
        if let Some(since) = self.since {
            let began = now.saturating_sub(rtt as Tick);
            // A call that ended long before had a clock that went back since.
            if began < since && now.saturating_add(rtt as Tick) >= since {
                return None;
            }
            self.since = None;
            self.round = Round { start: began, ..Round::default() };
            if self.phase == Phase::Drains {
                self.phase = Phase::Settles;
            }
        }
        self.tell_apart(rtt);
        if now < self.round.start || (self.round.samples == 0 && self.no_load.is_none()) {
            self.round = Round { start: now, ..Round::default() };
        }
        self.round.add(rtt, in_flight);
        if !self.is_complete(threshold, now) {
            return None;
        }
        let mut round = std::mem::replace(&mut self.round, Round { start: now, ..Round::default() });
        round.error = self.error(&round);
        match self.phase {
            Phase::Measures => {
                self.learn(&round);
                self.phase = Phase::Refills;
                self.since = Some(now);
            }
            Phase::Settles => self.phase = Phase::Measures,
            Phase::Refills => self.phase = Phase::Steady,
            _ => return self.decide(round, now),
        }
        None
    }

    /// Whether the limit may decide by a round.
    fn decide(&mut self, round: Round, now: Tick) -> Option<Round> {
        let (mean, error) = (round.mean(), round.error);
        // A round that was surely shorter than that without load is one without load.
        let is_sure = error <= 2.0 * SURE * mean;
        if self.no_load.is_none_or(|no_load| is_sure && mean + 3.0 * error < no_load) {
            self.no_load = Some(mean + 3.0 * error);
            return None;
        }
        self.rounds = self.rounds.saturating_add(1);
        if self.is_probe_due() {
            self.phase = Phase::Drains;
            self.since = Some(now);
            return None;
        }
        Some(round)
    }

    /// A round was without load, or as near to that as one gets: as good as a probe.
    pub(super) fn learn(&mut self, round: &Round) {
        let (mean, error) = (round.mean(), round.error);
        match &mut self.no_load {
            // By chance alone it differs by so much: the mean of what was measured is the best guess.
            Some(no_load) if (mean - *no_load).abs() <= 2.5 * error => {
                self.probes = self.probes.saturating_add(1);
                *no_load += (mean - *no_load) / f64::from(self.probes.min(MOST_PROBES));
            }
            no_load => {
                *no_load = Some(mean);
                self.probes = 1;
            }
        }
        (self.rounds, self.in_doubt) = (0, false);
    }

    /// The limit was lowered: what began before says nothing about it.
    pub(super) fn lowered(&mut self, now: Tick) {
        self.since = Some(now);
    }

    /// The last round was not as if without load: it may be that the latency without load is another now.
    pub(super) fn doubt(&mut self) {
        self.in_doubt = true;
    }

    /// By the squared differences between neighbours, which a slow change of the level does not touch.
    fn tell_apart(&mut self, rtt: f64) {
        if self.last > 0.0 {
            let share = (rtt - self.last) / (rtt + self.last);
            self.differences += 1.0;
            self.spread +=
                SPREAD_WEIGHT.max(1.0 / (self.differences + 16.0)) * (3.0 * share * share - self.spread);
        }
        self.last = rtt;
    }

    /// The standard error of a round's mean.
    fn error(&self, round: &Round) -> f64 {
        round.mean() * (self.spread / f64::from(round.samples)).sqrt()
    }

    fn is_complete(&self, threshold: f64, now: Tick) -> bool {
        let mean = self.round.mean();
        let length = self.no_load.unwrap_or(0.0).max(mean).min(LONGEST);
        let lasted =
            |round_trips: f64| now.saturating_sub((round_trips * length) as Tick) >= self.round.start;
        let error = self.error(&self.round);
        let Some(no_load) = self.no_load else {
            // Of calls that start together the quick ones come first: until each place was used a few times that tells nothing.
            let turns = self.round.samples as usize / self.round.in_flight.max(1);
            return error <= SURE * mean || (lasted(LONGEST_ROUND) && turns >= 4);
        };
        if self.phase == Phase::Measures {
            return lasted(1.0) && error <= SURE * mean
                || lasted(LONGEST_ROUND) && error <= 2.0 * SURE * mean
                || lasted(4.0 * LONGEST_ROUND);
        }
        let is_clear = (mean - threshold * no_load).abs() >= 3.0 * error && error <= 3.0 * SURE * mean;
        lasted(LONGEST_ROUND) || lasted(1.0) && (error <= SURE * mean || is_clear)
    }

    /// Whether to halve the limit and measure.
    fn is_probe_due(&self) -> bool {
        let after = FIRST_PROBE << self.probes.min(8);
        self.in_doubt && self.rounds >= after.min(LAST_PROBE)
    }
}

// === impl Round ===

impl Round {
    fn add(&mut self, rtt: f64, in_flight: usize) {
        self.sum += rtt;
        self.samples = self.samples.saturating_add(1);
        self.in_flight = self.in_flight.max(in_flight);
    }

    /// In nanoseconds. Of an empty one it is nothing.
    pub(super) fn mean(&self) -> f64 {
        self.sum / f64::from(self.samples.max(1))
    }

    /// What it is at least, but for chance: whoever is not sure that others wait takes it that none do, as with a small limit
    /// there are too few round trips to ever be sure.
    pub(super) fn at_least(&self) -> f64 {
        (self.mean() - self.error).max(1.0)
    }

    /// Whether at least half of the limit was used.
    pub(super) fn uses(&self, limit: f64) -> bool {
        self.in_flight as f64 * 2.0 >= limit
    }
}

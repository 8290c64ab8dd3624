//! Vector's tables for its adaptive concurrency, by a simulation of the service that they describe.
//!
//! As there, the limit is around what tries again: a request that is refused keeps its permit, the limit learns of its end only,
//! and its round trip has the pauses in it.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::time::Duration;

use forebay_queue::{CallEnd, Limit, Sample, Tick};
use serde::Deserialize;

use super::{Fixed, RttBand};

#[derive(Deserialize)]
struct File {
    case: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    name: String,
    params: Params,
    expect: Vec<Expect>,
}

#[derive(Deserialize)]
struct Params {
    requests: usize,
    #[serde(default)]
    interval: f64,
    delay: f64,
    #[serde(default)]
    jitter: f64,
    concurrency: Option<usize>,
    #[serde(default)]
    concurrency_limit_params: Load,
    rate: Option<RateLimit>,
    /// This many attempts fail after this many successes; the client makes them again at once.
    #[serde(default)]
    failures: usize,
    #[serde(default)]
    failures_after: usize,
}

/// How calls at once slow each other down.
#[derive(Deserialize, Default)]
struct Load {
    #[serde(default)]
    scale: f64,
    knee_start: Option<f64>,
    knee_exp: Option<f64>,
    limit: Option<usize>,
    action: Option<Action>,
}

/// How many may start in a second.
#[derive(Deserialize)]
struct RateLimit {
    limit: usize,
    action: Action,
}

/// What becomes of a call that is too much.
#[derive(Deserialize, Clone, Copy)]
#[serde(rename_all = "lowercase")]
enum Action {
    Defer,
    Drop,
}

#[derive(Deserialize)]
struct Expect {
    side: String,
    stat: String,
    min: Option<(f64, f64)>,
    max: Option<(f64, f64)>,
    mode: Option<(f64, f64)>,
    mean: Option<(f64, f64)>,
}

/// Values with their weights, by the value in thousandths.
#[derive(Default)]
struct Weighted(BTreeMap<i64, f64>);

#[derive(Default)]
struct Seen {
    values: BTreeMap<(&'static str, &'static str), Weighted>,
    noted: BTreeMap<(&'static str, &'static str), Tick>,
}

/// What is going on between one client and the service.
struct Link<'a> {
    params: &'a Params,
    seen: Seen,
    band: RttBand,
    fixed: Option<Fixed>,
    now: Tick,
    seed: u64,
    /// Requests with a permit.
    at_client: usize,
    /// Attempts that the service is at.
    at_server: usize,
    /// Of the last second.
    starts: Vec<Tick>,
    attempts: usize,
    /// When, and in which order they were planned.
    events: BinaryHeap<Reverse<(Tick, usize, End, Request)>>,
    /// Since the limit moved.
    rtts: Vec<f64>,
    succeeded: usize,
    failed: usize,
}

/// What ends.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum End {
    Answer,
    Refusal,
    Silence,
    /// Between two attempts.
    Pause,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Request {
    began: Tick,
    /// How many had a permit then.
    among: usize,
    /// The pause before the last one, and the next, in seconds.
    backoff: (Tick, Tick),
}

const SECOND: f64 = 1e9;

// === impl Weighted ===

impl Weighted {
    fn add(&mut self, value: f64, weight: f64) {
        *self.0.entry((value * 1000.0).round() as i64).or_default() += weight;
    }

    /// Least, most, most often, mean.
    fn summary(&self) -> [f64; 4] {
        let values =
            || self.0.iter().filter(|(_, weight)| **weight > 0.0).map(|(&v, &w)| (v as f64 / 1000.0, w));
        let all: f64 = values().map(|(_, weight)| weight).sum();
        let mean = values().map(|(value, weight)| value * weight).sum::<f64>() / all;
        let first = values().next().expect("something was seen").0;
        let last = values().next_back().expect("something was seen").0;
        let mode =
            values().max_by(|(_, one), (_, other)| one.total_cmp(other)).map_or(first, |(value, _)| value);
        [first, last, mode, mean]
    }
}

// === impl Seen ===

impl Seen {
    /// Notes a value that weighs as much as the time since the last one of its kind.
    fn note(&mut self, side: &'static str, stat: &'static str, value: f64, now: Tick) {
        let weight = self.noted.insert((side, stat), now).map_or(0.0, |before| (now - before) as f64);
        self.values.entry((side, stat)).or_default().add(value, weight);
    }
}

// === impl Params ===

impl Params {
    /// Whether a call is too much that is the last of so many at the service, and of so many that started in a second.
    fn refusal(&self, at_once: usize, in_a_second: usize) -> Option<Action> {
        let Load { limit, action, .. } = self.concurrency_limit_params;
        let of_rate = self.rate.as_ref().filter(|rate| in_a_second > rate.limit).map(|rate| rate.action);
        limit.filter(|&limit| at_once > limit).and(action).or(of_rate)
    }

    /// How long a call takes without any load.
    fn plain(&self) -> Tick {
        to_millisecond(self.delay)
    }

    /// How long a call takes that starts as the last of so many, to the millisecond.
    fn takes(&self, in_flight: usize, seed: &mut u64) -> Tick {
        let Load { scale, knee_start, knee_exp, .. } = self.concurrency_limit_params;
        let n = in_flight as f64;
        let mut seconds = self.delay * (1.0 + scale * (n - 1.0));
        if let Some((start, exp)) = knee_start.zip(knee_exp) {
            seconds += self.delay * (exp.powf((n - start).max(0.0)) - 1.0);
        }
        if self.jitter > 0.0 {
            // Knuth's MMIX; its upper half is random enough for a jitter.
            *seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let uniform = ((*seed >> 33) as f64 + 1.0) / (1_u64 << 31) as f64;
            seconds += self.delay * self.jitter * -uniform.ln();
        }
        to_millisecond(seconds)
    }

    fn run(&self) -> Seen {
        let mut link = Link {
            params: self,
            seen: Seen::default(),
            band: RttBand::default(),
            fixed: self.concurrency.map(Fixed),
            now: 0,
            seed: 1,
            at_client: 0,
            at_server: 0,
            starts: Vec::new(),
            attempts: 0,
            events: BinaryHeap::new(),
            rtts: Vec::new(),
            succeeded: 0,
            failed: 0,
        };
        let arrival = |number: usize| (self.interval * number as f64 * SECOND) as Tick;
        let (mut arrived, mut started) = (0, 0);
        loop {
            while arrived < self.requests && arrival(arrived) <= link.now {
                arrived += 1;
            }
            // All that happens in an instant does before anything starts in it.
            while !link.is_happening() && started < arrived && link.at_client < link.limit() {
                started += 1;
                link.start();
            }
            let next = link.events.peek().map(|Reverse(event)| event.0);
            let next_arrival = (arrived < self.requests).then(|| arrival(arrived));
            match (next, next_arrival) {
                (Some(next), Some(arrival)) if arrival < next => link.now = arrival,
                (None, Some(arrival)) => link.now = arrival,
                (None, None) => return link.seen,
                (Some(_), _) => started -= usize::from(link.happen()),
            }
        }
    }
}

// === impl Link ===

impl Link<'_> {
    fn limit(&self) -> usize {
        self.fixed.as_ref().map_or(self.band.seats(), Limit::seats)
    }

    fn is_happening(&self) -> bool {
        self.events.peek().is_some_and(|Reverse(event)| event.0 == self.now)
    }

    /// A request gets its permit.
    fn start(&mut self) {
        self.seen.note("limiter", "in_flight", self.at_client as f64, self.now);
        self.at_client += 1;
        self.band.started(self.at_client);
        self.attempt(Request { began: self.now, among: self.at_client, backoff: (0, 1) });
    }

    /// It is sent, perhaps not for the first time.
    fn attempt(&mut self, request: Request) {
        self.seen.note("server", "in_flight", self.at_server as f64, self.now);
        let now = self.now;
        self.starts.retain(|&start| now - start < SECOND as Tick);
        self.seen.note("server", "rate", self.starts.len() as f64, now);
        self.starts.push(now);
        self.at_server += 1;
        let refusal = self.params.refusal(self.at_server, self.starts.len());
        let (takes, end) = match refusal {
            None => (self.params.takes(self.at_server, &mut self.seed), End::Answer),
            Some(Action::Defer) => (self.params.plain(), End::Refusal),
            // Nobody answers, and after a second nobody waits for that.
            Some(Action::Drop) => {
                self.at_server -= 1;
                (SECOND as Tick, End::Silence)
            }
        };
        self.plan(takes, end, request);
    }

    fn plan(&mut self, after: Tick, end: End, request: Request) {
        self.attempts += 1;
        self.events.push(Reverse((self.now + after, self.attempts, end, request)));
    }

    /// The next thing happens. Whether a request has to be made again from its start.
    fn happen(&mut self) -> bool {
        let Some(Reverse((at, _, end, request))) = self.events.pop() else { return false };
        self.now = at;
        match end {
            End::Answer => return self.answer(request),
            End::Pause => self.attempt(request),
            End::Refusal | End::Silence => {
                if end == End::Refusal {
                    self.seen.note("server", "in_flight", self.at_server as f64, self.now);
                    self.at_server -= 1;
                }
                // It keeps its permit, and is sent again after 1, 1, 2, 3, 5, .. seconds.
                let (before, pause) = request.backoff;
                let backoff = (pause, before + pause);
                self.plan(pause * SECOND as Tick, End::Pause, Request { backoff, ..request });
            }
        }
        false
    }

    fn answer(&mut self, request: Request) -> bool {
        let now = self.now;
        self.seen.note("server", "in_flight", self.at_server as f64, now);
        self.seen.note("limiter", "in_flight", self.at_client as f64, now);
        self.at_server -= 1;
        self.at_client -= 1;
        let rtt = Duration::from_nanos(now - request.began);
        let mut sample = Sample { rtt, in_flight: request.among, end: CallEnd::Success };
        let fails = self.succeeded == self.params.failures_after && self.failed < self.params.failures;
        if fails {
            self.failed += 1;
            sample.end = CallEnd::Overload;
        } else {
            self.succeeded += 1;
            self.seen.note("limiter", "observed_rtt", rtt.as_secs_f64(), now);
            self.rtts.push(rtt.as_secs_f64());
            if self.fixed.is_some() || self.band.is_due(now) {
                self.seen.note("limiter", "concurrency_limit", self.limit() as f64, now);
                let mean = self.rtts.iter().sum::<f64>() / self.rtts.len() as f64;
                self.seen.note("limiter", "averaged_rtt", mean, now);
                self.rtts.clear();
            }
        }
        match &mut self.fixed {
            Some(fixed) => fixed.update(&sample, now),
            None => self.band.update(&sample, now),
        }
        fails
    }
}

/// As timers go.
fn to_millisecond(seconds: f64) -> Tick {
    ((seconds * 1000.0 + 1e-6).floor() as Tick + 1) * 1_000_000
}

#[test]
fn rtt_band() {
    let File { case: cases } =
        toml::from_str(include_str!("../../tests/data/vector_arc.toml")).expect("the table has these fields");
    let mut misses = Vec::new();
    let mut ran = 0;
    for Case { name, params, expect } in cases {
        ran += 1;
        let seen = params.run();
        for Expect { side, stat, min, max, mode, mean } in expect {
            let found = seen.values.iter().find(|((s, t), _)| *s == side && *t == stat);
            let (_, weighted) = found.expect("this is seen");
            let [least, most, often, average] = weighted.summary();
            for (what, value, range) in
                [("min", least, min), ("max", most, max), ("mode", often, mode), ("mean", average, mean)]
            {
                if range.is_some_and(|(low, high)| value < low - 1e-9 || value > high + 1e-9) {
                    misses.push(format!("{name}: {side} {stat} {what} {value:.3}, not in {range:?}"));
                }
            }
        }
    }
    assert_eq!(ran, 13);
    // Of the four cases that the table's own check did not reproduce, two are within all ranges. In the other two one
    // number is not, of those that depend on when a refused request is tried again: the pauses are of whole seconds,
    // so many come back at once.
    let known = [
        "defers-at-high-concurrency: limiter observed_rtt mean 5.864, not in Some((0.1, 5.7))",
        "defers-at-high-rate: server rate mean 24.441, not in Some((31.0, 75.0))",
    ];
    assert_eq!(misses, known, "{}", misses.join("\n"));
}

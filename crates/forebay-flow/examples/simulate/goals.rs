//! What is aimed at, and how it is measured.

use std::time::Duration;

use forebay_testkit::simulator::{Client, Demand, Record, Rule, Server, Simulation, Takes};

use crate::policies::Policy;

/// A server that is not quite the one that somebody had in mind: each of its parameters as a factor.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Off {
    pub(crate) slots: f64,
    pub(crate) service: f64,
    pub(crate) line: f64,
    pub(crate) away: f64,
    pub(crate) rate: f64,
    pub(crate) burst: f64,
}

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Goal {
    Goodput,
    Latency,
    Halved,
    Doubled,
    Fairness,
    UnknownRefusals,
    UnknownTime,
    CutRefusals,
    CutTime,
    RateFairness,
    RateInUse,
}

/// Which values are good enough.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Bound {
    AtLeast(f64),
    AtMost(f64),
}

/// What many runs gave.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Outcome {
    pub(crate) median: f64,
    pub(crate) worst: f64,
}

const SLOTS: f64 = 48.0;
const SERVICE: Duration = Duration::from_millis(90);
const AWAY: Duration = Duration::from_millis(10);
/// Round trips until a limit is expected to have settled.
const SETTLED: u32 = 200;
/// Round trips that are looked at.
const LOOKED_AT: u32 = 400;

/// Of a server that bounds the rate.
const QUICK: Duration = Duration::from_millis(10);
const BURST: f64 = 10.0;
const CALLS: usize = 600;
const SECOND: Duration = Duration::from_secs(1);

// === impl Off ===

impl Off {
    pub(crate) const NOTHING: Self =
        Self { slots: 1.0, service: 1.0, line: 1.0, away: 1.0, rate: 1.0, burst: 1.0 };

    /// Not at all, and 30 % less and more of each of a server with slots.
    pub(crate) fn each() -> Vec<Self> {
        Self::by(|factor| {
            [
                Self { slots: factor, ..Self::NOTHING },
                Self { service: factor, ..Self::NOTHING },
                Self { line: factor, ..Self::NOTHING },
                Self { away: factor, ..Self::NOTHING },
            ]
        })
    }

    /// The same of a server that bounds the rate.
    pub(crate) fn each_of_rate() -> Vec<Self> {
        Self::by(|factor| {
            [
                Self { rate: factor, ..Self::NOTHING },
                Self { burst: factor, ..Self::NOTHING },
                Self { service: factor, ..Self::NOTHING },
                Self { away: factor, ..Self::NOTHING },
            ]
        })
    }

    fn by(each: impl Fn(f64) -> [Self; 4]) -> Vec<Self> {
        let offs = [0.7, 1.3].into_iter().flat_map(each);
        [Self::NOTHING].into_iter().chain(offs).collect()
    }

    fn slots(self, of: f64) -> usize {
        (of * self.slots).round() as usize
    }

    fn service(self) -> Duration {
        SERVICE.mul_f64(self.service)
    }

    fn away(self) -> Duration {
        AWAY.mul_f64(self.away)
    }

    /// The mean round trip without load.
    fn no_load(self) -> Duration {
        self.service() + self.away()
    }

    /// How many calls in flight keep so many slots busy without anybody in the line.
    fn knee(self, slots: usize) -> f64 {
        slots as f64 * self.no_load().as_secs_f64() / self.service().as_secs_f64()
    }

    /// As many wait as are served, unless the line is off; what is beyond is refused.
    fn server(self, slots: usize) -> Server {
        let line = (slots as f64 * self.line) as usize;
        Server::new(Takes::Exponential(self.service())).away(self.away()).slots(slots).line(line)
    }

    fn burst(self) -> f64 {
        (BURST * self.burst).floor()
    }

    fn rule(self, per_second: f64) -> Rule {
        Rule::TokenBucket { per_second: per_second * self.rate, burst: self.burst() as u32 }
    }

    /// Refuses what is beyond a rate, and with every other seed says when it would not.
    fn allows(self, per_second: f64, seed: u64) -> Server {
        let takes = Takes::Exponential(QUICK.mul_f64(self.service));
        Server::new(takes).away(self.away()).rule(self.rule(per_second)).tells_when(seed % 2 == 1)
    }
}

// === impl Goal ===

impl Goal {
    pub(crate) const ALL: [Self; 11] = [
        Self::Goodput,
        Self::Latency,
        Self::Halved,
        Self::Doubled,
        Self::Fairness,
        Self::UnknownRefusals,
        Self::UnknownTime,
        Self::CutRefusals,
        Self::CutTime,
        Self::RateFairness,
        Self::RateInUse,
    ];

    pub(crate) fn says(self) -> &'static str {
        match self {
            Self::Goodput => "goodput, of the knee's",
            Self::Latency => "latency, in round trips without load",
            Self::Halved => "capacity halved: followed within, in round trips",
            Self::Doubled => "capacity doubled: 90 % of it in use within, in round trips",
            Self::Fairness => "ten clients: Jain's index",
            Self::UnknownRefusals => "unknown rate: refusals in 600 calls",
            Self::UnknownTime => "unknown rate: time, of the ideal",
            Self::CutRefusals => "rate cut from 60 to 20: refusals in 600 calls",
            Self::CutTime => "rate cut from 60 to 20: time, of the ideal",
            Self::RateFairness => "ten clients of one rate: Jain's index",
            Self::RateInUse => "ten clients of one rate: how much of it is in use",
        }
    }

    /// Those that it is about.
    pub(crate) fn policies(self) -> &'static [Policy] {
        match self.is_of_rate() {
            false => &[Policy::Aimd, Policy::Gradient2, Policy::Vegas, Policy::RttBand],
            // A limit for calls at once is there to show what a rate is for.
            true => &[Policy::Aimd, Policy::FeedbackRate],
        }
    }

    /// The servers that it is measured with.
    pub(crate) fn offs(self) -> Vec<Off> {
        if self.is_of_rate() { Off::each_of_rate() } else { Off::each() }
    }

    const fn is_of_rate(self) -> bool {
        !matches!(self, Self::Goodput | Self::Latency | Self::Halved | Self::Doubled | Self::Fairness)
    }

    /// What is asked of a policy; of others it is only told.
    pub(crate) fn bound(self, policy: Policy) -> Option<Bound> {
        let by_latency = matches!(policy, Policy::Gradient2 | Policy::Vegas);
        let learns = policy == Policy::FeedbackRate;
        match self {
            Self::Goodput if by_latency => Some(Bound::AtLeast(0.95)),
            Self::Latency if by_latency => Some(Bound::AtMost(1.3)),
            Self::Halved if by_latency => Some(Bound::AtMost(10.0)),
            Self::Doubled if by_latency => Some(Bound::AtMost(30.0)),
            Self::Fairness if policy == Policy::Aimd => Some(Bound::AtLeast(0.95)),
            Self::UnknownRefusals if learns => Some(Bound::AtMost(3.0)),
            Self::UnknownTime if learns => Some(Bound::AtMost(1.15)),
            Self::CutRefusals if learns => Some(Bound::AtMost(10.0)),
            Self::CutTime if learns => Some(Bound::AtMost(1.25)),
            Self::RateFairness if learns => Some(Bound::AtLeast(0.95)),
            _ => None,
        }
    }

    fn is_better_if_less(self) -> bool {
        !matches!(self, Self::Goodput | Self::Fairness | Self::RateFairness | Self::RateInUse)
    }

    /// One run of it.
    pub(crate) fn measure(self, off: Off, seed: u64, client: &mut dyn FnMut() -> Client) -> f64 {
        let round_trip = off.no_load();
        let settled = SETTLED * round_trip;
        let end = settled + LOOKED_AT * round_trip;
        let slots = off.slots(SLOTS);
        let mut one =
            |slots: usize| Simulation::new(off.server(slots), seed).slice(round_trip).client(client());
        match self {
            Self::Goodput => {
                let record = one(slots).run(end);
                record.goodput(settled, end) * off.service().as_secs_f64() / slots as f64
            }
            Self::Latency => {
                let record = one(slots).run(end);
                record.latency(settled, end).as_secs_f64() / round_trip.as_secs_f64()
            }
            Self::Halved => {
                let halved = slots / 2;
                let record = one(slots).change(settled, move |server| server.slots(halved)).run(end);
                // As near to it as the latency allows.
                let most = (off.knee(halved) * 1.3) as usize;
                first_after(&record, settled, |in_flight| in_flight <= most)
            }
            Self::Doubled => {
                let doubled = slots * 2;
                let record = one(slots).change(settled, move |server| server.slots(doubled)).run(end);
                let least = (off.knee(doubled) * 0.9).ceil() as usize;
                first_after(&record, settled, |in_flight| in_flight >= least)
            }
            Self::Fairness => ten(off.server(off.slots(200.0)), seed, client).run(end).fairness(settled, end),
            Self::UnknownRefusals => unknown(off, seed, client()).refused() as f64,
            Self::UnknownTime => {
                let ideal = (CALLS as f64 - off.burst()) / (50.0 * off.rate);
                unknown(off, seed, client()).ended.as_secs_f64() / ideal
            }
            Self::CutRefusals => cut(off, seed, client()).refused() as f64,
            Self::CutTime => {
                let before = off.burst() + 5.0 * 60.0 * off.rate;
                let ideal = 5.0 + (CALLS as f64 - before) / (20.0 * off.rate);
                cut(off, seed, client()).ended.as_secs_f64() / ideal
            }
            Self::RateFairness => {
                let record = ten(off.allows(100.0, seed), seed, client).run(90 * SECOND);
                record.fairness(30 * SECOND, 90 * SECOND)
            }
            Self::RateInUse => {
                let record = ten(off.allows(100.0, seed), seed, client).run(90 * SECOND);
                record.goodput(30 * SECOND, 90 * SECOND) / (100.0 * off.rate)
            }
        }
    }

    /// The middle and the worst of all those runs.
    pub(crate) fn outcome(self, policy: Policy, offs: &[Off], seeds: std::ops::Range<u64>) -> Outcome {
        let mut values: Vec<f64> = seeds
            .flat_map(|seed| offs.iter().map(move |&off| (off, seed)))
            .map(|(off, seed)| self.measure(off, seed, &mut policy.clients(seed)))
            .collect();
        values.sort_by(f64::total_cmp);
        let worst = if self.is_better_if_less() { values.len() - 1 } else { 0 };
        Outcome { median: values[values.len() / 2], worst: values[worst] }
    }
}

fn ten(server: Server, seed: u64, client: &mut dyn FnMut() -> Client) -> Simulation {
    (0..10).fold(Simulation::new(server, seed), |simulation, _| simulation.client(client()))
}

/// A rate that nobody has told.
fn unknown(off: Off, seed: u64, client: Client) -> Record {
    let client = client.demand(Demand::Calls(CALLS)).tries_again(true);
    Simulation::new(off.allows(50.0, seed), seed).client(client).run(600 * SECOND)
}

/// A rate that falls to a third.
fn cut(off: Off, seed: u64, client: Client) -> Record {
    let client = client.demand(Demand::Calls(CALLS)).tries_again(true);
    let after = off.rule(20.0);
    Simulation::new(off.allows(60.0, seed), seed)
        .client(client)
        .change(5 * SECOND, move |server| server.rule(after))
        .run(600 * SECOND)
}

/// After how many slices behind that time the calls in flight were so; as many as there were if never.
fn first_after(record: &Record, time: Duration, is_so: impl Fn(usize) -> bool) -> f64 {
    let behind = (time.as_nanos() / record.every.as_nanos()) as usize;
    let slices = &record.slices[behind..];
    slices.iter().position(|slice| is_so(slice.in_flight)).map_or(slices.len(), |before| before + 1) as f64
}

// === impl Bound ===

impl Bound {
    pub(crate) fn holds(self, value: f64) -> bool {
        match self {
            Self::AtLeast(least) => value >= least,
            Self::AtMost(most) => value <= most,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_middle_of_a_few_runs_keeps_each_goal() {
        for goal in Goal::ALL {
            for &policy in goal.policies() {
                let Some(bound) = goal.bound(policy) else { continue };
                let Outcome { median, .. } = goal.outcome(policy, &[Off::NOTHING], 1..6);
                assert!(bound.holds(median), "{}: {}, {median}, not {bound:?}", policy.name(), goal.says());
            }
        }
    }

    /// Netflix/concurrency-limits#134: callers that fill the limit.
    #[test]
    fn gradient2_does_not_grow_without_end_in_a_closed_loop() {
        let record = Simulation::new(Off::NOTHING.server(24).line(usize::MAX), 1)
            .client(Policy::Gradient2.client(1))
            .run(LOOKED_AT * Off::NOTHING.no_load());
        assert!(record.slices.iter().skip(20).all(|slice| slice.limit < 60.0));
    }

    /// tower-resilience, go-concurrency-limits#117: the server moves away, and each call takes twice as long for good.
    #[test]
    fn vegas_learns_the_latency_without_load_anew() {
        let settled = SETTLED * Off::NOTHING.no_load();
        let record = Simulation::new(Off::NOTHING.server(48), 1)
            .client(Policy::Vegas.client(1))
            .change(settled, |server| server.away(10 * AWAY))
            .run(10 * settled);
        let late = record.goodput(5 * settled, 10 * settled) * SERVICE.as_secs_f64() / SLOTS;
        assert!(late > 0.9, "{late}");
    }
}

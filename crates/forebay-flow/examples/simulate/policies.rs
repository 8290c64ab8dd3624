//! The policies that are compared, as they are by default.

use forebay_flow::rate::{FeedbackRate, Outcome};
use forebay_flow::{Aimd, Gradient2, Refusal, RttBand, Tick, Vegas};
use forebay_testkit::simulator::{Answer, Client, Pace};

/// A policy by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Policy {
    Aimd,
    Gradient2,
    Vegas,
    RttBand,
    FeedbackRate,
}

/// Takes its starts from a rate, and tells it of answers.
struct Learns(FeedbackRate);

// === impl Policy ===

impl Policy {
    pub(crate) const ALL: [Self; 5] =
        [Self::Aimd, Self::Gradient2, Self::Vegas, Self::RttBand, Self::FeedbackRate];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Aimd => "Aimd",
            Self::Gradient2 => "Gradient2",
            Self::Vegas => "Vegas",
            Self::RttBand => "RttBand",
            Self::FeedbackRate => "FeedbackRate",
        }
    }

    /// A client with this policy; `seed` is its own.
    pub(crate) fn client(self, seed: u64) -> Client {
        match self {
            Self::Aimd => Client::limited(Aimd::default()),
            Self::Gradient2 => Client::limited(Gradient2::default()),
            Self::Vegas => Client::limited(Vegas::default()),
            Self::RttBand => Client::limited(RttBand::default()),
            Self::FeedbackRate => Client::paced(Learns(FeedbackRate::new(seed))),
        }
    }

    /// Clients with this policy, each with a seed of its own.
    pub(crate) fn clients(self, seed: u64) -> impl FnMut() -> Client {
        let mut seeds = 1000 * seed..;
        move || self.client(seeds.next().unwrap_or_default())
    }
}

// === impl Learns ===

impl Pace for Learns {
    fn start(&mut self, now: Tick) -> Result<(), Tick> {
        self.0.take(1, now).map_err(|refusal| match refusal {
            Refusal::Until(at) => at,
            Refusal::TooHeavy => unreachable!("a single one is not too heavy"),
        })
    }

    fn ended(&mut self, answer: &Answer, now: Tick) {
        let Answer { sample, retry_after, .. } = *answer;
        self.0.update(&Outcome { rtt: sample.rtt, end: sample.end, retry_after }, now);
    }
}

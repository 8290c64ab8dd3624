//! Situations that policies are compared in.

use std::error::Error;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use super::{Client, Demand, Record, Rule, Server, Simulation, Takes};

/// A situation that policies are compared in.
///
/// If nothing else is said, one client wants as much as it may of a server with 48 slots that is 10 ms away; each call
/// takes 90 ms, exponentially distributed, as many again may wait, and the rest is refused; for a minute.
///
/// ```
/// use forebay_testkit::simulator::Scenario;
///
/// assert_eq!("step-down".parse(), Ok(Scenario::StepDown));
/// let unknown = "step-sideways".parse::<Scenario>().unwrap_err();
/// assert!(unknown.to_string().starts_with("no scenario \"step-sideways\"; there are constant, step-up, "));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scenario {
    /// Nothing changes.
    Constant,
    /// The server has half as many slots for the first 30 seconds.
    StepUp,
    /// The server has half as many slots after 30 seconds.
    StepDown,
    /// From the 30th to the 35th second calls take three times as long.
    LatencySpike,
    /// A server that is cold: calls take four times as long at first, and get quicker until the 20th second.
    SlowStart,
    /// Two clients.
    TwoClients,
    /// Ten clients.
    TenClients,
    /// A thousand clients, and 2000 slots; for ten seconds.
    ThousandClients,
    /// The line is endless, so nothing is ever refused; calls are given up after half a second; and for ten seconds, from the
    /// 20th on, each takes longer than that.
    TimeoutsOnly,
    /// A server without a bound on calls at once that serves each in 10 ms, and allows 50 a second, ten at once; of which one
    /// client wants 600, and tries again what is refused.
    UnknownRate,
    /// The same with 60 a second, and 20 after five seconds.
    RateCut,
    /// The same with 100 a second, and ten clients that want more for ever, for 90 seconds.
    SharedRate,
}

/// There is no such scenario. Says which there are.
///
/// ```
/// use forebay_testkit::simulator::Scenario;
///
/// assert!("".parse::<Scenario>().is_err());
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownScenario(String);

const AWAY: Duration = Duration::from_millis(10);
const MEAN: Duration = Duration::from_millis(90);

// === impl Scenario ===

impl Scenario {
    /// All there are.
    pub const ALL: [Self; 12] = [
        Self::Constant,
        Self::StepUp,
        Self::StepDown,
        Self::LatencySpike,
        Self::SlowStart,
        Self::TwoClients,
        Self::TenClients,
        Self::ThousandClients,
        Self::TimeoutsOnly,
        Self::UnknownRate,
        Self::RateCut,
        Self::SharedRate,
    ];

    /// As one types it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Constant => "constant",
            Self::StepUp => "step-up",
            Self::StepDown => "step-down",
            Self::LatencySpike => "latency-spike",
            Self::SlowStart => "slow-start",
            Self::TwoClients => "2-clients",
            Self::TenClients => "10-clients",
            Self::ThousandClients => "1000-clients",
            Self::TimeoutsOnly => "timeouts-only",
            Self::UnknownRate => "unknown-rate",
            Self::RateCut => "rate-cut",
            Self::SharedRate => "shared-rate",
        }
    }

    /// Lets it happen to clients that `client` makes, with a policy each.
    pub fn run(self, seed: u64, client: &mut dyn FnMut() -> Client) -> Record {
        let second = Duration::from_secs(1);
        let takes = |factor: f64| Takes::Exponential(MEAN.mul_f64(factor));
        let usual = Server::new(takes(1.0)).away(AWAY).slots(48).line(48);
        let mut clients = |number: usize, server: Server| {
            (0..number).fold(Simulation::new(server, seed), |simulation, _| simulation.client(client()))
        };
        let allows = |per_second: f64| {
            let rule = Rule::TokenBucket { per_second, burst: 10 };
            Server::new(Takes::Exponential(AWAY)).away(AWAY).rule(rule)
        };
        let simulation = match self {
            Self::Constant => clients(1, usual),
            Self::StepUp => clients(1, usual.slots(24)).change(30 * second, |server| server.slots(48)),
            Self::StepDown => clients(1, usual).change(30 * second, |server| server.slots(24)),
            Self::LatencySpike => clients(1, usual)
                .change(30 * second, move |server| server.takes(takes(3.0)))
                .change(35 * second, move |server| server.takes(takes(1.0))),
            Self::SlowStart => {
                let cold = clients(1, usual.takes(takes(4.0)));
                [(5, 3.0), (10, 2.0), (15, 1.5), (20, 1.0)].into_iter().fold(
                    cold,
                    |simulation, (at, factor)| {
                        simulation.change(at * second, move |server| server.takes(takes(factor)))
                    },
                )
            }
            Self::TwoClients => clients(2, usual),
            Self::TenClients => clients(10, usual.slots(200).line(200)),
            Self::ThousandClients => {
                return clients(1000, usual.slots(2000).line(2000)).run(10 * second);
            }
            Self::TimeoutsOnly => {
                let client = client().timeout(second / 2);
                Simulation::new(usual.line(usize::MAX), seed)
                    .client(client)
                    .change(20 * second, move |server| server.takes(Takes::Fixed(second)))
                    .change(30 * second, move |server| server.takes(takes(1.0)))
            }
            Self::UnknownRate => {
                let client = client().demand(Demand::Calls(600)).tries_again(true);
                Simulation::new(allows(50.0), seed).client(client)
            }
            Self::RateCut => {
                let rule = Rule::TokenBucket { per_second: 20.0, burst: 10 };
                let client = client().demand(Demand::Calls(600)).tries_again(true);
                Simulation::new(allows(60.0), seed)
                    .client(client)
                    .change(5 * second, move |server| server.rule(rule))
            }
            Self::SharedRate => return clients(10, allows(100.0)).run(90 * second),
        };
        simulation.run(60 * second)
    }
}

impl FromStr for Scenario {
    type Err = UnknownScenario;

    fn from_str(name: &str) -> Result<Self, UnknownScenario> {
        let known = Self::ALL.into_iter().find(|scenario| scenario.name() == name);
        known.ok_or_else(|| UnknownScenario(name.to_owned()))
    }
}

impl fmt::Display for Scenario {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

// === impl UnknownScenario ===

impl fmt::Display for UnknownScenario {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let known = Scenario::ALL.map(Scenario::name).join(", ");
        write!(f, "no scenario {:?}; there are {known}", self.0)
    }
}

impl Error for UnknownScenario {}

//! Situations that policies are compared in.

use std::error::Error;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use forebay_queue::Limit;

use super::{Client, Record, Server, Simulation, Takes};

/// A situation that limits are compared in.
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
    pub const ALL: [Self; 9] = [
        Self::Constant,
        Self::StepUp,
        Self::StepDown,
        Self::LatencySpike,
        Self::SlowStart,
        Self::TwoClients,
        Self::TenClients,
        Self::ThousandClients,
        Self::TimeoutsOnly,
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
        }
    }

    /// Lets it happen to clients whose limits `limit` makes.
    pub fn run(self, seed: u64, limit: &mut dyn FnMut() -> Box<dyn Limit>) -> Record {
        let second = Duration::from_secs(1);
        let takes = |factor: f64| Takes::Exponential(MEAN.mul_f64(factor));
        let usual = Server::new(takes(1.0)).away(AWAY).slots(48).line(48);
        let mut clients = |number: usize, server: Server| {
            (0..number).fold(Simulation::new(server, seed), |simulation, _| {
                simulation.client(Client::boxed(limit()))
            })
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
                let client = Client::boxed(limit()).timeout(second / 2);
                Simulation::new(usual.line(usize::MAX), seed)
                    .client(client)
                    .change(20 * second, move |server| server.takes(Takes::Fixed(second)))
                    .change(30 * second, move |server| server.takes(takes(1.0)))
            }
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

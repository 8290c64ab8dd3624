//! Events in the order of their times.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fmt;
use std::time::Duration;

use forebay_queue::{CallEnd, Sample, Tick};

use super::random::Random;
use super::record::{Record, Slice};
use super::server::{Server, Verdict};
use super::{Answer, Client, Demand, ticks};

/// Clients in front of one server, in time that is only counted.
///
/// The same seed and the same policies give the same [`Record`], on every machine.
///
/// ```
/// use std::time::Duration;
/// use forebay_queue::{Limit, Sample, Tick};
/// use forebay_testkit::simulator::{Client, Server, Simulation, Takes};
///
/// struct Ten;
/// impl Limit for Ten {
///     fn seats(&self) -> usize { 10 }
///     fn update(&mut self, _: &Sample, _: Tick) {}
/// }
///
/// let second = Duration::from_secs(1);
/// let server = Server::new(Takes::Fixed(Duration::from_millis(100))).slots(5);
/// let record = Simulation::new(server, 1)
///     .client(Client::limited(Ten))
///     .change(5 * second, |server| server.slots(10))
///     .run(10 * second);
/// assert_eq!(record.goodput(second, 5 * second), 50.0);
/// assert_eq!(record.latency(second, 5 * second), Duration::from_millis(200));
/// assert_eq!(record.goodput(6 * second, 10 * second), 100.0);
/// ```
pub struct Simulation {
    server: Server,
    clients: Vec<Client>,
    changes: Vec<(Tick, Change)>,
    seed: u64,
    every: Duration,
}

type Change = Box<dyn FnOnce(Server) -> Server>;

/// Something that happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    /// A client wants a call.
    Wanted(usize),
    /// A client asks its pace again.
    Asks(usize),
    /// A call is at the server.
    Arrives(usize),
    /// The server has served it.
    Served(usize),
    /// The answer is back: served or not, and what a refusal said.
    Answered(usize, Option<Refused>),
    /// The client gives it up, if it is still open.
    TimesOut(usize),
    /// The server changes.
    Changes(usize),
    /// A slice of the record ends.
    Slice,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Refused(Option<Duration>);

/// A call that was started.
#[derive(Debug, Clone, Copy)]
struct Call {
    client: usize,
    at: Tick,
    in_flight: usize,
    is_open: bool,
}

/// What is going on.
struct Run {
    now: Tick,
    /// When, and in which order of those at once.
    events: BinaryHeap<Reverse<(Tick, u64, Event)>>,
    numbered: u64,
    calls: Vec<Call>,
    /// How many of them at this instant.
    started_now: usize,
    server: Server,
    clients: Vec<Client>,
    changes: Vec<Option<Change>>,
    /// The server's, then each client's.
    chance: Vec<Random>,
    record: Record,
    slice: Slice,
}

/// More calls that start in an instant mean a closed loop that nothing bounds.
const MOST_AT_ONCE: usize = 1 << 20;

// === impl Simulation ===

impl Simulation {
    /// A server that nobody calls yet.
    pub fn new(server: Server, seed: u64) -> Self {
        Self { server, clients: Vec::new(), changes: Vec::new(), seed, every: Duration::from_millis(500) }
    }

    /// One more client.
    #[must_use]
    pub fn client(mut self, client: Client) -> Self {
        self.clients.push(client);
        self
    }

    /// What becomes of the server at a time.
    #[must_use]
    pub fn change(mut self, at: Duration, change: impl FnOnce(Server) -> Server + 'static) -> Self {
        self.changes.push((ticks(at), Box::new(change)));
        self
    }

    /// How long a slice of the record is, above 0; half a second by default.
    #[must_use]
    pub fn slice(self, every: Duration) -> Self {
        Self { every, ..self }
    }

    /// Lets it run for so long, or until every client has got what it wanted.
    ///
    /// # Panics
    ///
    /// If a million calls start in one instant: nothing bounds a client that always wants more, or what it is refused
    /// comes back in no time, and it tries again.
    pub fn run(self, until: Duration) -> Record {
        let Self { server, clients, changes, seed, every } = self;
        let chance = (0..=clients.len() as u64).map(|stream| Random::new(seed, stream)).collect();
        let mut run = Run {
            now: 0,
            events: BinaryHeap::new(),
            numbered: 0,
            calls: Vec::new(),
            started_now: 0,
            server,
            clients,
            changes: Vec::new(),
            chance,
            record: Record::new(every),
            slice: Slice::default(),
        };
        for (at, change) in changes {
            run.plan(at, Event::Changes(run.changes.len()));
            run.changes.push(Some(change));
        }
        run.plan(ticks(every), Event::Slice);
        for client in 0..run.clients.len() {
            match run.clients[client].demand {
                Demand::Calls(calls) => {
                    run.clients[client].done.wanted = calls;
                    run.clients[client].waiting = calls;
                }
                Demand::Arrivals { .. } => run.plan_arrival(client),
                Demand::Always => {}
            }
            run.start(client);
        }
        run.to(ticks(until))
    }
}

impl fmt::Debug for Simulation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { server, clients, seed, .. } = self;
        f.debug_struct("Simulation")
            .field("server", server)
            .field("clients", clients)
            .field("seed", seed)
            .finish_non_exhaustive()
    }
}

// === impl Run ===

impl Run {
    fn to(mut self, until: Tick) -> Record {
        while let Some(Reverse((at, _, event))) = self.events.pop() {
            if at > until || self.clients.iter().all(Client::is_content) {
                break;
            }
            if at > self.now {
                (self.now, self.started_now) = (at, 0);
            }
            self.happen(event);
        }
        self.record.ended = Duration::from_nanos(self.now.min(until));
        self.record.served = self.server.served();
        self.record.clients = self.clients.iter().map(Client::done).collect();
        self.record
    }

    fn plan(&mut self, at: Tick, event: Event) {
        self.numbered += 1;
        self.events.push(Reverse((at, self.numbered, event)));
    }

    fn plan_arrival(&mut self, client: usize) {
        let Demand::Arrivals { per_second } = self.clients[client].demand else { return };
        let after = self.chance[client + 1].exponential() / per_second;
        self.plan(self.now + (after * 1e9) as Tick, Event::Wanted(client));
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Wanted(client) => {
                self.clients[client].done.wanted += 1;
                self.clients[client].waiting += 1;
                self.plan_arrival(client);
                self.start(client);
            }
            Event::Asks(client) => {
                // Else it has been told an earlier time since. Were it to ask all the same, it would plan to ask once more each
                // time, and in the end do nothing else.
                if self.clients[client].asks_at == Some(self.now) {
                    self.clients[client].asks_at = None;
                    self.start(client);
                }
            }
            Event::Arrives(call) => match self.server.arrive(call, self.now, &mut self.chance[0]) {
                Verdict::Served(takes) => self.plan(self.now + ticks(takes), Event::Served(call)),
                Verdict::Waits => {}
                Verdict::Refused(after) => self.answer(call, Some(Refused(after))),
            },
            Event::Served(call) => {
                self.server.done();
                self.answer(call, None);
                self.serve();
            }
            Event::Answered(call, refused) => {
                let end = if refused.is_some() { CallEnd::Overload } else { CallEnd::Success };
                self.end(call, end, refused.and_then(|Refused(after)| after), false);
            }
            Event::TimesOut(call) => self.end(call, CallEnd::Overload, None, true),
            Event::Changes(number) => {
                if let Some(change) = self.changes[number].take() {
                    self.server = change(self.server.clone());
                }
                self.serve();
            }
            Event::Slice => {
                self.slice.limit = self.clients.iter().map(|client| client.seats() as f64).sum();
                self.slice.in_flight = self.clients.iter().map(|client| client.in_flight).sum();
                self.slice.succeeded = self.clients.iter().map(|client| client.done.succeeded).collect();
                self.record.slices.push(std::mem::take(&mut self.slice));
                self.plan(self.now + ticks(self.record.every), Event::Slice);
            }
        }
    }

    /// Starts whatever the client wants and may.
    fn start(&mut self, number: usize) {
        loop {
            let client = &mut self.clients[number];
            let wants = client.waiting > 0 || client.demand == Demand::Always;
            if !wants || client.in_flight >= client.seats() {
                return;
            }
            if let Some(Err(at)) = client.pace.as_mut().map(|pace| pace.start(self.now)) {
                if client.asks_at.is_none_or(|asks_at| at < asks_at) {
                    let at = at.max(self.now + 1);
                    client.asks_at = Some(at);
                    self.plan(at, Event::Asks(number));
                }
                return;
            }
            match client.waiting.checked_sub(1) {
                Some(waiting) => client.waiting = waiting,
                None => client.done.wanted += 1,
            }
            client.in_flight += 1;
            if let Some(limit) = &mut client.limit {
                limit.started(client.in_flight);
            }
            self.started_now += 1;
            assert!(self.started_now < MOST_AT_ONCE, "calls without end start at {} ns", self.now);
            let call = self.calls.len();
            self.calls.push(Call {
                client: number,
                at: self.now,
                in_flight: client.in_flight,
                is_open: true,
            });
            if let Some(timeout) = client.timeout {
                self.plan(self.now + ticks(timeout), Event::TimesOut(call));
            }
            self.plan(self.now + self.server.way(), Event::Arrives(call));
        }
    }

    /// Fills the slots from the line.
    fn serve(&mut self) {
        while let Some((call, takes)) = self.server.next(&mut self.chance[0]) {
            self.plan(self.now + ticks(takes), Event::Served(call));
        }
    }

    fn answer(&mut self, call: usize, refused: Option<Refused>) {
        self.plan(self.now + self.server.way(), Event::Answered(call, refused));
    }

    /// A call ends for its client, unless it has before.
    fn end(&mut self, call: usize, end: CallEnd, retry_after: Option<Duration>, timed_out: bool) {
        let Call { client: number, at, in_flight, ref mut is_open } = self.calls[call];
        if !std::mem::take(is_open) {
            return;
        }
        let client = &mut self.clients[number];
        client.in_flight -= 1;
        let rtt = Duration::from_nanos(self.now - at);
        match end {
            CallEnd::Success => {
                client.done.succeeded += 1;
                self.slice.rtts += rtt;
            }
            _ if timed_out => {
                client.done.timed_out += 1;
                self.slice.timed_out += 1;
            }
            _ => {
                client.done.refused += 1;
                self.slice.refused += 1;
            }
        }
        if client.tries_again && end != CallEnd::Success {
            client.waiting += 1;
        }
        let sample = Sample { rtt, in_flight, end };
        if let Some(limit) = &mut client.limit {
            limit.update(&sample, self.now);
        }
        if let Some(pace) = &mut client.pace {
            pace.ended(&Answer { sample, retry_after, timed_out }, self.now);
        }
        self.start(number);
    }
}

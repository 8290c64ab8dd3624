//! What must hold of any simulation.

use std::time::Duration;

use forebay_queue::{CallEnd, Limit, Sample, Tick};
use proptest::prelude::*;

use super::{Answer, Client, Demand, Pace, Record, Rule, Scenario, Server, Simulation, Takes};

const SECOND: Duration = Duration::from_secs(1);
const MS: Duration = Duration::from_millis(1);

/// One more after each success, half after each overload.
struct Sawtooth(usize);

impl Limit for Sawtooth {
    fn seats(&self) -> usize {
        self.0
    }

    fn update(&mut self, sample: &Sample, _: Tick) {
        self.0 = if sample.end == CallEnd::Success { self.0 + 1 } else { (self.0 / 2).max(1) };
    }
}

/// One each so often, later if a refusal says so.
struct Every(Duration, Tick);

impl Pace for Every {
    fn start(&mut self, now: Tick) -> Result<(), Tick> {
        if now < self.1 {
            return Err(self.1);
        }
        self.1 = now + super::ticks(self.0);
        Ok(())
    }

    fn ended(&mut self, answer: &Answer, now: Tick) {
        if let Some(after) = answer.retry_after {
            self.1 = self.1.max(now + super::ticks(after));
        }
    }
}

/// Everything in it: a rule, a line, timeouts, all kinds of clients, a change.
fn of_everything(seed: u64, slots: usize, line: usize, timeout: u64, end: u64) -> Record {
    let server = Server::new(Takes::Exponential(20 * MS))
        .slots(slots)
        .line(line)
        .away(4 * MS)
        .rule(Rule::TokenBucket { per_second: 300.0, burst: 20 })
        .tells_when(true);
    Simulation::new(server, seed)
        .client(Client::limited(Sawtooth(4)).timeout(Duration::from_millis(timeout)))
        .client(Client::open(100.0).timeout(50 * MS))
        .client(Client::paced(Every(20 * MS, 0)).demand(Demand::Calls(40)))
        .client(Client::limited(Sawtooth(2)).demand(Demand::Calls(60)).tries_again(true))
        .change(SECOND, move |server| server.slots(slots.div_ceil(2)).takes(Takes::Fixed(30 * MS)))
        .change(2 * SECOND, |server| server.rule(Rule::FixedWindow { calls: 50, per: SECOND }))
        .run(Duration::from_millis(end))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn every_call_ends_once_or_is_somewhere(
        seed in any::<u64>(), slots in 1..20_usize, line in 0..20_usize, timeout in 1..200_u64, end in 1..4000_u64,
    ) {
        let record = of_everything(seed, slots, line, timeout, end);
        for (number, done) in record.clients.iter().enumerate() {
            let failed = if number == 3 { 0 } else { done.refused + done.timed_out };
            prop_assert_eq!(done.wanted, done.waiting + done.in_flight + done.succeeded + failed, "{}", number);
        }
        let served = record.served;
        prop_assert_eq!(served.arrived, served.refused + served.done + served.in_service + served.waiting);
        let started: usize =
            record.clients.iter().map(|done| done.in_flight + done.succeeded + done.refused + done.timed_out).sum();
        prop_assert!(started >= served.arrived);
        prop_assert!(served.in_service <= slots && served.waiting <= line);
    }

    #[test]
    fn a_seed_says_everything(seed in any::<u64>()) {
        let run = |seed| of_everything(seed, 8, 8, 60, 3000);
        prop_assert_eq!(run(seed), run(seed));
        prop_assert_ne!(run(seed), run(seed ^ 1));
    }
}

/// The mean wait in an M/M/c queue, by Erlang's formula C.
fn erlang_wait(servers: u32, arrivals: f64, service: f64) -> f64 {
    let load = arrivals * service;
    // Erlang B, by its recursion, and C from it.
    let blocked = (1..=servers).fold(1.0, |b, n| load * b / (f64::from(n) + load * b));
    let waits = blocked / (1.0 - load / f64::from(servers) * (1.0 - blocked));
    waits * service / (f64::from(servers) - load)
}

#[test]
fn the_wait_in_an_open_loop_is_the_one_that_erlang_found() {
    for (servers, arrivals) in [(1, 7.0), (4, 36.0), (32, 300.0)] {
        let service = 100 * MS;
        let server = Server::new(Takes::Exponential(service)).slots(servers as usize);
        // As many calls for each, so that each is as sure.
        let until = SECOND.mul_f64(300_000.0 / arrivals);
        let record = Simulation::new(server, 5).client(Client::open(arrivals)).slice(until / 100).run(until);
        let latency = record.latency(until / 100, until).as_secs_f64();
        let expected = 0.1 + erlang_wait(servers, arrivals, 0.1);
        assert!((latency / expected - 1.0).abs() < 0.03, "{servers} servers: {latency}, not {expected}");
    }
}

#[test]
fn a_refusal_says_when_and_who_heeds_it_is_served_the_next_time() {
    let server = Server::new(Takes::Fixed(MS)).rule(Rule::TokenBucket { per_second: 5.0, burst: 1 });
    let paced = || Client::paced(Every(10 * MS, 0)).demand(Demand::Calls(10)).tries_again(true);
    let told = Simulation::new(server.clone().tells_when(true), 1).client(paced()).run(60 * SECOND);
    let untold = Simulation::new(server, 1).client(paced()).run(60 * SECOND);
    assert_eq!((told.clients[0].succeeded, untold.clients[0].succeeded), (10, 10));
    assert!(told.ended < 2 * SECOND, "{:?}", told.ended);
    assert!(told.refused() <= 10 && untold.refused() > 100, "{} and {}", told.refused(), untold.refused());
}

#[test]
fn what_was_given_up_is_served_for_nobody() {
    let server = Server::new(Takes::Fixed(100 * MS)).slots(1);
    let client = Client::open(9.0).timeout(50 * MS);
    let record = Simulation::new(server, 1).client(client).run(10 * SECOND);
    assert_eq!(record.clients[0].succeeded, 0);
    assert!(record.served.done > 70, "{:?}", record.served);
}

#[test]
fn fewer_slots_let_finish_what_is_in_service_and_more_are_filled_at_once() {
    let server = Server::new(Takes::Fixed(SECOND)).slots(4);
    let record = Simulation::new(server, 1)
        .client(Client::limited(Sawtooth(8)).demand(Demand::Calls(8)))
        .change(100 * MS, |server| server.slots(1))
        .change(1500 * MS, |server| server.slots(3))
        .run(60 * SECOND);
    // Four at 1 s, one at 2 s, two more begin at 1.5 s, and the last one when one of them is done.
    assert_eq!(record.ended, 3 * SECOND);
    assert_eq!(record.latency(Duration::ZERO, 60 * SECOND), (4 * SECOND + 2 * SECOND + 5 * SECOND) / 7);
}

#[test]
fn every_scenario_is_found_by_its_name_and_runs() {
    for scenario in Scenario::ALL {
        assert_eq!(scenario.name().parse(), Ok(scenario));
        let mut limits = 0;
        let record = scenario.run(1, &mut || {
            limits += 1;
            Client::limited(Sawtooth(20))
        });
        assert_eq!(record.clients.len(), limits);
        assert!(record.goodput(Duration::ZERO, record.ended) > 0.0, "{scenario}");
    }
}

#[test]
#[should_panic(expected = "calls without end start at 0 ns")]
fn a_loop_in_which_no_time_passes_is_given_up() {
    let server = Server::new(Takes::Fixed(MS)).slots(1).line(0);
    let client = || Client::limited(Sawtooth(1));
    Simulation::new(server, 1).client(client()).client(client()).run(SECOND);
}

/// One each second, until answers say that it may be sooner.
struct Sooner {
    next: Tick,
    asked: std::rc::Rc<std::cell::Cell<usize>>,
}

impl Pace for Sooner {
    fn start(&mut self, now: Tick) -> Result<(), Tick> {
        self.asked.set(self.asked.get() + 1);
        if now < self.next {
            return Err(self.next);
        }
        self.next = now + super::ticks(SECOND);
        Ok(())
    }

    fn ended(&mut self, _: &Answer, now: Tick) {
        self.next = self.next.min(now + super::ticks(500 * MS));
    }
}

#[test]
fn a_client_that_is_told_an_earlier_time_does_not_ask_more_and_more_often() {
    let asked = std::rc::Rc::default();
    let pace = Sooner { next: 0, asked: std::rc::Rc::clone(&asked) };
    let server = Server::new(Takes::Fixed(10 * MS));
    let record = Simulation::new(server, 1).client(Client::paced(pace)).run(600 * SECOND);
    let calls = record.clients[0].wanted;
    assert!(calls > 1000);
    // When it starts, since it wants more; when that ended; and when the time has come.
    assert!(asked.get() <= 4 * calls, "{} times for {calls} calls", asked.get());
}

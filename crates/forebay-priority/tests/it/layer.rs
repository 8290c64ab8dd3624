//! Seats before a service, given in the order of a discipline.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use forebay_priority::layer::{ByResult, Seated};
use forebay_priority::{Class, Deadline, Missed, PriorityLayer, Seats, Share, Strict, WeightedFair, Within};
use forebay_queue::{CallEnd, Limit, Queue, QueueError, Sample, Tick, UnknownClass};
use forebay_testkit::{CountingWaker, Driver};
use tower::{Layer, Service, ServiceExt, service_fn};

type Call = (&'static str, u32);
type Log = Arc<Mutex<Vec<u32>>>;

fn by_name(call: &Call) -> Result<Class, UnknownClass> {
    Strict::levels().class_names().named(call.0)
}

/// Takes 100 ms for each call, and notes in which order they began.
fn slow(
    log: &Log,
) -> impl Service<Call, Response = u32, Error = String, Future: Send + 'static> + Clone + Send + use<> + 'static
{
    let log = log.clone();
    service_fn(move |(_, n): Call| {
        log.lock().expect("nobody panics").push(n);
        async move {
            tokio::time::sleep(Duration::from_millis(100)).await;
            if n < 1000 { Ok(n) } else { Err("too high".to_owned()) }
        }
    })
}

#[tokio::test(start_paused = true)]
async fn urgent_call_has_the_next_seat() {
    let log = Log::default();
    let line = PriorityLayer::new(2, Strict::levels(), by_name).expect("there are seats");
    let mut service = line.layer(slow(&log));
    let mut calls: Vec<_> = (0..8).map(|n| tokio::spawn(service.call(("low", n)))).collect();
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(*log.lock().expect("nobody panics"), [0, 1], "two seats");
    calls.push(tokio::spawn(service.call(("high", 90))));
    calls.push(tokio::spawn(service.call(("medium", 80))));
    let stats = service.class_stats();
    assert_eq!([stats[0].waiting, stats[1].waiting, stats[2].waiting], [1, 1, 6]);
    // A seat that nobody hears of would keep them waiting for ever.
    let all = async {
        for call in calls {
            assert!(call.await.expect("no panic").is_ok());
        }
    };
    tokio::time::timeout(Duration::from_secs(5), all).await.expect("ten calls of 100 ms each, in two seats");
    assert_eq!(*log.lock().expect("nobody panics"), [0, 1, 90, 80, 2, 3, 4, 5, 6, 7]);
    let stats = service.class_stats();
    assert_eq!([stats[0].served, stats[1].served, stats[2].served], [1, 1, 8]);
}

/// Under overload nothing that is less urgent begins while an urgent call waits, so that one waits for the first of the
/// running calls to end, and for the urgent ones before it.
#[tokio::test(start_paused = true)]
async fn urgent_calls_wait_for_no_less_urgent_one_to_begin() {
    const SEATS: u32 = 4;
    let log = Log::default();
    let levels = Strict::levels().promote_nobody();
    let line = PriorityLayer::new(SEATS as usize, levels, by_name).expect("there are seats");
    let mut service = line.layer(slow(&log));
    let flood: Vec<_> = (0..400).map(|n| tokio::spawn(service.call(("low", n)))).collect();
    let mut waits = Vec::new();
    for n in 0..100 {
        // The calls of the four seats end at different times after a while.
        tokio::time::sleep(Duration::from_millis(37)).await;
        let before = log.lock().expect("nobody panics").len();
        let began = tokio::time::Instant::now();
        let high = tokio::spawn(service.call(("high", 500 + n)));
        assert_eq!(high.await.expect("no panic").expect("it answers"), 500 + n);
        waits.push(began.elapsed() - Duration::from_millis(100));
        let log = log.lock().expect("nobody panics");
        let place = log.iter().position(|one| *one == 500 + n).expect("it began");
        assert_eq!(place, before, "others began before it");
    }
    assert!(waits.iter().all(|wait| *wait <= Duration::from_millis(100)), "{waits:?}");
    flood.iter().for_each(|call| call.abort());
}

/// Numbers that look random, and are the same in each run.
struct Chance(u64);

impl Chance {
    /// Above 0, and up to 1.
    fn part(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 11) + 1) as f64 / (1_u64 << 53) as f64
    }

    /// Exponentially distributed, with this mean.
    fn exponential(&mut self, mean: f64) -> f64 {
        -mean * self.part().ln()
    }
}

fn p99(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() * 99 / 100]
}

/// How long urgent calls wait, and how long all take to serve, in milliseconds: the 99th percentiles under saturation by calls
/// that are less urgent, where `takes` says how long the next call does.
async fn p99_of_waits_and_of_service(seats: usize, mut takes: impl FnMut(&mut Chance) -> f64) -> (f64, f64) {
    const URGENT: usize = 4000;
    type Timed = (Class, f64, tokio::time::Instant);
    let waits = Arc::new(Mutex::new(Vec::new()));
    let service = service_fn({
        let waits = waits.clone();
        move |(class, takes, called): Timed| {
            if class == Class::HIGH {
                waits.lock().expect("nobody panics").push(called.elapsed().as_secs_f64() * 1000.0);
            }
            async move {
                tokio::time::sleep(Duration::from_secs_f64(takes / 1000.0)).await;
                Ok::<_, String>(())
            }
        }
    });
    let classifier = |call: &Timed| Ok(call.0);
    let line = PriorityLayer::new(seats, Strict::levels().promote_nobody(), classifier).expect("seats");
    let line = line.max_waiting_in_all(2000);
    let mut service = line.layer(service);
    let mut chance = Chance(7);
    let (mut served, mut urgent) = (Vec::new(), 0);
    let mut calls = tokio::task::JoinSet::new();
    while urgent < URGENT {
        // The less urgent are never all served.
        while service.len() < 100 {
            served.push(takes(&mut chance));
            calls.spawn(service.call((Class::LOW, served[served.len() - 1], tokio::time::Instant::now())));
        }
        let until_next = chance.exponential(2000.0);
        tokio::time::sleep(Duration::from_secs_f64(until_next / 1000.0)).await;
        if chance.part() < 0.5 {
            served.push(takes(&mut chance));
            calls.spawn(service.call((Class::HIGH, served[served.len() - 1], tokio::time::Instant::now())));
            urgent += 1;
        }
        while calls.try_join_next().is_some() {}
    }
    let waits = std::mem::take(&mut *waits.lock().expect("nobody panics"));
    (p99(waits), p99(served))
}

/// The shortest of `n` exponentially distributed times is exponentially distributed, with an `n`-th of the mean; and now
/// and then an urgent call waits for another one.
#[tokio::test(start_paused = true)]
async fn few_urgent_calls_wait_as_long_as_the_service_takes_divided_by_the_seats() {
    let (wait, service) = p99_of_waits_and_of_service(8, |chance| chance.exponential(1000.0)).await;
    assert!(wait <= 1.05 * service / 8.0, "{wait} ms, and {service} ms are served by 8 seats");
}

/// Where all take the same time the seats may come free together, and then that is what an urgent call waits for.
#[tokio::test(start_paused = true)]
async fn few_urgent_calls_wait_no_longer_than_one_takes_if_all_take_the_same_time() {
    let (wait, service) = p99_of_waits_and_of_service(8, |_| 1000.0).await;
    assert!(wait <= service, "{wait} ms, and {service} ms are served");
}

#[tokio::test(start_paused = true)]
async fn each_class_has_its_own_bound_on_those_that_wait() {
    let line = PriorityLayer::new(1, Strict::levels(), by_name).expect("there is a seat");
    assert!(line.clone().max_waiting("urgent", 3).is_err());
    let line = line.max_waiting("low", 1).expect("a level").max_waiting_in_all(3);
    let mut service = line.layer(slow(&Log::default()));
    let mut running = Driver::new(service.call(("low", 0)));
    running.assert_pending();
    tokio::task::yield_now().await;
    let mut waiting = Driver::new(service.call(("low", 1)));
    waiting.assert_pending();
    let refused = Driver::new(service.call(("low", 2))).poll();
    assert!(matches!(refused, Poll::Ready(Err(QueueError::Full(("low", 2))))));
    let _high = [service.call(("high", 3)), service.call(("high", 4))];
    assert!(matches!(service.call(("high", 5)).await, Err(QueueError::Full(("high", 5)))), "three in all");
    let stats = service.class_stats();
    assert_eq!([stats[0].shed, stats[1].shed, stats[2].shed], [1, 0, 1]);
}

/// It bounds those that wait behind others.
#[tokio::test(start_paused = true)]
async fn class_that_may_not_wait_has_the_seats_that_are_free() {
    let line = PriorityLayer::new(2, Strict::levels(), by_name).expect("there are seats");
    let line = line.max_waiting("low", 0).expect("a level");
    let mut service = line.layer(slow(&Log::default()));
    let mut running = Vec::new();
    for n in 0..2 {
        tokio::task::yield_now().await;
        running.push(tokio::spawn(service.call(("low", n))));
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    // It waits for a seat, but for nobody before it.
    running.push(tokio::spawn(service.call(("low", 2))));
    tokio::time::sleep(Duration::from_millis(1)).await;
    assert!(matches!(service.call(("low", 3)).await, Err(QueueError::Full(("low", 3)))));
    for call in running {
        assert!(call.await.expect("no panic").is_ok());
    }
    assert!(service.call(("low", 4)).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn oldest_of_a_class_is_known_where_the_line_is_timed() {
    let line = PriorityLayer::new(1, Strict::levels(), by_name).expect("there is a seat").timed();
    let mut service = line.layer(slow(&Log::default()));
    let mut calls = Vec::new();
    for class in ["low", "low", "high", "low"] {
        calls.push(Driver::new(service.call((class, 1))));
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let oldest = service.class_stats().into_iter().map(|class| class.oldest.map(|oldest| oldest.as_millis()));
    assert_eq!(oldest.collect::<Vec<_>>(), [Some(20), None, Some(30)]);
}

#[tokio::test(start_paused = true)]
async fn last_in_the_order_goes_when_as_many_wait_as_may() {
    let log = Log::default();
    let line = PriorityLayer::new(1, Strict::levels(), by_name).expect("there is a seat");
    let mut service = line.max_waiting_in_all(2).displace_last().layer(slow(&log));
    let running = tokio::spawn(service.call(("low", 0)));
    tokio::time::sleep(Duration::from_millis(1)).await;
    let (stays, goes) = (tokio::spawn(service.call(("low", 1))), tokio::spawn(service.call(("low", 2))));
    let high = tokio::spawn(service.call(("high", 3)));
    assert!(matches!(goes.await.expect("no panic"), Err(QueueError::Displaced(("low", 2)))));
    assert!(
        matches!(service.call(("low", 4)).await, Err(QueueError::Displaced(("low", 4)))),
        "the last itself"
    );
    for call in [running, high, stays] {
        assert!(call.await.expect("no panic").is_ok());
    }
    assert_eq!(*log.lock().expect("nobody panics"), [0, 3, 1]);
    let (stats, all) = (service.class_stats(), service.stats());
    assert_eq!((stats[2].displaced, all.dropped, all.accepted, all.completed), (2, 2, 5, 3));
}

#[tokio::test(start_paused = true)]
async fn unknown_class_of_a_call_comes_back_with_it() {
    let line = PriorityLayer::new(1, Strict::levels(), by_name).expect("there is a seat");
    let mut service = line.layer(slow(&Log::default()));
    let refused = service.call(("urgent", 7)).await.expect_err("no such class");
    assert_eq!(refused.to_string(), "unknown class \"urgent\", known are: high, medium, low");
    assert_eq!(refused.into_request(), Some(("urgent", 7)));
}

#[tokio::test(start_paused = true)]
async fn seats_can_be_changed_while_calls_wait() {
    let log = Log::default();
    let line = PriorityLayer::new(1, Strict::levels(), by_name).expect("there is a seat");
    let seats = line.seats().clone();
    let mut service = line.layer(slow(&log));
    let _calls: Vec<_> = (0..6).map(|n| tokio::spawn(service.call(("low", n)))).collect();
    tokio::time::sleep(Duration::from_millis(10)).await;
    assert_eq!((log.lock().expect("nobody panics").len(), seats.taken()), (1, 1));
    seats.set(3).expect("not 0");
    tokio::time::sleep(Duration::from_millis(10)).await;
    assert_eq!((log.lock().expect("nobody panics").len(), seats.taken()), (3, 3));
    seats.set(1).expect("not 0");
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!((log.lock().expect("nobody panics").len(), seats.taken()), (4, 1));
    assert!(seats.set(0).is_err() && Seats::new(0).is_err());
}

#[tokio::test(start_paused = true)]
async fn shares_can_be_changed_while_calls_wait() {
    let log = Log::default();
    let shares = WeightedFair::new([("a", 1), ("b", 1)]).expect("in range");
    let classes = shares.class_names().clone();
    let share = move |call: &Call| Ok(Share::new(classes.named(call.0)?, 1));
    let line = PriorityLayer::new(1, shares, share).expect("there is a seat");
    let mut service = line.layer(slow(&log));
    let calls: Vec<_> =
        (0..6).flat_map(|n| [("a", n), ("b", 10 + n)]).map(|call| tokio::spawn(service.call(call))).collect();
    service.retune(|shares| shares.set_weight("b", 3).expect("in range")).expect("the classes stay");
    let others = WeightedFair::new([("a", 1)]).expect("in range");
    assert!(service.retune(|shares| *shares = others).is_err());
    for call in calls {
        assert!(call.await.expect("no panic").is_ok());
    }
    assert_eq!(log.lock().expect("nobody panics")[..8], [0, 10, 11, 12, 1, 13, 14, 15]);
}

#[tokio::test(start_paused = true)]
async fn caller_that_leaves_frees_its_place_or_its_seat() {
    let log = Log::default();
    let line = PriorityLayer::new(1, Strict::levels(), by_name).expect("there is a seat");
    let seats = line.seats().clone();
    let mut service = line.layer(slow(&log));
    let running = tokio::spawn(service.call(("low", 0)));
    tokio::time::sleep(Duration::from_millis(10)).await;
    let mut leaves = Driver::new(service.call(("high", 1)));
    leaves.assert_pending();
    let stays = tokio::spawn(service.call(("low", 2)));
    drop(leaves);
    assert_eq!(service.class_stats()[0].waiting, 0);
    running.abort();
    assert!(matches!(stays.await.expect("no panic"), Ok(2)));
    assert_eq!(*log.lock().expect("nobody panics"), [0, 2]);
    assert_eq!(seats.taken(), 0);
}

#[tokio::test(start_paused = true)]
async fn call_that_is_too_late_ends_as_expired() {
    let log = Log::default();
    let within = |call: &Call| Ok(Within::of(Duration::from_millis(call.1.into())));
    let line = Deadline::new(Duration::from_secs(1)).missed(Missed::GiveUp);
    let mut service = PriorityLayer::new(1, line, within).expect("there is a seat").layer(slow(&log));
    let running = tokio::spawn(service.call(("x", 10)));
    tokio::time::sleep(Duration::from_millis(1)).await;
    let (late, in_time) = (tokio::spawn(service.call(("x", 50))), tokio::spawn(service.call(("x", 300))));
    assert!(running.await.expect("no panic").is_ok());
    assert!(matches!(late.await.expect("no panic"), Err(QueueError::Expired(("x", 50)))));
    assert!(in_time.await.expect("no panic").is_ok());
    assert_eq!(
        (service.class_stats()[0].expired, service.stats().expired, service.stats().dropped),
        (1, 1, 1)
    );
}

/// The line of one seat, which a call has for 100 ms from the beginning; those that wait say how many milliseconds they may.
async fn one_seat_and_deadlines(
    log: &Log,
    lead: u64,
) -> impl Service<Call, Response = u32, Error = QueueError<String, Call>, Future: Send + 'static> + use<> {
    let within = |call: &Call| Ok(Within::of(Duration::from_millis(call.1.into())));
    let line = Deadline::new(Duration::from_secs(1)).missed(Missed::GiveUp).lead(Duration::from_millis(lead));
    let mut service = PriorityLayer::new(1, line, within).expect("there is a seat").layer(slow(log));
    tokio::spawn(service.call(("x", 900)));
    tokio::time::sleep(Duration::from_millis(1)).await;
    service
}

/// After how many milliseconds a call has ended as expired.
async fn expires(call: impl Future<Output = Result<u32, QueueError<String, Call>>>) -> u128 {
    let began = tokio::time::Instant::now();
    assert!(matches!(call.await, Err(QueueError::Expired(_))));
    began.elapsed().as_millis()
}

#[tokio::test(start_paused = true)]
async fn call_that_becomes_too_late_is_told_at_once_and_not_when_a_seat_comes_free() {
    let log = Log::default();
    let mut service = one_seat_and_deadlines(&log, 0).await;
    let later = tokio::spawn(expires(service.call(("x", 60))));
    tokio::time::sleep(Duration::from_millis(10)).await;
    // It comes later, and is too late sooner.
    let sooner = tokio::spawn(expires(service.call(("x", 20))));
    let waits = tokio::spawn(service.call(("x", 300)));
    assert!((20..=22).contains(&sooner.await.expect("no panic")));
    assert!((60..=62).contains(&later.await.expect("no panic")));
    assert!(waits.await.expect("no panic").is_ok());
    assert_eq!(*log.lock().expect("nobody panics"), [900, 300]);
}

#[tokio::test(start_paused = true)]
async fn change_by_which_calls_are_too_late_sooner_is_told_at_once() {
    let within = |call: &Call| Ok(Within::of(Duration::from_millis(call.1.into())));
    let line = Deadline::new(Duration::from_secs(1)).missed(Missed::GiveUp);
    let line = PriorityLayer::new(1, line, within).expect("there is a seat");
    let mut service = line.layer(slow(&Log::default()));
    tokio::spawn(service.call(("x", 900)));
    tokio::time::sleep(Duration::from_millis(1)).await;
    let waits = tokio::spawn(expires(service.call(("x", 60))));
    tokio::time::sleep(Duration::from_millis(10)).await;
    service.retune(|line| *line = line.clone().lead(Duration::from_millis(40))).expect("there are none");
    assert!((20..=22).contains(&waits.await.expect("no panic")));
}

#[tokio::test(start_paused = true)]
async fn call_whose_deadline_cannot_be_met_from_the_first_fails_at_once() {
    let log = Log::default();
    let mut service = one_seat_and_deadlines(&log, 50).await;
    let waits = Driver::new(service.call(("x", 500)));
    assert!(expires(service.call(("x", 30))).await <= 2, "it takes 50 ms to serve one");
    drop(waits);
    assert!((10..=12).contains(&expires(service.call(("x", 60))).await));
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert!(expires(service.call(("x", 30))).await == 0, "also with a seat free");
    assert_eq!(*log.lock().expect("nobody panics"), [900]);
}

/// Two seats, and what it was told.
struct Told(Arc<Mutex<Vec<(CallEnd, usize)>>>);

impl Limit for Told {
    fn seats(&self) -> usize {
        2
    }

    fn update(&mut self, sample: &Sample, _: Tick) {
        assert!(sample.rtt <= Duration::from_millis(100));
        self.0.lock().expect("nobody panics").push((sample.end, sample.in_flight));
    }
}

#[tokio::test(start_paused = true)]
async fn limit_learns_how_calls_ended() {
    let told = Arc::new(Mutex::new(Vec::new()));
    let line = PriorityLayer::with_seats(Seats::by(Told(told.clone())), Strict::levels(), by_name);
    let mut service = line.layer(slow(&Log::default()));
    let calls = [("low", 1), ("low", 1000), ("low", 2)].map(|call| tokio::spawn(service.call(call)));
    tokio::time::sleep(Duration::from_millis(150)).await;
    calls[2].abort();
    tokio::time::sleep(Duration::from_millis(1)).await;
    let mut told = told.lock().expect("nobody panics").clone();
    told.sort_by_key(|(end, _)| format!("{end:?}"));
    let ends: Vec<_> = told.iter().map(|(end, _)| *end).collect();
    assert_eq!(ends, [CallEnd::Ignore, CallEnd::Overload, CallEnd::Success]);
}

/// Panics when it is told how a call ended.
#[derive(Debug)]
struct Panics;

impl Limit for Panics {
    fn seats(&self) -> usize {
        1
    }

    fn update(&mut self, _: &Sample, _: Tick) {
        panic!("a limit may");
    }
}

#[tokio::test(start_paused = true)]
async fn a_limit_that_panics_keeps_no_seat_of_a_call_that_was_cancelled() {
    let seats = Seats::by(Panics);
    let line = PriorityLayer::with_seats(seats.clone(), Strict::levels(), by_name);
    let mut service = line.layer(slow(&Log::default()));
    let call = tokio::spawn(service.call(("low", 1000)));
    tokio::time::sleep(Duration::from_millis(1)).await;
    assert_eq!(seats.taken(), 1);
    call.abort();
    tokio::time::sleep(Duration::from_millis(1)).await;
    assert_eq!(seats.taken(), 0);
    seats.set(1).expect("there is a seat");
    assert!(service.call(("low", 1)).await.is_ok());
}

/// One seat more for each call that begins.
struct Grows(usize);

impl Limit for Grows {
    fn seats(&self) -> usize {
        self.0
    }

    fn started(&mut self, _: usize) {
        self.0 += 1;
    }

    fn update(&mut self, _: &Sample, _: Tick) {}
}

#[test]
fn seat_that_comes_with_the_beginning_of_a_call_is_told() {
    let seats = Seats::by(Grows(1));
    let mut first = Seated::new(service_fn(async |n: u32| Ok::<_, ()>(n)), seats.clone(), ByResult);
    let mut second = first.clone();
    let counter = CountingWaker::new();
    let waker = counter.waker();
    let is_ready = |seated: &mut Seated<_, _>| {
        Service::<u32>::poll_ready(seated, &mut Context::from_waker(&waker)).is_ready()
    };
    assert!(is_ready(&mut first) && !is_ready(&mut second));
    let call = first.call(1);
    assert_eq!(counter.wakes(), 1, "it need not wait for the end of the call");
    assert!(is_ready(&mut second));
    drop(call);
}

/// Panics when it is called, or when it is dropped uncalled.
struct Bomb;

impl Wake for Bomb {
    fn wake(self: Arc<Self>) {
        std::mem::forget(self);
        panic!("a waker may");
    }
}

impl Drop for Bomb {
    fn drop(&mut self) {
        panic!("a waker may, at its end, too");
    }
}

/// Panics when it is dropped.
struct PanicsAtItsEnd;

impl Limit for PanicsAtItsEnd {
    fn seats(&self) -> usize {
        1
    }

    fn update(&mut self, _: &Sample, _: Tick) {}
}

impl Drop for PanicsAtItsEnd {
    fn drop(&mut self) {
        panic!("a limit may, at its end, too");
    }
}

#[test]
fn all_hear_of_a_seat_whatever_the_wakers_of_others_do() {
    let echo = service_fn(async |n: u32| Ok::<_, ()>(n));
    let is_ready = |seated: &mut Seated<_, _>, waker: &Waker| {
        Service::<u32>::poll_ready(seated, &mut Context::from_waker(waker)).is_ready()
    };
    for set in [false, true] {
        let seats = if set { Seats::by(PanicsAtItsEnd) } else { Seats::new(1).expect("there is a seat") };
        let mut first = Seated::new(echo, seats.clone(), ByResult);
        let (mut second, mut third) = (first.clone(), first.clone());
        assert!(is_ready(&mut first, Waker::noop()));
        let mut first = Some(first);
        assert!(!is_ready(&mut second, &Waker::from(Arc::new(Bomb))));
        let mut leaves = second.clone();
        assert!(!is_ready(&mut leaves, &Waker::from(Arc::new(Bomb))));
        drop(leaves);
        let counter = CountingWaker::new();
        assert!(!is_ready(&mut third, &counter.waker()));
        let told = catch_unwind(AssertUnwindSafe(|| match set {
            true => seats.set(2).expect("there are two seats"),
            false => drop(first.take()),
        }));
        assert_eq!((told.is_ok(), counter.wakes()), (true, 1));
    }
}

#[tokio::test]
async fn handles_and_futures_cross_threads() {
    fn send<T: Send>(_: &T) {}
    let line = PriorityLayer::new(1, Strict::levels(), by_name).expect("there is a seat");
    let service: Queue<Seated<_>, Call, _> = line.layer(slow(&Log::default()));
    send(&service);
    send(&service.oneshot(("low", 1)));
}

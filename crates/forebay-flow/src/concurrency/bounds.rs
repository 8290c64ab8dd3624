//! What holds of each limit, whatever it is told.

use std::time::Duration;

use forebay_queue::{CallEnd, Limit, Sample};
use proptest::collection::vec;
use proptest::prelude::*;

use super::{Aimd, AimdConfig, Gradient2, Gradient2Config, RttBand, RttBandConfig, Vegas, VegasConfig};

const MAX: usize = 40;

fn limits() -> [(&'static str, Box<dyn Limit>); 4] {
    let aimd = Aimd::try_new(AimdConfig { max: MAX, ..AimdConfig::default() });
    let gradient2 = Gradient2::try_new(Gradient2Config { max: MAX, ..Gradient2Config::default() });
    let vegas = Vegas::try_new(VegasConfig { max: MAX, ..VegasConfig::default() });
    let band = RttBand::try_new(RttBandConfig { max: MAX, ..RttBandConfig::default() });
    [
        ("aimd", Box::new(aimd.expect("in range"))),
        ("gradient2", Box::new(gradient2.expect("in range"))),
        ("vegas", Box::new(vegas.expect("in range"))),
        ("rtt band", Box::new(band.expect("in range"))),
    ]
}

proptest! {
    #[test]
    fn each_stays_within_its_bounds_and_recovers(
        calls in vec(
            (
                any::<u64>(),
                prop_oneof![0..3_u64, 1_000..2_000_000_000_u64, any::<u64>()],
                prop_oneof![0..2 * MAX, Just(usize::MAX)],
                prop_oneof![Just(CallEnd::Success), Just(CallEnd::Overload), Just(CallEnd::Ignore)],
            ),
            0..200,
        ),
    ) {
        for (name, mut limit) in limits() {
            for &(now, rtt, in_flight, end) in &calls {
                limit.started(in_flight);
                let before = limit.seats();
                limit.update(&Sample { rtt: Duration::from_nanos(rtt), in_flight, end }, now);
                prop_assert!((1..=MAX).contains(&limit.seats()), "{name}: {}", limit.seats());
                prop_assert!(end != CallEnd::Ignore || limit.seats() == before, "{name} was told nothing");
            }
            // Then all is well for long.
            let mut now = 0;
            for _ in 0..30_000 {
                now += 20_000_000;
                let (rtt, in_flight) = (Duration::from_millis(1), limit.seats());
                limit.started(in_flight);
                limit.update(&Sample { rtt, in_flight, end: CallEnd::Success }, now);
            }
            prop_assert!(limit.seats() > MAX / 2, "{name} is stuck at {}", limit.seats());
        }
    }
}

/// Callers that fill it, in front of a service that takes 10 ms whatever the load and fails each so many calls for reasons of its
/// own. The mean of what it was in the second half of 1000 flights.
fn mean_where_each_fails(limit: &mut dyn Limit, each: usize) -> f64 {
    const FLIGHTS: usize = 1000;
    const RTT: Duration = Duration::from_millis(10);
    let (mut now, mut calls, mut sum) = (0, 0, 0);
    for flight in 0..FLIGHTS {
        let in_flight = limit.seats();
        sum += if flight < FLIGHTS / 2 { 0 } else { in_flight };
        for call in 0..in_flight {
            calls += 1;
            let end = if calls % each == 0 { CallEnd::Overload } else { CallEnd::Success };
            let at = now + RTT.as_nanos() as u64 * (call + 1) as u64 / in_flight as u64;
            limit.update(&Sample { rtt: RTT, in_flight, end }, at);
        }
        now += RTT.as_nanos() as u64;
    }
    sum as f64 / (FLIGHTS / 2) as f64
}

#[test]
fn errors_that_have_nothing_to_do_with_the_load_do_not_take_a_limit_by_latency_down() {
    let gradient2 = Gradient2::try_new(Gradient2Config { max: 100, ..Gradient2Config::default() });
    let gradient2 = mean_where_each_fails(&mut gradient2.expect("in range"), 33);
    let vegas = Vegas::try_new(VegasConfig { max: 100, ..VegasConfig::default() });
    let vegas = mean_where_each_fails(&mut vegas.expect("in range"), 10);
    assert!(gradient2 > 50.0 && vegas > 50.0, "{gradient2} and {vegas} of 100");
}

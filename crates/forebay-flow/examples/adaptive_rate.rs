//! A client that does not know how often it may call, and finds out.
//!
//! The server allows 60 calls a second and ten at once, then 20 a second, and says so to nobody; it refuses what is too much. Time
//! is simulated, so it runs in a moment: `cargo run -p forebay-flow --example adaptive_rate`

#![expect(clippy::print_stdout, reason = "it shows something to a person")]

use std::time::Duration;

use forebay_flow::layer::AdaptiveRateLayer;
use forebay_flow::rate::{Answer, FeedbackRate};
use forebay_flow::{Rate, TokenBucket};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until};
use tower::{Service, ServiceBuilder, ServiceExt, service_fn};

#[tokio::main(flavor = "current_thread", start_paused = true)]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let begin = Instant::now();
    let mut allows = TokenBucket::new(Rate::per_second(60)).with_burst(10);
    let server = service_fn(move |_: u32| {
        let now = begin.elapsed();
        if now >= Duration::from_secs(12) {
            allows.set_rate(Rate::per_second(20), 10, now.as_nanos() as u64);
        }
        let taken = allows.take(1, now.as_nanos() as u64);
        async move {
            sleep(Duration::from_millis(15)).await;
            Ok::<u16, ()>(if taken.is_ok() { 200 } else { 429 })
        }
    });

    let rate =
        AdaptiveRateLayer::new(FeedbackRate::new(42)).judge(|status: Result<&u16, &()>| match status {
            Ok(429) => Answer::refused(),
            _ => Answer::served(),
        });
    let handle = rate.handle();
    let mut client = ServiceBuilder::new().layer(rate).service(server);
    tokio::spawn(async move {
        let mut calls = JoinSet::new();
        for n in 0.. {
            let Ok(ready) = client.ready().await else { break };
            calls.spawn(ready.call(n));
            while calls.try_join_next().is_some() {}
        }
    });

    println!("second  served  refused  a second");
    let mut before = handle.stats();
    for second in (2..=30).step_by(2) {
        sleep_until(begin + Duration::from_secs(second)).await;
        let stats = handle.stats();
        let (served, refused) = (stats.served - before.served, stats.overloads - before.overloads);
        println!("{second:6}  {served:6}  {refused:7}  {:8.1}", stats.per_second);
        before = stats;
    }
    Ok(())
}

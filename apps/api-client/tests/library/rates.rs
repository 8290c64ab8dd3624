use std::sync::Mutex;
use std::time::Duration;

use api_client::{BuildError, Client, RateChoice};
use forebay::flow::{Rate, TokenBucket};
use futures_util::future::join_all;
use tokio::time::Instant;

use crate::clock::in_steps;
use crate::server::{Server, ok, status};

/// Allows so many a second, and some at once. Every other request is late by so much.
async fn limited(rate: u64, burst: u64, late: Duration) -> Server {
    let bucket = Mutex::new(TokenBucket::new(Rate::per_second(rate)).with_burst(burst));
    let began = Instant::now();
    Server::start(move |hit| {
        let late = if hit.number % 2 == 0 { late } else { Duration::ZERO };
        let taken = bucket.lock().expect("nobody panics").take(1, (began.elapsed() + late).as_nanos() as u64);
        if taken.is_ok() { ok("x") } else { status(429) }
    })
    .await
}

#[tokio::test]
async fn a_known_limit_is_used_up_and_never_exceeded() {
    // Late by less than the one that is kept in reserve.
    let server = limited(10, 10, Duration::from_millis(50)).await;
    let client = Client::builder().rate("10/s").burst(10).build().expect("it is valid");
    let began = Instant::now();
    let answers = in_steps(join_all((0..25).map(|_| client.get(server.url("/")).send()))).await;
    assert!(answers.iter().all(Result::is_ok));
    assert_eq!(server.refused(), 0);
    // Ideal are 1.5 seconds, and the reserve costs a tenth.
    assert!(began.elapsed() < Duration::from_millis(1800), "{:?}", began.elapsed());
}

#[tokio::test]
async fn an_unknown_limit_is_found() {
    let server = limited(50, 10, Duration::ZERO).await;
    let client = Client::builder().auto().build().expect("it is valid");
    let began = Instant::now();
    let answers = in_steps(join_all((0..300).map(|_| client.get(server.url("/")).send()))).await;
    assert!(answers.iter().all(Result::is_ok));
    assert!(server.refused() <= 3, "{} refused", server.refused());
    assert!(began.elapsed().as_secs_f64() < 1.3 * 290.0 / 50.0, "{:?}", began.elapsed());
    let found = client.hosts()[0].limit.expect("it was refused");
    // After two or three refusals.
    assert!((42.0..58.0).contains(&found), "{found}");
}

#[tokio::test]
async fn ten_a_second_are_sent_where_nothing_was_said() {
    let server = Server::start(|_| ok("x")).await;
    let client = Client::builder().build().expect("it is valid");
    in_steps(join_all((0..6).map(|_| client.get(server.url("/")).send()))).await;
    let hits = server.hits();
    let took = hits[5].at - hits[0].at;
    assert!((450..700).contains(&took.as_millis()), "{took:?}");
}

#[tokio::test]
async fn what_was_learnt_before_is_where_it_begins() {
    let server = Server::start(|_| ok("x")).await;
    let client =
        Client::builder().auto().seed_rate(server.address.to_string(), 200.0).build().expect("it is valid");
    client.get(server.url("/")).send().await.expect("it is answered");
    let host = &client.hosts()[0];
    assert!((170.0..=200.0).contains(&host.per_second), "{host:?}");
    assert_eq!(host.limit, Some(200.0), "nothing else was found");
}

#[test]
fn rates_are_written_as_people_do() {
    let fixed = |num, seconds| RateChoice::Fixed(Rate::new(num, Duration::from_secs(seconds)));
    for (text, rate) in [
        ("50/s", fixed(50, 1)),
        ("600/m", fixed(600, 60)),
        ("7/h", fixed(7, 3600)),
        ("auto", RateChoice::Auto),
    ] {
        assert_eq!(text.parse::<RateChoice>().expect("it is a rate"), rate);
    }
    for text in ["", "50", "0/s", "-1/s", "1.5/s", "50/d", "50 /s", "Auto"] {
        assert!(matches!(Client::builder().rate(text).build(), Err(BuildError::Rate(_))), "{text}");
    }
}

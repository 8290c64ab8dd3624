use std::time::Duration;

use api_client::{Client, Failure, Reason, Response};
use axum::body::{Body, Bytes};
use futures_util::future::join_all;
use futures_util::stream;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::clock::in_steps;
use crate::server::{Server, held, ok, silent, with_header};

#[tokio::test]
async fn a_deadline_ends_waiting_and_attempts() {
    let server = Server::start(|_| silent()).await;
    let client = Client::builder().rate("1000/s").concurrency(1).build().expect("it is valid");
    let began = Instant::now();
    let send = |millis| client.get(server.url("/")).deadline(Duration::from_millis(millis)).send();
    let (first, second) = in_steps(async { tokio::join!(send(300), send(150)) }).await;
    assert!(began.elapsed() < Duration::from_secs(2));
    let (first, second) = (first.expect_err("late"), second.expect_err("late"));
    assert!(matches!((&first.reason, &second.reason), (Reason::Deadline, Reason::Deadline)));
    assert_eq!((first.attempts, second.attempts), (1, 0));
}

#[tokio::test]
async fn a_request_that_is_dropped_is_not_sent() {
    let server = Server::start(|_| ok("x")).await;
    let client = Client::builder().rate("20/s").build().expect("it is valid");
    client.get(server.url("/first")).send().await.expect("it is answered");
    let mut left = Box::pin(client.get(server.url("/left")).send());
    assert!(futures_util::future::FutureExt::now_or_never(&mut left).is_none());
    drop(left);
    client.get(server.url("/last")).send().await.expect("it is answered");
    let paths: Vec<_> = server.hits().into_iter().map(|hit| hit.path).collect();
    assert_eq!(paths, ["/first", "/last"]);
    assert_eq!((client.hosts()[0].waiting, client.hosts()[0].in_flight), (0, 0));
}

#[tokio::test]
async fn what_is_on_its_way_is_finished_and_what_waits_is_told() {
    let (open, gate) = watch::channel(false);
    let server = Server::start(move |_| held(&gate)).await;
    let client = Client::builder().rate("1000/s").burst(10).concurrency(2).build().expect("it is valid");
    let calls: Vec<_> = (0..5).map(|_| tokio::spawn(client.get(server.url("/")).send())).collect();
    server.until(2).await;
    client.close();
    client.close();
    let late = client.get(server.url("/")).send().await.expect_err("it is closed");
    assert!(matches!(late.reason, Reason::Closed));
    let draining = tokio::spawn({
        let client = client.clone();
        async move { client.drain(Duration::from_secs(10)).await }
    });
    open.send(true).expect("it waits");
    assert_eq!(draining.await.expect("no panic").aborted, 0);
    let ends: Vec<_> = join_all(calls).await.into_iter().map(|end| end.expect("no panic")).collect();
    assert_eq!(ends.iter().filter(|end| end.is_ok()).count(), 2);
    let failures = ends.iter().filter_map(|end| end.as_ref().err());
    assert!(
        failures.clone().all(|failure| matches!(failure.reason, Reason::Closed) && failure.attempts == 0)
    );
    assert_eq!((failures.count(), server.hits().len()), (3, 2));
}

#[tokio::test]
async fn draining_has_an_end() {
    let server = Server::start(|_| silent()).await;
    let client = Client::builder().rate("1000/s").build().expect("it is valid");
    let call = tokio::spawn(client.get(server.url("/")).send());
    server.until(1).await;
    assert_eq!(client.drain(Duration::from_millis(50)).await.aborted, 1);
    let failure = call.await.expect("no panic").expect_err("it was cancelled");
    assert!(matches!(failure.reason, Reason::Closed));
    assert_eq!(failure.attempts, 1);
}

#[tokio::test]
async fn what_failed_is_not_tried_again_after_the_end() {
    let (open, gate) = watch::channel(false);
    let server = Server::start(move |_| {
        let mut gate = gate.clone();
        let breaks = stream::once(async move {
            let _ = gate.wait_for(|open| *open).await;
            Err::<Bytes, _>(std::io::Error::other("that is all"))
        });
        ok(Body::from_stream(breaks))
    })
    .await;
    let client = Client::builder().rate("1000/s").build().expect("it is valid");
    let call = tokio::spawn(client.get(server.url("/")).send());
    server.until(1).await;
    client.close();
    open.send(true).expect("it waits");
    let failure = call.await.expect("no panic").expect_err("it broke off");
    assert_eq!((failure.attempts, server.hits().len()), (1, 1));
}

/// Answers with a redirect to there once the gate is open.
async fn leads_later_to(to: String) -> (watch::Sender<bool>, std::net::SocketAddr, watch::Receiver<usize>) {
    let (open, gate) = watch::channel(false);
    let (came, coming) = watch::channel(0);
    let came = std::sync::Arc::new(came);
    let router = axum::Router::new().fallback(move || {
        let (mut gate, came, to) = (gate.clone(), came.clone(), to.clone());
        async move {
            came.send_modify(|count| *count += 1);
            let _ = gate.wait_for(|open| *open).await;
            with_header(302, "location", &to)
        }
    });
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("it is bound");
    tokio::spawn(async move { axum::serve(listener, router).await });
    (open, address, coming)
}

/// What becomes of a request that is on its way while its client is closed, and is then redirected.
async fn led_after_the_end(other: &Server) -> Result<Response, Failure> {
    let (open, address, mut coming) = leads_later_to(other.url("/")).await;
    let client = Client::builder().rate("1000/s").build().expect("it is valid");
    let call = tokio::spawn(client.get(format!("http://{address}/")).send());
    coming.wait_for(|&came| came == 1).await.expect("it listens");
    client.close();
    open.send(true).expect("it waits");
    call.await.expect("no panic")
}

#[tokio::test]
async fn a_redirect_of_what_is_on_its_way_is_followed_after_the_end() {
    let other = Server::start(|_| ok("there")).await;
    let answer = led_after_the_end(&other).await.expect("it is answered");
    assert_eq!((answer.text(), answer.attempts), (Some("there"), 2));
}

#[tokio::test]
async fn where_a_redirect_leads_nothing_is_tried_again_after_the_end() {
    // One of them says for how long to wait, which is shorter than an attempt.
    for answer in [|| with_header(429, "retry-after", "1"), || with_header(503, "x", "y")] {
        let other = Server::start(move |_| answer()).await;
        let failure = led_after_the_end(&other).await.expect_err("it was refused");
        assert!(matches!(failure.reason, Reason::Closed), "{failure:?}");
        assert_eq!((failure.attempts, failure.refused, other.hits().len()), (2, 1, 1));
    }
}

#[tokio::test]
async fn a_turn_that_is_far_away_is_not_waited_for_after_the_end() {
    let other = Server::start(|_| ok("there")).await;
    let (open, address, mut coming) = leads_later_to(other.url("/")).await;
    // The second request of an hour, where all hosts share its rate.
    let builder = Client::builder().rate("1/h").per_host(false).timeout(Duration::from_secs(1));
    let client = builder.build().expect("it is valid");
    let call = tokio::spawn(client.get(format!("http://{address}/")).send());
    coming.wait_for(|&came| came == 1).await.expect("it listens");
    client.close();
    open.send(true).expect("it waits");
    let ended = tokio::time::timeout(Duration::from_secs(20), call).await.expect("it does not wait");
    let failure = ended.expect("no panic").expect_err("an hour is long");
    assert!(matches!(failure.reason, Reason::Closed), "{failure:?}");
    assert_eq!(other.hits().len(), 0);
}

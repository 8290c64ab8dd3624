use std::time::{Duration, SystemTime};

use api_client::{Client, Reason};
use futures_util::future::join_all;
use tokio::time::Instant;

use crate::clock::in_steps;
use crate::server::{Server, ok, silent, status, with_header};

#[tokio::test]
async fn a_refusal_holds_up_everybody() {
    let server = Server::start(|hit| match hit.number {
        20 => with_header(429, "retry-after", "1"),
        _ => ok("x"),
    })
    .await;
    let client = Client::builder().rate("200/s").concurrency(4).build().expect("it is valid");
    let answers = in_steps(join_all((0..60).map(|_| client.get(server.url("/")).send()))).await;
    assert!(answers.iter().all(Result::is_ok));
    let hits = server.hits();
    let refused = hits[20].at;
    let during =
        hits.iter().filter(|hit| (refused..refused + Duration::from_millis(950)).contains(&hit.at)).count();
    // Itself, and what was on its way.
    assert!(during <= 1 + 4, "{during} came during the pause");
    assert_eq!(hits.len(), 61);
}

/// It was taken for one that takes too long, and was sent again without a pause, or not at all.
#[tokio::test]
async fn a_refusal_counts_although_its_body_does_not_end() {
    let server = Server::start(|hit| {
        let mut answer = if hit.number == 0 { silent() } else { ok("x") };
        if hit.number == 0 {
            *answer.status_mut() = axum::http::StatusCode::TOO_MANY_REQUESTS;
        }
        answer
    })
    .await;
    let client =
        Client::builder().rate("200/s").timeout(Duration::from_secs(20)).build().expect("it is valid");
    let began = Instant::now();
    let answer = client.post(server.url("/")).send().await.expect("it is answered");
    assert_eq!((answer.attempts, answer.refused), (2, 1));
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
}

#[tokio::test]
async fn a_date_is_as_good_as_seconds() {
    let until = SystemTime::now() + Duration::from_secs(2);
    let until = httpdate::fmt_http_date(until);
    let server = Server::start(move |hit| match hit.number {
        0 => with_header(503, "retry-after", &until),
        _ => ok("x"),
    })
    .await;
    let began = Instant::now();
    let client = Client::builder().rate("200/s").build().expect("it is valid");
    client.get(server.url("/")).send().await.expect("it is answered");
    // A date has whole seconds.
    assert!(began.elapsed() > Duration::from_millis(900), "{:?}", began.elapsed());
}

#[tokio::test]
async fn a_wait_that_is_too_long_fails_and_says_until_when() {
    let server = Server::start(|_| with_header(429, "retry-after", "3600")).await;
    let client =
        Client::builder().rate("200/s").max_wait(Duration::from_secs(60)).build().expect("it is valid");
    let began = SystemTime::now();
    let failure = client.get(server.url("/")).send().await.expect_err("it is too long");
    let Reason::WaitTooLong { wait, until } = failure.reason else { panic!("{failure}") };
    assert_eq!(wait, Duration::from_secs(3600));
    let error = until.duration_since(began).expect("it lies ahead").abs_diff(Duration::from_secs(3600));
    assert!(error < Duration::from_secs(5));
    assert_eq!(failure.attempts, 1);

    let failure = client.get(server.url("/")).send().await.expect_err("it is known");
    assert!(matches!(failure.reason, Reason::WaitTooLong { .. }), "{failure}");
    assert_eq!((failure.attempts, server.hits().len()), (0, 1), "nobody asks for what is known");
}

#[tokio::test]
async fn a_wait_beyond_all_clocks_is_too_long_like_any_other() {
    let server = Server::start(|_| with_header(503, "retry-after", "999999999999999")).await;
    let client = Client::builder().rate("200/s").build().expect("it is valid");
    let failure = client.get(server.url("/")).send().await.expect_err("it is too long");
    assert!(matches!(failure.reason, Reason::WaitTooLong { .. }), "{failure}");
}

#[tokio::test]
async fn who_waits_already_need_not_wait_for_what_is_too_long() {
    let server = Server::start(|hit| match hit.number {
        0..3 => ok("x"),
        _ => with_header(429, "retry-after", "3600"),
    })
    .await;
    let client =
        Client::builder().rate("20/s").max_wait(Duration::from_secs(60)).build().expect("it is valid");
    let began = Instant::now();
    let send = || client.get(server.url("/")).deadline(Duration::from_secs(20)).send();
    let answers = in_steps(join_all((0..200).map(|_| send()))).await;
    assert!(began.elapsed() < Duration::from_secs(5));
    let failed = answers.iter().filter_map(|answer| answer.as_ref().err());
    assert_eq!(failed.filter(|failure| matches!(failure.reason, Reason::WaitTooLong { .. })).count(), 197);
}

#[tokio::test]
async fn what_is_used_up_is_waited_for_before_a_refusal() {
    let server = Server::start(|hit| match hit.number {
        0 => with_header(200, "ratelimit", r#""default";r=0;t=1"#),
        _ => ok("x"),
    })
    .await;
    let client = Client::builder().auto().build().expect("it is valid");
    client.get(server.url("/")).send().await.expect("it is answered");
    client.get(server.url("/")).send().await.expect("it is answered");
    let hits = server.hits();
    assert!(hits[1].at - hits[0].at > Duration::from_millis(950));
}

/// It was asked again within a second, as often as a failure is.
#[tokio::test]
async fn a_failure_that_says_when_to_come_again_is_followed_by_everybody() {
    for failed in [408, 500, 502, 504] {
        let server = Server::start(move |hit| match hit.number {
            0 => with_header(failed, "retry-after", "1"),
            _ => ok("x"),
        })
        .await;
        let client = Client::builder().rate("200/s").build().expect("it is valid");
        let answer = client.get(server.url("/")).send().await.expect("it is answered");
        assert_eq!((answer.attempts, answer.refused), (2, 0), "it is no refusal");
        let hits = server.hits();
        assert!(hits[1].at - hits[0].at > Duration::from_millis(950), "{failed}");
    }
}

#[tokio::test]
async fn who_failed_and_said_so_is_not_sent_twice_what_cannot_be_done_twice() {
    let server = Server::start(|hit| match hit.number {
        0 => with_header(500, "retry-after", "1"),
        _ => ok("x"),
    })
    .await;
    let client = Client::builder().rate("200/s").build().expect("it is valid");
    let answer = client.post(server.url("/")).send().await.expect("it is answered");
    assert_eq!((answer.status.as_u16(), answer.attempts), (500, 1));
    // Whoever comes next waits all the same.
    client.get(server.url("/")).send().await.expect("it is answered");
    let hits = server.hits();
    assert!(hits[1].at - hits[0].at > Duration::from_millis(950));
}

#[tokio::test]
async fn a_failure_that_asks_for_too_long_a_wait_fails_with_the_time() {
    let server = Server::start(|_| with_header(502, "retry-after", "3600")).await;
    let client = Client::builder().rate("200/s").build().expect("it is valid");
    let failure = client.get(server.url("/")).send().await.expect_err("it is too long");
    assert!(matches!(failure.reason, Reason::WaitTooLong { .. }), "{failure}");
    assert_eq!(server.hits().len(), 1);
}

#[tokio::test]
async fn a_ban_is_a_refusal_where_it_says_until_when() {
    let server = Server::start(|hit| match hit.number {
        0 => with_header(403, "retry-after", "0"),
        1 => with_header(403, "x-ratelimit-remaining", "0"),
        _ => status(403),
    })
    .await;
    let client = Client::builder().rate("200/s").build().expect("it is valid");
    let answer = client.get(server.url("/")).send().await.expect("it is answered");
    assert_eq!((answer.status.as_u16(), answer.refused), (403, 2));
}

#[tokio::test]
async fn a_deadline_that_cannot_be_met_any_more_fails_at_once() {
    let server = Server::start(|hit| match hit.number {
        0 => with_header(429, "retry-after", "30"),
        _ => ok("x"),
    })
    .await;
    let client = Client::builder().rate("200/s").build().expect("it is valid");
    let began = Instant::now();
    let failure = client.get(server.url("/")).deadline(Duration::from_secs(20)).send().await;
    let failure = failure.expect_err("it cannot be met");
    let Reason::TooLate { wait } = failure.reason else { panic!("{failure}") };
    assert!(wait > Duration::from_secs(20) && wait <= Duration::from_secs(30), "{wait:?}");
    assert_eq!(failure.attempts, 1);

    let failure = client.get(server.url("/")).deadline(Duration::from_secs(10)).send().await;
    let failure = failure.expect_err("that is known");
    assert!(matches!(failure.reason, Reason::TooLate { .. }), "{failure}");
    assert_eq!((failure.attempts, server.hits().len()), (0, 1), "nobody asks in vain");
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
}

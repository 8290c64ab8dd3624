use std::time::Duration;

use api_client::{Client, Reason, Request};
use axum::http::Method;

use crate::clock::in_steps;
use crate::server::{Answer, Hit, Server, broken, ok, silent, status};

fn client() -> Client {
    Client::builder().rate("1000/s").retries(3).build().expect("it is valid")
}

/// One that does not wait for long. It is for what goes by in steps: a busy machine takes its time, too.
fn impatient() -> Client {
    let builder = Client::builder().rate("1000/s").timeout(Duration::from_millis(300)).retries(3);
    builder.build().expect("it is valid")
}

/// Fails the first time in one way, and is well after that.
async fn at_first(failure: impl Fn(&Hit) -> Answer + Send + Sync + 'static) -> Server {
    Server::start(move |hit| if hit.number == 0 { failure(hit) } else { ok("at last") }).await
}

#[tokio::test]
async fn a_body_that_broke_off_is_asked_for_again() {
    let server = at_first(|_| broken()).await;
    let answer = client().get(server.url("/")).send().await.expect("it is answered");
    assert_eq!((answer.text(), answer.attempts), (Some("at last"), 2));
}

#[tokio::test]
async fn what_takes_too_long_is_asked_for_again() {
    let server = at_first(|_| silent()).await;
    let answer = in_steps(impatient().get(server.url("/")).send()).await.expect("it is answered");
    assert_eq!((answer.text(), answer.attempts), (Some("at last"), 2));
}

#[tokio::test]
async fn a_server_that_failed_is_asked_again() {
    for failed in [408, 500, 502, 504] {
        let server = at_first(move |_| status(failed)).await;
        let answer = client().get(server.url("/")).send().await.expect("it is answered");
        assert_eq!((answer.text(), answer.attempts), (Some("at last"), 2), "{failed}");
    }
}

#[tokio::test]
async fn a_server_that_fails_always_has_the_last_word() {
    let server = Server::start(|_| status(500)).await;
    let answer = client().get(server.url("/")).send().await.expect("it is answered");
    assert_eq!((answer.status.as_u16(), answer.attempts), (500, 4));
}

#[tokio::test]
async fn what_cannot_be_done_twice_is_not_sent_twice() {
    for failure in [broken as fn() -> Answer, silent, || status(500), || status(502)] {
        let server = at_first(move |_| failure()).await;
        let _ = in_steps(impatient().post(server.url("/")).body("3 apples").send()).await;
        let _ = in_steps(impatient().request(Request::new(Method::PATCH, server.url("/")))).await;
        assert_eq!(server.hits().len(), 2, "each of them once");
    }
}

#[tokio::test]
async fn a_key_makes_it_safe_to_send_it_twice() {
    let server = at_first(|_| broken()).await;
    let sent = client().post(server.url("/")).body("3 apples").idempotency_key("order-77").send();
    assert_eq!(sent.await.expect("it is answered").attempts, 2);
    let keys = server
        .hits()
        .iter()
        .all(|hit| hit.headers["idempotency-key"] == "order-77" && &hit.body[..] == b"3 apples");
    assert!(keys, "each attempt is the same request");
}

#[tokio::test]
async fn what_was_refused_was_not_done_and_is_sent_again_whatever_it_is() {
    for refusal in [429, 503] {
        let server = at_first(move |_| status(refusal)).await;
        let answer = client().post(server.url("/")).body("3 apples").send().await.expect("it is answered");
        assert_eq!((answer.attempts, answer.refused), (2, 1));
    }
}

#[tokio::test]
async fn what_is_always_refused_fails_in_the_end() {
    let server = Server::start(|_| status(429)).await;
    let client = Client::builder().rate("1000/s").retries(2).build().expect("it is valid");
    let failure = client.get(server.url("/")).send().await.expect_err("it is refused");
    assert!(matches!(failure.reason, Reason::Refused { times: 3, .. }), "{failure}");
    assert_eq!((failure.attempts, failure.refused), (3, 3));
    assert_eq!(client.hosts()[0].refused, 3);
}

#[tokio::test]
async fn a_status_is_a_refusal_if_that_was_told() {
    let server = at_first(|_| status(420)).await;
    let told = [420.try_into().expect("it is a status")];
    let client = Client::builder().rate("1000/s").refused_when(told).build().expect("it is valid");
    let answer = client.post(server.url("/")).send().await.expect("it is answered");
    assert_eq!(answer.refused, 1);
}

#[tokio::test]
async fn no_connection_is_tried_again_and_then_told() {
    let port = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        listener.local_addr().expect("it is bound").port()
    };
    let sent = client().post(format!("http://127.0.0.1:{port}/")).send();
    let failure = sent.await.expect_err("nobody is there");
    assert!(matches!(failure.reason, Reason::Connect(_)), "{failure}");
    assert_eq!(failure.attempts, 4, "nothing was sent, so it may be tried again");
}

#[tokio::test]
async fn a_name_that_nobody_has_is_asked_for_once() {
    // No name server is asked, since a name does not begin like this.
    let failure = client().get("http://-nobody-.example/").send().await.expect_err("nobody is there");
    assert!(matches!(&failure.reason, Reason::NoHost { host } if host == "-nobody-.example"), "{failure}");
    assert_eq!((failure.attempts, failure.to_string()), (1, "there is no host -nobody-.example".to_owned()));
}

#[tokio::test]
async fn what_is_not_encrypted_is_not_asked_again() {
    let server = Server::start(|_| ok("x")).await;
    let failure = client().get(server.url("/").replace("http:", "https:")).send().await.expect_err("no TLS");
    assert!(matches!(failure.reason, Reason::Tls { .. }), "{failure:?}");
    assert_eq!(failure.to_string(), "cannot encrypt to 127.0.0.1: what it sends is not TLS");
    assert_eq!(failure.attempts, 1);
}

#[tokio::test]
async fn a_server_that_is_down_is_not_asked_by_everybody_again_and_again() {
    let server = Server::start(|_| status(500)).await;
    let client =
        Client::builder().rate("100000/s").burst(1000).retries(8).retry_budget(0.0).build().expect("valid");
    let answers = (0..300).map(|_| client.get(server.url("/")).send());
    in_steps(futures_util::future::join_all(answers)).await;
    // A hundred are there at the beginning, and ten more each second.
    assert!(server.hits().len() < 300 + 150, "{}", server.hits().len());
}

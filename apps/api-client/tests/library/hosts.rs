use std::time::Duration;

use api_client::Client;
use futures_util::future::join_all;
use tokio::time::Instant;

use crate::clock::in_steps;
use crate::server::{Server, ok, with_header};

#[tokio::test]
async fn each_host_has_a_rate_of_its_own() {
    let (one, other) = (Server::start(|_| ok("x")).await, Server::start(|_| ok("x")).await);
    let client = Client::builder().rate("20/s").build().expect("it is valid");
    let began = Instant::now();
    let urls = (0..20).flat_map(|_| [one.url("/"), other.url("/")]);
    in_steps(join_all(urls.map(|url| client.get(url).send()))).await;
    // One rate for both would take twice as long.
    assert!((940..1900).contains(&began.elapsed().as_millis()), "{:?}", began.elapsed());
    let names: Vec<_> = client.hosts().into_iter().map(|host| host.host).collect();
    let mut expected = [one.address.to_string(), other.address.to_string()];
    expected.sort();
    assert_eq!(names, expected);
}

#[tokio::test]
async fn all_hosts_share_one_rate_if_that_is_chosen() {
    let (one, other) = (Server::start(|_| ok("x")).await, Server::start(|_| ok("x")).await);
    let client = Client::builder().rate("20/s").per_host(false).build().expect("it is valid");
    let began = Instant::now();
    let urls = (0..5).flat_map(|_| [one.url("/"), other.url("/")]);
    in_steps(join_all(urls.map(|url| client.get(url).send()))).await;
    assert!(began.elapsed() > Duration::from_millis(440), "{:?}", began.elapsed());
    assert_eq!(client.hosts()[0].host, "*");
}

#[tokio::test]
async fn a_host_that_pauses_holds_up_no_other() {
    let pausing = Server::start(|_| with_header(429, "retry-after", "100")).await;
    let other = Server::start(|_| ok("x")).await;
    let client = Client::builder().rate("100/s").build().expect("it is valid");
    let waits = tokio::spawn(client.get(pausing.url("/")).send());
    while client.hosts().iter().all(|host| host.paused.is_none()) {
        tokio::task::yield_now().await;
    }
    client.get(other.url("/")).send().await.expect("it is answered");
    let paused: Vec<_> = client.hosts().into_iter().filter(|host| host.paused.is_some()).collect();
    assert_eq!(paused.len(), 1);
    assert_eq!((paused[0].host.clone(), paused[0].waiting), (pausing.address.to_string(), 1));
    waits.abort();
}

#[tokio::test]
async fn hosts_that_are_left_alone_are_forgotten_but_no_pause_is() {
    let server = Server::start(|hit| match hit.headers["host"].to_str() {
        Ok(host) if host.starts_with("pausing") => with_header(429, "retry-after", "100"),
        _ => ok("x"),
    })
    .await;
    let local = || ["127.0.0.1".parse().expect("it is an address")];
    let mut builder = Client::builder().resolve("pausing.test", local());
    for n in 0..1500 {
        builder = builder.resolve(&format!("n{n}.test"), local());
    }
    let client = builder.build().expect("it is valid");
    let waits = tokio::spawn(client.get(server.url_as("pausing.test", "/")).send());
    while client.hosts().iter().all(|host| host.paused.is_none()) {
        tokio::task::yield_now().await;
    }
    waits.abort();
    let _ = waits.await;
    for n in 0..1500 {
        client.get(server.url_as(&format!("n{n}.test"), "/")).send().await.expect("it is answered");
    }
    let hosts = client.hosts();
    assert!(hosts.len() <= 1024, "{}", hosts.len());
    assert!(hosts.iter().any(|host| host.host.starts_with("pausing.test") && host.paused.is_some()));
}

#[tokio::test]
async fn what_is_started_by_many_at_once_is_started_once() {
    let server = Server::start(|_| ok("x")).await;
    let client = Client::builder().rate("1000/s").build().expect("it is valid");
    assert!(client.hosts().is_empty(), "nothing is there before the first request");
    // More than the line has room for: 100. The others wait in their own futures.
    let calls = (0..250).map(|_| tokio::spawn(client.clone().get(server.url("/")).send()));
    for answer in join_all(calls).await {
        answer.expect("no panic").expect("it is answered");
    }
    assert_eq!((client.hosts().len(), server.hits().len()), (1, 250));
    client.get(server.url("/")).send().await.expect("it is answered");
    assert_eq!(client.hosts().len(), 1);
}

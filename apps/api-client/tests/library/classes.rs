use api_client::{Class, Classes, Client, Reason};
use futures_util::future::join_all;
use tokio::sync::watch;
use tower::ServiceExt as _;

use crate::server::{Server, held, ok};

/// Sends `/first`, and while that is on its way the others, in this order, each of a class. Returns the order in which they came.
async fn order(classes: Classes, others: &[(String, &str)]) -> Vec<String> {
    let (open, gate) = watch::channel(false);
    let server = Server::start(move |_| held(&gate)).await;
    let client =
        Client::builder().rate("1000/s").concurrency(1).classes(classes).build().expect("it is valid");
    let send = |path: &str, class: &str| tokio::spawn(client.get(server.url(path)).class(class).send());
    let mut calls = vec![send("/first", others[0].1)];
    server.until(1).await;
    for (at, (path, class)) in others.iter().enumerate() {
        calls.push(send(path, class));
        while client.hosts()[0].waiting <= at {
            tokio::task::yield_now().await;
        }
    }
    open.send(true).expect("it waits");
    for answer in join_all(calls).await {
        answer.expect("no panic").expect("it is answered");
    }
    server.hits().into_iter().map(|hit| hit.path).collect()
}

fn many(class: &'static str, num: usize) -> impl Iterator<Item = (String, &'static str)> {
    (0..num).map(move |number| (format!("/{class}/{number}"), class))
}

#[tokio::test]
async fn the_urgent_are_sent_first() {
    let others = ["low", "medium", "high"].map(|class| (format!("/{class}"), class));
    assert_eq!(order(Classes::default(), &others).await, ["/first", "/high", "/medium", "/low"]);
}

#[tokio::test]
async fn a_flood_of_low_requests_holds_a_high_one_up_by_one_at_most() {
    // More than the line has room for: those outside of it are served in the same order.
    let others: Vec<_> = many("low", 300).chain(many("high", 3)).collect();
    let order = order(Classes::default(), &others).await;
    // One may have been taken out of the line when the first was answered, before it was sent.
    let last = order.iter().position(|path| path == "/high/2").expect("it came");
    assert!(last <= 4, "the high ones were sent at {last} at the latest: {:?}", &order[..6]);
}

#[tokio::test]
async fn shares_are_kept_while_both_wait() {
    let shares = Classes::by_shares([("people", 3), ("robots", 1)]).expect("they are valid");
    let others: Vec<_> = many("robots", 40).chain(many("people", 40)).collect();
    let order = order(shares, &others).await;
    let people = order[2..42].iter().filter(|path| path.starts_with("/people")).count();
    assert!((28..=31).contains(&people), "{people} of 40 are people's");
}

#[tokio::test]
async fn a_class_that_there_is_not_fails_the_request_and_the_known_are_named() {
    let server = Server::start(|_| ok("x")).await;
    let client = Client::builder().build().expect("it is valid");
    let failure = client.get(server.url("/")).class("urgent").send().await.expect_err("there is none");
    let Reason::Class(unknown) = &failure.reason else { panic!("{failure}") };
    assert_eq!(unknown.to_string(), "unknown class \"urgent\", known are: high, medium, low");
    assert_eq!((failure.attempts, server.hits().len()), (0, 0));
}

#[tokio::test]
async fn in_a_stack_the_class_is_an_extension() {
    let server =
        tower::service_fn(|_: http::Request<()>| async { Ok::<_, std::io::Error>(http::Response::new(())) });
    let stack = Client::builder().stack(server).expect("it is valid");
    let ask = |class: &'static str| {
        let mut request = http::Request::new(());
        request.extensions_mut().insert(Class(class.into()));
        stack.clone().oneshot(request)
    };
    ask("low").await.expect("it is known");
    assert!(matches!(ask("later").await, Err(Reason::Class(_))));
}

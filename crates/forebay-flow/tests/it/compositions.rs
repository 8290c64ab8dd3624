//! Each layer in each of the places that stacks of tower have for it: it builds there, and does there what it does alone.
//!
//! What a layer does in such a place beyond that is in `stacks.rs`.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::error_handling::HandleErrorLayer;
use axum::routing::get;
use forebay_flow::layer::{
    AdaptiveRateLayer, BackpressureLayer, BoxError, ConcurrencyLimitLayer, FlowError, RateLimitLayer,
    ShedLayer,
};
use forebay_flow::rate::{Book, FeedbackRate, RatePolicy};
use forebay_flow::{Fixed, Limit, Rate, TokenBucket};
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Empty};
use tower::balance::p2c::Balance;
use tower::discover::ServiceList;
use tower::load::{CompleteOnResponse, PendingRequestsDiscover};
use tower::{Layer, Service, ServiceBuilder, ServiceExt, service_fn};

/// With a small burst and one permit, so that whoever keeps something for too long is seen to.
fn bucket() -> TokenBucket {
    TokenBucket::new(Rate::per_second(1000)).with_burst(2)
}

/// As a program has them that is told by its configuration which one to use.
fn limit_by_name() -> Box<dyn Limit> {
    Box::new(Fixed(1))
}

fn rate_by_name() -> Box<dyn RatePolicy> {
    Box::new(bucket())
}

/// Expands `$check` for each layer, in both modes where there are two.
macro_rules! each_layer {
    ($check:ident) => {
        $check!("concurrency", ConcurrencyLimitLayer::new(Fixed(1)));
        $check!("concurrency, queued", ConcurrencyLimitLayer::new(Fixed(1)).queued());
        $check!("concurrency, newest first", ConcurrencyLimitLayer::new(Fixed(1)).queued().newest_first());
        $check!("concurrency, by whichever policy", ConcurrencyLimitLayer::new(limit_by_name()));
        $check!("rate", RateLimitLayer::new(bucket()));
        $check!("rate, by whichever policy", RateLimitLayer::new(rate_by_name()));
        $check!("rate, queued", RateLimitLayer::new(bucket()).queued());
        $check!("adaptive rate", AdaptiveRateLayer::new(FeedbackRate::new(1)));
        $check!("adaptive rate, queued", AdaptiveRateLayer::new(FeedbackRate::new(1)).queued());
        $check!("backpressure", BackpressureLayer::default());
        $check!("backpressure, refusing", BackpressureLayer::default().refusing());
        $check!("shed", ShedLayer::new());
    };
}

#[tokio::test(start_paused = true)]
async fn load_shed_above_each_layer_sheds_none_while_there_is_room() {
    macro_rules! check {
        ($name:literal, $layer:expr) => {
            let mut service = ServiceBuilder::new()
                .load_shed()
                .map_err(FlowError::into_box)
                .layer($layer)
                .service(service_fn(async |n: u32| Ok::<_, Infallible>(n)));
            for n in 0..300 {
                let ready = service.ready().await.expect("load_shed is always ready");
                assert_eq!(ready.call(n).await.expect($name), n);
                // So that a rate has the next start.
                tokio::time::advance(Duration::from_millis(100)).await;
            }
        };
    }
    each_layer!(check);
}

#[tokio::test(start_paused = true)]
async fn timeout_above_each_layer_takes_along_what_it_gives_up() {
    macro_rules! check {
        ($name:literal, $layer:expr) => {
            let mut service = ServiceBuilder::new()
                .timeout(Duration::from_secs(1))
                .map_err(FlowError::into_box)
                .layer($layer)
                .service(service_fn(async |_: u32| std::future::pending::<Result<u32, Infallible>>().await));
            for n in 0..3 {
                let error = service.ready().await.expect($name).call(n).await.expect_err("it takes for ever");
                assert!(error.is::<tower::timeout::error::Elapsed>(), "{}: {error}", $name);
            }
        };
    }
    each_layer!(check);
}

/// Tries whatever failed once more.
#[derive(Clone)]
struct OnceMore(bool);

impl<E> tower::retry::Policy<u32, u32, E> for OnceMore {
    type Future = std::future::Ready<()>;

    fn retry(&mut self, _: &mut u32, result: &mut Result<u32, E>) -> Option<Self::Future> {
        (result.is_err() && std::mem::take(&mut self.0)).then(|| std::future::ready(()))
    }

    fn clone_request(&mut self, request: &u32) -> Option<u32> {
        Some(*request)
    }
}

#[tokio::test(start_paused = true)]
async fn retry_above_each_layer_goes_through_it_again() {
    macro_rules! check {
        ($name:literal, $layer:expr) => {
            let calls = Arc::new(AtomicUsize::new(0));
            let counted = calls.clone();
            let flaky = service_fn(move |n: u32| {
                let is_first = counted.fetch_add(1, Ordering::SeqCst) == 0;
                async move { if is_first { Err("flaky") } else { Ok(n) } }
            });
            let service = ServiceBuilder::new().retry(OnceMore(true)).layer($layer).service(flaky);
            assert_eq!(service.oneshot(7).await.expect($name), 7);
            assert_eq!(calls.load(Ordering::SeqCst), 2, "{}", $name);
        };
    }
    each_layer!(check);
}

#[tokio::test(start_paused = true)]
async fn balance_above_several_of_each_layer_has_everything_answered() {
    macro_rules! check {
        ($name:literal, $layer:expr) => {
            let services = [(); 2].map(|()| {
                ServiceBuilder::new()
                    .map_err(FlowError::into_box)
                    .layer($layer)
                    .service(service_fn(async |n: u32| Ok::<_, Infallible>(n)))
            });
            let discover = ServiceList::new(services);
            let loads = PendingRequestsDiscover::new(discover, CompleteOnResponse::default());
            let mut balance = Balance::new(loads);
            for n in 0..20 {
                let answer = balance.ready().await.expect("one is ready").call(n).await;
                assert_eq!(answer.expect($name), n);
            }
        };
    }
    each_layer!(check);
}

async fn internal_error(_: BoxError) -> StatusCode {
    StatusCode::INTERNAL_SERVER_ERROR
}

#[tokio::test(start_paused = true)]
async fn axum_lays_each_layer_around_its_routes() {
    macro_rules! check {
        ($name:literal, $layer:expr) => {
            let stack = ServiceBuilder::new()
                .layer(HandleErrorLayer::new(internal_error))
                .map_err(FlowError::<Infallible, _>::into_box)
                .layer($layer);
            let app = axum::Router::new()
                .route("/a", get(async || "a"))
                .route("/b", get(async || "b"))
                .layer(stack);
            for path in ["/a", "/b", "/a"] {
                let request = Request::get(path).body(axum::body::Body::empty()).expect("a request");
                let response = app.clone().oneshot(request).await.expect("infallible");
                assert_eq!(response.status(), StatusCode::OK, "{}", $name);
            }
        };
    }
    each_layer!(check);
}

#[tokio::test(start_paused = true)]
async fn hyper_serves_what_each_layer_is_around() {
    macro_rules! check {
        ($name:literal, $layer:expr) => {
            let page = service_fn(async |_: Request<hyper::body::Incoming>| {
                Ok::<_, Infallible>(http::Response::new("page".to_owned()))
            });
            let service = ServiceBuilder::new().map_err(FlowError::into_box).layer($layer).service(page);
            let (client, server) = tokio::io::duplex(1024);
            tokio::spawn(hyper::server::conn::http1::Builder::new().serve_connection(
                hyper_util::rt::TokioIo::new(server),
                hyper_util::service::TowerToHyperService::new(service),
            ));
            let client = hyper_util::rt::TokioIo::new(client);
            let (mut sender, connection) =
                hyper::client::conn::http1::handshake(client).await.expect("the server is there");
            tokio::spawn(connection);
            for _ in 0..3 {
                let request = Request::get("/").header("host", "here").body(Empty::<bytes::Bytes>::new());
                let response = sender.send_request(request.expect("a request")).await.expect($name);
                assert_eq!(response.into_body().collect().await.expect("a body").to_bytes(), "page");
            }
        };
    }
    each_layer!(check);
}

/// A client as `reqwest::Client` is one: cloned for each call, always ready, a boxed future, its own error.
#[derive(Clone)]
struct Client;

impl Service<Request<String>> for Client {
    type Response = http::Response<String>;
    type Error = std::io::Error;
    type Future =
        std::pin::Pin<Box<dyn Future<Output = Result<http::Response<String>, std::io::Error>> + Send>>;

    fn poll_ready(&mut self, _: &mut std::task::Context<'_>) -> std::task::Poll<Result<(), std::io::Error>> {
        std::task::Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<String>) -> Self::Future {
        Box::pin(async move {
            match request.into_body() {
                body if body.is_empty() => Err(std::io::Error::other("nothing in it")),
                body => Ok(http::Response::new(body)),
            }
        })
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_of_http_below_each_layer_keeps_its_answers_and_its_errors() {
    macro_rules! check {
        ($name:literal, $layer:expr) => {
            let client = $layer.layer(Client);
            let answer = client.clone().oneshot(Request::new("four".to_owned())).await.expect($name);
            assert_eq!(answer.into_body(), "four");
            let error: FlowError<std::io::Error, Request<String>> =
                client.oneshot(Request::new(String::new())).await.expect_err("nothing in it");
            assert!(matches!(&error, FlowError::Inner(inner) if inner.to_string() == "nothing in it"), "{}", $name);
        };
    }
    each_layer!(check);
}

/// Reserved, `ready` waits for room; queued, the answer does: either way the producer goes no faster than the queue.
#[tokio::test(start_paused = true)]
async fn a_queue_below_each_layer_is_backpressure_for_its_producer() {
    macro_rules! check {
        ($name:literal, $layer:expr) => {
            let (tx, mut rx) = forebay_queue::bounded(1);
            let mut producer = $layer.layer(tx);
            producer.ready().await.expect("it is open").call('a').await.expect("there is room");
            let mut second = tokio_test::task::spawn(async move {
                producer.ready().await.expect("it is open").call('b').await.expect("somebody receives")
            });
            assert!(second.poll().is_pending());
            // No rate is in the way any more: what holds it up is the queue.
            tokio::time::advance(Duration::from_secs(10)).await;
            assert!(second.poll().is_pending(), "{}: the queue is full", $name);
            assert_eq!(rx.recv().await, Some('a'));
            assert!(second.is_woken(), "{}", $name);
            second.await;
            assert_eq!(rx.recv().await, Some('b'));
        };
    }
    each_layer!(check);
}

#[test]
fn a_policy_in_a_box_saves_what_it_does_by_itself() {
    assert!(!limit_by_name().uses_samples(), "no clock is read for it");
    let boxed: Box<dyn RatePolicy> = Box::new(bucket().with_burst(1280));
    assert_eq!(boxed.credit(0), 10, "nor for each start");
}

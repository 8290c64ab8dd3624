//! The layers between others of tower's, and under what others build on tower.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::error_handling::HandleErrorLayer;
use axum::routing::get;
use forebay_flow::layer::{
    AdaptiveRateLayer, BackpressureLayer, ByStatus, ConcurrencyLimitLayer, FlowError, RateLimitLayer,
    Refused, ShedLayer, Why,
};
use forebay_flow::rate::FeedbackRate;
use forebay_flow::{Fixed, Rate, TokenBucket};
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Empty};
use tower::balance::p2c::Balance;
use tower::discover::ServiceList;
use tower::load::{CompleteOnResponse, PendingRequestsDiscover};
use tower::{BoxError, Layer, Service, ServiceBuilder, ServiceExt, service_fn};

fn echo() -> impl Service<u32, Response = u32, Error = Infallible, Future: Send> + Clone + Send + 'static {
    service_fn(async |n: u32| Ok::<_, Infallible>(n))
}

#[tokio::test]
async fn load_shed_above_a_limit_that_is_used_up_sheds() {
    let limit = ConcurrencyLimitLayer::new(Fixed(1));
    let handle = limit.handle();
    let mut service = ServiceBuilder::new().load_shed().layer(limit).service(echo());
    let first = service.ready().await.expect("always").call(1);
    let second = service.ready().await.expect("always").call(2);
    let error = second.await.expect_err("used up");
    assert!(error.is::<tower::load_shed::error::Overloaded>());
    assert_eq!(first.await.expect("it was admitted"), 1);
    assert_eq!(service.ready().await.expect("always").call(3).await.expect("there is room again"), 3);
    drop(service);
    assert_eq!(handle.in_use(), 0);
}

#[tokio::test(start_paused = true)]
async fn timeout_above_a_limit_takes_the_waiting_along() {
    let limit = ConcurrencyLimitLayer::new(Fixed(1)).queued();
    let handle = limit.handle();
    let stuck = service_fn(async |_: u32| std::future::pending::<Result<u32, Infallible>>().await);
    let service = ServiceBuilder::new()
        .timeout(Duration::from_secs(1))
        .map_err(FlowError::into_box)
        .layer(limit)
        .service(stuck);
    let calls = [service.clone().oneshot(1), service.clone().oneshot(2)].map(tokio::spawn);
    for call in calls {
        let error = call.await.expect("no panic").expect_err("too slow");
        assert!(error.is::<tower::timeout::error::Elapsed>());
    }
    let stats = handle.stats();
    assert_eq!((stats.in_use, stats.waiting), (0, 0), "both ran out of the same second");
}

/// One start each 100 ms.
fn spaced() -> RateLimitLayer<TokenBucket> {
    RateLimitLayer::new(TokenBucket::new(Rate::per_second(10)))
}

#[tokio::test(start_paused = true)]
async fn reserved_a_limit_outside_of_a_rate_keeps_no_permit_for_who_waits_for_its_start() {
    let limit = ConcurrencyLimitLayer::new(Fixed(1));
    let handle = limit.handle();
    let mut service =
        ServiceBuilder::new().layer(limit).map_err(FlowError::into_box).layer(spaced()).service(echo());
    service.ready().await.expect("the first start").call(1).await.expect("it is served");
    let mut waits = tokio_test::task::spawn(service.ready());
    assert!(waits.poll().is_pending());
    assert_eq!(handle.in_use(), 0);
}

#[tokio::test(start_paused = true)]
async fn queued_a_rate_outside_of_a_limit_keeps_no_permit_for_who_waits_for_its_start() {
    let limit = ConcurrencyLimitLayer::new(Fixed(1)).queued();
    let handle = limit.handle();
    let mut service = ServiceBuilder::new()
        .layer(spaced().queued())
        .map_err(FlowError::into_box)
        .layer(limit)
        .service(echo());
    service.call(1).await.expect("it is served");
    let mut waits = tokio_test::task::spawn(service.call(2));
    assert!(waits.poll().is_pending());
    assert_eq!(handle.in_use(), 0);
}

#[tokio::test(start_paused = true)]
async fn refused_above_layers_that_queue_a_handle_keeps_nothing() {
    let limit = ConcurrencyLimitLayer::new(Fixed(1)).queued();
    let late = ShedLayer::new().deadline(|_: &u32| Some(tokio::time::Instant::now()));
    let mut service = late.layer(limit.layer(echo()));
    let shed = service.ready().await.expect("always").call(1).await.expect_err("it is late");
    assert!(matches!(shed, FlowError::Refused(Refused { why: Why::Late, .. })));
    assert_eq!(limit.handle().in_use(), 0);
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

#[tokio::test]
async fn retry_above_a_limit_takes_a_permit_for_each_attempt() {
    let limit = ConcurrencyLimitLayer::new(Fixed(1));
    let handle = limit.handle();
    let calls = Arc::new(AtomicUsize::new(0));
    let flaky = service_fn(move |n: u32| {
        let call = calls.fetch_add(1, Ordering::SeqCst);
        async move { if call == 0 { Err("flaky") } else { Ok(n) } }
    });
    // It makes itself ready for the second attempt; with one permit that would take for ever if the first one still held it.
    let service = ServiceBuilder::new().retry(OnceMore(true)).layer(limit).service(flaky);
    assert_eq!(service.oneshot(7).await.expect("the second time"), 7);
    assert_eq!((handle.stats().admitted, handle.in_use()), (2, 0));
}

#[tokio::test]
async fn balance_above_limits_takes_whichever_has_room() {
    let limits: Vec<_> = [1, 2].map(|seats| ConcurrencyLimitLayer::new(Fixed(seats))).into();
    let handles: Vec<_> = limits.iter().map(ConcurrencyLimitLayer::handle).collect();
    let stuck = service_fn(async |_: u32| std::future::pending::<Result<u32, Infallible>>().await);
    let services = limits
        .iter()
        .map(|limit| ServiceBuilder::new().map_err(FlowError::into_box).service(limit.layer(stuck)));
    let discover = ServiceList::new(services);
    let mut balance = Balance::new(PendingRequestsDiscover::new(discover, CompleteOnResponse::default()));
    let mut calls = Vec::new();
    for n in 0..3 {
        let call = balance.ready().await.expect("there is room somewhere").call(n);
        calls.push(tokio::spawn(call));
        tokio::task::yield_now().await;
    }
    assert_eq!(handles.iter().map(|handle| handle.in_use()).collect::<Vec<_>>(), [1, 2]);
    let mut fourth = tokio_test::task::spawn(balance.ready());
    assert!(fourth.poll().is_pending(), "nobody has room");
    calls.pop().expect("three").abort();
    assert!(calls.iter().all(|call| !call.is_finished()));
    fourth.await.expect("one was given back");
}

/// What a server answers to a call that was refused.
async fn unavailable(error: BoxError) -> StatusCode {
    match error.downcast_ref::<Refused<()>>() {
        Some(_) => StatusCode::SERVICE_UNAVAILABLE,
        None => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

#[tokio::test]
async fn axum_routes_share_one_limit_and_hold_it_until_the_body_has_ended() {
    let limit = ConcurrencyLimitLayer::new(Fixed(1)).max_waiting(0).queued().hold_body();
    let handle = limit.handle();
    let stack = ServiceBuilder::new()
        .layer(HandleErrorLayer::new(unavailable))
        .map_err(FlowError::<Infallible, _>::into_box)
        .layer(limit);
    let app = axum::Router::new().route("/a", get(async || "a")).route("/b", get(async || "b")).layer(stack);
    let ask = |path: &str| {
        app.clone().oneshot(Request::get(path).body(axum::body::Body::empty()).expect("a request"))
    };
    let first = ask("/a").await.expect("infallible");
    assert_eq!((first.status(), handle.in_use()), (StatusCode::OK, 1));
    assert_eq!(ask("/b").await.expect("infallible").status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(first.into_body().collect().await.expect("a body").to_bytes(), "a");
    assert_eq!(ask("/b").await.expect("infallible").status(), StatusCode::OK);
}

#[tokio::test]
async fn hyper_serves_a_limited_service() {
    let limit = ConcurrencyLimitLayer::new(Fixed(1)).hold_body().queued();
    let handle = limit.handle();
    let page = service_fn(async |_: Request<hyper::body::Incoming>| {
        Ok::<_, Infallible>(http::Response::new("page".to_owned()))
    });
    let service = ServiceBuilder::new().map_err(FlowError::into_box).layer(limit).service(page);
    let (client, server) = tokio::io::duplex(1024);
    let service = hyper_util::service::TowerToHyperService::new(service);
    tokio::spawn(async move {
        hyper::server::conn::http1::Builder::new()
            .serve_connection(hyper_util::rt::TokioIo::new(server), service)
            .await
    });
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(hyper_util::rt::TokioIo::new(client))
            .await
            .expect("the server is there");
    tokio::spawn(connection);
    for _ in 0..3 {
        let request =
            Request::get("/").header("host", "here").body(Empty::<bytes::Bytes>::new()).expect("a request");
        let response = sender.send_request(request).await.expect("it answers");
        assert_eq!(response.into_body().collect().await.expect("a body").to_bytes(), "page");
    }
    assert_eq!((handle.stats().admitted, handle.in_use()), (3, 0));
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
        Box::pin(async move { Ok(http::Response::new(request.into_body())) })
    }
}

#[tokio::test]
async fn a_client_of_http_is_limited_and_its_errors_keep_their_type() {
    let limit =
        ConcurrencyLimitLayer::new(Fixed(4)).weigh(|request: &Request<String>| request.body().len()).queued();
    let client = limit.layer(Client);
    let answer = client.clone().oneshot(Request::new("four".to_owned())).await.expect("it fits");
    assert_eq!(answer.into_body(), "four");
    let error: FlowError<std::io::Error, Request<String>> =
        client.oneshot(Request::new("too heavy".to_owned())).await.expect_err("more than all");
    assert!(matches!(&error, FlowError::Refused(refused) if refused.why == Why::TooHeavy));
    assert_eq!(error.into_request().expect("it comes back").into_body(), "too heavy");
}

/// Tries what was refused by its status again, for ever.
#[derive(Clone)]
struct UntilServed;

impl<E> tower::retry::Policy<Request<String>, http::Response<()>, E> for UntilServed {
    type Future = std::future::Ready<()>;

    fn retry(
        &mut self,
        _: &mut Request<String>,
        result: &mut Result<http::Response<()>, E>,
    ) -> Option<Self::Future> {
        let is_refused =
            result.as_ref().is_ok_and(|response| response.status() == StatusCode::TOO_MANY_REQUESTS);
        is_refused.then(|| std::future::ready(()))
    }

    fn clone_request(&mut self, request: &Request<String>) -> Option<Request<String>> {
        Some(request.clone())
    }
}

#[tokio::test(start_paused = true)]
async fn retry_above_a_rate_that_is_learnt_waits_with_all_others() {
    let begin = tokio::time::Instant::now();
    let refused = Arc::new(AtomicUsize::new(0));
    let counted = refused.clone();
    let server = service_fn(move |_: Request<String>| {
        let is_closed = begin.elapsed() < Duration::from_secs(3);
        counted.fetch_add(usize::from(is_closed), Ordering::SeqCst);
        let response = match is_closed {
            true => http::Response::builder().status(429).header("Retry-After", "3"),
            false => http::Response::builder(),
        };
        async move { Ok::<_, Infallible>(response.body(()).expect("a response")) }
    });
    let rate = AdaptiveRateLayer::new(FeedbackRate::new(1)).judge(ByStatus).queued();
    let handle = rate.handle();
    let client = ServiceBuilder::new().retry(UntilServed).layer(rate).service(server);
    let calls: Vec<_> =
        (0..20).map(|_| tokio::spawn(client.clone().oneshot(Request::new(String::new())))).collect();
    for call in calls {
        assert_eq!(call.await.expect("no panic").expect("served").status(), StatusCode::OK);
    }
    assert_eq!(refused.load(Ordering::SeqCst), 1, "the others had not started");
    let stats = handle.stats();
    assert_eq!((stats.admitted, stats.served, stats.overloads, stats.waiting), (21, 20, 1, 0));
}

#[tokio::test(start_paused = true)]
async fn timeout_above_a_rate_that_is_learnt_takes_the_waiting_along() {
    let rate = AdaptiveRateLayer::new(FeedbackRate::new(1)).queued();
    let handle = rate.handle();
    handle.update(|rate, now| rate.learn(Duration::ZERO, &forebay_flow::rate::Answer::refused(), now));
    let service = ServiceBuilder::new()
        .timeout(Duration::from_millis(1))
        .map_err(FlowError::into_box)
        .layer(rate)
        .service(echo());
    for _ in 0..3 {
        let error = service.clone().oneshot(1).await.expect_err("a pause is longer");
        assert!(error.is::<tower::timeout::error::Elapsed>());
    }
    assert_eq!((handle.stats().waiting, handle.stats().left), (0, 3));
}

#[tokio::test(start_paused = true)]
async fn a_queue_under_a_rate_that_is_learnt_is_backpressure_for_its_producer() {
    let (tx, mut rx) = forebay_queue::bounded(1);
    let rate = AdaptiveRateLayer::new(FeedbackRate::new(1));
    let mut producer = ServiceBuilder::new().layer(rate).service(tx);
    producer.ready().await.expect("open").call('a').await.expect("there is room");
    tokio::time::advance(Duration::from_secs(1)).await;
    let mut second = tokio_test::task::spawn(producer.ready());
    assert!(second.poll().is_pending(), "the queue is full");
    assert_eq!(rx.recv().await, Some('a'));
    assert!(second.is_woken());
    second.await.expect("open").call('b').await.expect("there is room");
    assert_eq!(rx.recv().await, Some('b'));
}

#[tokio::test]
async fn a_queue_under_a_limit_is_backpressure_for_its_producer() {
    let (tx, mut rx) = forebay_queue::bounded(1);
    let mut producer = ServiceBuilder::new().layer(ConcurrencyLimitLayer::new(Fixed(8))).service(tx);
    producer.ready().await.expect("open").call('a').await.expect("there is room");
    let mut second = tokio_test::task::spawn(producer.ready());
    assert!(second.poll().is_pending(), "the queue is full");
    assert_eq!(rx.recv().await, Some('a'));
    assert!(second.is_woken());
    second.await.expect("open").call('b').await.expect("there is room");
    assert_eq!(rx.recv().await, Some('b'));
}

#[tokio::test(start_paused = true)]
async fn a_queue_under_a_rate_is_backpressure_for_its_producer() {
    let (tx, mut rx) = forebay_queue::bounded(1);
    let rate = RateLimitLayer::new(TokenBucket::new(Rate::per_second(10)));
    let handle = rate.handle();
    let mut producer = ServiceBuilder::new().layer(rate).service(tx);
    producer.ready().await.expect("open").call('a').await.expect("there is room");
    tokio::time::advance(Duration::from_secs(1)).await;
    let mut second = tokio_test::task::spawn(producer.ready());
    assert!(second.poll().is_pending(), "the queue is full, though the rate has a start");
    assert_eq!(handle.update(|bucket, now| bucket.available(now)), 1, "and that is for others");
    assert_eq!(rx.recv().await, Some('a'));
    assert!(second.is_woken());
    second.await.expect("open").call('b').await.expect("there is room");
    assert_eq!(rx.recv().await, Some('b'));
}

#[tokio::test]
async fn a_queue_under_what_sheds_or_holds_up_is_backpressure_for_its_producer() {
    let (tx, mut rx) = forebay_queue::bounded(1);
    let mut producer = ServiceBuilder::new()
        .map_err(FlowError::into_box)
        .layer(BackpressureLayer::default())
        .map_err(FlowError::into_box)
        .layer(ShedLayer::new())
        .service(tx);
    producer.ready().await.expect("open").call('a').await.expect("there is room");
    let mut second = tokio_test::task::spawn(producer.ready());
    assert!(second.poll().is_pending(), "the queue is full");
    assert_eq!(rx.recv().await, Some('a'));
    second.await.expect("open").call('b').await.expect("there is room");
    assert_eq!(rx.recv().await, Some('b'));
}

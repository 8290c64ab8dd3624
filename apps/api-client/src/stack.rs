//! What stands between a request and a host: one function, a layer a line.

use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use forebay::flow::layer::{
    AdaptiveRateHandle, AdaptiveRateLayer, ConcurrencyLimitLayer, FlowError, LimitHandle, RateLimitLayer,
};
use forebay::flow::rate::{FeedbackConfig, FeedbackRate, Quota};
use forebay::flow::{Fixed, Rate, TokenBucket};
use futures_util::future::BoxFuture;
use tower::layer::layer_fn;
use tower::{Service, ServiceBuilder};

use crate::at_once::AtOnce;
use crate::classes::Lined;
use crate::retry::{Blocked, Retries};
use crate::time_limit::TimeLimitLayer;
use crate::unrecorded::UntilRecorded;
use crate::{BoxError, Classes, ConcurrencyChoice, RateChoice, Reason};

/// What a stack is made of.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    pub(crate) queue: usize,
    pub(crate) classes: Classes,
    pub(crate) rate: RateChoice,
    pub(crate) burst: u64,
    pub(crate) concurrency: ConcurrencyChoice,
    pub(crate) timeout: Duration,
    pub(crate) retries: Arc<crate::retry::Rules>,
}

/// The stack of one host as a service; made by [`Builder::stack`](crate::Builder::stack). Queues: it is always ready, and what waits waits
/// in its response future. Clones share one line, one rate and one limit.
pub struct Stack<B, R> {
    pub(crate) service: Lined<B, R>,
}

/// A stack, and what can be seen of it.
#[derive(Debug)]
pub(crate) struct Seen<B, R> {
    pub(crate) service: Lined<B, R>,
    pub(crate) pace: AdaptiveRateHandle,
    pub(crate) calls: LimitHandle<AtOnce>,
    pub(crate) blocked: Arc<Blocked>,
}

/// The stack of one host, around whatever sends the requests: from the request to the host, outermost first. `known` is a limit that
/// was found before, per second.
pub(crate) fn stack<S, B, R>(service: S, settings: &Settings, known: Option<f64>) -> Seen<B, R>
where
    S: Service<http::Request<B>, Response = http::Response<R>, Error: Into<BoxError>, Future: Send>
        + Clone
        + Send
        + Sync
        + 'static,
    B: Clone + Send + 'static,
    R: Send + 'static,
{
    let Settings { queue, timeout, ref classes, ref retries, .. } = *settings;
    let (judges, classifies) = (retries.clone(), retries.clone());
    let blocked = Arc::new(Blocked::default());

    let line = layer_fn(|service| classes.line(queue, service));
    let again = Retries::new(retries.clone(), blocked.clone());
    let spaced = RateLimitLayer::new(bucket(settings));
    let adaptive = AdaptiveRateLayer::new(policy(settings, known))
        .judge(move |result: Result<&http::Response<R>, &Reason>| judges.refusals.judge(result));
    let unrecorded =
        ConcurrencyLimitLayer::new(Fixed(AtOnce::most(settings.concurrency))).hold(UntilRecorded);
    let at_once = ConcurrencyLimitLayer::new(AtOnce::from(settings.concurrency))
        .classify(move |result: Result<&http::Response<R>, &Reason>| classifies.refusals.classify(result));
    let (pace, calls) = (adaptive.handle(), at_once.handle());

    let service = ServiceBuilder::new()
        .layer(line) //             who waits does so here, the urgent first, and can leave at any time
        .retry(again) //            below the line, so that what was begun is not behind what was not
        .map_err(of_flow)
        .layer(spaced) //           each attempt costs a start, also one that is tried again
        .map_err(of_flow)
        .layer(adaptive) //         a refusal pauses all of them, and tells how fast to go on
        .map_err(of_flow)
        .layer(unrecorded) //       no more than these are sent twice, were the process killed
        .map_err(of_flow)
        .layer(at_once) //          few enough that answers come in time
        .layer(TimeLimitLayer(timeout)) // an attempt; what came before it does not count
        .service(service); //       a request, and the whole answer
    Seen { service, pace, calls, blocked }
}

/// The rate that was told. One of the burst is kept in reserve: what is sent evenly arrives a little closer together or further apart, and
/// a server that allows just that much would refuse now and then.
fn bucket(settings: &Settings) -> TokenBucket {
    match settings.rate {
        RateChoice::Fixed(rate) => TokenBucket::new(rate).with_burst(settings.burst.saturating_sub(1).max(1)),
        // Nobody waits here.
        RateChoice::Auto => TokenBucket::new(Rate::new(1, Duration::ZERO)),
    }
}

/// What refusals teach. Beside a rate that was told it begins with no bound at all, and has one from the refusals on that should not have
/// been.
fn policy(settings: &Settings, known: Option<f64>) -> FeedbackRate {
    let defaults = FeedbackConfig::default();
    let start = match settings.rate {
        RateChoice::Fixed(_) => defaults.max,
        RateChoice::Auto => defaults.start,
    };
    let eager = settings.rate == RateChoice::Auto;
    // Whoever would wait longer than that must not be sent before.
    let longest_told = defaults.longest_told.max(settings.retries.max_wait);
    let config = FeedbackConfig { start, eager, longest_told, ..defaults };
    let mut policy = FeedbackRate::try_new(config, crate::random::seed()).expect("its start is in its range");
    if let Some(known) = known.filter(|known| (0.001..1e9).contains(known)) {
        // A little below it, and from there on as after a refusal.
        let quota = Quota {
            limit: Some((known * 900.0) as u64),
            window: Some(Duration::from_secs(1000)),
            ..Quota::default()
        };
        policy.told(&quota, 0);
    }
    policy
}

fn of_flow<B>(error: FlowError<Reason, B>) -> Reason {
    match error {
        FlowError::Inner(reason) => reason,
        refused @ FlowError::Refused(_) => Reason::Service(refused.into_box()),
    }
}

// === impl Stack ===

impl<B, R> Service<http::Request<B>> for Stack<B, R> {
    type Response = http::Response<R>;
    type Error = Reason;
    type Future = BoxFuture<'static, Result<http::Response<R>, Reason>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Reason>> {
        self.service.poll_ready(cx)
    }

    fn call(&mut self, request: http::Request<B>) -> Self::Future {
        self.service.call(request)
    }
}

impl<B, R> Clone for Stack<B, R> {
    fn clone(&self) -> Self {
        Self { service: self.service.clone() }
    }
}

impl<B, R> fmt::Debug for Stack<B, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stack").finish_non_exhaustive()
    }
}

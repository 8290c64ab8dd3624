//! What is sent again, when, and how often.
//!
//! | what happened | again? |
//! | --- | --- |
//! | refused | yes, whatever it is: the server has not acted. The rate holds the pause; no budget is asked |
//! | refused, or failed, until later than `max_wait` | no |
//! | no connection | yes, whatever it is: nothing was sent |
//! | no such host, no certificate that is trusted, no TLS | no |
//! | broken off, too slow, 408, 500, 502, 504 | if to do it twice is to do it once: by its method, or by an idempotency key |
//! | anything else | no: the answer would be the same |

use std::sync::Arc;
use std::time::Duration;

use forebay::flow::CallEnd;
use forebay::flow::rate::Answer;
use http::{HeaderMap, Method, StatusCode};
use tokio::sync::watch;
use tokio::time::{Instant, Sleep};
use tower::retry::Policy;
use tower::retry::budget::{Budget, TpsBudget};

use crate::Reason;
use crate::exchange::Order;
use crate::redirect::IDEMPOTENCY_KEY;
use crate::refusal::{Refusals, is_failure, wait};

/// Decides for one request; made for each as a copy of the first.
#[derive(Debug, Clone)]
pub(crate) struct Retries {
    rules: Arc<Rules>,
    budget: Arc<TpsBudget>,
    blocked: Arc<Blocked>,
    failures: u32,
    refusals: u32,
}

#[derive(Debug)]
pub(crate) struct Rules {
    pub(crate) refusals: Refusals,
    /// After failures, and as many after refusals.
    pub(crate) most: u32,
    /// A longer wait fails the request.
    pub(crate) max_wait: Duration,
    /// Retries that a success pays for.
    pub(crate) budget: f32,
}

/// Until when the host has said that it lets nothing through.
#[derive(Debug, Default)]
pub(crate) struct Blocked(watch::Sender<Option<Instant>>);

/// Pauses after failures double from the first to the longest, and are shortened by up to a half at random.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// What may be retried in each second without any success.
const LEAST_BUDGET: u32 = 10;

// === impl Retries ===

impl Retries {
    pub(crate) fn new(rules: Arc<Rules>, blocked: Arc<Blocked>) -> Self {
        let budget = Arc::new(TpsBudget::new(Duration::from_secs(10), LEAST_BUDGET, rules.budget));
        Self { rules, budget, blocked, failures: 0, refusals: 0 }
    }

    fn after_refusal(&mut self, status: StatusCode, answer: &Answer) -> Result<Duration, Reason> {
        self.refusals += 1;
        let wait = wait(answer);
        if let Some(wait) = wait.filter(|&wait| wait > self.rules.max_wait) {
            return Err(Reason::wait_too_long(wait));
        }
        if self.refusals > self.rules.most {
            return Err(Reason::Refused { times: self.refusals, status, retry_after: answer.retry_after });
        }
        // Its place in the pause is the rate's to give.
        Ok(Duration::ZERO)
    }

    /// How long to wait after a failure; none if it is not tried again.
    fn after_failure<B>(&mut self, request: &http::Request<B>) -> Option<Duration> {
        self.failures += 1;
        if self.failures > self.rules.most {
            return None;
        }
        if !self.budget.withdraw() {
            if let Some(order) = request.extensions().get::<Arc<Order>>() {
                order.tally.set_out_of_budget();
            }
            return None;
        }
        let doubled = FIRST_PAUSE.saturating_mul(1 << (self.failures - 1).min(16)).min(LONGEST_PAUSE);
        Some(doubled.mul_f64(1.0 - 0.5 * crate::random::uniform()))
    }
}

impl<B: Clone, R> Policy<http::Request<B>, http::Response<R>, Reason> for Retries {
    type Future = Sleep;

    fn retry(
        &mut self,
        request: &mut http::Request<B>,
        result: &mut Result<http::Response<R>, Reason>,
    ) -> Option<Sleep> {
        let answer = self.rules.refusals.judge(result.as_ref());
        if let Some(wait) = wait(&answer) {
            self.blocked.set(wait);
        }
        let pause = match result {
            Ok(response) if answer.end == CallEnd::Overload => {
                if let Some(order) = request.extensions().get::<Arc<Order>>() {
                    order.refuse();
                }
                match self.after_refusal(response.status(), &answer) {
                    Ok(pause) => Some(pause),
                    Err(reason) => {
                        *result = Err(reason);
                        None
                    }
                }
            }
            Ok(response) if is_failure(response.status()) && may_be_done_twice(request) => {
                match wait(&answer).filter(|&wait| wait > self.rules.max_wait) {
                    Some(wait) => {
                        *result = Err(Reason::wait_too_long(wait));
                        None
                    }
                    // Its place in a pause is the rate's to give.
                    None => self.after_failure(request),
                }
            }
            Ok(response) if is_failure(response.status()) => None,
            Ok(_) => {
                self.budget.deposit();
                None
            }
            Err(Reason::Connect(_)) => {
                if let Some(order) = request.extensions().get::<Arc<Order>>() {
                    order.tally.set_unsent();
                }
                self.after_failure(request)
            }
            Err(Reason::Broken(_) | Reason::Timeout { .. } | Reason::Service(_)) => {
                may_be_done_twice(request).then(|| self.after_failure(request)).flatten()
            }
            Err(_) => None,
        };
        if let Some(pause) = pause {
            tracing::debug!(uri = %request.uri().path(), ?pause, refused = self.refusals, "trying again");
        }
        pause.map(tokio::time::sleep)
    }

    fn clone_request(&mut self, request: &http::Request<B>) -> Option<http::Request<B>> {
        Some(request.clone())
    }
}

// === impl Blocked ===

impl Blocked {
    pub(crate) fn set(&self, wait: Duration) {
        // Further ahead than clocks go is as far as anybody looks.
        let until = Instant::now() + wait.min(Duration::from_secs(u32::MAX.into()));
        self.0.send_if_modified(|blocked| {
            let is_longer = blocked.is_none_or(|blocked| blocked < until);
            *blocked = Some(until).filter(|_| is_longer).or(*blocked);
            is_longer
        });
    }

    /// How long that is from now on, if it is longer than `max_wait`.
    pub(crate) fn beyond(&self, max_wait: Duration) -> Option<Duration> {
        let left = (*self.0.borrow())?.saturating_duration_since(Instant::now());
        (left > max_wait).then_some(left)
    }

    /// Waits until nobody would wait so long: longer than `max_wait`, or until after the deadline.
    pub(crate) async fn until_futile(&self, max_wait: Duration, deadline: Option<Instant>) -> Reason {
        let mut changes = self.0.subscribe();
        loop {
            if let Some(wait) = self.beyond(max_wait) {
                return Reason::wait_too_long(wait);
            }
            let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
            if let Some(wait) = left.and_then(|left| self.beyond(left)) {
                return Reason::TooLate { wait };
            }
            if changes.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }
}

/// Whether to do it twice is to do it once (RFC 9110, section 9.2.2).
fn may_be_done_twice<B>(request: &http::Request<B>) -> bool {
    is_idempotent(request.method(), request.headers())
}

/// To do it twice is to do it once: by its method, or by an idempotency key.
pub(crate) fn is_idempotent(method: &Method, headers: &HeaderMap) -> bool {
    const IDEMPOTENT: [Method; 6] =
        [Method::GET, Method::HEAD, Method::PUT, Method::DELETE, Method::OPTIONS, Method::TRACE];
    IDEMPOTENT.contains(method) || headers.contains_key(IDEMPOTENCY_KEY)
}

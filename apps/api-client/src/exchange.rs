//! The innermost service: a request goes out, and the whole answer comes in.
//!
//! The body belongs to the exchange, so that one that broke off is an attempt that failed, and not an answer.

use std::error::Error as _;
use std::net::IpAddr;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use reqwest::redirect::Policy;
use tower::Service;

use crate::address::{Places, PrivateAddress, Resolver};
use crate::redirect::{self, Redirects};
use crate::refusal::Refusals;
use crate::store::{self, Stored};
use crate::tally::{Counts, Tally};
use crate::{BuildError, Reason, RedirectRefused, Store};

/// Sends requests, each to its end.
#[derive(Debug, Clone)]
pub(crate) struct Exchange {
    /// Connects to any address.
    open: reqwest::Client,
    /// Connects to public addresses only. It has connections of its own, so none of the other's is used by it.
    guarded: reqwest::Client,
    rules: Arc<Rules>,
}

#[derive(Debug)]
pub(crate) struct Rules {
    pub(crate) refusals: Refusals,
    pub(crate) redirects: Redirects,
    pub(crate) max_body: u64,
}

/// What goes with a request of this client's own, as an extension.
#[derive(Debug, Clone)]
pub(crate) struct Order {
    pub(crate) url: reqwest::Url,
    pub(crate) store: Store,
    pub(crate) guarded: bool,
    pub(crate) tally: Arc<Tally>,
    pub(crate) counts: Arc<Counts>,
}

/// Who gave an answer, as an extension.
#[derive(Debug, Clone, Copy)]
pub(crate) struct From(pub(crate) IpAddr);

/// For how long a connection is kept that nobody uses. With many hosts it is what bounds their number.
const IDLE: Duration = Duration::from_secs(30);

/// What is read of a body that nobody wants, so that its connection can be used again.
const REST: u64 = 64 << 10;

// === impl Order ===

impl Order {
    /// An attempt was refused.
    pub(crate) fn refuse(&self) {
        self.tally.refuse();
        self.counts.refuse();
    }
}

// === impl Exchange ===

impl Exchange {
    pub(crate) fn new(
        rules: Rules,
        places: &Arc<Places>,
        connections: impl Fn(reqwest::ClientBuilder) -> reqwest::ClientBuilder,
    ) -> Result<Self, BuildError> {
        // Fails where the program has chosen one, which is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = |guards| {
            let http = reqwest::Client::builder().user_agent(AGENT).no_proxy().pool_idle_timeout(IDLE);
            connections(http)
                .redirect(Policy::none())
                .dns_resolver(Resolver { places: places.clone(), guards })
                .build()
                .map_err(BuildError::Http)
        };
        Ok(Self { open: client(false)?, guarded: client(true)?, rules: Arc::new(rules) })
    }

    pub(crate) const fn http(&self) -> &reqwest::Client {
        &self.open
    }

    pub(crate) fn rules(&self) -> &Rules {
        &self.rules
    }

    async fn exchange(self, request: http::Request<Bytes>) -> Result<http::Response<Stored>, Reason> {
        let (parts, body) = request.into_parts();
        let order = parts.extensions.get::<Order>().expect("the client sends orders");
        let _attempt = order.tally.attempt(&order.counts);
        let mut request = reqwest::Request::new(parts.method, order.url.clone());
        *request.headers_mut() = parts.headers;
        if !body.is_empty() {
            *request.body_mut() = Some(body.into());
        }
        let client = if order.guarded { &self.guarded } else { &self.open };
        let answer = client.execute(request).await.map_err(|error| unsent(error, order))?;
        let (status, headers) = (answer.status(), answer.headers().clone());
        let from = answer.remote_addr();
        let is_wanted = !self.rules.refusals.is_refusal(status, &headers)
            && redirect::location(status, &headers, &self.rules.redirects).is_none();
        let body = match &order.store {
            _ if !is_wanted => store::some(answer, REST).await,
            Store::File(folder) if status.is_success() => {
                store::to_file(answer, folder, self.rules.max_body).await?
            }
            _ => store::to_memory(answer, self.rules.max_body).await?,
        };
        let mut response = http::Response::new(body);
        *response.status_mut() = status;
        *response.headers_mut() = headers;
        if let Some(from) = from {
            response.extensions_mut().insert(From(from.ip()));
        }
        Ok(response)
    }
}

impl Service<http::Request<Bytes>> for Exchange {
    type Response = http::Response<Stored>;
    type Error = Reason;
    type Future = BoxFuture<'static, Result<Self::Response, Reason>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Reason>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Bytes>) -> Self::Future {
        Box::pin(self.clone().exchange(request))
    }
}

const AGENT: &str = concat!(env!("CARGO_PKG_NAME"), "/", env!("CARGO_PKG_VERSION"));

/// There was no head of an answer.
fn unsent(error: reqwest::Error, order: &Order) -> Reason {
    let mut cause = error.source();
    while let Some(at) = cause {
        if at.is::<PrivateAddress>() {
            return Reason::Redirect { to: crate::redacted(&order.url), why: RedirectRefused::Private };
        }
        cause = at.source();
    }
    // Without its URL, which may hold a secret.
    let error = error.without_url();
    match () {
        () if error.is_builder() => Reason::Url { why: error.to_string() },
        () if error.is_connect() => Reason::Connect(error.into()),
        () => Reason::Broken(error.into()),
    }
}

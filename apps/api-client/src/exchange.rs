//! The innermost service: a request goes out, and the whole answer comes in.
//!
//! The body belongs to the exchange, so that one that broke off is an attempt that failed, and not an answer.

use std::error::Error as _;
use std::fmt;
use std::mem::take;
use std::net::IpAddr;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::header::CONTENT_LENGTH;
use http::{HeaderValue, Method};
use reqwest::redirect::Policy;
use tokio::runtime::Handle;
use tokio::sync::OnceCell;
use tokio::task::spawn_blocking;
use tower::Service;

use crate::address::{Places, Resolver};
use crate::builder::Connections;
use crate::first_send::FirstSend;
use crate::redirect::{self, Redirects};
use crate::refusal::Refusals;
use crate::room::Room;
use crate::store::{self, Stored};
use crate::tally::{Counts, Tally};
use crate::unrecorded::Unrecorded;
use crate::unsent;
use crate::{BuildError, Reason, Store};

/// Sends requests, each to its end.
#[derive(Debug, Clone)]
pub(crate) struct Exchange {
    /// Connects to any address.
    open: reqwest::Client,
    guarded: Arc<Guarded>,
    rules: Arc<Rules>,
    /// Where long bodies are gathered.
    workers: Option<Handle>,
}

/// Connects to public addresses only. It has connections of its own, so none of the other's is used by it. Most clients never need it, and
/// to read the system's certificates takes its time, so it is made when somebody does.
struct Guarded {
    client: OnceCell<reqwest::Client>,
    make: Arc<dyn Fn() -> reqwest::Result<reqwest::Client> + Send + Sync>,
}

#[derive(Debug)]
pub(crate) struct Rules {
    pub(crate) refusals: Refusals,
    pub(crate) redirects: Redirects,
    pub(crate) max_body: u64,
}

/// How connections are made.
pub(crate) struct Connected {
    /// By the proxies of the environment.
    pub(crate) environment: bool,
    pub(crate) set: Arc<Connections>,
}

/// What goes with a request of this client's own, as an extension.
#[derive(Debug, Clone)]
pub(crate) struct Order {
    pub(crate) url: reqwest::Url,
    pub(crate) store: Store,
    pub(crate) guarded: bool,
    pub(crate) tally: Arc<Tally>,
    pub(crate) counts: Arc<Counts>,
    pub(crate) first_send: Option<FirstSend>,
    /// What bodies in memory share, if they do.
    pub(crate) room: Option<Room>,
}

/// Who gave an answer, as an extension.
#[derive(Debug, Clone, Copy)]
pub(crate) struct From(pub(crate) IpAddr);

/// For how long a connection is kept that nobody uses. With many hosts it is what bounds their number.
const IDLE: Duration = Duration::from_secs(30);

/// What the head of an answer may have by HTTP/2: as much as hyper reads by HTTP/1.
const HEAD: u32 = 400 << 10;

/// What is read of a body that nobody wants, so that its connection can be used again, and for how long. What the answer says must not
/// be lost with an attempt that takes too long because of its body.
const REST: u64 = 64 << 10;
const REST_WITHIN: Duration = Duration::from_secs(1);

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
        trusted: Vec<reqwest::Certificate>,
        connections: Connected,
        workers: Option<Handle>,
    ) -> Result<Self, BuildError> {
        // Fails where the program has chosen one, which is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let trusts = !trusted.is_empty();
        let places = places.clone();
        let client = move |guards| {
            let mut http = reqwest::Client::builder().user_agent(AGENT).pool_idle_timeout(IDLE);
            http = http.http2_max_header_list_size(HEAD);
            if !connections.environment {
                http = http.no_proxy();
            }
            if trusts {
                http = http.tls_certs_merge(trusted.iter().cloned());
            }
            (connections.set)(http)
                .redirect(Policy::none())
                .dns_resolver(Resolver { places: places.clone(), guards })
                .build()
        };
        let open = client(false).map_err(|error| match error.source() {
            // Those of the system that are broken are passed over.
            Some(why) if trusts => BuildError::Trust(format!("one of them is broken ({why})")),
            _ => BuildError::Http(error),
        })?;
        let guarded = Guarded { client: OnceCell::new(), make: Arc::new(move || client(true)) };
        Ok(Self { open, guarded: Arc::new(guarded), rules: Arc::new(rules), workers })
    }

    pub(crate) const fn http(&self) -> &reqwest::Client {
        &self.open
    }

    pub(crate) fn rules(&self) -> &Rules {
        &self.rules
    }

    async fn exchange(self, request: http::Request<Bytes>) -> Result<http::Response<Stored>, Reason> {
        let (parts, body) = request.into_parts();
        let order = parts.extensions.get::<Arc<Order>>().expect("the client sends orders");
        let _attempt = order.tally.attempt(&order.counts);
        if let Some(first_send) = order.first_send.as_ref().filter(|_| !order.tally.is_prepared()) {
            if !first_send.prepare().await {
                return Err(Reason::Closed);
            }
            order.tally.set_prepared();
        }
        let mut request = reqwest::Request::new(parts.method, order.url.clone());
        *request.headers_mut() = parts.headers;
        if !body.is_empty() {
            *request.body_mut() = Some(body.into());
        } else if usually_has_a_body(request.method()) {
            request.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
        }
        let client = if order.guarded { self.guarded.get().await? } else { &self.open };
        let mut answer = client.execute(request).await.map_err(|error| unsent::reason(error, &order.url))?;
        let (status, headers) = (answer.status(), take(answer.headers_mut()));
        let from = answer.remote_addr();
        let is_wanted = !self.rules.refusals.is_refusal(status, &headers)
            && redirect::location(status, &headers, &self.rules.redirects).is_none();
        let workers = self.workers.as_ref();
        let body = match &order.store {
            _ if !is_wanted => store::some(answer, REST, REST_WITHIN).await,
            Store::File(folder) if status.is_success() => {
                store::to_file(answer, folder, self.rules.max_body, workers).await?
            }
            _ => store::to_memory(answer, self.rules.max_body, order, workers).await?,
        };
        let mut response = http::Response::new(body);
        *response.status_mut() = status;
        *response.headers_mut() = headers;
        if let Some(from) = from {
            response.extensions_mut().insert(From(from.ip()));
        }
        if order.first_send.is_some() {
            response.extensions_mut().insert(Unrecorded::default());
        }
        Ok(response)
    }
}

// === impl Guarded ===

impl Guarded {
    async fn get(&self) -> Result<&reqwest::Client, Reason> {
        let make = || async {
            let make = Arc::clone(&self.make);
            spawn_blocking(move || make()).await.expect("to read certificates does not panic")
        };
        self.client.get_or_try_init(make).await.map_err(|error| Reason::Connect(error.into()))
    }
}

impl fmt::Debug for Guarded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guarded").field("client", &self.client).finish_non_exhaustive()
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

/// Whether a request without a body is to say so (RFC 9110, section 8.6): some servers answer 411 otherwise, and the library below does not.
fn usually_has_a_body(method: &Method) -> bool {
    matches!(*method, Method::POST | Method::PUT | Method::PATCH)
}

const AGENT: &str = concat!(env!("CARGO_PKG_NAME"), "/", env!("CARGO_PKG_VERSION"));

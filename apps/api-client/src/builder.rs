//! How a client is configured.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use forebay::flow::Rate;
use http::StatusCode;
use tokio::runtime::Handle;

use crate::address::Places;
use crate::redirect::Redirects;
use crate::refusal::Refusals;
use crate::retry;
use crate::stack::Settings;
use crate::{BoxError, Classes, Client, Stack};

/// How a [`Client`] is configured. Everything has a default that does for most.
///
/// ```
/// use api_client::Client;
/// use std::time::Duration;
///
/// let client = Client::builder()
///     .rate("50/s") // the limit that the server has told
///     .burst(10)
///     .concurrency(8)
///     .timeout(Duration::from_secs(10))
///     .build()?;
/// # Ok::<(), api_client::BuildError>(())
/// ```
#[derive(Clone)]
#[must_use = "nothing is there before `build`"]
pub struct Builder {
    pub(crate) rate: Result<RateChoice, String>,
    pub(crate) burst: u64,
    pub(crate) concurrency: ConcurrencyChoice,
    pub(crate) per_host: bool,
    pub(crate) queue: usize,
    pub(crate) classes: Classes,
    pub(crate) retries: u32,
    pub(crate) retry_budget: f32,
    pub(crate) timeout: Duration,
    pub(crate) max_wait: Duration,
    pub(crate) refused_when: Vec<StatusCode>,
    pub(crate) max_body: u64,
    pub(crate) max_redirects: usize,
    pub(crate) allow_private_redirects: bool,
    pub(crate) seeds: Vec<(String, f64)>,
    pub(crate) places: Places,
    pub(crate) trusted: Vec<Vec<u8>>,
    pub(crate) environment: bool,
    pub(crate) connections: Arc<Connections>,
    pub(crate) workers: Option<Handle>,
}

/// A last word on how connections are made.
pub(crate) type Connections = dyn Fn(reqwest::ClientBuilder) -> reqwest::ClientBuilder + Send + Sync;

/// How often requests start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RateChoice {
    /// As the server has told.
    Fixed(Rate),
    /// Found from refusals, and from what the server says of its quota.
    Auto,
}

/// How many requests are on their way at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConcurrencyChoice {
    /// So many; 0 counts as 1.
    Fixed(usize),
    /// Twice as many while all are used and that brings more answers in a second, fewer after a refusal or a timeout; 200 at the most.
    Auto,
}

/// Why there is no client.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// The rate is none.
    #[error("rate {0:?} is not of the form 50/s, 600/m or 1000/h")]
    Rate(String),
    /// The classes contradict themselves.
    #[error(transparent)]
    Classes(#[from] forebay::priority::ConfigError),
    /// Neither names nor shares.
    #[error("classes {0:?} are not of the form high,medium,low or high=4,low=1")]
    ClassList(String),
    /// What is to be [trusted](Builder::trust) is not: no certificate, or one that is broken.
    #[error("no certificates to trust: {0}")]
    Trust(String),
    /// TLS or the system's certificates.
    #[error("cannot prepare connections")]
    Http(#[source] reqwest::Error),
}

// === impl Builder ===

impl Builder {
    pub(crate) fn new() -> Self {
        Self {
            rate: Ok(RateChoice::Fixed(Rate::per_second(10))),
            burst: 1,
            concurrency: ConcurrencyChoice::Auto,
            per_host: true,
            queue: 100,
            classes: Classes::default(),
            retries: 8,
            retry_budget: 0.5,
            timeout: Duration::from_secs(30),
            max_wait: Duration::from_secs(300),
            refused_when: Vec::new(),
            max_body: 64 << 20,
            max_redirects: 10,
            allow_private_redirects: false,
            seeds: Vec::new(),
            places: Places::default(),
            trusted: Vec::new(),
            environment: false,
            connections: Arc::new(|http| http),
            workers: None,
        }
    }

    /// How often requests start: a [`RateChoice`], a [`Rate`], or text as `50/s`, `600/m`, `1000/h` and `auto`. Default: `10/s`.
    ///
    /// A rate that is told is the most: each refusal is taken for the host's limit, and lowers it as it does one that is found.
    pub fn rate(mut self, rate: impl IntoRate) -> Self {
        self.rate = rate.into_rate();
        self
    }

    /// The rate is [found](RateChoice::Auto).
    pub fn auto(self) -> Self {
        self.rate(RateChoice::Auto)
    }

    /// How many requests the server takes at once after silence, with a fixed rate. One of them is kept in reserve, since what is
    /// evenly spaced here may not be so where it arrives. 0 counts as 1. Default: 1.
    pub fn burst(mut self, burst: u64) -> Self {
        self.burst = burst.max(1);
        self
    }

    /// How many requests are on their way at once, for each host. Default: [`Auto`](ConcurrencyChoice::Auto).
    pub fn concurrency(mut self, concurrency: impl Into<ConcurrencyChoice>) -> Self {
        self.concurrency = concurrency.into();
        self
    }

    /// Whether each host (with its port) has a line, a rate and a limit of its own. Default: yes.
    pub fn per_host(mut self, per_host: bool) -> Self {
        self.per_host = per_host;
        self
    }

    /// How many requests may wait in the line for a host. One more waits for room in its own future. Default: 100.
    pub fn queue(mut self, queue: usize) -> Self {
        self.queue = queue;
        self
    }

    /// The classes of requests, and who is sent first among those who wait for the same host. Default: `high`, `medium` and `low`, by
    /// urgency.
    pub fn classes(mut self, classes: Classes) -> Self {
        self.classes = classes;
        self
    }

    /// How often a request is sent again after a failure, and as often after a refusal. Default: 8.
    pub fn retries(mut self, retries: u32) -> Self {
        self.retries = retries;
        self
    }

    /// How many retries each success pays for, over the last ten seconds, besides ten a second in any case; from 0 to 1000. Keeps a
    /// server that is down from being asked by everybody. Refusals cost nothing: the rate takes care of them. Default: 0.5.
    pub fn retry_budget(mut self, share: f32) -> Self {
        self.retry_budget = if share.is_finite() { share.clamp(0.0, 1000.0) } else { 0.0 };
        self
    }

    /// How long an attempt may take, to the end of the body. Default: 30 s.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// The longest time to wait that a server may ask for. One that asks for more fails all requests that would wait, with that
    /// time. Default: 5 minutes.
    pub fn max_wait(mut self, max_wait: Duration) -> Self {
        self.max_wait = max_wait;
        self
    }

    /// Statuses that are refusals, too. Known are 429, 503, and 403 with a time to wait or with nothing left.
    pub fn refused_when(mut self, statuses: impl IntoIterator<Item = StatusCode>) -> Self {
        self.refused_when = statuses.into_iter().collect();
        self
    }

    /// How many bytes an answer may have, decompressed. Default: 64 MiB.
    pub fn max_body(mut self, bytes: u64) -> Self {
        self.max_body = bytes;
        self
    }

    /// How many redirects are followed; 0: none, and they are answers. Default: 10.
    pub fn max_redirects(mut self, redirects: usize) -> Self {
        self.max_redirects = redirects;
        self
    }

    /// Whether a public server may redirect to a private address. Default: no.
    pub fn allow_private_redirects(mut self, allow: bool) -> Self {
        self.allow_private_redirects = allow;
        self
    }

    /// What was learnt of a host before, from [`HostStats`](crate::HostStats): where an automatic rate begins.
    pub fn seed_rate(mut self, host: impl Into<String>, per_second: f64) -> Self {
        self.seeds.push((host.into(), per_second));
        self
    }

    /// The addresses of a name, which is then not looked up. Ports come from the URL.
    pub fn resolve(mut self, name: &str, addresses: impl IntoIterator<Item = IpAddr>) -> Self {
        let addresses = addresses.into_iter().map(|address| (address, 0).into()).collect();
        self.places.names.insert(name.to_ascii_lowercase(), addresses);
        self
    }

    /// An address that counts as public, although it is private: public servers may redirect there.
    pub fn public_address(mut self, address: IpAddr) -> Self {
        self.places.public.push(address);
        self
    }

    /// Certificates of authorities in PEM form, one or several, that are trusted beside those of the system.
    pub fn trust(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.trusted.push(pem.into());
        self
    }

    /// Whether connections go by the proxies that the environment names: `HTTP_PROXY`, `HTTPS_PROXY`, `ALL_PROXY`, but to what `NO_PROXY`
    /// names directly. Default: no. A proxy of one's own is set by [`connections`](Self::connections).
    ///
    /// What answers is the proxy then, so whether a redirect from a public server leads to a private one is known only of addresses that
    /// stand in the URL, and only where the proxy's own is public.
    pub fn proxies_of_environment(mut self, use_them: bool) -> Self {
        self.environment = use_them;
        self
    }

    /// What is not listed here about connections: a proxy, a certificate of one's own, HTTP/2. Redirects and names are this library's own, whatever
    /// is set.
    pub fn connections(
        mut self,
        set: impl Fn(reqwest::ClientBuilder) -> reqwest::ClientBuilder + Send + Sync + 'static,
    ) -> Self {
        self.connections = Arc::new(set);
        self
    }

    /// A runtime with threads of its own, to which bodies go on that are longer than 64 KiB: to decompress them takes a processor a
    /// while. On a runtime of a single thread, which is the fastest for short answers, others would have to wait for that. Default: none,
    /// and the task that asked gathers the body.
    pub fn workers(mut self, workers: Handle) -> Self {
        self.workers = Some(workers);
        self
    }

    /// Makes the client. It starts with the first request to each host; until then there is no task and no connection.
    ///
    /// Uses ring for TLS, and makes it the process's provider for rustls, unless there is one.
    ///
    /// # Errors
    ///
    /// [`BuildError`].
    pub fn build(self) -> Result<Client, BuildError> {
        Client::of(self)
    }

    /// The same stack around a client of your own, for one host: whatever takes an `http::Request` and answers with a response. What is
    /// about connections, redirects and bodies is that client's affair then, and `per_host` is not asked.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use api_client::Client;
    /// use tower::{ServiceExt, service_fn};
    ///
    /// let mut asked = 0;
    /// let server = service_fn(move |_: http::Request<String>| {
    ///     asked += 1;
    ///     let status = if asked == 1 { 429 } else { 200 };
    ///     async move { Ok::<_, std::io::Error>(http::Response::builder().status(status).body(asked).unwrap()) }
    /// });
    /// # let server = tower::util::BoxService::new(server);
    /// # let server = tower::buffer::Buffer::new(server, 1);
    /// let client = Client::builder().auto().stack(server)?;
    /// let answer = client.oneshot(http::Request::new("hello".to_owned())).await?;
    /// assert_eq!(answer.into_body(), 2, "refused, and asked again");
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// [`BuildError::Rate`].
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime: the line has a task.
    pub fn stack<S, B, R>(self, service: S) -> Result<Stack<B, R>, BuildError>
    where
        S: tower::Service<
                http::Request<B>,
                Response = http::Response<R>,
                Error: Into<BoxError>,
                Future: Send,
            > + Clone
            + Send
            + Sync
            + 'static,
        B: Clone + Send + 'static,
        R: Send + 'static,
    {
        let settings = self.settings()?;
        Ok(Stack { service: crate::stack::stack(service, &settings, None).service })
    }

    pub(crate) fn settings(&self) -> Result<Settings, BuildError> {
        let retries = retry::Rules {
            refusals: self.refusals(),
            most: self.retries,
            max_wait: self.max_wait,
            budget: self.retry_budget,
        };
        Ok(Settings {
            queue: self.queue,
            classes: self.classes.clone(),
            rate: self.rate.clone().map_err(BuildError::Rate)?,
            burst: self.burst,
            concurrency: self.concurrency,
            timeout: self.timeout,
            retries: Arc::new(retries),
        })
    }

    /// What is to be trusted, one by one.
    pub(crate) fn certificates(&self) -> Result<Vec<reqwest::Certificate>, BuildError> {
        let mut all = Vec::new();
        for pem in &self.trusted {
            let wrong = |why: &str| BuildError::Trust(why.to_owned());
            let certificates =
                reqwest::Certificate::from_pem_bundle(pem).map_err(|_| wrong("that is not PEM"))?;
            if certificates.is_empty() {
                return Err(wrong("there is none in PEM form"));
            }
            all.extend(certificates);
        }
        Ok(all)
    }

    pub(crate) fn refusals(&self) -> Refusals {
        Refusals { told: self.refused_when.clone() }
    }

    pub(crate) fn redirects(&self) -> Redirects {
        Redirects { most: self.max_redirects, allow_private: self.allow_private_redirects }
    }
}

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder")
            .field("rate", &self.rate)
            .field("burst", &self.burst)
            .field("concurrency", &self.concurrency)
            .field("per_host", &self.per_host)
            .field("queue", &self.queue)
            .field("retries", &self.retries)
            .finish_non_exhaustive()
    }
}

/// What can be a rate.
pub trait IntoRate {
    /// The rate, or the text that is none.
    ///
    /// # Errors
    ///
    /// The text.
    fn into_rate(self) -> Result<RateChoice, String>;
}

impl IntoRate for RateChoice {
    fn into_rate(self) -> Result<RateChoice, String> {
        Ok(self)
    }
}

impl IntoRate for Rate {
    fn into_rate(self) -> Result<RateChoice, String> {
        Ok(RateChoice::Fixed(self))
    }
}

impl IntoRate for &str {
    fn into_rate(self) -> Result<RateChoice, String> {
        self.parse().map_err(|_| self.to_owned())
    }
}

/// `50/s`, `600/m`, `1000/h`, `auto`.
impl std::str::FromStr for RateChoice {
    type Err = BuildError;

    fn from_str(text: &str) -> Result<Self, BuildError> {
        if text == "auto" {
            return Ok(Self::Auto);
        }
        let wrong = || BuildError::Rate(text.to_owned());
        let (num, per) = text.split_once('/').ok_or_else(wrong)?;
        let num = num.parse().ok().filter(|&num| num > 0).ok_or_else(wrong)?;
        let per = match per {
            "s" => 1,
            "m" => 60,
            "h" => 3600,
            _ => return Err(wrong()),
        };
        Ok(Self::Fixed(Rate::new(num, Duration::from_secs(per))))
    }
}

impl From<usize> for ConcurrencyChoice {
    fn from(most: usize) -> Self {
        Self::Fixed(most)
    }
}

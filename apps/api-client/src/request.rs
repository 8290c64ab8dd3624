//! What is asked for.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::CONTENT_LENGTH;
use http::{HeaderMap, Method};
use reqwest::Url;

use crate::Class;
use crate::first_send::FirstSend;
use crate::room::Room;

/// A request, as often as it has to be sent.
///
/// ```
/// use api_client::{Request, Store};
/// use std::time::Duration;
///
/// let request = Request::get("https://name:word@example.com/report.pdf")
///     .header("accept", "application/pdf")
///     .header("x-api-key", "k-123") // a secret by its name
///     .secret_header("x-customer", "c-77")
///     .deadline(Duration::from_secs(600))
///     .class("high")
///     .store(Store::File("downloads".into()));
/// let shown = format!("{request:?}");
/// assert!(!["k-123", "c-77", "word"].iter().any(|secret| shown.contains(secret)));
/// ```
#[derive(Clone)]
#[non_exhaustive]
pub struct Request {
    /// What is to be done.
    pub method: Method,
    /// Where; `http` or `https`. Checked when it is sent.
    pub url: String,
    /// Headers. Those marked as sensitive, and those whose names say that they are credentials, are for the host of `url` only.
    pub headers: HeaderMap,
    /// The body; empty: none.
    pub body: Bytes,
    /// Sent as `Idempotency-Key`: the server acts once, however often it gets the request, so it may be sent again.
    pub idempotency_key: Option<String>,
    /// In how long there must be an answer, from the call on; waiting, attempts and all. None: as long as it takes.
    pub deadline: Option<Duration>,
    /// Its class, which decides who is sent first among those who wait for the same host; one of
    /// [`classes`](crate::Builder::classes). None: their default.
    pub class: Option<Class>,
    /// Where the body of the answer goes.
    pub store: Store,
    /// `url`, where somebody has read it already.
    pub(crate) parsed: Option<Url>,
    /// What could not be made a header, told when it is sent.
    pub(crate) wrong: Option<String>,
    /// What comes before it is sent for the first time.
    pub(crate) first_send: Option<FirstSend>,
    /// What its body shares with others in memory; none: the bound on a single one is all.
    pub(crate) room: Option<Room>,
}

/// Headers without secrets, also where nobody has marked them.
struct Shown<'a>(&'a HeaderMap);

/// Where the body of an answer goes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Store {
    /// Into memory.
    #[default]
    Memory,
    /// Into a new file in this folder, which must be there, with a name that is nobody's; see [`Body::File`](crate::Body::File).
    /// Answers that are no success (statuses outside of 200 to 299) go to memory, since nobody wants them in place of the file.
    File(PathBuf),
}

// === impl Request ===

impl Request {
    /// A request with that method and URL, and nothing else.
    pub fn new(method: Method, url: impl Into<String>) -> Self {
        Self {
            method,
            url: url.into(),
            headers: HeaderMap::new(),
            body: Bytes::new(),
            idempotency_key: None,
            deadline: None,
            class: None,
            store: Store::default(),
            parsed: None,
            wrong: None,
            first_send: None,
            room: None,
        }
    }

    /// A `GET`.
    pub fn get(url: impl Into<String>) -> Self {
        Self::new(Method::GET, url)
    }

    /// A `POST`, which is not sent again after a failure unless it has an [`idempotency_key`](Self::idempotency_key).
    pub fn post(url: impl Into<String>) -> Self {
        Self::new(Method::POST, url)
    }

    /// Adds a header. What cannot be one fails the request, as [`Reason::Url`](crate::Reason::Url) with its name.
    #[must_use]
    pub fn header(self, name: &str, value: &str) -> Self {
        self.with_header(name, value, false)
    }

    /// Adds a header with a secret: sent to the host of this request only, also when that redirects, and never shown.
    ///
    /// What has `auth`, `cookie`, `key`, `token`, `secret`, `password` or the like in its name is one however it was added, but for
    /// `Idempotency-Key`.
    #[must_use]
    pub fn secret_header(self, name: &str, value: &str) -> Self {
        self.with_header(name, value, true)
    }

    /// Sets the body.
    #[must_use]
    pub fn body(mut self, body: impl Into<Bytes>) -> Self {
        self.body = body.into();
        self
    }

    /// Sets the [`idempotency_key`](Self::idempotency_key).
    #[must_use]
    pub fn idempotency_key(mut self, key: impl Into<String>) -> Self {
        self.idempotency_key = Some(key.into());
        self
    }

    /// Sets the [`deadline`](Self::deadline).
    #[must_use]
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = Some(deadline);
        self
    }

    /// Sets the [`class`](Self::class). One that there is not fails the request, as [`Reason::Class`](crate::Reason::Class).
    #[must_use]
    pub fn class(mut self, name: impl Into<Arc<str>>) -> Self {
        self.class = Some(Class(name.into()));
        self
    }

    /// Sets where the body of the answer goes.
    #[must_use]
    pub fn store(mut self, store: Store) -> Self {
        self.store = store;
        self
    }

    fn with_header(mut self, name: &str, value: &str, is_secret: bool) -> Self {
        let parsed = (http::HeaderName::try_from(name), http::HeaderValue::try_from(value));
        let (Ok(name), Ok(mut value)) = parsed else {
            self.wrong.get_or_insert_with(|| format!("header {name:?} is not valid"));
            return self;
        };
        value.set_sensitive(is_secret || crate::config::is_secret(&name));
        self.headers.append(name, value);
        self
    }
}

/// What `Content-Length` says, and what the body has, if that is not the same. What is below would send no more of the body than it
/// says, or wait for what is not there.
pub(crate) fn wrong_length(headers: &HeaderMap, body: &[u8]) -> Option<(String, usize)> {
    let is = body.len().to_string();
    let told = headers.get_all(CONTENT_LENGTH).iter().find(|told| told.as_bytes() != is.as_bytes())?;
    Some((String::from_utf8_lossy(told.as_bytes()).into_owned(), body.len()))
}

/// Without secrets: neither those in headers, nor those in the URL.
impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request")
            .field("method", &self.method)
            .field("url", &Url::parse(&self.url).map(|url| crate::redacted(&url)))
            .field("headers", &Shown(&self.headers))
            .field("body", &self.body.len())
            .field("idempotency_key", &self.idempotency_key)
            .field("deadline", &self.deadline)
            .field("class", &self.class)
            .field("store", &self.store)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = self.0.iter().map(|(name, value)| {
            let mut value = value.clone();
            value.set_sensitive(value.is_sensitive() || crate::config::is_secret(name));
            (name, value)
        });
        f.debug_map().entries(shown).finish()
    }
}

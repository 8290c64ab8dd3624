//! Why a request was not answered.

use std::time::{Duration, SystemTime};

use forebay::queue::UnknownClass;
use http::StatusCode;

/// A request that was not answered, with the reason, and how often it was tried.
///
/// ```
/// use api_client::{Client, Reason};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let client = Client::builder().build()?;
/// let failure = client.get("file:///etc/passwd").send().await.unwrap_err();
/// assert!(matches!(failure.reason, Reason::Url { .. }));
/// assert_eq!(failure.attempts, 0);
/// # Ok(()) }
/// ```
#[derive(Debug, thiserror::Error)]
#[error("{reason}")]
#[non_exhaustive]
pub struct Failure {
    /// Why.
    #[source]
    pub reason: Reason,
    /// How often it was sent; 0: it has not been started.
    pub attempts: u32,
    /// How often it was refused, among these.
    pub refused: u32,
    /// How often there was no connection to send it by, among these.
    pub(crate) unsent: u32,
    /// There could have been another attempt, but too many others had one: the budget for retries is spent.
    pub out_of_budget: bool,
}

/// Why a request was not answered.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Reason {
    /// The server refused it each time it was asked. It has not been acted upon.
    #[error("refused {times} times, last with {status}")]
    Refused {
        /// How often.
        times: u32,
        /// The last refusal.
        status: StatusCode,
        /// For how long that said to wait.
        retry_after: Option<Duration>,
    },
    /// The server said to wait for longer than [`max_wait`](crate::Builder::max_wait).
    #[error("the server lets nothing through for another {}", shown(*wait))]
    WaitTooLong {
        /// For how long, from then on.
        wait: Duration,
        /// Until when.
        until: SystemTime,
    },
    /// The request's deadline was over before it had an answer.
    #[error("the deadline is over")]
    Deadline,
    /// It was not worth waiting for: the server lets nothing through before the request's deadline.
    #[error("the deadline cannot be met: the server lets nothing through for another {}", shown(*wait))]
    TooLate {
        /// For how long it lets nothing through, from then on.
        wait: Duration,
    },
    /// The last attempt took longer than an attempt may.
    #[error("no answer within {}", shown(*after))]
    Timeout {
        /// What an attempt may take.
        after: Duration,
    },
    /// Nobody has that name. It is not asked for again.
    #[error("there is no host {host}")]
    NoHost {
        /// The name.
        host: String,
    },
    /// The certificate of the host is not trusted; see [`trust`](crate::Builder::trust). It is not asked again.
    #[error("the certificate of {host} is not trusted: {why}")]
    Certificate {
        /// The host.
        host: String,
        /// What is wrong with the certificate.
        why: String,
        /// All that is wrong is that nobody who is trusted has signed it.
        is_unknown: bool,
    },
    /// The host and this client have no way to encrypt in common. It is not asked again.
    #[error("cannot encrypt to {host}: {why}")]
    Tls {
        /// The host.
        host: String,
        /// What is wrong.
        why: String,
    },
    /// There was no connection: the address, the port, a name that cannot be looked up now, or TLS that broke off.
    #[error("cannot connect")]
    Connect(#[source] BoxError),
    /// The connection broke before the whole answer was there.
    #[error("the answer broke off")]
    Broken(#[source] BoxError),
    /// The body of the answer is larger than [`max_body`](crate::Builder::max_body), as it comes or decompressed.
    #[error("the answer has more than {limit} bytes")]
    TooLarge {
        /// What it may have.
        limit: u64,
    },
    /// The head of the answer is larger than the library below reads: 100 headers, or 400 KB together. It is not asked for again.
    /// [`connections`](crate::Builder::connections) can allow more headers by HTTP/1, and larger heads by HTTP/2.
    #[error("the head of the answer is too large: it has more than 100 headers, or more than 400 KB")]
    HeadTooLarge,
    /// The answer led to where it must not be followed.
    #[error("a redirect to {to} is not followed: {why}")]
    Redirect {
        /// Where it led, without what looks like a secret; `***` if that is no URL.
        to: String,
        /// Why it is not followed.
        why: RedirectRefused,
    },
    /// It is of a class that there is not; the error lists those that there are.
    #[error(transparent)]
    Class(UnknownClass),
    /// That is no address to send a request to.
    #[error("no url to ask: {why}")]
    Url {
        /// What is wrong with it.
        why: String,
    },
    /// Its header `Content-Length` contradicts its body, of which a part would be sent, or more be waited for.
    #[error("content-length is {told}, and the body has {is} bytes: leave it out, it is sent by itself")]
    Length {
        /// What the header says.
        told: String,
        /// What the body has.
        is: usize,
    },
    /// A body could not be written to the folder.
    #[error("cannot store the answer")]
    Store(#[source] std::io::Error),
    /// The client was closed before the answer came. With no attempts, the request has not been sent.
    #[error("the client is closed")]
    Closed,
    /// The service that was given in place of this library's own failed.
    #[error("the service failed")]
    Service(#[source] BoxError),
}

/// Why a redirect was not followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RedirectRefused {
    /// There were more than [`max_redirects`](crate::Builder::max_redirects), or they go round.
    #[error("there are too many")]
    TooMany,
    /// From a public address to one that is private, loopback or link-local.
    #[error("its address is private")]
    Private,
    /// From `https` to `http`.
    #[error("it is not encrypted")]
    Unencrypted,
    /// Neither `http` nor `https`.
    #[error("it is not HTTP")]
    Scheme,
    /// What stands there is no URL.
    #[error("it is no url")]
    Url,
}

// === impl Failure ===

impl Failure {
    /// Nothing was sent.
    pub(crate) fn of(reason: Reason) -> Self {
        Self { reason, attempts: 0, refused: 0, unsent: 0, out_of_budget: false }
    }
}

// === impl Reason ===

impl Reason {
    /// Whether the server may have acted upon the last attempt, if there was one.
    pub(crate) fn may_have_been_done(&self) -> bool {
        match self {
            Self::Deadline
            | Self::Timeout { .. }
            | Self::Broken(_)
            | Self::TooLarge { .. }
            | Self::HeadTooLarge
            | Self::Redirect { .. }
            | Self::Store(_)
            | Self::Closed
            | Self::Service(_) => true,
            Self::Refused { .. }
            | Self::WaitTooLong { .. }
            | Self::TooLate { .. }
            | Self::NoHost { .. }
            | Self::Certificate { .. }
            | Self::Tls { .. }
            | Self::Connect(_)
            | Self::Class(_)
            | Self::Url { .. }
            | Self::Length { .. } => false,
        }
    }

    pub(crate) fn wait_too_long(wait: Duration) -> Self {
        // Clocks do not go further than that everywhere, and nobody looks further ahead.
        let until = SystemTime::now() + wait.min(Duration::from_secs(u32::MAX.into()));
        Self::WaitTooLong { wait, until }
    }
}

/// An error that no longer tells its type.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// In seconds, or in what is easier to read.
fn shown(time: Duration) -> String {
    match time.as_secs() {
        0 => format!("{} ms", time.as_millis()),
        seconds @ 1..120 => format!("{seconds} s"),
        seconds @ 120..7200 => format!("{} min", seconds / 60),
        seconds => format!("{} h", seconds / 3600),
    }
}

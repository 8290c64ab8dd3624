//! What answers say about the server's limit.

use forebay_queue::CallEnd;

use crate::layer::{ByResult, Classify};
use crate::rate::Answer;

/// Reads an answer: was it a refusal, for how long, and what does it say of quotas?
///
/// A closure does, [`ByResult`], or `ByStatus` (feature `http`) for `http::Response`. For other clients of HTTP a closure over
/// [`Answer::from_http`] does.
///
/// ```
/// use std::time::Duration;
/// use forebay_flow::layer::{ByResult, Judge};
/// use forebay_flow::rate::Answer;
///
/// /// As some queue's client has it.
/// enum Error { Throttled { wait: Duration }, NoConnection }
///
/// let by_error = |result: Result<&String, &Error>| match result {
///     Ok(_) => Answer::served(),
///     Err(Error::Throttled { wait }) => Answer::refused().after(*wait),
///     Err(Error::NoConnection) => Answer::says_nothing(),
/// };
/// let throttled = Error::Throttled { wait: Duration::from_secs(2) };
/// assert_eq!(by_error.judge(Err(&throttled)).retry_after, Some(Duration::from_secs(2)));
/// assert_eq!(ByResult.judge(Err::<&String, _>(&Error::NoConnection)), Answer::refused());
/// ```
pub trait Judge<T, E> {
    /// Asked when the response or the error is there.
    fn judge(&self, result: Result<&T, &E>) -> Answer;
}

/// Reads responses of HTTP by their status and headers, as [`Answer::from_headers`] has it. An error says nothing: what fails
/// before there is a status is mostly a connection. Where a timeout is a sign of too much, use a closure that says so.
///
/// ```
/// use std::time::Duration;
/// use forebay_flow::layer::{ByStatus, Judge};
/// use forebay_flow::rate::Answer;
///
/// let response = http::Response::builder().status(429).header("Retry-After", "5").body(()).unwrap();
/// let answer = ByStatus.judge(Ok::<_, &std::io::Error>(&response));
/// assert_eq!(answer, Answer::refused().after(Duration::from_secs(5)));
/// ```
#[cfg(feature = "http")]
#[derive(Debug, Clone, Copy, Default)]
pub struct ByStatus;

// === impl Judge ===

impl<T, E, F: Fn(Result<&T, &E>) -> Answer> Judge<T, E> for F {
    fn judge(&self, result: Result<&T, &E>) -> Answer {
        self(result)
    }
}

impl<T, E> Judge<T, E> for ByResult {
    fn judge(&self, result: Result<&T, &E>) -> Answer {
        match self.classify(result) {
            CallEnd::Success => Answer::served(),
            _ => Answer::refused(),
        }
    }
}

#[cfg(feature = "http")]
impl<B, E> Judge<http::Response<B>, E> for ByStatus {
    fn judge(&self, result: Result<&http::Response<B>, &E>) -> Answer {
        let Ok(response) = result else { return Answer::says_nothing() };
        let since_1970 = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        Answer::from_headers(response.status().as_u16(), response.headers(), since_1970.unwrap_or_default())
    }
}

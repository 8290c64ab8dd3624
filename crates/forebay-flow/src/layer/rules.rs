//! What a layer must be told about requests and answers.

use forebay_queue::CallEnd;

/// How much a request weighs: how many permits its call needs, or what its start costs.
///
/// A closure does, or [`One`].
///
/// ```
/// use forebay_flow::layer::{One, Weigh};
///
/// assert_eq!(One.weigh(&"anything"), 1);
/// let by_len = |letter: &String| letter.len();
/// assert_eq!(by_len.weigh(&"four".to_owned()), 4);
/// ```
pub trait Weigh<R> {
    /// At least 1; 0 counts as 1.
    fn weigh(&self, request: &R) -> usize;
}

/// Every call weighs 1.
#[derive(Debug, Clone, Copy, Default)]
pub struct One;

/// How a call ended, as far as a [`Limit`](crate::Limit) is concerned.
///
/// A closure does, or [`ByResult`].
///
/// ```
/// use forebay_flow::CallEnd;
/// use forebay_flow::layer::{ByResult, Classify};
///
/// let answer: Result<&u16, &String> = Ok(&503);
/// assert_eq!(ByResult.classify(answer), CallEnd::Success);
/// let by_status = |result: Result<&u16, &String>| match result {
///     Ok(429 | 503) | Err(_) => CallEnd::Overload,
///     Ok(200..=299) => CallEnd::Success,
///     Ok(_) => CallEnd::Ignore,
/// };
/// assert_eq!(by_status.classify(answer), CallEnd::Overload);
/// ```
pub trait Classify<T, E> {
    /// Asked when the response or the error is there.
    fn classify(&self, result: Result<&T, &E>) -> CallEnd;
}

/// A response is a success, an error an overload: most errors of a service that answers with a status are timeouts and
/// connections that were refused.
///
/// Where errors have other reasons (a request that makes no sense, a row that is not there), use a closure that takes these for
/// [`Ignore`](CallEnd::Ignore). Otherwise some of them in a hundred hold a limit down that is far from used up, by its policy:
/// [`Aimd`](crate::Aimd) bears most, [`RttBand`](crate::RttBand) least.
#[derive(Debug, Clone, Copy, Default)]
pub struct ByResult;

// === impl Weigh ===

impl<R> Weigh<R> for One {
    #[inline]
    fn weigh(&self, _: &R) -> usize {
        1
    }
}

impl<R, F: Fn(&R) -> usize> Weigh<R> for F {
    fn weigh(&self, request: &R) -> usize {
        self(request)
    }
}

// === impl Classify ===

impl<T, E> Classify<T, E> for ByResult {
    #[inline]
    fn classify(&self, result: Result<&T, &E>) -> CallEnd {
        match result {
            Ok(_) => CallEnd::Success,
            Err(_) => CallEnd::Overload,
        }
    }
}

impl<T, E, F: Fn(Result<&T, &E>) -> CallEnd> Classify<T, E> for F {
    fn classify(&self, result: Result<&T, &E>) -> CallEnd {
        self(result)
    }
}

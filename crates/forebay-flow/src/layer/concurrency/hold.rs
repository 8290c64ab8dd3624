//! For how long a call keeps its permit.

use forebay_queue::{CallEnd, Limit};

use super::Permit;

/// For how long a call keeps its permit after the service has answered.
///
/// ```
/// use forebay_flow::layer::{Hold, Permit};
/// use forebay_flow::{CallEnd, Limit};
///
/// /// The permit stays with what the caller holds in hand.
/// #[derive(Clone)]
/// struct WithTheLease;
///
/// impl<P: Limit> Hold<String, P> for WithTheLease {
///     type Held = (String, Permit<P>);
///     fn hold(&self, lease: String, permit: Permit<P>, _: CallEnd) -> Self::Held {
///         (lease, permit)
///     }
/// }
/// ```
pub trait Hold<T, P> {
    /// What the caller gets.
    type Held;

    /// The service has answered with `response`, which the classifier takes for `end`.
    fn hold(&self, response: T, permit: Permit<P>, end: CallEnd) -> Self::Held;
}

/// Until the response future has ended. The default.
#[derive(Debug, Clone, Copy, Default)]
pub struct UntilResponse;

// === impl UntilResponse ===

impl<T, P: Limit> Hold<T, P> for UntilResponse {
    type Held = T;

    #[inline]
    fn hold(&self, response: T, permit: Permit<P>, end: CallEnd) -> T {
        permit.end(end);
        response
    }
}

//! A permit that is held until the body has ended.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use forebay_queue::{CallEnd, Limit};
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use super::{Hold, Permit};

/// Until the last byte of the response's body was handed out, or the body is dropped.
///
/// The round trip that the limit learns is the one to that last byte. A body that fails is an overload, and one that is
/// dropped early says nothing. See [`ConcurrencyLimitLayer::hold_body`](super::ConcurrencyLimitLayer::hold_body).
#[derive(Debug, Clone, Copy, Default)]
pub struct UntilBody;

pin_project! {
    /// The body of a response, and the permit of its call.
    pub struct HeldBody<B, P> {
        #[pin]
        body: B,
        // None once it has gone back.
        permit: Option<(Permit<P>, CallEnd)>,
    }
}

// === impl UntilBody ===

impl<B: Body, P: Limit> Hold<http::Response<B>, P> for UntilBody {
    type Held = http::Response<HeldBody<B, P>>;

    fn hold(&self, response: http::Response<B>, permit: Permit<P>, end: CallEnd) -> Self::Held {
        response.map(|body| {
            let mut held = HeldBody { body, permit: Some((permit, end)) };
            // Nobody need poll a body without anything in it.
            if held.body.is_end_stream() {
                finish(&mut held.permit, None);
            }
            held
        })
    }
}

/// Gives the permit back, for another reason than the response's if there is one.
fn finish<P: Limit>(permit: &mut Option<(Permit<P>, CallEnd)>, other: Option<CallEnd>) {
    if let Some((permit, end)) = permit.take() {
        permit.end(other.unwrap_or(end));
    }
}

// === impl HeldBody ===

impl<B: Body, P: Limit> Body for HeldBody<B, P> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        let mut this = self.project();
        let frame = ready!(this.body.as_mut().poll_frame(cx));
        match &frame {
            None => finish(this.permit, None),
            Some(Err(_)) => finish(this.permit, Some(CallEnd::Overload)),
            // A reader of the body need not ask again after the last frame.
            Some(Ok(_)) if this.body.is_end_stream() => finish(this.permit, None),
            Some(Ok(_)) => {}
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl<B: fmt::Debug, P> fmt::Debug for HeldBody<B, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HeldBody")
            .field("body", &self.body)
            .field("held", &self.permit.is_some())
            .finish_non_exhaustive()
    }
}

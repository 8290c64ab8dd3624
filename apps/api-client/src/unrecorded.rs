//! What is sent and not recorded has a bound, since that is what a crash would have sent again.

use std::sync::{Arc, OnceLock};

use forebay::flow::layer::{Hold, Permit};
use forebay::flow::{CallEnd, Fixed};

/// A place among what is sent and not recorded. It comes with the answer to a request of which somebody keeps a record, and is
/// free when it is dropped: with an answer that leads to another attempt or to a redirect, or when the answer's record is on
/// its way.
#[derive(Debug, Clone, Default)]
pub(crate) struct Unrecorded(Arc<OnceLock<Permit<Fixed>>>);

/// The place stays with the answer; of what nobody records it is free as soon as that is answered.
#[derive(Debug, Clone, Copy)]
pub(crate) struct UntilRecorded;

// === impl UntilRecorded ===

impl<R> Hold<http::Response<R>, Fixed> for UntilRecorded {
    type Held = http::Response<R>;

    fn hold(&self, answer: http::Response<R>, permit: Permit<Fixed>, end: CallEnd) -> Self::Held {
        match answer.extensions().get::<Unrecorded>() {
            // Each answer has a new one.
            Some(place) => drop(place.0.set(permit)),
            None => permit.end(end),
        }
        answer
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::time::Duration;

    use http::StatusCode;
    use tokio::task::yield_now;
    use tokio::time::{Instant, timeout};
    use tower::{ServiceExt as _, service_fn};

    use super::*;
    use crate::Client;
    use crate::stack::Stack;

    type Answer = http::Response<()>;

    /// So many at once, each with a record or none; the first answer has that status.
    fn stack(at_once: usize, is_recorded: bool, first: StatusCode) -> Stack<(), ()> {
        let mut status = first;
        let server = move |_: http::Request<()>| {
            let mut answer = Answer::default();
            *answer.status_mut() = std::mem::take(&mut status);
            if is_recorded {
                answer.extensions_mut().insert(Unrecorded::default());
            }
            async { Ok::<_, Infallible>(answer) }
        };
        let server = tower::buffer::Buffer::new(service_fn(server), 1);
        Client::builder().rate("1000000/s").concurrency(at_once).stack(server).unwrap()
    }

    async fn ask(stack: &Stack<(), ()>) -> Answer {
        stack.clone().oneshot(http::Request::new(())).await.unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn no_more_are_sent_than_may_be_unrecorded() {
        let stack = stack(2, true, StatusCode::OK);
        let (one, _other) = (ask(&stack).await, ask(&stack).await);
        let mut third = Box::pin(ask(&stack));
        let is_sent = timeout(Duration::from_secs(60), third.as_mut()).await.is_ok();
        assert!(!is_sent, "two are answered and not recorded");
        drop(one);
        third.await;
    }

    #[tokio::test(start_paused = true)]
    async fn of_what_nobody_records_there_may_be_any_number() {
        let stack = stack(1, false, StatusCode::OK);
        let (_one, _other) = (ask(&stack).await, ask(&stack).await);
    }

    #[tokio::test(start_paused = true)]
    async fn who_is_to_be_sent_again_has_no_place_meanwhile() {
        let stack = stack(1, true, StatusCode::INTERNAL_SERVER_ERROR);
        let again = tokio::spawn({
            let stack = stack.clone();
            async move { ask(&stack).await.status() }
        });
        yield_now().await;
        let began = Instant::now();
        drop(ask(&stack).await);
        assert!(began.elapsed() < Duration::from_millis(50), "the other is in its pause");
        assert!(!again.is_finished());
        assert_eq!(again.await.unwrap(), StatusCode::OK);
    }
}

//! Permits that are held until a body has ended.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use bytes::Bytes;
use forebay_flow::layer::{ConcurrencyLimitLayer, HeldBody, LimitHandle};
use forebay_flow::{CallEnd, Limit, Sample, Tick};
use http::Response;
use http_body::{Body, Frame};
use http_body_util::{BodyExt, Empty, Full};
use tower::{Layer, ServiceExt, service_fn};

#[derive(Clone, Default)]
struct Ends(Arc<Mutex<Vec<CallEnd>>>);

impl Limit for Ends {
    fn seats(&self) -> usize {
        1
    }

    fn update(&mut self, sample: &Sample, _: Tick) {
        self.0.lock().expect("nobody panics with it").push(sample.end);
    }
}

/// Two frames, the second of which may be a failure.
struct TwoFrames {
    left: usize,
    fails: bool,
}

impl Body for TwoFrames {
    type Data = Bytes;
    type Error = &'static str;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, &'static str>>> {
        let fails = self.fails && self.left == 1;
        Poll::Ready(match self.left {
            0 => None,
            _ => {
                self.left -= 1;
                Some(if fails { Err("cut off") } else { Ok(Frame::data(Bytes::from_static(b"half"))) })
            }
        })
    }
}

async fn respond<B: Body + 'static>(body: B) -> (HeldBody<B, Ends>, LimitHandle<Ends>, Ends) {
    let ends = Ends::default();
    let layer = ConcurrencyLimitLayer::new(ends.clone()).hold_body();
    let slot = Arc::new(Mutex::new(Some(body)));
    let page = service_fn(move |()| {
        let body = slot.lock().expect("nobody panics with it").take().expect("called once");
        async move { Ok::<_, Infallible>(Response::new(body)) }
    });
    let response = layer.layer(page).oneshot(()).await.expect("it answers");
    (response.into_body(), layer.handle(), ends)
}

fn heard(ends: &Ends) -> Vec<CallEnd> {
    ends.0.lock().expect("nobody panics with it").clone()
}

#[tokio::test]
async fn held_until_the_body_has_ended() {
    let (mut body, handle, ends) = respond(TwoFrames { left: 2, fails: false }).await;
    for _ in 0..2 {
        assert_eq!(handle.in_use(), 1);
        body.frame().await.expect("two frames").expect("no failure");
    }
    assert!(heard(&ends).is_empty());
    assert!(body.frame().await.is_none());
    assert_eq!((handle.in_use(), heard(&ends)), (0, vec![CallEnd::Success]));
}

#[tokio::test]
async fn a_body_that_says_that_it_has_ended_need_not_be_asked_again() {
    let (mut body, handle, _) = respond(Full::new(Bytes::from_static(b"all"))).await;
    assert_eq!(handle.in_use(), 1);
    body.frame().await.expect("one frame").expect("no failure");
    assert_eq!(handle.in_use(), 0);
}

#[tokio::test]
async fn a_body_without_anything_in_it_holds_nothing() {
    let (body, handle, ends) = respond(Empty::<Bytes>::new()).await;
    assert_eq!((handle.in_use(), heard(&ends)), (0, vec![CallEnd::Success]));
    drop(body);
}

#[tokio::test]
async fn a_body_that_fails_is_an_overload() {
    let (mut body, handle, ends) = respond(TwoFrames { left: 2, fails: true }).await;
    body.frame().await.expect("two frames").expect("no failure");
    body.frame().await.expect("two frames").expect_err("a failure");
    assert_eq!((handle.in_use(), heard(&ends)), (0, vec![CallEnd::Overload]));
}

#[tokio::test]
async fn a_body_that_is_dropped_gives_back_and_teaches_nothing() {
    let (mut body, handle, ends) = respond(TwoFrames { left: 2, fails: false }).await;
    body.frame().await.expect("two frames").expect("no failure");
    drop(body);
    assert_eq!((handle.in_use(), heard(&ends)), (0, vec![]));
}

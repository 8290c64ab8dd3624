//! Keeps a panic of somebody else's code inside its item.

use std::any::Any;
use std::future::poll_fn;
use std::ops::{Deref, DerefMut};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::task::Poll;

/// A value of code that is not ours. Its destructor runs contained, wherever it comes to that.
pub(crate) struct Contained<V>(Option<V>);

// === impl Contained ===

impl<V> Contained<V> {
    pub(crate) fn new(value: V) -> Self {
        Self(Some(value))
    }

    /// The value, to somebody who answers for its destructor.
    pub(crate) fn into_inner(mut self) -> V {
        self.0.take().expect("it is there until this is dropped")
    }
}

impl<V> Deref for Contained<V> {
    type Target = V;

    fn deref(&self) -> &V {
        self.0.as_ref().expect("it is there until this is dropped")
    }
}

impl<V> DerefMut for Contained<V> {
    fn deref_mut(&mut self) -> &mut V {
        self.0.as_mut().expect("it is there until this is dropped")
    }
}

impl<V> Drop for Contained<V> {
    fn drop(&mut self) {
        if let Err(panic) = contain(|| drop(self.0.take())) {
            tracing::error!(%panic, "an item, an error, or state of a handler, a key, a hook, a policy or a sink panicked when it was dropped");
        }
    }
}

/// Runs code that is not ours: a handler, a future's destructor, a source.
///
/// `AssertUnwindSafe` holds because code that panicked is not used again: a worker rebuilds its handler, a source
/// counts as broken, and the pool's own state is never borrowed by `f` in a half-changed form.
///
/// # Errors
///
/// If `f` panicked: what it said.
pub(crate) fn contain<R>(f: impl FnOnce() -> R) -> Result<R, String> {
    catch_unwind(AssertUnwindSafe(f)).map_err(|payload| {
        let message = message_of(&*payload);
        // A payload is an arbitrary value, whose destructor may panic again.
        if let Err(another) = catch_unwind(AssertUnwindSafe(|| drop(payload))) {
            // And so may the new panic's, for ever: the memory of one box is the smaller loss.
            std::mem::forget(another);
        }
        message
    })
}

/// The same for a future that is not ours, each of its polls and its destructor at the end.
///
/// # Errors
///
/// What the first panic said.
pub(crate) async fn contained<F: Future>(future: F) -> Result<F::Output, String> {
    let mut future = pin!(Some(future));
    let polled = poll_fn(|cx| {
        let future = future.as_mut().as_pin_mut().expect("it is there until it is ready");
        match contain(|| future.poll(cx)) {
            Ok(Poll::Pending) => Poll::Pending,
            Ok(Poll::Ready(output)) => Poll::Ready(Ok(output)),
            Err(panic) => Poll::Ready(Err(panic)),
        }
    })
    .await;
    // By itself: two panics, the second while the first unwinds, would end the process.
    let dropped = contain(|| future.set(None));
    polled.and_then(|output| dropped.map(|()| output))
}

/// Wakes somebody. A waker may be anything, and its panic is not that of the caller, which only has news.
pub(crate) fn wake(wake: impl FnOnce()) {
    if let Err(panic) = contain(wake) {
        tracing::error!(%panic, "waker panicked");
    }
}

/// What `panic!` was given; other payloads say nothing that could be shown.
fn message_of(payload: &(dyn Any + Send)) -> String {
    if let Some(message) = payload.downcast_ref::<&'static str>() {
        (*message).to_owned()
    } else if let Some(message) = payload.downcast_ref::<String>() {
        message.clone()
    } else {
        "panic without a message".to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_becomes_its_message() {
        assert_eq!(contain(|| 1), Ok(1));
        assert_eq!(contain(|| -> () { panic!("static") }), Err("static".to_owned()));
        assert_eq!(contain(|| -> () { panic!("{}", 7) }), Err("7".to_owned()));
        assert_eq!(contain(|| -> () { std::panic::panic_any(7) }), Err("panic without a message".to_owned()));
    }

    #[test]
    fn a_payload_that_panics_when_dropped_is_contained_too() {
        struct Bomb;
        impl Drop for Bomb {
            fn drop(&mut self) {
                std::panic::panic_any(Self);
            }
        }
        assert!(contain(|| -> () { std::panic::panic_any(Bomb) }).is_err());
    }
}

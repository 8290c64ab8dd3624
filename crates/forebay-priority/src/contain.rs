//! Running code that is not ours.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::task::Waker;

/// Runs it. A panic has been reported by the process's panic hook when it arrives here, and ends as what it said.
pub(crate) fn contain<T>(foreign: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(foreign)).map_err(|payload| {
        let message = message_of(&*payload);
        // A payload is an arbitrary value, whose destructor may panic again.
        if let Err(another) = catch_unwind(AssertUnwindSafe(|| drop(payload))) {
            // And so may this one's, for ever: the memory of one box is the smaller loss.
            std::mem::forget(another);
        }
        message
    })
}

/// Calls one of several who wait: also where another one has panicked, the next is called.
pub(crate) fn wake(waker: Waker) {
    let _ = contain(|| waker.wake());
}

/// Drops what is a user's, in the middle of something that is to be finished.
pub(crate) fn let_go<T>(foreign: T) {
    let _ = contain(|| drop(foreign));
}

/// What `panic!` was given; other payloads say nothing that could be shown.
fn message_of(payload: &(dyn Any + Send)) -> String {
    let text = payload.downcast_ref::<&'static str>().map(|text| (*text).to_owned());
    text.or_else(|| payload.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "panic without a message".to_owned())
}

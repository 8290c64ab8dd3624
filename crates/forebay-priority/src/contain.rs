//! Running code that is not ours.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::task::Waker;

/// Runs `foreign`. A panic has been reported by the process's panic hook when it arrives here, and is returned as its
/// message.
pub(crate) fn contain<T>(foreign: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(foreign)).map_err(|payload| {
        let message = message_of(&*payload);
        // A payload is an arbitrary value, whose destructor may panic again.
        if let Err(another) = catch_unwind(AssertUnwindSafe(|| drop(payload))) {
            // And so may that panic's payload, without end: leaking one box is the smaller loss.
            std::mem::forget(another);
        }
        message
    })
}

/// Wakes one of several waiters. Contains its panic, so that the next one is woken all the same.
pub(crate) fn wake(waker: Waker) {
    let _ = contain(|| waker.wake());
}

/// Drops a user's value in the middle of work that must be finished.
pub(crate) fn let_go<T>(foreign: T) {
    let _ = contain(|| drop(foreign));
}

/// The message of a `panic!`; other payloads have nothing that could be shown.
fn message_of(payload: &(dyn Any + Send)) -> String {
    let text = payload.downcast_ref::<&'static str>().map(|text| (*text).to_owned());
    text.or_else(|| payload.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "panic without a message".to_owned())
}

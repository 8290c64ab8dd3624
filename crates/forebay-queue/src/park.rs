//! Waiting on a thread that has no runtime.

use std::cell::Cell;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};

/// Wakes a parked thread. A wake that comes before the thread parks is not lost: `park` then returns at once.
struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.0.unpark();
    }
}

thread_local! {
    /// Does this thread run a future, and sleep while that waits?
    static SLEEPS: Cell<bool> = const { Cell::new(false) };
}

/// Is the current poll made by a thread that will sleep, and that so returns to no scheduler?
#[cfg(all(feature = "tokio", not(loom)))]
pub(crate) fn will_sleep() -> bool {
    SLEEPS.get()
}

/// Marks the thread as sleeping until it is dropped. One may be within another, in a hook.
struct Sleeps(bool);

impl Drop for Sleeps {
    fn drop(&mut self) {
        SLEEPS.set(self.0);
    }
}

/// Runs one future on this thread, which sleeps while the future waits.
pub(crate) fn block_on<F: Future>(future: F) -> F::Output {
    let _sleeps = Sleeps(SLEEPS.replace(true));
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut cx = Context::from_waker(&waker);
    // The budget is for tasks that share a thread. On this thread, a spent budget would never be filled again.
    #[cfg(all(feature = "tokio", not(loom)))]
    let future = tokio::task::coop::unconstrained(future);
    let mut future = pin!(future);
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut cx) {
            return output;
        }
        thread::park();
    }
}

//! When an item that was put off is due, and the timer that waits for it.
//!
//! Time belongs to the runtime, so that tests may pause it. Without a runtime, nobody can wake a receiver later, so an
//! item that was put off is due at once.

use crate::Tick;

#[cfg(all(feature = "tokio", not(loom)))]
mod on_tokio {
    use std::future::Future;
    use std::pin::Pin;
    use std::task::{Context, Poll};
    use std::time::Duration;

    use tokio::runtime::Handle;
    use tokio::time::{Instant, Sleep, sleep_until};

    /// A moment of the runtime's clock.
    pub(crate) type Moment = Instant;

    /// `None` outside of a runtime.
    pub(crate) fn now() -> Option<Moment> {
        Handle::try_current().is_ok().then(Instant::now)
    }

    /// The moment `delay` from now. A moment that the clock cannot express is as good as never: thirty years.
    pub(crate) fn after(delay: Duration) -> Option<Moment> {
        const NEVER: Duration = Duration::from_secs(30 * 365 * 24 * 60 * 60);
        now().map(|now| now.checked_add(delay).unwrap_or_else(|| now + NEVER))
    }

    /// Wakes one receiver at one moment; made when it is first needed.
    #[derive(Default)]
    pub(crate) struct Timer(Option<Pin<Box<Sleep>>>);

    impl Timer {
        /// Ready when `due` has come. Polled only where [`now`] returned a time.
        pub(crate) fn poll(&mut self, due: Moment, cx: &mut Context<'_>) -> Poll<()> {
            let sleep = self.0.get_or_insert_with(|| Box::pin(sleep_until(due)));
            if sleep.deadline() != due {
                sleep.as_mut().reset(due);
            }
            sleep.as_mut().poll(cx)
        }

        /// Forgets the timer, since nobody waits any more. It belongs to the runtime that it was made in, and the next
        /// wait may be in another.
        #[inline]
        pub(crate) fn stop(&mut self) {
            if self.0.is_some() {
                self.forget();
            }
        }

        #[cold]
        fn forget(&mut self) {
            self.0 = None;
        }
    }
}

#[cfg(not(all(feature = "tokio", not(loom))))]
mod timeless {
    use std::task::{Context, Poll};
    use std::time::Duration;

    /// Never made, since [`now`] never returns a time.
    pub(crate) type Moment = std::time::Instant;

    pub(crate) fn now() -> Option<Moment> {
        None
    }

    pub(crate) fn after(_: Duration) -> Option<Moment> {
        None
    }

    #[derive(Default)]
    pub(crate) struct Timer;

    impl Timer {
        pub(crate) fn poll(&mut self, _: Moment, _: &mut Context<'_>) -> Poll<()> {
            Poll::Ready(())
        }

        pub(crate) fn stop(&mut self) {}
    }
}

#[cfg(all(feature = "tokio", not(loom)))]
pub(crate) use on_tokio::{Moment, Timer, after, now};
#[cfg(not(all(feature = "tokio", not(loom))))]
pub(crate) use timeless::{Moment, Timer, after, now};

/// The time as a discipline wants it, or 0 where it wants none: reading a clock costs more than passing on an item.
pub(crate) struct Clock(Option<Moment>);

impl Clock {
    pub(crate) fn new(needed: bool) -> Self {
        Self(needed.then(clock))
    }

    /// Starts the clock, if the time is wanted from now on: for waiters that came before, time begins now.
    pub(crate) fn begin_if(&mut self, needed: bool) {
        if needed {
            self.0.get_or_insert_with(clock);
        }
    }

    /// Nanoseconds since the clock was made.
    pub(crate) fn now(&self) -> Tick {
        self.0.map_or(0, |start| {
            Tick::try_from(clock().saturating_duration_since(start).as_nanos()).unwrap_or(Tick::MAX)
        })
    }

    /// The moment of a tick; `None` if it is never, or nobody looks at the clock.
    pub(crate) fn moment(&self, tick: Tick) -> Option<Moment> {
        self.0?.checked_add(std::time::Duration::from_nanos(tick))
    }
}

/// The current time, inside or outside of a runtime.
pub(crate) fn clock() -> Moment {
    Moment::now()
}

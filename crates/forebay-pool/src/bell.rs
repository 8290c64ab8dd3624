//! Wakes all who wait for something.
//!
//! The waiters may be anybody's, and so may be their wakers. Each is woken contained and by itself, so that one
//! that panics keeps no other from hearing. (Of the waiters of tokio's `Notify` or `watch`, those behind it are not
//! woken.) For a single waiter that is a task of ours, those will do.

use std::pin::Pin;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use slab::Slab;
use smallvec::SmallVec;

use crate::contain::wake;

/// Wakes all who wait for it.
#[derive(Debug, Default)]
pub(crate) struct Bell(Mutex<Ears>);

#[derive(Debug, Default)]
struct Ears {
    /// How often it was rung.
    rung: u64,
    /// Of those who wait; `None` for a waiter that was woken and has not come since.
    waiting: Slab<Option<Waker>>,
}

/// Waits until something is so.
#[must_use = "it waits only while it is polled"]
struct Until<'a, F> {
    bell: &'a Bell,
    is_so: F,
    /// Our place among those who wait.
    ear: Option<usize>,
    /// How often it had been rung when we looked last.
    looked: Option<u64>,
}

// === impl Bell ===

impl Bell {
    /// Wakes all who wait. What they wait for is so already.
    pub(crate) fn ring(&self) {
        let called: SmallVec<[Waker; 8]> = {
            let mut ears = self.lock();
            ears.rung = ears.rung.wrapping_add(1);
            if ears.waiting.is_empty() {
                return;
            }
            ears.waiting.iter_mut().filter_map(|(_, waker)| waker.take()).collect()
        };
        called.into_iter().for_each(|waker| wake(|| waker.wake()));
    }

    /// Waits until `is_so` says so, which is asked at once, and again whenever the bell was rung.
    ///
    /// # Cancel safety
    ///
    /// Dropping it changes nothing.
    pub(crate) fn until(&self, is_so: impl FnMut() -> bool) -> impl Future<Output = ()> {
        Until { bell: self, is_so, ear: None, looked: None }
    }

    /// Nothing of ours panics under this lock, and nothing of others runs.
    fn lock(&self) -> MutexGuard<'_, Ears> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl Until ===

/// What is asked is not pinned.
impl<F> Unpin for Until<'_, F> {}

impl<F: FnMut() -> bool> Future for Until<'_, F> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        let waker = cx.waker().clone();
        // Before the look, so that a thread that makes it so after that finds the waker.
        let (news, replaced) = {
            let mut ears = this.bell.lock();
            let news = this.looked.replace(ears.rung) != Some(ears.rung);
            let replaced = match this.ear {
                Some(ear) => ears.waiting[ear].replace(waker),
                None => {
                    this.ear = Some(ears.waiting.insert(Some(waker)));
                    None
                }
            };
            (news, replaced)
        };
        drop(replaced);
        if news && (this.is_so)() { Poll::Ready(()) } else { Poll::Pending }
    }
}

impl<F> Drop for Until<'_, F> {
    fn drop(&mut self) {
        let Some(ear) = self.ear else { return };
        // The lock is released before the waker goes.
        let waker = self.bell.lock().waiting.remove(ear);
        drop(waker);
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::sync::Arc;
    use std::task::Wake;

    use forebay_testkit::Driver;

    use super::*;

    struct Panics;

    impl Wake for Panics {
        fn wake(self: Arc<Self>) {
            panic!("woken");
        }
    }

    #[test]
    fn all_are_called_though_some_wakers_panic() {
        let (bell, is_so) = (Bell::default(), Cell::new(false));
        let mut good: Vec<_> = (0..100).map(|_| Driver::new(bell.until(|| is_so.get()))).collect();
        let mut bad: Vec<_> = (0..100).map(|_| Box::pin(bell.until(|| is_so.get()))).collect();
        let waker = Waker::from(Arc::new(Panics));
        for (good, bad) in good.iter_mut().zip(&mut bad) {
            assert!(bad.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
            good.assert_pending();
        }
        is_so.set(true);
        bell.ring();
        assert!(good.iter().all(Driver::is_woken));
        good.iter_mut().for_each(Driver::assert_ready);
        drop((good, bad));
        assert!(bell.lock().waiting.is_empty());
    }

    #[test]
    fn who_was_called_looks_again_and_others_do_not() {
        let (bell, looks) = (Bell::default(), Cell::new(0));
        let mut waiting = Driver::new(bell.until(|| {
            looks.set(looks.get() + 1);
            looks.get() == 3
        }));
        (0..3).for_each(|_| waiting.assert_pending());
        assert_eq!(looks.get(), 1);
        bell.ring();
        bell.ring();
        assert_eq!(waiting.wakes(), 1, "it has not come since");
        waiting.assert_pending();
        bell.ring();
        assert!(waiting.is_woken());
        waiting.assert_ready();
    }

    #[test]
    fn what_is_rung_between_two_looks_is_not_missed() {
        let (bell, is_so) = (Bell::default(), Cell::new(false));
        let mut waiting = Driver::new(bell.until(|| {
            // As if another thread did so after the look.
            if !is_so.replace(true) {
                bell.ring();
                return false;
            }
            true
        }));
        waiting.assert_pending();
        assert!(waiting.is_woken());
        waiting.assert_ready();
    }
}

//! Taps that a worker knows.

use std::any::Any;
use std::hint::cold_path;
use std::sync::atomic::AtomicBool;
use std::task::{Context, Poll};

use forebay_queue::{ReceiverTap, Tap, Tapped};

use super::AnyTap;

/// A tap, of which it is known whether it is that of a queue in memory.
///
/// Such a one is called directly, and so taking an item becomes part of the worker's loop. Through a pointer, the call
/// and what it saves and restores took up to a sixth of the time of an item that takes none itself.
pub(super) enum Known<'a, T: Send + 'static> {
    Queue(&'a mut ReceiverTap<T>),
    Other(&'a mut AnyTap<T>),
}

// === impl Known ===

impl<'a, T: Send + 'static> Known<'a, T> {
    pub(super) fn of(tap: &'a mut AnyTap<T>) -> Self {
        if !(tap as &dyn Any).is::<ReceiverTap<T>>() {
            return Self::Other(tap);
        }
        Self::Queue((tap as &mut dyn Any).downcast_mut().expect("it is one"))
    }

    #[inline(always)]
    pub(super) fn poll_take(&mut self, cx: &mut Context<'_>, open: &AtomicBool) -> Poll<Tapped<T>> {
        match self {
            Self::Queue(tap) => tap.poll_take(cx, open),
            Self::Other(tap) => {
                // As seen from the other: the compiler puts it out of that one's way.
                cold_path();
                tap.poll_take(cx, open)
            }
        }
    }

    /// The same, going on with `plain` or `other`, as [`ReceiverTap::poll_take_then`] does.
    #[inline(always)]
    pub(super) fn poll_take_then<C, R>(
        &mut self,
        cx: &mut Context<'_>,
        open: &AtomicBool,
        with: C,
        plain: impl FnOnce(C, T) -> R,
        other: impl FnOnce(C, &mut AnyTap<T>, Poll<Tapped<T>>) -> R,
    ) -> R {
        match self {
            Self::Queue(tap) => {
                tap.poll_take_then(cx, open, with, plain, |with, tap, tapped| other(with, tap, tapped))
            }
            Self::Other(tap) => {
                cold_path();
                let tapped = tap.poll_take(cx, open);
                other(with, *tap, tapped)
            }
        }
    }

    /// The tap, for what is rarely asked of it.
    pub(super) fn any(&mut self) -> &mut AnyTap<T> {
        match self {
            Self::Queue(tap) => *tap,
            Self::Other(tap) => *tap,
        }
    }
}

//! The hooks that tell a queue's owner what happens. Every hook runs outside of the queue's lock.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use crate::Pressure;
use crate::sync::{self, Mutex};

type OnItem<T> = Box<dyn Fn(T) + Send + Sync>;
type Weigher<T> = Box<dyn Fn(&T) -> usize + Send + Sync>;
type OnDeadLetter<T> = Box<dyn Fn(T, String) + Send + Sync>;
type OnPressure = Box<dyn Fn(Pressure) + Send + Sync>;

/// The hooks of one queue. If there is no hook for an item, the item is dropped; it is counted either way.
pub(crate) struct Hooks<T> {
    pub(crate) weigher: Option<Weigher<T>>,
    pub(crate) on_expired: Option<OnItem<T>>,
    pub(crate) on_displaced: Option<OnItem<T>>,
    pub(crate) on_undelivered: Option<OnItem<T>>,
    pub(crate) on_dead_letter: Option<OnDeadLetter<T>>,
    pub(crate) on_pressure: Option<OnPressure>,
    told: Mutex<Told>,
}

/// How far the pressure hook has been told. It learns of each crossing once and in order, whoever causes them: one
/// caller tells it at a time, and also tells it what others cause meanwhile.
#[derive(Default)]
struct Told {
    told: u64,
    due: u64,
    telling: bool,
}

// === impl Hooks ===

impl<T> Hooks<T> {
    pub(crate) fn new() -> Self {
        Self {
            weigher: None,
            on_expired: None,
            on_displaced: None,
            on_undelivered: None,
            on_dead_letter: None,
            on_pressure: None,
            told: Mutex::new(Told::default()),
        }
    }

    /// For an item that was displaced by a call that has no other way to hand it back.
    pub(crate) fn displaced(&self, item: T) {
        tell(&self.on_displaced, item);
    }

    /// The weight of an item whose sender does not say.
    pub(crate) fn weigh(&self, item: &T) -> usize {
        self.weigher.as_ref().map_or(1, |weigher| weigher(item))
    }

    /// For an item that expired before anybody received it.
    pub(crate) fn expired(&self, item: T) {
        tell(&self.on_expired, item);
    }

    /// For an item that nobody is left to receive.
    pub(crate) fn undelivered(&self, item: T) {
        tell(&self.on_undelivered, item);
    }

    pub(crate) fn dead_letter(&self, item: T, reason: String) {
        contain(|| match &self.on_dead_letter {
            Some(hook) => hook(item, reason),
            None => drop(item),
        });
    }

    /// The pressure has changed `crossings` times by now. It alternates, so an odd number means high.
    pub(crate) fn tell_pressure(&self, crossings: u64) {
        let Some(hook) = &self.on_pressure else { return };
        {
            let mut told = sync::lock(&self.told);
            told.due = told.due.max(crossings);
        }
        while let Some(turn) = Turn::take(&self.told) {
            contain(|| hook(if turn.number % 2 == 1 { Pressure::High } else { Pressure::Normal }));
        }
    }
}

impl<T> fmt::Debug for Hooks<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hooks").finish_non_exhaustive()
    }
}

/// Gives an item to its hook, or drops it, which may run user code too.
fn tell<T>(hook: &Option<OnItem<T>>, item: T) {
    contain(|| match hook {
        Some(hook) => hook(item),
        None => drop(item),
    });
}

/// Runs code that is not ours in the middle of a call which has an item to return, or others to wake.
///
/// A panic has been reported by the process's panic hook when it arrives here; it must not take the item with it.
pub(crate) fn contain(foreign: impl FnOnce()) {
    // The payload is an arbitrary value, whose destructor may panic again.
    if let Err(payload) = catch_unwind(AssertUnwindSafe(foreign))
        && let Err(another) = catch_unwind(AssertUnwindSafe(|| drop(payload)))
    {
        // And so may that panic's payload, without end: leaking one box is the smaller loss.
        std::mem::forget(another);
    }
}

/// Drops a value that is not ours in the middle of a call that has more to do, or in a destructor.
pub(crate) fn let_go<T>(foreign: T) {
    contain(|| drop(foreign));
}

/// Asks code that is not ours about an item. If the code panics, the item is dropped by itself: its destructor may panic
/// too, and a second panic while the first unwinds would end the process.
pub(crate) fn ask_about<T, A>(item: T, ask: impl FnOnce(&T) -> A) -> (T, A) {
    match catch_unwind(AssertUnwindSafe(|| ask(&item))) {
        Ok(answer) => (item, answer),
        Err(panic) => {
            contain(|| drop(item));
            resume_unwind(panic)
        }
    }
}

/// The right to tell the hook of one crossing; given up on drop.
struct Turn<'a> {
    of: &'a Mutex<Told>,
    number: u64,
}

// === impl Turn ===

impl<'a> Turn<'a> {
    /// `None`: everything is told, or another caller is telling and will go on.
    fn take(of: &'a Mutex<Told>) -> Option<Self> {
        let mut told = sync::lock(of);
        if told.telling || told.told == told.due {
            return None;
        }
        told.telling = true;
        told.told += 1;
        Some(Self { of, number: told.told })
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        sync::lock(self.of).telling = false;
    }
}

//! Dead letters on their way to their sink.
//!
//! ```text
//! hands, stock ── post ──▶ outbox ──▶ postman ── send_many ──▶ the sink
//!                            ▲           │
//!                            │           ├── it has the letter: ack ───────────────────▶ source
//!                            └── later ──┼── it will never take it: dead_letter ───────▶ source
//!                                        └── the pool is aborted: nack, with the item ─▶ source
//! ```
//!
//! 1. A letter is held from when it was posted until the source was told its end. The pool does not end before.
//! 2. The source is told after the sink has the letter, and not before. So a crash in between doubles it and loses none.
//! 3. While [`OUTBOX`] letters are held, the source is not asked for more (`source.rs`). What is in hand by then may
//!    still be posted, and no more than that.
//! 4. A letter that is dropped goes back to the source with its item, whoever drops it.

/// The task that hands letters over.
mod postman;
/// The source while there is no room for more letters.
mod source;

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use forebay_queue::{Delivery, End, Headers, Receipt, Settle};
use tokio::sync::Notify;

use crate::contain::contain;
use crate::hands::Settlements;

pub(crate) use self::postman::{Postman, deliver};
pub(crate) use self::source::Guarded;

/// How many letters may be held before nothing more is taken from the source.
const OUTBOX: usize = 64;

/// An item that was set aside for a person, and why; what [`dead_letters_to`](crate::Builder::dead_letters_to) sends.
///
/// ```
/// use forebay_pool::DeadLetter;
///
/// fn in_a_line(letter: &DeadLetter<u32>) -> String {
///     format!("order {} ({} attempts): {}", letter.item, letter.attempt, letter.reason)
/// }
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct DeadLetter<T> {
    /// The item itself, as far as its handler left it.
    pub item: T,
    /// Why, in words: attempt and error, panic or time limit, or what the handler said.
    pub reason: String,
    /// How often it was tried: 1 for the first time.
    pub attempt: u32,
    /// What travelled with the item.
    pub headers: Headers,
}

/// The letters of a pool.
pub(crate) struct Letters<T> {
    /// Whether the source may deliver again what it was not told the end of, as far as a delivery does not say so itself.
    redelivers: bool,
    /// Whether somebody else counts the acks that the source has to confirm.
    leased: bool,
    settlements: Arc<Settlements>,
    /// Nothing of others runs under this lock, and no other lock is taken.
    outbox: Mutex<Outbox<T>>,
    /// Rung when there is something in the outbox.
    bell: Notify,
}

struct Outbox<T> {
    waiting: VecDeque<Letter<T>>,
    /// How many more the postman has.
    away: usize,
    tally: LetterTally,
    /// Nothing goes out any more.
    closed: bool,
    /// The waker of a task that wants to ask the source, and waits for room.
    asker: Option<Waker>,
}

/// What became of letters that the pool counts as dead-lettered.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct LetterTally {
    /// On their way now.
    pub(crate) held: usize,
    /// Went back, with their items.
    pub(crate) returned: u64,
    /// Letters that neither the sink has for sure, nor the source.
    pub(crate) failed: u64,
    /// Is nothing taken from the source because of the letters that are held?
    pub(crate) full: bool,
}

/// A letter that is held. If dropped, it goes back.
struct Letter<T>(Option<(DeadLetter<T>, Duty<T>)>);

/// Whom to tell of a letter's end.
struct Duty<T> {
    receipt: Receipt,
    source: Arc<dyn Settle<T>>,
    /// Whether that source may deliver the item again.
    redelivers: bool,
}

/// Stands for the pool in a delivery that is taken apart.
struct Nobody;

// === impl Letters ===

impl<T> Letters<T> {
    pub(crate) fn new(redelivers: bool, leased: bool, settlements: Arc<Settlements>) -> Self {
        let outbox = Outbox {
            waiting: VecDeque::new(),
            away: 0,
            tally: LetterTally::default(),
            closed: false,
            asker: None,
        };
        Self { redelivers, leased, settlements, outbox: Mutex::new(outbox), bell: Notify::new() }
    }

    /// Sends off a delivery that was counted as dead-lettered.
    ///
    /// # Errors
    ///
    /// It comes back if its item is not there, or nobody is to be told of its end: then there is no letter to be sent.
    pub(crate) fn post(&self, delivery: Delivery<T>, reason: String) -> Result<(), (Delivery<T>, String)> {
        let letter = Letter::of(delivery, reason, self.redelivers)?;
        let late = {
            let mut outbox = self.lock();
            if outbox.closed {
                Some(letter)
            } else {
                outbox.waiting.push_back(letter);
                None
            }
        };
        match late.and_then(Letter::open) {
            // The source sets it aside itself, as where there is no sink.
            Some((letter, duty)) => {
                self.tell(&duty, Some(letter.item), End::DeadLetter { reason: letter.reason })
            }
            None => self.bell.notify_one(),
        }
        Ok(())
    }

    /// Waits until there is room for what may come of another item.
    fn poll_room(&self, cx: &mut Context<'_>) -> Poll<()> {
        let mut outbox = self.lock();
        if outbox.held() < OUTBOX {
            return Poll::Ready(());
        }
        // The wakers of workers and supervisor, which are tasks of tokio.
        outbox.asker = Some(cx.waker().clone());
        Poll::Pending
    }

    /// Nothing goes out any more, and what is here goes back.
    pub(crate) fn close(&self) {
        let waiting = {
            let mut outbox = self.lock();
            outbox.closed = true;
            let waiting = std::mem::take(&mut outbox.waiting);
            outbox.tally.returned += waiting.len() as u64;
            waiting
        };
        if !waiting.is_empty() {
            tracing::warn!(count = waiting.len(), "dead letters were not taken in time; they go back");
            drop(waiting);
            self.settlements.note();
        }
    }

    /// How many are on their way.
    pub(crate) fn held(&self) -> usize {
        self.lock().held()
    }

    pub(crate) fn tally(&self) -> LetterTally {
        let outbox = self.lock();
        let held = outbox.held();
        LetterTally { held, full: held >= OUTBOX, ..outbox.tally }
    }

    /// Tells the source, and counts what it must confirm.
    fn tell(&self, duty: &Duty<T>, item: Option<T>, end: End) {
        let is_ack = matches!(end, End::Ack);
        if let Err(panic) = contain(|| duty.source.settle(duty.receipt, item, end)) {
            tracing::error!(%panic, "source, or the destructor of the item, panicked while it was settled");
        }
        if is_ack && duty.redelivers && !self.leased {
            self.settlements.note_ack();
        }
        self.settlements.note();
    }

    /// Nothing of ours panics under the lock.
    fn lock(&self) -> MutexGuard<'_, Outbox<T>> {
        self.outbox.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> fmt::Debug for Letters<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Letters").field("tally", &self.tally()).finish_non_exhaustive()
    }
}

// === impl Outbox ===

impl<T> Outbox<T> {
    fn held(&self) -> usize {
        self.waiting.len() + self.away
    }
}

// === impl Letter ===

impl<T> Letter<T> {
    fn of(
        mut delivery: Delivery<T>,
        reason: String,
        redelivers: bool,
    ) -> Result<Self, (Delivery<T>, String)> {
        if delivery.item().is_none() || !delivery.has_settler() {
            return Err((delivery, reason));
        }
        let (attempt, headers) = (delivery.attempt(), delivery.headers().clone());
        let redelivers = delivery.redelivers().unwrap_or(redelivers);
        let item = delivery.take().expect("it was just seen");
        let mut duty = None;
        // What is left of the delivery tells nobody anything.
        drop(delivery.map_settler(|receipt, source| {
            duty = source.map(|source| Duty { receipt, source, redelivers });
            (receipt, Arc::new(Nobody))
        }));
        let letter = DeadLetter { item, reason, attempt, headers };
        Ok(Self(duty.map(|duty| (letter, duty))))
    }

    /// Takes the letter apart; it then goes nowhere by itself.
    fn open(mut self) -> Option<(DeadLetter<T>, Duty<T>)> {
        self.0.take()
    }
}

impl<T> Drop for Letter<T> {
    fn drop(&mut self) {
        if let Some((letter, duty)) = self.0.take() {
            let end = End::Nack { after: Duration::ZERO };
            if let Err(panic) = contain(|| duty.source.settle(duty.receipt, Some(letter.item), end)) {
                tracing::error!(%panic, "source panicked while a dead letter went back");
            }
        }
    }
}

// === impl Nobody ===

impl<T> Settle<T> for Nobody {
    fn settle(&self, _: Receipt, _: Option<T>, _: End) {}

    fn extend(&self, _: Receipt, _: Duration) {}
}

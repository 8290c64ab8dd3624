//! Hands dead letters over, and tells the source what became of each.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use forebay_queue::{End, ItemSink, SinkError};
use tokio::time::sleep;

use super::{DeadLetter, Duty, Letter, Letters, OUTBOX};
use crate::Backoff;
use crate::contain::{Contained, contain, contained};

/// Hands letters over for ever. If dropped, what it has goes back into the outbox.
pub(crate) type Postman = Pin<Box<dyn Future<Output = ()> + Send>>;

/// The sink that letters go to, as the user gave it.
type Sink<T> = Box<dyn ItemSink<DeadLetter<T>>>;

/// What is being handed over. If dropped, what the sink does not have goes back into the outbox.
struct Bag<'a, T> {
    letters: &'a Letters<T>,
    /// What the sink has not taken; it takes from the front.
    items: Vec<DeadLetter<T>>,
    /// The duties of those, and before them of what the sink took, until the source is told.
    duties: VecDeque<Duty<T>>,
}

/// How an attempt to hand over came out.
enum Sent {
    Taken,
    /// Later, perhaps.
    NotNow(String),
    /// The first letter, and only that, will never be taken.
    NotThis(String),
    /// No letter will.
    Never,
    Panicked(String),
}

/// The life of the task.
pub(crate) async fn deliver<T: Send + 'static>(letters: Arc<Letters<T>>, sink: Sink<T>, backoff: Backoff) {
    let sink = Contained::new(sink);
    // In a row.
    let mut refusals = 0_u32;
    loop {
        let Some(mut bag) = Bag::fill(&letters) else {
            // Rung while nobody waits, it keeps the call.
            letters.bell.notified().await;
            continue;
        };
        let sent = bag.send(&sink).await;
        if !matches!(sent, Sent::Panicked(_)) {
            bag.settle_taken(&End::Ack);
        }
        let error = match sent {
            Sent::Taken => {
                if refusals > 0 {
                    tracing::debug!(refusals, "dead letters are taken again");
                }
                refusals = 0;
                continue;
            }
            Sent::NotThis(error) => {
                bag.leave_to_source(1, &error);
                continue;
            }
            Sent::Never => {
                bag.leave_to_source(usize::MAX, "sink closed");
                continue;
            }
            Sent::Panicked(panic) => {
                // It may have them or not. A source with a copy delivers it again, which loses nothing.
                bag.settle_taken(&End::Nack { after: Duration::ZERO });
                format!("panicked: {panic}")
            }
            Sent::NotNow(error) => error,
        };
        drop(bag);
        refusals = refusals.saturating_add(1);
        if refusals == 1 {
            tracing::warn!(%error, "dead letters are not taken; they are kept, and tried again");
        }
        sleep(backoff.after_failures(refusals)).await;
    }
}

// === impl Bag ===

impl<'a, T: Send + 'static> Bag<'a, T> {
    /// Takes what is in the outbox, if anything is.
    fn fill(letters: &'a Letters<T>) -> Option<Self> {
        let mut outbox = letters.lock();
        if outbox.waiting.is_empty() {
            return None;
        }
        let count = outbox.waiting.len().min(OUTBOX);
        let (items, duties) = outbox.waiting.drain(..count).filter_map(Letter::open).unzip();
        outbox.away = count;
        Some(Self { letters, items, duties })
    }

    /// # Cancel safety
    ///
    /// What the sink did not take is still here, if it keeps its contract.
    async fn send(&mut self, sink: &Sink<T>) -> Sent {
        let items = &mut self.items;
        let sent = match contain(|| sink.send_many(items)) {
            Ok(sending) => contained(sending).await,
            Err(panic) => return Sent::Panicked(panic),
        };
        let told = |error: &SinkError<_>| {
            contain(|| crate::outcome::chain_of(error)).unwrap_or_else(|_| "sink failed".to_owned())
        };
        // An error goes in here, and has a destructor.
        let outcome = contain(|| match sent {
            Ok(Ok(())) if self.items.is_empty() => Sent::Taken,
            Ok(Ok(())) => Sent::NotNow("sink said that it took what it left".to_owned()),
            Ok(Err(SinkError::Closed(_))) => Sent::Never,
            Ok(Err(error @ (SinkError::TooHeavy(_) | SinkError::Unclassified(..)))) => {
                Sent::NotThis(told(&error))
            }
            Ok(Err(error)) => Sent::NotNow(told(&error)),
            Err(panic) => Sent::Panicked(panic),
        });
        outcome.unwrap_or_else(Sent::Panicked)
    }
}

impl<T> Bag<'_, T> {
    /// Tells the source the end of the letters that are no longer here.
    fn settle_taken(&mut self, end: &End) {
        while self.duties.len() > self.items.len()
            && let Some(duty) = self.duties.pop_front()
        {
            self.letters.tell(&duty, None, end.clone());
            let lost = (!matches!(end, End::Ack)).then_some(duty.redelivers);
            self.letters.let_go(lost);
        }
    }

    /// Has the source set the first letters aside itself.
    fn leave_to_source(&mut self, count: usize, error: &str) {
        let count = count.min(self.items.len()).min(self.duties.len());
        for (letter, duty) in self.items.drain(..count).zip(self.duties.drain(..count)) {
            let DeadLetter { item, reason, .. } = letter;
            tracing::warn!(reason, error, "dead letter was refused; the source sets it aside");
            let reason = format!("{reason}; its dead letter was refused: {error}");
            self.letters.tell(&duty, Some(item), End::DeadLetter { reason });
            self.letters.let_go(None);
        }
    }
}

impl<T> Drop for Bag<'_, T> {
    fn drop(&mut self) {
        self.settle_taken(&End::Ack);
        let left = self.items.drain(..).zip(self.duties.drain(..));
        let left: Vec<_> = left.map(|both| Letter(Some(both))).collect();
        self.letters.take_back(left);
    }
}

// === impl Letters ===

impl<T> Letters<T> {
    /// The source was told of a letter that the postman had. `lost`: the sink may not have it; whether the source does.
    fn let_go(&self, lost: Option<bool>) {
        let asker = {
            let mut outbox = self.lock();
            outbox.away = outbox.away.saturating_sub(1);
            match lost {
                None => {}
                Some(true) => outbox.tally.returned += 1,
                Some(false) => outbox.tally.failed += 1,
            }
            if outbox.held() < OUTBOX { outbox.asker.take() } else { None }
        };
        // There may be nothing left to wait for.
        self.settlements.ring();
        if let Some(asker) = asker {
            asker.wake();
        }
    }

    /// The letters that were not handed over are the next to be.
    fn take_back(&self, left: Vec<Letter<T>>) {
        let mut outbox = self.lock();
        outbox.away = 0;
        left.into_iter().rev().for_each(|letter| outbox.waiting.push_front(letter));
        if outbox.closed {
            drop(outbox);
            self.close();
        }
    }
}

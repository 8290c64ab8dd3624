//! The textbook's adaptive producer: a whole stream, at the pace of what it fills.

use std::fmt;
use std::future::poll_fn;
use std::pin::pin;

use forebay_queue::{ItemSink, Level, SinkError, Tick};
use futures_core::Stream;
use tokio::time::{Instant, sleep_until};

use crate::layer::clock::Clock;
use crate::rate::Book as _;
use crate::{LevelBucket, LevelRate, NoLevel};

/// Sends a whole stream into a sink, at a rate that falls while the sink is nearly full and rises while it is nearly
/// empty: the textbook's adaptive producer.
///
/// Anything that is an [`ItemSink`] and has a [`Level`] will do; a queue's sender is both.
///
/// ```
/// # #[tokio::main(flavor = "current_thread", start_paused = true)] async fn main() {
/// use std::time::Duration;
/// use forebay_flow::{LevelRate, NoLevel, Producer};
/// use futures_util::stream;
/// use tokio::time::sleep;
///
/// let (tx, mut rx) = forebay_queue::bounded(100);
/// let mut producer = Producer::try_new(LevelRate::default(), tx).unwrap();
/// let consumer = tokio::spawn(async move {
///     while rx.recv().await.is_some() {
///         sleep(Duration::from_millis(20)).await; // 50 a second, which nobody tells the producer
///     }
/// });
/// assert_eq!(producer.produce(stream::iter(0..10_000)).await.unwrap(), 10_000);
/// assert!((35.0..75.0).contains(&producer.per_second()));
///
/// let (tx, _rx) = forebay_queue::unbounded::<u8>();
/// assert_eq!(Producer::try_new(LevelRate::default(), tx).unwrap_err(), NoLevel);
/// # }
/// ```
///
/// # When not to use it
///
/// As for [`LevelRate`]. For a service instead of a sink, a `layer::RateLimitLayer` with a [`LevelBucket`].
pub struct Producer<T, K> {
    bucket: LevelBucket<K>,
    clock: Clock,
    /// The item that was taken from a stream and not sent yet; one at the most.
    hand: Vec<T>,
    /// When that one may be sent.
    due: Option<Tick>,
    /// When the last one might be.
    last: Tick,
}

/// How late a start may be without making the next ones late, in nanoseconds: timers go by milliseconds.
const SLACK: Tick = 10_000_000;

// === impl Producer ===

impl<T: Send + 'static, K: ItemSink<T> + Level> Producer<T, K> {
    /// Fills `sink`, and follows its level as `rate` says.
    ///
    /// # Errors
    ///
    /// [`NoLevel`] if the sink has no bound.
    pub fn try_new(rate: LevelRate, sink: K) -> Result<Self, NoLevel> {
        let bucket = LevelBucket::try_new(rate, sink)?;
        Ok(Self { bucket, clock: Clock::new(), hand: Vec::new(), due: None, last: 0 })
    }

    /// The rate now, per second.
    pub fn per_second(&self) -> f64 {
        self.bucket.per_second()
    }

    /// The sink.
    pub fn get_ref(&self) -> &K {
        self.bucket.get_ref()
    }

    /// The item that was taken from a stream and is not sent: after an error, or when [`produce`](Self::produce) was dropped. Else the
    /// next `produce` sends it first.
    pub fn take_in_hand(&mut self) -> Option<T> {
        self.hand.pop()
    }

    /// Sends all of `items`, one after the other, each when the rate allows it and the sink has room. Returns how many were sent.
    ///
    /// A rate that changes counts from the next item on. An item that is late by less than 10 ms, as timers are, is
    /// made up for.
    ///
    /// # Errors
    ///
    /// What the sink says when it takes an item no more, or not this one. The item is [in hand](Self::take_in_hand) then, and what follows
    /// it is still in the stream.
    ///
    /// # Cancel safety
    ///
    /// A `produce` that is dropped loses nothing: the item that it had taken from the stream is in hand, and is what the next
    /// `produce` begins with. Give it `&mut stream` to keep the stream.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime with time enabled.
    pub async fn produce<S: Stream<Item = T>>(&mut self, items: S) -> Result<u64, SinkError<T>> {
        let mut items = pin!(items);
        let mut sent = 0;
        loop {
            if self.hand.is_empty() {
                let Some(item) = poll_fn(|cx| items.as_mut().poll_next(cx)).await else { return Ok(sent) };
                self.hand.push(item);
            }
            let due = self.due();
            let due = self.clock.instant(due);
            if due > Instant::now() {
                sleep_until(due).await;
            }
            // It leaves the item in hand until it is taken, unlike `send`, which would drop it when it is dropped.
            self.bucket.get_ref().send_many(&mut self.hand).await?;
            self.due = None;
            sent += 1;
        }
    }

    /// When the item in hand may be sent. It stays with that until one was sent.
    fn due(&mut self) -> Tick {
        if let Some(due) = self.due {
            return due;
        }
        let now = self.clock.now();
        let from = self.last.max(now.saturating_sub(SLACK));
        // A single one is not too heavy for any rate.
        let due = self.bucket.book(1, from).map_or(now, |booked| booked.at());
        self.last = due;
        self.due = Some(due);
        due
    }
}

impl<T, K> fmt::Debug for Producer<T, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Producer")
            .field("bucket", &self.bucket)
            .field("in_hand", &self.hand.len())
            .finish_non_exhaustive()
    }
}

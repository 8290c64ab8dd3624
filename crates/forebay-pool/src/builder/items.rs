//! The options that depend on the type of the items, and so come after the handler.

use std::hash::{BuildHasher as _, Hash};
use std::sync::Arc;

use forebay_queue::{Delivery, ItemSink};
use tokio::time::Instant;
use tracing::Span;

use super::{Builder, Handled, Input};
use crate::DeadLetter;
use crate::contain::Contained;

// === impl Builder ===

impl<T: Send + 'static, I: Input<Item = T>> Builder<I, Handled<T>> {
    /// Gives handlers that take the item a clone of it, and keeps the item itself until they are done: it is still there
    /// after an error, a panic, a timeout or an abort, and can be returned, retried or dead-lettered.
    ///
    /// Put large items into an [`Arc`], whose clones are cheap. Handlers that take the delivery are not
    /// affected. See [`OnFailure`](crate::OnFailure) for an example.
    pub fn keep_copies(mut self) -> Self
    where
        T: Clone,
    {
        self.handler.rules.copy = Some(T::clone);
        self
    }

    /// The key of an item: a customer, a host, a file.
    ///
    /// For [`per_key`](Self::per_key), [`rate_per_key`](Self::rate_per_key) and [`Pool::cancel`](crate::Pool::cancel).
    /// Only the key's hash is kept, with a random seed. `of` is called once, when the item is taken; if it panics,
    /// the item is dead-lettered.
    pub fn key<K: Hash>(mut self, of: impl Fn(&T) -> K + Send + Sync + 'static) -> Self {
        let of = Contained::new(of);
        let seed = self.handler.rules.seed.clone();
        self.handler.rules.key_of = Some(Arc::new(move |item| seed.hash_one(of(item))));
        self
    }

    /// When an item must be done, if it has a deadline: then its handler is cut short, and it is not retried but
    /// dead-lettered, or failed where its value is gone or [`Fail`](crate::OnFailure::Fail) is chosen. An item whose
    /// deadline has passed is not even started. It counts as [timed out](crate::Report::timed_out).
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use forebay_pool::Pool;
    /// use tokio::time::Instant;
    ///
    /// struct Request {
    ///     answer_by: Instant,
    /// }
    ///
    /// let pool = Pool::builder()
    ///     .queue(10)
    ///     .handler(|_request: Request| async {})
    ///     .deadline(|request| Some(request.answer_by))
    ///     .start()?;
    /// pool.produce(Request { answer_by: Instant::now() }).await?;
    /// let report = pool.finish().await;
    /// assert_eq!((report.dead_lettered, report.timed_out), (1, 1));
    /// # Ok(())
    /// # }
    /// ```
    pub fn deadline(mut self, of: impl Fn(&T) -> Option<Instant> + Send + Sync + 'static) -> Self {
        let of = Contained::new(of);
        self.handler.rules.deadline_of = Some(Arc::new(move |item| of(item)));
        self
    }

    /// The span for each attempt at an item: that of its sender, or one that begins there. Without it, handlers run
    /// in the span in which the pool was started.
    ///
    /// `of` sees the delivery before its handler does, and finds the sender's span in the item, which stored it when it was
    /// sent (`Span::current()`), or in the [headers](Delivery::headers) that came with it from another process. The
    /// handler's call, each poll of its future and the events about how it ended are inside the span. A batch has a span of
    /// its own, `batch`, that follows from those of its items.
    ///
    /// Where there is no subscriber, or it wants nothing, `of` is not called. If it panics, that is an event and the attempt has
    /// no span. [`PoolLayer`](crate::PoolLayer) needs none of this: it keeps the span of each caller by itself.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use forebay_pool::Pool;
    /// use tracing::{Span, info_span};
    ///
    /// struct Job {
    ///     url: String,
    ///     sender: Span,
    /// }
    ///
    /// let pool = Pool::builder()
    ///     .queue(10)
    ///     .handler(|job: Job| async move { tracing::info!(job.url, "fetching") })
    ///     .span(|delivery| match delivery.item() {
    ///         Some(job) => info_span!(parent: &job.sender, "fetch", attempt = delivery.attempt()),
    ///         None => Span::none(),
    ///     })
    ///     .start()?;
    ///
    /// let request = info_span!("request", id = 7);
    /// let job = request.in_scope(|| Job { url: "https://example.org".to_owned(), sender: Span::current() });
    /// pool.produce(job).await?; // its event is in request{id=7}:fetch{attempt=1}
    /// # assert_eq!(pool.finish().await.completed, 1);
    /// # Ok(())
    /// # }
    /// ```
    pub fn span(mut self, of: impl Fn(&Delivery<T>) -> Span + Send + Sync + 'static) -> Self {
        let of = Contained::new(of);
        self.handler.rules.span_of = Some(Arc::new(move |delivery| of(delivery)));
        self
    }

    /// Sends dead letters to `sink`, with the reason: a queue, a [`Tee`](crate::Tee), the
    /// [producer](crate::Pool::producer) of another pool, a store. Without it the source is told and sets them aside
    /// itself.
    ///
    /// The source is told that the item is done once the sink has it, and not before; until then the item is
    /// [held](crate::PoolStats::held), and the pool does not end. So a letter may come twice, and none is lost:
    ///
    /// | the sink | the letter | the pool |
    /// | --- | --- | --- |
    /// | takes it | the source is acked | goes on |
    /// | is full and waits | waits | takes nothing more while 64 letters wait, and reports that the [sink limits it](crate::LimitedBy::Sink) |
    /// | is full and refuses, fails or panics | is kept, and sent again after the pauses of [`return_backoff`](Self::return_backoff) | the same |
    /// | is closed, or will not take this one (too heavy, of no class) | the source sets it aside, as without a sink, with both reasons | goes on |
    /// | has not taken it when the pool is aborted or dropped | goes back to the source, with its item | ends |
    ///
    /// A sink that panics may have taken what is no longer there: the source is told that it is not done. Letters go out in the
    /// order in which the items were given up, several at a time where several wait. `sink` is dropped when the pool has
    /// ended, so its queue ends then, if nobody else sends.
    ///
    /// The item must be there after its handler failed, which `start` checks
    /// ([`CannotSend`](crate::StartError::CannotSend)). Where a handler took it out of its delivery, there is no letter and
    /// the source is told.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use forebay_pool::{OnFailure, Pool};
    ///
    /// let (letters, mut to_look_at) = forebay_queue::bounded(100);
    /// let pool = Pool::builder()
    ///     .on_failure(OnFailure::DeadLetter) // at the first failure; without it, after `max_attempts`
    ///     .queue(10)
    ///     .handler(|line: String| async move { line.parse::<u32>().map(drop) })
    ///     .keep_copies()
    ///     .dead_letters_to(letters)
    ///     .start()?;
    /// pool.produce("seven".to_owned()).await?;
    /// assert_eq!(pool.finish().await.dead_lettered, 1);
    ///
    /// let letter = to_look_at.recv().await.expect("there is one");
    /// assert_eq!(letter.item, "seven");
    /// assert_eq!(letter.reason, "attempt 1: failed: invalid digit found in string");
    /// # Ok(())
    /// # }
    /// ```
    pub fn dead_letters_to(mut self, sink: impl ItemSink<DeadLetter<T>> + 'static) -> Self {
        self.handler.dead_letters = Some(Box::new(sink));
        self
    }
}

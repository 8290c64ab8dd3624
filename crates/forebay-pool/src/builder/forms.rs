//! The forms in which a pool is given its handler.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};

use forebay_queue::{Delivery, Sender};
use tower_service::Service;

use super::{Builder, Handled, Input, Missing, Order};
use crate::handler::{
    ByBatch, ByBatchIn, ByDelivery, ByDeliveryIn, ByPlace, ByService, ByServiceThen, ByValue, ByValueIn,
};
use crate::order::{Book, Ordered, Places};
use crate::outcome::{BoxError, IntoOutcome};
use crate::rules::Rules;
use crate::worker::{Crew, CrewOf};
use crate::{WorkContext, WorkerId};

// === impl Builder ===

impl<T: Send + 'static, I: Input<Item = T>> Builder<I, Missing> {
    /// Runs `handler` on each item. All workers share it.
    pub fn handler<F, Fut>(self, handler: F) -> Builder<I, Handled<T>>
    where
        F: Fn(T) -> Fut + Send + Sync + 'static,
        Fut: Future<Output: IntoOutcome> + Send + 'static,
    {
        let handler = Arc::new(handler);
        self.handler_per_worker(move |_| {
            let handler = Arc::clone(&handler);
            move |item| handler(item)
        })
    }

    /// Runs `handler` on a clone of `state` and each item: for a client, a pool of connections, a counter in an
    /// [`Arc`].
    ///
    /// Each worker clones `state` once when it is built, and its clone once for each item.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use std::collections::BTreeMap;
    /// use std::sync::{Arc, Mutex};
    /// use forebay_pool::Pool;
    ///
    /// type Counts = Arc<Mutex<BTreeMap<String, u32>>>;
    ///
    /// async fn count(counts: Counts, word: String) {
    ///     *counts.lock().expect("no counter panics").entry(word).or_default() += 1;
    /// }
    ///
    /// let counts = Counts::default();
    /// let pool = Pool::builder().queue(10).handler_with(Arc::clone(&counts), count).start()?;
    /// for word in "to be or not to be".split(' ') {
    ///     pool.produce(word.to_owned()).await?;
    /// }
    /// pool.finish().await;
    /// assert_eq!(counts.lock().expect("no counter panics")["be"], 2);
    /// # Ok(())
    /// # }
    /// ```
    pub fn handler_with<S, F, Fut>(self, state: S, handler: F) -> Builder<I, Handled<T>>
    where
        S: Clone + Send + 'static,
        F: Fn(S, T) -> Fut + Send + Sync + 'static,
        Fut: Future<Output: IntoOutcome> + Send + 'static,
    {
        let handler = Arc::new(handler);
        let prototype = Mutex::new(state);
        self.handler_per_worker(move |_| {
            let handler = Arc::clone(&handler);
            let state = clone_of(&prototype);
            move |item| handler(state.clone(), item)
        })
    }

    /// Runs on each item a handler that `make` builds for each worker: for state that workers must not share, such as a
    /// buffer or a connection.
    ///
    /// A worker whose handler panicked gets a new one.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use forebay_pool::Pool;
    ///
    /// let pool = Pool::builder()
    ///     .workers(4)
    ///     .queue(10)
    ///     .handler_per_worker(|_worker| {
    ///         let mut buffer = Vec::new(); // used again for each item
    ///         move |text: &'static str| {
    ///             buffer.clear();
    ///             buffer.extend(text.bytes().rev());
    ///             let length = buffer.len();
    ///             async move { if length > 0 { Ok(()) } else { Err("empty text") } }
    ///         }
    ///     })
    ///     .start()?;
    /// pool.produce("forebay").await?;
    /// assert_eq!(pool.finish().await.completed, 1);
    /// # Ok(())
    /// # }
    /// ```
    pub fn handler_per_worker<M, F, Fut>(self, make: M) -> Builder<I, Handled<T>>
    where
        M: Fn(WorkerId) -> F + Send + Sync + 'static,
        F: FnMut(T) -> Fut + Send + 'static,
        Fut: Future<Output: IntoOutcome> + Send + 'static,
    {
        self.handled(CrewOf::new(ByValue(make)))
    }

    /// Runs `handler` on each delivery, which it settles itself: [`ack`](Delivery::ack) when the item is done.
    /// A delivery that is dropped goes back, so an error, a panic or an abort loses nothing.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use forebay_pool::Pool;
    /// use forebay_queue::Delivery;
    ///
    /// let pool = Pool::builder()
    ///     .queue(10)
    ///     .handler_delivery(|delivery: Delivery<String>| async move {
    ///         if delivery.attempt() == 1 {
    ///             return Err("the network is down"); // the delivery is dropped here, and goes back
    ///         }
    ///         delivery.ack();
    ///         Ok(())
    ///     })
    ///     .start()?;
    /// pool.produce("invoice 42".to_owned()).await?;
    /// let report = pool.finish().await;
    /// assert_eq!((report.taken, report.returned, report.completed), (2, 1, 1));
    /// # Ok(())
    /// # }
    /// ```
    pub fn handler_delivery<F, Fut>(self, handler: F) -> Builder<I, Handled<T>>
    where
        F: Fn(Delivery<T>) -> Fut + Send + Sync + 'static,
        Fut: Future<Output: IntoOutcome> + Send + 'static,
    {
        let handler = Arc::new(handler);
        self.handled(CrewOf::new(ByDelivery(move |_| {
            let handler = Arc::clone(&handler);
            move |delivery| handler(delivery)
        })))
    }

    /// Runs `handler` on each item, which stays with the pool: it is completed if the handler returns without an
    /// error, and otherwise still there, to go back or to be retried.
    ///
    /// The future borrows the item, so it must be boxed, which costs an allocation for each.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use forebay_pool::Pool;
    ///
    /// /// Sends what is left of a batch of lines.
    /// async fn send(lines: &mut Vec<&str>) -> Result<(), &'static str> {
    ///     while let Some(_line) = lines.pop() {
    ///         if lines.len() == 1 {
    ///             return Err("connection reset"); // what is sent is not sent again
    ///         }
    ///     }
    ///     Ok(())
    /// }
    ///
    /// let pool = Pool::builder().queue(10).handler_mut(|lines| Box::pin(send(lines))).start()?;
    /// pool.produce(vec!["a", "b", "c"]).await?;
    /// let report = pool.finish().await;
    /// assert_eq!((report.returned, report.completed), (1, 1));
    /// # Ok(())
    /// # }
    /// ```
    pub fn handler_mut<F, R>(self, handler: F) -> Builder<I, Handled<T>>
    where
        F: for<'a> Fn(&'a mut T) -> Pin<Box<dyn Future<Output = R> + Send + 'a>> + Send + Sync + 'static,
        R: IntoOutcome + Send + 'static,
    {
        let handler = Arc::new(handler);
        self.handler_delivery(move |mut delivery| {
            let handler = Arc::clone(&handler);
            async move {
                let item = delivery.item_mut().expect("a source hands out deliveries that have their item");
                let done = handler(item).await.into_outcome();
                if done.is_ok() {
                    delivery.ack();
                }
                done
            }
        })
    }

    /// Runs `handler` on batches of deliveries, each of which it settles by itself: for work that costs less in batches,
    /// such as rows of a database, or lines of a file. [`batch`](Self::batch) says what makes a batch.
    ///
    /// Deliveries that it does not settle go back, so an error or a panic affects only those not acked by then.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use std::time::Duration;
    /// use forebay_pool::Pool;
    /// use forebay_queue::Delivery;
    ///
    /// async fn insert(rows: Vec<Delivery<u32>>) -> Result<(), &'static str> {
    ///     // BEGIN; INSERT …; COMMIT
    ///     rows.into_iter().for_each(Delivery::ack);
    ///     Ok(())
    /// }
    ///
    /// let pool = Pool::builder()
    ///     .workers(2)
    ///     .batch(50, Duration::from_millis(100))
    ///     .queue(1000)
    ///     .handler_batch(insert)
    ///     .start()?;
    /// for row in 0..120 {
    ///     pool.produce(row).await?;
    /// }
    /// assert_eq!(pool.finish().await.completed, 120); // in batches of 50, 50 and 20
    /// # Ok(())
    /// # }
    /// ```
    pub fn handler_batch<F, Fut>(self, handler: F) -> Builder<I, Handled<T>>
    where
        F: Fn(Vec<Delivery<T>>) -> Fut + Send + Sync + 'static,
        Fut: Future<Output: IntoOutcome> + Send + 'static,
    {
        let handler = Arc::new(handler);
        self.handled(CrewOf::new(ByBatch(move |_| {
            let handler = Arc::clone(&handler);
            move |batch| handler(batch)
        })))
    }

    /// Runs `handler` on each item, and hands its results on in the order in which the items came, however many workers
    /// there are and whichever finishes first.
    ///
    /// An item that leaves the pool without a result leaves a [gap](Ordered::Gap), so the reader can count. An item that
    /// is [retried in place](crate::OnFailure::Retry) keeps its place. A result is handed on after its item was
    /// acked; while the reader is slow, at most [`ordered_window`](Self::ordered_window) items are in work or wait to
    /// be handed on. Results that cannot be handed on, because nobody reads or a shutdown's deadline has come, are counted
    /// as [`unsent`](crate::Report::unsent).
    ///
    /// `output` is dropped when the pool has ended, so its queue ends then, if nobody else sends.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use std::time::Duration;
    /// use forebay_pool::{Gap, Ordered, Pool};
    ///
    /// let (output, mut results) = forebay_queue::bounded(10);
    /// let pool = Pool::builder()
    ///     .workers(4)
    ///     .queue(10)
    ///     .handler_ordered(output, |millis: u64| async move {
    ///         tokio::time::sleep(Duration::from_millis(millis)).await;
    ///         if millis == 20 { Err("not today") } else { Ok(millis * 2) }
    ///     })
    ///     .start()?;
    /// for millis in [40, 20, 10] {
    ///     pool.produce(millis).await?;
    /// }
    /// assert_eq!(results.recv().await, Some(Ordered::Done(80)));
    /// assert_eq!(results.recv().await, Some(Ordered::Gap(Gap::Failed)));
    /// assert_eq!(results.recv().await, Some(Ordered::Done(20)));
    /// pool.finish().await;
    /// assert_eq!(results.recv().await, None);
    /// # Ok(())
    /// # }
    /// ```
    pub fn handler_ordered<R, E, F, Fut>(
        self,
        output: Sender<Ordered<R>>,
        handler: F,
    ) -> Builder<I, Handled<T>>
    where
        R: Send + 'static,
        E: Into<BoxError>,
        F: Fn(T) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<R, E>> + Send + 'static,
    {
        let (handler, book) = (Arc::new(handler), Arc::new(Book::new()));
        let results = Arc::clone(&book);
        let mut builder = self.handled(CrewOf::new(ByPlace(move |_| {
            let (handler, results) = (Arc::clone(&handler), Arc::clone(&results));
            move |item, place| {
                let (run, results) = (handler(item), Arc::clone(&results));
                async move { run.await.map(|result| results.put(place, result)).map_err(Into::into) }
            }
        })));
        let places: Arc<dyn Places> = Arc::<Book<R>>::clone(&book);
        let hand_on = Box::new(|settlements| -> Pin<Box<dyn Future<Output = ()> + Send>> {
            Box::pin(book.hand_on(output, settlements))
        });
        builder.handler.order = Some(Order { places, hand_on });
        builder
    }

    /// Runs `handler` on each item, with the [context](WorkContext) of its work: which worker and attempt it is,
    /// whether the work is still wanted, and the pool.
    pub fn handler_in<F, Fut>(self, handler: F) -> Builder<I, Handled<T>>
    where
        F: Fn(WorkContext<T>, T) -> Fut + Send + Sync + 'static,
        Fut: Future<Output: IntoOutcome> + Send + 'static,
    {
        let handler = Arc::new(handler);
        self.handled(CrewOf::new(ByValueIn(move |_| {
            let handler = Arc::clone(&handler);
            move |context, item| handler(context, item)
        })))
    }

    /// Like [`handler_delivery`](Self::handler_delivery), with the [context](WorkContext).
    pub fn handler_delivery_in<F, Fut>(self, handler: F) -> Builder<I, Handled<T>>
    where
        F: Fn(WorkContext<T>, Delivery<T>) -> Fut + Send + Sync + 'static,
        Fut: Future<Output: IntoOutcome> + Send + 'static,
    {
        let handler = Arc::new(handler);
        self.handled(CrewOf::new(ByDeliveryIn(move |_| {
            let handler = Arc::clone(&handler);
            move |context, delivery| handler(context, delivery)
        })))
    }

    /// Like [`handler_batch`](Self::handler_batch), with the [context](WorkContext) of the whole batch: it is cancelled
    /// when nothing of the batch is worth working on. A source with leases may take back a part of it; each delivery
    /// [says whether it is lost](Delivery::is_lost).
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use std::time::Duration;
    /// use forebay_pool::{Pool, WorkContext};
    /// use forebay_queue::Delivery;
    ///
    /// let pool = Pool::builder()
    ///     .batch(50, Duration::ZERO)
    ///     .queue(1000)
    ///     .handler_batch_in(|cx: WorkContext<u32>, rows: Vec<Delivery<u32>>| async move {
    ///         for row in rows {
    ///             if cx.is_cancelled() {
    ///                 break; // the rest goes back
    ///             }
    ///             if !row.is_lost() {
    ///                 row.ack(); // …
    ///             }
    ///         }
    ///     })
    ///     .start()?;
    /// for row in 0..120 {
    ///     pool.produce(row).await?;
    /// }
    /// assert_eq!(pool.finish().await.completed, 120);
    /// # Ok(())
    /// # }
    /// ```
    pub fn handler_batch_in<F, Fut>(self, handler: F) -> Builder<I, Handled<T>>
    where
        F: Fn(WorkContext<T>, Vec<Delivery<T>>) -> Fut + Send + Sync + 'static,
        Fut: Future<Output: IntoOutcome> + Send + 'static,
    {
        let handler = Arc::new(handler);
        self.handled(CrewOf::new(ByBatchIn(move |_| {
            let handler = Arc::clone(&handler);
            move |context, batch| handler(context, batch)
        })))
    }

    /// Calls a tower service with each item; each worker has a clone of it. Its response is dropped; its error fails the
    /// item.
    ///
    /// A worker takes an item only when its clone is ready, so a service that limits itself (`ConcurrencyLimit`,
    /// `RateLimit`) limits the demand. A clone whose readiness fails is replaced by a new one, after a growing pause.
    ///
    /// A worker that waits for an item holds nothing that others may need, such as a permit of a limit shared with
    /// another pool or stage: it asks its clone for readiness only when there is an item. A clone that was asked in vain
    /// is dropped, and replaced when there is an item.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use std::future::{Ready, ready};
    /// use std::task::{Context, Poll};
    /// use forebay_pool::Pool;
    /// use tower_service::Service;
    ///
    /// /// In a program, a `tower::ServiceBuilder` makes one from a function and its layers.
    /// #[derive(Clone)]
    /// struct Parse;
    ///
    /// impl Service<&'static str> for Parse {
    ///     type Response = u32;
    ///     type Error = std::num::ParseIntError;
    ///     type Future = Ready<Result<u32, Self::Error>>;
    ///
    ///     fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
    ///         Poll::Ready(Ok(()))
    ///     }
    ///
    ///     fn call(&mut self, text: &'static str) -> Self::Future {
    ///         ready(text.parse())
    ///     }
    /// }
    ///
    /// let pool = Pool::builder().queue(10).service(Parse).start()?;
    /// pool.produce("7").await?;
    /// pool.produce("seven").await?;
    /// let report = pool.finish().await;
    /// assert_eq!((report.completed, report.failed), (1, 1));
    /// # Ok(())
    /// # }
    /// ```
    pub fn service<S>(self, service: S) -> Builder<I, Handled<T>>
    where
        S: Service<T, Error: Into<BoxError>, Future: Send + 'static> + Clone + Send + 'static,
    {
        let prototype = Mutex::new(service);
        self.service_per_worker(move |_| clone_of(&prototype))
    }

    /// Calls a service that `make` builds for each worker. Like [`service`](Self::service), for services that cannot
    /// be cloned, or should be rebuilt after a panic.
    ///
    /// Services that were asked in vain are replaced as well. With a queue that is rare: a worker that had to wait for
    /// its last item looks for the next one first. With a source that cannot be looked at, and where items pass through
    /// the pool first (keys, [`prefetch`](Self::prefetch)), it may happen each time a worker waits. So keep anything
    /// expensive to build, such as a connection, outside `make`.
    pub fn service_per_worker<M, S>(self, make: M) -> Builder<I, Handled<T>>
    where
        M: Fn(WorkerId) -> S + Send + Sync + 'static,
        S: Service<T, Error: Into<BoxError>, Future: Send + 'static> + Send + 'static,
    {
        self.handled(CrewOf::new(ByService(make)))
    }

    /// The same where something is done with the answer.
    pub(crate) fn service_then<M, S, G, Fut>(self, make: M, then: G) -> Builder<I, Handled<T>>
    where
        M: Fn(WorkerId) -> S + Send + Sync + 'static,
        S: Service<T, Error: Into<BoxError>, Future: Send + 'static> + Send + 'static,
        G: Fn(S::Future) -> Fut + Clone + Send + Sync + 'static,
        Fut: Future<Output = Result<(), BoxError>> + Send + 'static,
    {
        self.handled(CrewOf::new(ByServiceThen(make, then)))
    }

    fn handled(self, crew: impl Crew<T> + 'static) -> Builder<I, Handled<T>> {
        Builder {
            options: self.options,
            input: self.input,
            handler: Handled {
                crew: Arc::new(crew),
                rules: Rules::default(),
                order: None,
                dead_letters: None,
            },
        }
    }
}

/// The lock is there so that what is cloned need not be `Sync`. A clone that panicked leaves its original as it was.
pub(crate) fn clone_of<S: Clone>(prototype: &Mutex<S>) -> S {
    prototype.lock().unwrap_or_else(PoisonError::into_inner).clone()
}

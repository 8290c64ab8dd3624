//! The options that depend on the type of the items, and so come after the handler.

use std::hash::{BuildHasher as _, Hash};
use std::sync::Arc;

use tokio::time::Instant;

use super::{Builder, Handled, Input};
use crate::contain::Contained;

// === impl Builder ===

impl<T: Send + 'static, I: Input<Item = T>> Builder<I, Handled<T>> {
    /// Gives handlers that take the item a clone of it, and keeps the item itself until they are done: it is still there
    /// after an error, a panic, a timeout or an abort, and can be returned, tried again or dead-lettered.
    ///
    /// Large items are better shared: cloning an [`Arc`] costs nothing. Handlers that take the delivery are not
    /// affected. See [`OnFailure`](crate::OnFailure) for an example.
    pub fn keep_copies(mut self) -> Self
    where
        T: Clone,
    {
        self.handler.rules.copy = Some(T::clone);
        self
    }

    /// What items have in common that must not be worked on together, or be cancelled by: a customer, a host, a file.
    ///
    /// For [`per_key`](Self::per_key), [`rate_per_key`](Self::rate_per_key) and [`Pool::cancel`](crate::Pool::cancel).
    /// Only the key's hash is kept, with a random seed. It is asked for once, when the item is taken; if it panics,
    /// the item is dead-lettered.
    pub fn key<K: Hash>(mut self, of: impl Fn(&T) -> K + Send + Sync + 'static) -> Self {
        let of = Contained::new(of);
        let seed = self.handler.rules.seed.clone();
        self.handler.rules.key_of = Some(Arc::new(move |item| seed.hash_one(of(item))));
        self
    }

    /// When an item must be done, if it says so: its handler is cut short then, and it is not tried again but
    /// dead-lettered, or failed where its value is gone or [`Fail`](crate::OnFailure::Fail) is chosen. One whose time
    /// has passed is not even started. It counts as [timed out](crate::Report::timed_out).
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
}

//! What feeds a pool: a queue of its own, or any source.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use forebay_queue::{SendLine, Sender, Source};

use super::{Builder, Missing};
use crate::contain::{Contained, contain};
use crate::intake::Look;
use crate::resubmit::{Keeper, Resubmit};

use self::sealed::Opened;

/// In a [`Builder`]: the pool has a queue of its own, made by [`Builder::queue`].
///
/// Its type is written only where a builder is passed around:
///
/// ```
/// use forebay_pool::{Builder, FromQueue, Missing, Pool};
///
/// let builder: Builder<FromQueue<u32>, Missing> = Pool::builder().queue(10);
/// ```
pub struct FromQueue<T> {
    capacity: usize,
    on_undelivered: Option<Box<dyn Fn(T) + Send + Sync>>,
    on_dead_letter: Option<Box<dyn Fn(T, String) + Send + Sync>>,
}
/// In a [`Builder`]: the pool takes from a source, given to [`Builder::source`].
///
/// Its type is written only where a builder is passed around:
///
/// ```
/// use forebay_pool::{Builder, FromSource, Missing, Pool};
///
/// let (_tx, rx) = forebay_queue::bounded(10);
/// let builder: Builder<FromSource<u32>, Missing> = Pool::builder().source(rx);
/// ```
pub struct FromSource<T> {
    source: Box<dyn Source<Item = T>>,
    resubmit: Option<Resubmit<T>>,
    keeper: Option<Keeper>,
    look: Option<Box<dyn Look>>,
}

/// In a [`Builder`]: what feeds the pool. Sealed.
///
/// For what works with either:
///
/// ```
/// use forebay_pool::{Builder, Handled, Input, Pool, StartError};
///
/// fn start<I: Input<Item = u32>>(builder: Builder<I, Handled<u32>>) -> Result<(), StartError> {
///     builder.workers(1).start().map(drop)
/// }
/// ```
pub trait Input: sealed::Input {}
pub(super) mod sealed {
    use std::sync::Arc;
    use std::sync::atomic::AtomicU64;

    use forebay_queue::Source;

    use crate::intake::Look;
    use crate::resubmit::{Keeper, Resubmit};

    /// What feeds a pool.
    #[expect(missing_debug_implementations, reason = "nobody outside can name it")]
    pub struct Opened<T, P> {
        pub(crate) source: Box<dyn Source<Item = T>>,
        pub(crate) producer: P,
        pub(crate) resubmit: Option<Resubmit<T>>,
        pub(crate) keeper: Option<Keeper>,
        /// A way to look at the source.
        pub(crate) look: Option<Box<dyn Look>>,
    }

    pub trait Input {
        type Item: Send + 'static;
        type Producer;

        /// Makes what the pool takes from, and what feeds it through the handle. Items that the pool never took
        /// are counted in `undelivered`.
        fn open(self, undelivered: Arc<AtomicU64>) -> Opened<Self::Item, Self::Producer>;
    }
}

// === impl Builder ===

impl<H> Builder<Missing, H> {
    /// Gives the pool a queue of its own with room for `capacity` items, which [`Pool::produce`](crate::Pool::produce) fills. When it
    /// is full, producers wait. 0 is a rendezvous: an item is accepted when a worker takes it.
    ///
    /// For more choice (drop or refuse when full, watermarks) build a queue and use [`source`](Self::source).
    ///
    /// The type of the items follows from the handler.
    pub fn queue<T: Send + 'static>(self, capacity: usize) -> Builder<FromQueue<T>, H> {
        let input = FromQueue { capacity, on_undelivered: None, on_dead_letter: None };
        Builder { options: self.options, input, handler: self.handler }
    }

    /// Takes items from `source`: the receiver of a queue, a log on disk, a broker.
    ///
    /// The pool is its only consumer. A queue's receivers can be cloned, so several pools can share a queue. They share
    /// its end too: closing or shutting down one of them closes the queue, and the others end when it is empty.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use forebay_pool::{EndedBy, Pool};
    ///
    /// let (tx, rx) = forebay_queue::bounded(10);
    /// let pool = Pool::builder().source(rx).handler(|_: u32| async {}).start()?;
    /// tx.send(1).await?;
    /// drop(tx); // ends the queue, and so the pool
    /// let report = pool.finish().await;
    /// assert!(matches!(report.ended_by, EndedBy::Source));
    /// # Ok(())
    /// # }
    /// ```
    pub fn source<S: Source>(self, source: S) -> Builder<FromSource<S::Item>, H> {
        Builder {
            options: self.options,
            input: FromSource { source: Box::new(source), resubmit: None, keeper: None, look: None },
            handler: self.handler,
        }
    }
}

impl<T: Send + 'static, H> Builder<FromSource<T>, H> {
    /// Says how to look at the source without taking.
    pub(crate) fn with_look(mut self, look: impl Look + 'static) -> Self {
        self.input.look = Some(Box::new(look));
        self
    }

    /// Names what leads into the source, where somebody else keeps that open.
    pub(crate) fn with_way_back(mut self, way: Option<Resubmit<T>>) -> Self {
        self.input.resubmit = way;
        self
    }

    /// Names the sender that feeds the source, for handlers that [resubmit](crate::WorkContext::resubmit).
    ///
    /// The pool keeps a sender of its own, so that its handlers can add work when nobody else does. So the source does
    /// not end by itself: [`finish`](crate::Pool::finish) drops that sender, and
    /// [`finish_when_idle`](crate::Pool::finish_when_idle) waits until it is the only one. There, two pools that both
    /// keep a sender of the same queue would wait for each other.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use forebay_pool::{Pool, WorkContext};
    ///
    /// let (tx, rx) = forebay_queue::unbounded();
    /// let pool = Pool::builder()
    ///     .source(rx)
    ///     .resubmit_to(&tx)
    ///     .handler_in(|cx: WorkContext<u32>, n| async move {
    ///         if n > 0 { cx.resubmit(n - 1).map_err(|error| error.to_string()) } else { Ok(()) }
    ///     })
    ///     .start()?;
    /// tx.send(9).await?;
    /// drop(tx); // nothing more comes from here
    /// assert_eq!(pool.finish_when_idle().await.completed, 10);
    /// # Ok(())
    /// # }
    /// ```
    pub fn resubmit_to<L: SendLine<T>>(mut self, sender: &Sender<T, L>) -> Self {
        self.input.resubmit = Some(Resubmit::to(sender));
        self.input.keeper = Some(Box::new(sender.clone()));
        self
    }
}

impl<T, H> Builder<FromQueue<T>, H> {
    /// Gets the items that the pool's queue still has when the pool ends: those that were not started by the
    /// deadline, and deliveries that went back. Without it they are dropped. Either way they are counted as
    /// [`undelivered`](crate::Report::undelivered), and a panic in the hook is contained.
    pub fn on_undelivered(mut self, hook: impl Fn(T) + Send + Sync + 'static) -> Self {
        self.input.on_undelivered = Some(Box::new(hook));
        self
    }

    /// Gets the items that were dead-lettered, with the reason. Without it they are dropped, and counted. A panic in
    /// the hook is contained.
    pub fn on_dead_letter(mut self, hook: impl Fn(T, String) + Send + Sync + 'static) -> Self {
        self.input.on_dead_letter = Some(Box::new(hook));
        self
    }
}

// === impl FromQueue ===

impl<T: Send + 'static> Input for FromQueue<T> {}

impl<T: Send + 'static> sealed::Input for FromQueue<T> {
    type Item = T;
    type Producer = Sender<T>;

    fn open(self, undelivered: Arc<AtomicU64>) -> Opened<T, Sender<T>> {
        let hook = Contained::new(self.on_undelivered);
        let mut queue =
            forebay_queue::builder().capacity(self.capacity).timed().on_undelivered(move |item| {
                // Counted first and contained, so that neither the count nor the items after this one hang on the hook.
                undelivered.fetch_add(1, Ordering::AcqRel);
                let heard = contain(|| match &*hook {
                    Some(hook) => hook(item),
                    None => drop(item),
                });
                if let Err(panic) = heard {
                    tracing::error!(%panic, "on_undelivered, or the destructor of its item, panicked");
                }
            });
        if let Some(hook) = self.on_dead_letter {
            let hook = Contained::new(hook);
            queue = queue.on_dead_letter(move |item, reason| {
                if let Err(panic) = contain(|| hook(item, reason)) {
                    tracing::error!(%panic, "on_dead_letter panicked");
                }
            });
        }
        let (producer, source) = queue.build();
        let resubmit = Some(Resubmit::to(&producer));
        // The producer itself keeps it open.
        Opened { source: Box::new(source), producer, resubmit, keeper: None, look: None }
    }
}

impl<T> fmt::Debug for FromQueue<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FromQueue").field("capacity", &self.capacity).finish_non_exhaustive()
    }
}

// === impl FromSource ===

impl<T: Send + 'static> Input for FromSource<T> {}

impl<T: Send + 'static> sealed::Input for FromSource<T> {
    type Item = T;
    type Producer = ();

    fn open(self, _: Arc<AtomicU64>) -> Opened<T, ()> {
        let Self { source, resubmit, keeper, look } = self;
        Opened { source, producer: (), resubmit, keeper, look }
    }
}

impl<T> fmt::Debug for FromSource<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FromSource").finish_non_exhaustive()
    }
}

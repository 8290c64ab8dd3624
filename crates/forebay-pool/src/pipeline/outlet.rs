//! Where a stage's results go, and the work of a stage on one item.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use forebay_queue::{ItemSink, Sender, SinkError};
use tokio::time::{Instant, timeout};

use crate::contain::{Contained, contain};
use crate::{BoxError, WorkContext, held_up};

/// Where a stage's results go. The handler owns it, and so it is dropped when the stage has ended and no worker is left:
/// then nothing more can come, which the next stage is told by the end of its queue.
pub(super) struct Outlet<T> {
    to: To<T>,
    /// Set when it is given to its stage.
    tally: Arc<StageTally>,
}

pub(super) enum To<T> {
    Queue(Sender<T>),
    Sink(Contained<Box<dyn ItemSink<T>>>),
    /// There are no results.
    Nowhere,
}

/// What a stage counts beside its pool.
#[derive(Debug, Default)]
pub(super) struct StageTally {
    /// Results that were handed on.
    pub(super) emitted: AtomicU64,
    /// Workers that wait for room for their result.
    pub(super) held_up: AtomicUsize,
    /// Attempts that took too long.
    pub(super) timed_out: AtomicU64,
    /// Items that the stage's queue still had in the end.
    pub(super) undelivered: AtomicU64,
    /// How long the handler may take. Known when the options are read, which is after it was wrapped.
    pub(super) timeout: OnceLock<Duration>,
}

// === impl Outlet ===

impl<T: Send + 'static> Outlet<T> {
    pub(super) fn new(to: To<T>, tally: Arc<StageTally>) -> Self {
        Self { to, tally }
    }

    /// Runs the stage's handler, within its time.
    pub(super) async fn work<R, E: Into<BoxError>>(
        &self,
        work: impl Future<Output = Result<R, E>>,
    ) -> Result<R, BoxError> {
        let Some(&limit) = self.tally.timeout.get() else { return work.await.map_err(Into::into) };
        match timeout(limit, work).await {
            Ok(done) => done.map_err(Into::into),
            Err(_) => {
                self.tally.timed_out.fetch_add(1, Ordering::Relaxed);
                Err(format!("timed out after {limit:?}").into())
            }
        }
    }

    /// The context of a handler that begins now, and that knows of its time limit.
    pub(super) fn timed<I>(&self, context: WorkContext<I>) -> WorkContext<I> {
        let limit = self.tally.timeout.get();
        // A time beyond all time is none.
        match limit.and_then(|&limit| Instant::now().checked_add(limit)) {
            Some(at) => context.until(at),
            None => context,
        }
    }

    /// Hands a result on, waiting while there is no room.
    pub(super) async fn emit(&self, result: T) -> Result<(), BoxError> {
        let held_up = &self.tally.held_up;
        let taken = match &self.to {
            To::Queue(tx) => match held_up::counted(held_up, tx.send(result)).await {
                // The queue has counted what was displaced. A panic of its destructor is not this result's.
                Ok(sent) => {
                    if let Err(panic) = contain(|| drop(sent)) {
                        tracing::error!(%panic, "displaced result panicked when it was dropped");
                    }
                    Ok(())
                }
                Err(refused) => Err(BoxError::from(refused.to_string())),
            },
            To::Sink(sink) => {
                held_up::counted(held_up, sink.send(result)).await.map_err(|refused| match refused {
                    SinkError::Failed { error, .. } => error,
                    other => other.to_string().into(),
                })
            }
            To::Nowhere => Ok(()),
        };
        match taken {
            Ok(()) => {
                self.tally.emitted.fetch_add(1, Ordering::AcqRel);
                Ok(())
            }
            Err(error) => Err(format!("its result was not taken: {error}").into()),
        }
    }
}

impl<T> Drop for Outlet<T> {
    fn drop(&mut self) {
        // The pipeline has a sender as well, to read the counts.
        if let To::Queue(tx) = &self.to {
            tx.close();
        }
    }
}

//! Workers that have a thread each, for handlers that compute.
//!
//! The same worker runs there that is otherwise a task: only its poller differs. So all that is promised of
//! handlers, their panics, time limits and ends holds on threads too, and every form of handler fits.
//!
//! Threads of our own and not rayon's: a worker waits most of its life, for items and for what its handler awaits,
//! and rayon's threads are there to be busy; they are shared by the whole program, so that a pool's items would wait
//! behind somebody's parallel sort, and a handler that uses rayon itself would wait for a thread while it occupies one.

use std::pin::Pin;
use std::thread;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::{oneshot, watch};
use tokio::time::sleep;

/// Starts and stops the threads of one pool.
pub(crate) struct Threads {
    runtime: Handle,
    /// Told when the workers are to be cancelled. When this is dropped, they are as well.
    abort: watch::Sender<()>,
}

// === impl Threads ===

impl Threads {
    pub(crate) fn new(runtime: Handle) -> Self {
        Self { runtime, abort: watch::Sender::new(()) }
    }

    /// Runs the worker on a thread of its own. The returned future ends when the thread has ended.
    pub(crate) fn run(
        &self,
        index: usize,
        work: Pin<Box<dyn Future<Output = ()> + Send>>,
    ) -> impl Future<Output = Result<(), String>> + Send + use<> {
        let (runtime, mut aborted) = (self.runtime.clone(), self.abort.subscribe());
        let (end, ended) = oneshot::channel();
        let run = move || {
            // The runtime's timers and sockets are at the handler's disposal, and what it spawns runs there.
            runtime.block_on(async move {
                tokio::select! {
                    biased;
                    // Whether that is said or no sender is left to say it.
                    _ = aborted.changed() => {}
                    () = work => {}
                }
            });
            let _ = end.send(());
        };
        let started = thread::Builder::new().name(format!("forebay-cpu-{index}")).spawn(run);
        async move {
            if let Err(error) = started {
                // Its replacement is hired at once.
                sleep(Duration::from_secs(1)).await;
                return Err(format!("thread could not be started: {error}"));
            }
            ended.await.map_err(|_| "its thread died".to_owned())
        }
    }

    /// Cancels the workers, each at its handler's next await.
    pub(crate) fn abort(&self) {
        let _ = self.abort.send(());
    }
}

//! The one task that a pool has besides its workers. It owns their tasks.
//!
//! While the pool is open it sees to what no worker would: settlements while all are busy, outages of the source,
//! workers that died. Then it leads the shutdown:
//!
//! 1. **Open.** Until the source ends by itself, or somebody closes it.
//! 2. **Closing.** The source was told to accept nothing new; it is closed under the intake's lock, before this task
//!    hears of it. A `produce` that races with it was either accepted, and its item is handed out, or gets its
//!    item back. Workers go on until the source says that it ended, which it does only when nothing is held and
//!    nothing is in anybody's hands: an item that is returned meanwhile is handed out again.
//! 3. **Draining.** The same, with a deadline. If all workers are gone, all deliveries that handlers moved elsewhere
//!    are settled, and the source has confirmed that, the pool goes to 5.
//! 4. **Aborting.** At the deadline: nothing more is handed out; the workers' tasks are cancelled, and each gives up
//!    what it has in hand; deliveries that handlers moved elsewhere are ended without their values.
//! 5. **Closed.** The source is dropped. What a queue of our own still held goes to `on_undelivered`. Only then is
//!    the report made, so that it adds up and nothing is held.

use std::future::{pending, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;

use forebay_queue::{Source, SourceError};
use tokio::sync::watch;
use tokio::task::{self, JoinSet};
use tokio::time::{Instant, sleep_until};
use tracing::Instrument;

use crate::contain::contain;
use crate::desk::Desk;
use crate::hands::Settlements;
use crate::intake::Outage;
use crate::letters::Postman;
use crate::outcome::chain_of;
use crate::report::EndedBy;
use crate::scale::{self, ScalePlan};
use crate::shared::Shared;
use crate::threads::Threads;
use crate::worker::Crew;
use crate::{Load, Phase, PoolStats, WorkerId};

/// Owns the tasks of the workers: when it is dropped, they are aborted.
pub(crate) struct Supervisor<T: Send + 'static> {
    shared: Arc<Shared<T>>,
    crew: Arc<dyn Crew<T>>,
    workers: JoinSet<Result<(), String>>,
    /// Where the workers run, if not as tasks.
    threads: Option<Threads>,
    /// The tasks that hand on ordered results and dead letters, if there are any.
    outputs: JoinSet<()>,
    /// The policy for the number of workers, if there is one.
    scaler: Option<Scaler>,
    /// Which task each worker is, as long as it is there.
    tasks: Vec<Option<task::Id>>,
    orders: watch::Receiver<Order>,
}

/// Begins to hand on ordered results.
pub(crate) type HandOn = Box<dyn FnOnce(Arc<Settlements>) -> Pin<Box<dyn Future<Output = ()> + Send>> + Send>;

/// What the handle wants.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Order {
    /// Go on until the source ends.
    Run,
    /// The same, but not longer than this; `None` stands for a time too far away to be said.
    Shutdown { by: Option<Instant> },
}

enum Event {
    /// All workers are gone, nothing is held, and all settlements are durable.
    Finished,
    /// The source is unavailable.
    Outage(Outage),
    /// It is time to ask the source again.
    Retry,
    /// A pause is over.
    Resume,
    /// Something that the intake holds back may be due.
    Due,
    /// Leases are to be extended.
    Extend,
    /// The policy for the number of workers is to be asked.
    Scale,
    /// Nobody waits longer.
    Deadline,
    /// A worker's task ended, well or badly.
    Left(task::Id, Result<(), String>),
    /// There is an order, or a settlement to see to.
    Called,
}

/// Asks a policy from time to time.
struct Scaler {
    plan: ScalePlan,
    began: Instant,
    next: Instant,
    /// How many items had left the hands when the policy was asked last.
    done: u64,
}

// === impl Supervisor ===

impl<T: Send + 'static> Supervisor<T> {
    pub(crate) fn new(
        shared: Arc<Shared<T>>,
        crew: Arc<dyn Crew<T>>,
        threads: Option<Threads>,
        scale: Option<ScalePlan>,
        hand_on: Option<HandOn>,
        postman: Option<Postman>,
        orders: watch::Receiver<Order>,
    ) -> Self {
        let mut outputs = JoinSet::new();
        if let Some(hand_on) = hand_on {
            outputs.spawn(hand_on(Arc::clone(&shared.settlements)).in_current_span());
        }
        if let Some(postman) = postman {
            outputs.spawn(postman.in_current_span());
        }
        Self {
            shared,
            crew,
            outputs,
            workers: JoinSet::new(),
            threads,
            scaler: scale.map(Scaler::new),
            tasks: Vec::new(),
            orders,
        }
    }

    /// Runs the pool to its end.
    pub(crate) async fn run(mut self) -> EndedBy {
        let in_time = self.oversee().await;
        if !in_time {
            self.shared.enter(Phase::Aborting);
        }
        self.shared.intake.stop();
        self.shared.cancel_all();
        match &self.threads {
            // Their tasks only watch them, and are not to end before they do.
            Some(threads) => threads.abort(),
            None => self.workers.abort_all(),
        }
        let left = async { while self.workers.join_next().await.is_some() {} };
        self.shared.keep_leases_until(left).await;
        self.shared.revoke_all();
        // What could be handed on in time was; the output ends here.
        self.shared.keep_leases_until(self.outputs.shutdown()).await;
        self.shared.close_letters();
        drop_source(self.shared.intake.dismiss());
        match self.shared.intake.broken() {
            Some(error) => EndedBy::Broken(error),
            None if !in_time => EndedBy::Deadline,
            None if self.shared.was_closed() => EndedBy::Shutdown,
            None => EndedBy::Source,
        }
    }

    /// Until all is done (`true`) or the deadline has come (`false`).
    async fn oversee(&mut self) -> bool {
        let mut retry_at = None;
        let mut told_broken = false;
        loop {
            if !told_broken && let Some(error) = self.shared.intake.broken() {
                told_broken = true;
                tracing::error!(error = %told(&error), "source is broken; nothing more is taken from it");
            }
            let deadline = match *self.orders.borrow_and_update() {
                Order::Run => None,
                Order::Shutdown { by } => by,
            };
            self.shared.tell_lost();
            self.hire();
            match self.event(retry_at, deadline).await {
                Event::Finished => return true,
                Event::Deadline => return false,
                Event::Outage(Outage { failures, error }) => {
                    let pause = self.shared.backoff.after_failures(failures);
                    // A pause beyond all time ends with the pool.
                    retry_at = Instant::now().checked_add(pause);
                    let error = told(&error);
                    if failures == 1 {
                        tracing::warn!(%error, ?pause, "source became unavailable");
                    } else {
                        tracing::debug!(%error, failures, ?pause, "source is still unavailable");
                    }
                }
                Event::Retry => {
                    retry_at = None;
                    self.shared.intake.reopen();
                }
                Event::Resume => self.shared.end_pause(),
                Event::Scale => self.scale(),
                Event::Due => self.shared.intake.tick(),
                Event::Extend => self.shared.leases.iter().for_each(|leases| leases.extend_due()),
                Event::Left(task, result) => self.farewell(task, result),
                Event::Called => {}
            }
        }
    }

    async fn event(&mut self, retry_at: Option<Instant>, deadline: Option<Instant>) -> Event {
        let Self { shared, workers, orders, scaler, .. } = self;
        let nobody_left = workers.is_empty();
        let resume_at = shared.intake.pause_ends();
        let due_at = shared.intake.due();
        let extend_at = shared.leases.as_ref().and_then(|leases| leases.due());
        let scale_at = scaler.as_ref().filter(|_| !shared.intake.has_ended()).map(|scaler| scaler.next);
        tokio::select! {
            biased;
            // Before the duties, which poll settlements: one call is then one poll.
            () = shared.settlements.rung() => Event::Called,
            event = poll_fn(|cx| match shared.intake.poll_duties(cx) {
                Poll::Ready(outage) => Poll::Ready(Event::Outage(outage)),
                Poll::Pending if nobody_left && shared.is_at_rest() => Poll::Ready(Event::Finished),
                Poll::Pending => Poll::Pending,
            }) => event,
            // After the duties: what is done at the deadline is done in time.
            () = at(deadline) => Event::Deadline,
            () = at(retry_at) => Event::Retry,
            () = at(resume_at) => Event::Resume,
            () = at(due_at) => Event::Due,
            () = at(extend_at) => Event::Extend,
            () = at(scale_at) => Event::Scale,
            Some(left) = workers.join_next_with_id() => match left {
                Ok((task, result)) => Event::Left(task, result),
                Err(error) => Event::Left(error.id(), Err(error.to_string())),
            },
            Ok(()) = orders.changed() => Event::Called,
        }
    }

    /// A worker's task ended: because there was nothing more for it to do, or it died.
    ///
    /// Handlers that panic do not end it, their workers rebuild them. What kills a task is a destructor that panicked
    /// while it was unwinding from somewhere else, or a fault of the pool's own.
    fn farewell(&mut self, task: task::Id, result: Result<(), String>) {
        let Some(index) = self.tasks.iter().position(|&at| at == Some(task)) else { return };
        self.tasks[index] = None;
        if let Err(error) = result {
            tracing::error!(worker = index, %error, "worker died");
            if !self.shared.intake.is_over_for(index) {
                self.shared.count_restart();
            }
        }
    }

    fn scale(&mut self) {
        let Some(scaler) = &mut self.scaler else { return };
        let stats = self.shared.stats();
        let workers = scaler.ask(&stats, Instant::now());
        if workers != stats.workers {
            self.shared.resize(workers);
        }
    }

    /// Sees to it that there is a worker at every seat that is open.
    fn hire(&mut self) {
        if self.shared.intake.has_ended() {
            return;
        }
        let open = self.shared.intake.open_seats();
        if self.tasks.len() < open {
            self.tasks.resize(open, None);
        }
        for index in 0..open {
            if self.tasks[index].is_none() {
                let desk =
                    Desk { shared: Arc::clone(&self.shared), hands: self.shared.hands_of(WorkerId(index)) };
                let work = self.crew.hire(desk);
                let work = work.in_current_span();
                let task = match &self.threads {
                    Some(threads) => self.workers.spawn(threads.run(index, Box::pin(work))),
                    None => self.workers.spawn(async move {
                        work.await;
                        Ok(())
                    }),
                };
                self.tasks[index] = Some(task.id());
            }
        }
    }
}

impl<T: Send + 'static> Drop for Supervisor<T> {
    fn drop(&mut self) {
        // After a run nobody is left. If it is dropped in the middle, it cancels the workers before it says that it did.
        self.shared.cancel_all();
        drop(std::mem::take(&mut self.workers));
        self.shared.close_letters();
        // Nobody asks the source any more, and a sender that waits for room in a queue would wait for ever: the
        // handle may be there still.
        drop_source(self.shared.intake.forsake());
        self.shared.enter(Phase::Closed);
    }
}

// === impl Scaler ===

impl Scaler {
    fn new(plan: ScalePlan) -> Self {
        let began = Instant::now();
        Self { plan, began, next: began + scale::EVERY, done: 0 }
    }

    fn ask(&mut self, stats: &PoolStats, now: Instant) -> usize {
        // From now on, so that what was late is not made up for.
        self.next = now + scale::EVERY;
        let done = stats.taken - stats.held as u64;
        let pace = done.saturating_sub(std::mem::replace(&mut self.done, done));
        let wait = stats
            .backlog
            .filter(|_| pace > 0)
            .map(|backlog| scale::EVERY.mul_f64(backlog as f64 / pace as f64));
        let load = Load {
            workers: stats.workers,
            busy: stats.busy.saturating_sub(stats.leaving),
            backlog: stats.backlog,
            wait,
        };
        let ScalePlan { bounds, policy } = &mut self.plan;
        let wanted = contain(|| policy.workers(&load, now - self.began)).unwrap_or_else(|panic| {
            tracing::error!(%panic, "policy for the number of workers panicked");
            stats.workers
        });
        let least = (*bounds.start()).max(1);
        wanted.clamp(least, (*bounds.end()).max(least))
    }
}

fn drop_source<T>(source: Option<Box<dyn Source<Item = T>>>) {
    if let Err(panic) = contain(|| drop(source)) {
        tracing::error!(%panic, "source panicked when it was dropped");
    }
}

/// What a source says of itself, in code of its own.
fn told(error: &SourceError) -> String {
    contain(|| chain_of(error)).unwrap_or_else(|panic| format!("error that panics when it is shown: {panic}"))
}

/// At that time, or never.
async fn at(time: Option<Instant>) {
    match time {
        Some(time) => sleep_until(time).await,
        None => pending().await,
    }
}

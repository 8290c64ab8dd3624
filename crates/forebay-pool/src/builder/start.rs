//! Checks the description of a pool, and brings it to life.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::thread::available_parallelism;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::watch;
use tracing::Instrument;

use super::input::sealed::Opened;
use super::{Builder, Handled, Input, Options};
use crate::contain::contain;
use crate::hands::{Hands, Settlements, Terms};
use crate::intake::{BatchLimits, GateLimits, Intake, StockPlan};
use crate::leases::{Leased, Leases, Losses};
use crate::letters::{Guarded, Letters, Postman, deliver};
use crate::pool::Pool;
use crate::rate::spacing;
use crate::scale::ScalePlan;
use crate::shared::{MAX_WORKERS, Shared};
use crate::supervisor::{Order, Supervisor};
use crate::threads::Threads;
use crate::{OnFailure, WorkerId};

/// How many keys a pool remembers, where it must remember more than what it holds.
const MAX_KEYS: usize = 1 << 16;

/// Why a pool could not start.
///
/// ```
/// use forebay_pool::{Pool, StartError};
///
/// let outside_of_a_runtime = Pool::builder().queue(1).handler(|_: u8| async {}).start();
/// assert_eq!(outside_of_a_runtime.unwrap_err(), StartError::NoRuntime);
/// ```
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// A pool without workers would never do anything.
    #[error("a pool needs at least one worker, and was given 0")]
    NoWorkers,
    /// No number is within the bounds.
    #[error(
        "scale was given the bounds {least}..={most}, between which there is no number: put the lower one first"
    )]
    NoScale {
        /// The lower bound.
        least: usize,
        /// The upper one.
        most: usize,
    },
    /// An item that may not be tried at all would never be worked on.
    #[error("max_attempts is 0: an item needs at least one attempt")]
    NoAttempts,
    /// The handler takes the item itself, which is gone when it fails, and the policy needs it.
    #[error(
        "OnFailure::{policy} needs the item after its handler failed: use `keep_copies`, or a handler that takes the delivery"
    )]
    CannotRetry {
        /// Which policy.
        policy: &'static str,
    },
    /// The handler takes the item itself, which is gone when it fails, and a dead letter has the item in it.
    #[error(
        "dead_letters_to needs the item after its handler failed: use `keep_copies`, or a handler that takes the delivery"
    )]
    CannotSend,
    /// Bounds for each key need to know the key of an item.
    #[error("per_key and rate_per_key need to know the key of an item: use `key` after the handler")]
    NoKey,
    /// Only some handlers take batches.
    #[error("batch and batch_weight are for `handler_batch`, and this handler takes items one by one")]
    NoBatches,
    /// The items of a batch are worked on together, so none of them can be cut short.
    #[error(
        "items of a batch have no deadline of their own: use `timeout`, or a handler that takes them one by one"
    )]
    NoDeadlines,
    /// Only some handlers have results to be ordered.
    #[error("ordered_window is for `handler_ordered`")]
    NotOrdered,
    /// Workers are tokio tasks.
    #[error(
        "a pool must be started within a tokio runtime: call `start` from async code, or enter the runtime first"
    )]
    NoRuntime,
    /// Pauses and deadlines need the runtime's timers.
    #[error(
        "a pool needs timers, and the runtime it was started on has none: build the runtime with `enable_time` or `enable_all`"
    )]
    NoTime,
}
// === impl Builder ===

impl<T: Send + 'static, I: Input<Item = T>> Builder<I, Handled<T>> {
    /// Starts the workers, within the caller's tokio runtime (with its time enabled) and span.
    ///
    /// # Errors
    ///
    /// [`StartError`], if an option makes no sense, or there is no runtime or one without timers. In the last case
    /// tokio's panic is contained, but the program's panic hook has seen it.
    pub fn start(self) -> Result<Pool<T, I::Producer>, StartError> {
        let Options {
            workers,
            scale,
            cpu,
            max_attempts,
            backoff,
            on_failure,
            timeout,
            per_key,
            rate_per_key,
            burst_per_key,
            look_aside,
            batch,
            batch_weight,
            prefetch,
            ordered_window,
        } = self.options;
        let Handled { crew, mut rules, order, dead_letters } = self.handler;
        rules.timeout = timeout;
        let workers = match (&scale, workers) {
            (Some(ScalePlan { bounds, .. }), _) if bounds.is_empty() => {
                return Err(StartError::NoScale { least: *bounds.start(), most: *bounds.end() });
            }
            (Some(ScalePlan { bounds, .. }), workers) => {
                let least = (*bounds.start()).max(1);
                workers.unwrap_or(least).clamp(least, (*bounds.end()).max(least))
            }
            (None, Some(workers)) => workers,
            (None, None) => available_parallelism().map_or(1, NonZeroUsize::get),
        };
        let workers = workers.min(MAX_WORKERS);
        if workers == 0 {
            return Err(StartError::NoWorkers);
        }
        if max_attempts == 0 {
            return Err(StartError::NoAttempts);
        }
        if rules.key_of.is_none() && (per_key.is_some() || rate_per_key.is_some()) {
            return Err(StartError::NoKey);
        }
        if !crew.batches() && (batch.is_some() || batch_weight.is_some()) {
            return Err(StartError::NoBatches);
        }
        if crew.batches() && rules.deadline_of.is_some() {
            return Err(StartError::NoDeadlines);
        }
        if order.is_none() && ordered_window.is_some() {
            return Err(StartError::NotOrdered);
        }
        let (places, hand_on) = order.map(|order| (order.places, order.hand_on)).unzip();
        let runtime = Handle::try_current().map_err(|_| StartError::NoRuntime)?;
        // There is no other way to ask. Where it panics, what would follow is a pool whose shutdown does.
        contain(|| drop(tokio::time::sleep(Duration::ZERO))).map_err(|_| StartError::NoTime)?;

        let undelivered = Arc::new(AtomicU64::new(0));
        let Opened { source, producer, resubmit, keeper, look } = self.input.open(Arc::clone(&undelivered));
        let redelivers = source.redelivers();
        let keeps = crew.lends() || rules.copy.is_some();
        match &on_failure {
            Some(OnFailure::Retry(_)) if !keeps => return Err(StartError::CannotRetry { policy: "Retry" }),
            Some(OnFailure::Return) if !keeps && !redelivers => {
                return Err(StartError::CannotRetry { policy: "Return" });
            }
            Some(OnFailure::DeadLetter) if !keeps && !redelivers => {
                return Err(StartError::CannotRetry { policy: "DeadLetter" });
            }
            _ if dead_letters.is_some() && !keeps => return Err(StartError::CannotSend),
            _ => {}
        }
        let settlements = Arc::new(Settlements::default());
        let leases =
            source.lease().map(|lease| Arc::new(Leases::new(lease, redelivers, Arc::clone(&settlements))));
        let source = match &leases {
            Some(leases) => Box::new(Leased::new(source, Arc::clone(leases))),
            None => source,
        };
        let letters = dead_letters
            .as_ref()
            .map(|_| Arc::new(Letters::new(redelivers, leases.is_some(), Arc::clone(&settlements))));
        let source = match &letters {
            Some(letters) => Box::new(Guarded::new(source, Arc::clone(letters))),
            None => source,
        };
        let postman = letters
            .clone()
            .zip(dead_letters)
            .map(|(letters, sink)| -> Postman { Box::pin(deliver(letters, sink, backoff)) });
        let terms = Arc::new(Terms {
            redelivers,
            max_attempts,
            backoff,
            on_failure,
            keyed: rules.key_of.is_some(),
            batches: crew.batches(),
            order: places.clone(),
            losses: leases.clone().map(|leases| -> Arc<dyn Losses> { leases }),
        });
        let hands: Vec<_> = (0..workers)
            .map(|index| Hands::new(WorkerId(index), Arc::clone(&terms), Arc::clone(&settlements)))
            .map(|hands| Arc::new(hands.with_letters(letters.clone())))
            .collect();
        let gate = (per_key.is_some() || rate_per_key.is_some()).then(|| GateLimits {
            at_once: per_key.unwrap_or(usize::MAX),
            spacing: rate_per_key.map(|rate| spacing(rate, burst_per_key)),
            waiting: look_aside,
            // Without a rate they are those of what is held, which is bounded by that.
            keys: if rate_per_key.is_some() { MAX_KEYS.max(look_aside) } else { usize::MAX },
        });
        let (items, wait) = batch.unwrap_or((100, Duration::ZERO));
        let batch = crew.batches().then(|| BatchLimits {
            items,
            weight: batch_weight,
            wait: u64::try_from(wait.as_nanos()).unwrap_or(u64::MAX),
        });
        let window = ordered_window.unwrap_or(256);
        places.iter().for_each(|places| places.bound(window));
        let plan = StockPlan {
            key_of: rules.key_of.clone(),
            gate,
            batch,
            prefetch,
            order: places.clone().map(|places| (places, window)),
        };
        // Where an item is nothing but its value, and nothing stands between source and worker, each worker takes
        // for itself. Not on threads of their own: how long a thread is waited for is measured from the giving.
        let takes_itself = crew.by_value()
            && rules.copy.is_none()
            && rules.deadline_of.is_none()
            && rules.span_of.is_none()
            && plan.is_empty()
            && !redelivers
            && !cpu;
        let intake = Intake::new(source, hands.iter().cloned(), Arc::clone(&settlements), plan);
        let intake = intake.with_letters(letters.clone());
        let intake = if crew.holds() { intake.with_fleeting_workers(look) } else { intake };
        let intake = if takes_itself { intake.with_taps(runtime.metrics().num_workers()) } else { intake };
        let shared = Shared::new(intake, hands, terms, rules, resubmit, settlements, undelivered);
        let shared = Arc::new(shared.with_leases(leases).with_letters(letters));

        let threads = cpu.then(|| Threads::new(runtime.clone()));
        let (orders, received) = watch::channel(Order::Run);
        let supervisor =
            Supervisor::new(Arc::clone(&shared), crew, threads, scale, hand_on, postman, received);
        let supervisor = runtime.spawn(supervisor.run().in_current_span());
        tracing::debug!(workers, "pool started");
        Ok(Pool::new(shared, supervisor, orders, producer, keeper))
    }
}

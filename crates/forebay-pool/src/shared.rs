//! What the handle, the supervisor and the workers of a pool share.

use std::convert::Infallible;
use std::future::pending;
use std::hash::{BuildHasher as _, Hash, RandomState};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::time::{Instant, sleep_until};

use crate::bell::Bell;
use crate::hands::{Hands, Settlements, Terms};
use crate::intake::{Command, Intake, KeyHash};
use crate::leases::{LeaseTally, Leases};
use crate::letters::Letters;
use crate::report::EndedBy;
use crate::resubmit::{Resubmit, ResubmitError};
use crate::rules::Rules;
use crate::timings::Clockwork;
use crate::{Backoff, Phase, PoolStats, Report, WorkerId};

/// The most workers that a pool may have: more than are of use, and few enough to be there at once.
pub(crate) const MAX_WORKERS: usize = 1 << 16;

/// What the handle, the supervisor and the workers share.
pub(crate) struct Shared<T> {
    pub(crate) intake: Intake<T>,
    /// One pair for each worker there ever was: an account is kept when its worker has left.
    hands: Mutex<Vec<Arc<Hands<T>>>>,
    terms: Arc<Terms>,
    pub(crate) rules: Rules<T>,
    /// The way back into the queue, where that is known.
    resubmit: Option<Resubmit<T>>,
    pub(crate) settlements: Arc<Settlements>,
    /// Where deliveries are the pool's for a time only.
    pub(crate) leases: Option<Arc<Leases<T>>>,
    /// Where dead letters go, if not to the source.
    pub(crate) letters: Option<Arc<Letters<T>>>,
    /// For items that are returned, and for a source or a worker that fails again and again.
    pub(crate) backoff: Backoff,
    phase: Mutex<Phase>,
    /// Rung when the pool goes on to another phase.
    phase_bell: Bell,
    pub(crate) clockwork: Clockwork,
    /// Whether somebody closed the source through the handle.
    closed: AtomicBool,
    restarts: AtomicU64,
    /// Counted by the hook of the pool's own queue.
    undelivered: Arc<AtomicU64>,
    started: Instant,
}

// === impl Shared ===

impl<T: Send + 'static> Shared<T> {
    pub(crate) fn new(
        intake: Intake<T>,
        hands: Vec<Arc<Hands<T>>>,
        terms: Arc<Terms>,
        rules: Rules<T>,
        resubmit: Option<Resubmit<T>>,
        settlements: Arc<Settlements>,
        undelivered: Arc<AtomicU64>,
    ) -> Self {
        Self {
            intake,
            hands: Mutex::new(hands),
            backoff: terms.backoff,
            terms,
            rules,
            resubmit,
            settlements,
            leases: None,
            letters: None,
            phase: Mutex::new(Phase::Open),
            phase_bell: Bell::default(),
            clockwork: Clockwork::new(),
            closed: AtomicBool::new(false),
            restarts: AtomicU64::new(0),
            undelivered,
            started: Instant::now(),
        }
    }

    /// The leases that stand before the source, if it has any.
    pub(crate) fn with_leases(mut self, leases: Option<Arc<Leases<T>>>) -> Self {
        self.leases = leases;
        self
    }

    /// Where dead letters go, if not to the source.
    pub(crate) fn with_letters(mut self, letters: Option<Arc<Letters<T>>>) -> Self {
        self.letters = letters;
        self
    }

    /// Goes on to `phase`, unless the pool is there or further already.
    pub(crate) fn enter(&self, phase: Phase) {
        {
            let mut now = self.phase.lock().unwrap_or_else(PoisonError::into_inner);
            if *now >= phase {
                return;
            }
            *now = phase;
        }
        self.phase_bell.ring();
        tracing::debug!(?phase, "pool goes on");
    }

    pub(crate) fn phase(&self) -> Phase {
        *self.phase.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until the pool has ended.
    pub(crate) async fn ended(&self) {
        self.phase_bell.until(|| self.phase() == Phase::Closed).await;
    }

    pub(crate) fn close(&self) {
        self.closed.store(true, Ordering::Release);
        self.enter(Phase::Closing);
        self.intake.obey(Command::Close);
    }

    pub(crate) fn pause(&self, until: Option<Instant>) {
        self.intake.obey(Command::Pause(until));
        if self.intake.is_paused() {
            tracing::debug!(by_itself = until.is_some(), "pool is paused");
        }
        // It is the supervisor that looks at the clock.
        self.settlements.ring();
    }

    pub(crate) fn resume(&self) {
        if self.intake.is_paused() {
            tracing::debug!("pool is resumed");
        }
        self.intake.obey(Command::Resume);
    }

    /// The same, and from now on nothing is paused any more.
    pub(crate) fn pause_no_more(&self) {
        self.intake.obey(Command::PauseNoMore);
    }

    /// Ends a pause whose time is over.
    pub(crate) fn end_pause(&self) {
        if self.intake.end_pause(Instant::now()) {
            tracing::debug!("pool is resumed");
        }
    }

    pub(crate) fn resize(&self, workers: usize) {
        let workers = workers.clamp(1, MAX_WORKERS);
        self.intake.obey(Command::Resize(workers));
        tracing::debug!(workers, "pool is resized");
        // It is the supervisor that hires.
        self.settlements.ring();
    }

    pub(crate) fn cancel<K: Hash + ?Sized>(&self, key: &K) -> usize {
        self.cancel_by(&|seed| seed.hash_one(key))
    }

    /// The same for a caller that does not know the type of the key.
    pub(crate) fn cancel_by(&self, hash: &dyn Fn(&RandomState) -> KeyHash) -> usize {
        if self.rules.key_of.is_none() {
            return 0;
        }
        self.intake.cancel(hash(&self.rules.seed))
    }

    pub(crate) fn resubmit(&self, item: T) -> Result<(), ResubmitError<T>> {
        match &self.resubmit {
            Some(resubmit) => resubmit.put(item),
            None => Err(ResubmitError::NoQueue(item)),
        }
    }

    /// Waits until nothing waits, nothing is in anybody's hands, and nobody may send anything but the handle.
    pub(crate) async fn idle(&self) {
        self.unless_closed(self.when_idle()).await;
    }

    /// Calls the supervisor when nobody may send anything, as far as that is known.
    pub(crate) async fn call_at_the_end(&self) -> Infallible {
        self.settlements.ring();
        if let Some(way) = &self.resubmit {
            way.deserted().await;
            self.settlements.ring();
        }
        pending().await
    }

    /// The same for a handle that will send nothing.
    pub(crate) async fn idle_for_good(&self) {
        let idle = async {
            if let Some(way) = &self.resubmit {
                way.alone().await;
            }
            // Only what is in work leads to more now, and may itself wait in a batch that is never full.
            self.intake.obey(Command::GatherNoMore);
            self.when_idle().await;
        };
        self.unless_closed(idle).await;
    }

    async fn when_idle(&self) {
        let Some(way) = &self.resubmit else { return self.intake.when_idle(false, || true).await };
        let others = AtomicBool::new(true);
        while others.load(Ordering::Relaxed) {
            // The intake's bell does not tell of senders.
            way.alone().await;
            let over = || {
                // In this order: a sender that may send no more has sent before.
                let some = way.has_others();
                others.store(some, Ordering::Relaxed);
                some || way.backlog() == 0
            };
            self.intake.when_idle(true, over).await;
        }
    }

    /// Waits for `idle`, or until the pool has ended.
    async fn unless_closed(&self, idle: impl Future<Output = ()>) {
        // A source that has spent the caller's budget says pending, and has something all the same.
        let idle = tokio::task::unconstrained(idle);
        tokio::select! {
            biased;
            () = idle => {}
            // A pool that has ended is idle, also where its runtime went away with what it had.
            () = self.ended() => {}
        }
    }

    /// The hands of worker `id`, which may be new.
    pub(crate) fn hands_of(&self, id: WorkerId) -> Arc<Hands<T>> {
        loop {
            let there = {
                let all = self.hands();
                if let Some(hands) = all.get(id.index()) {
                    return Arc::clone(hands);
                }
                all.len()
            };
            // Only the supervisor comes here, so the two lists grow alike although no lock is held across both: a
            // thread that polls the source has the intake's, and may read the counters.
            let hands = Hands::new(WorkerId(there), Arc::clone(&self.terms), Arc::clone(&self.settlements));
            let hands = Arc::new(hands.with_letters(self.letters.clone()));
            self.intake.add_seat(Arc::clone(&hands));
            self.hands().push(hands);
        }
    }

    /// Tells all handlers that they are cancelled. It is for those that do not come to an await soon.
    pub(crate) fn cancel_all(&self) {
        self.hands().iter().for_each(|hands| hands.runs().close());
    }

    /// Tells workers what the source has taken back.
    pub(crate) fn tell_lost(&self) {
        let Some(leases) = &self.leases else { return };
        let lost = leases.take_news();
        if !lost.is_empty() {
            let all = self.hands().clone();
            all.iter().for_each(|hands| lost.iter().for_each(|&receipt| hands.lose(receipt)));
        }
    }

    /// Waits for `left`, which may take long; the deliveries that are out stay the pool's until then.
    pub(crate) async fn keep_leases_until(&self, left: impl Future<Output = ()>) {
        tokio::select! {
            () = left => {}
            () = self.keep_leases() => {}
        }
    }

    /// Extends leases as long as it is polled.
    async fn keep_leases(&self) {
        let Some(leases) = &self.leases else { return pending().await };
        while let Some(due) = leases.due() {
            sleep_until(due).await;
            leases.extend_due();
        }
        pending().await
    }

    fn lease_tally(&self) -> LeaseTally {
        self.leases.as_ref().map(|leases| leases.tally()).unwrap_or_default()
    }

    /// Ends what handlers moved elsewhere.
    pub(crate) fn revoke_all(&self) {
        let all = self.hands().clone();
        all.iter().for_each(|hands| hands.revoke());
    }

    /// Letters that could not be sent go back.
    pub(crate) fn close_letters(&self) {
        self.letters.iter().for_each(|letters| letters.close());
    }

    fn hands(&self) -> MutexGuard<'_, Vec<Arc<Hands<T>>>> {
        self.hands.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn was_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    /// Is there nothing to wait for once the workers are gone?
    pub(crate) fn is_at_rest(&self) -> bool {
        // In this order: a settlement is noted, and a letter posted, before its hands are at rest.
        let at_rest =
            self.intake.stock().lock().is_at_rest() && self.hands().iter().all(|hands| hands.is_at_rest());
        let handed_on = self.terms.order.as_ref().is_none_or(|order| order.outstanding() == 0);
        at_rest && handed_on && self.intake.is_done_settling()
    }

    pub(crate) fn count_restart(&self) {
        self.restarts.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn stats(&self) -> PoolStats {
        let restarts = self.restarts.load(Ordering::Relaxed);
        let workers = self.intake.open_seats();
        let mut stats = PoolStats::new(workers, self.intake.idle(), self.intake.is_paused(), restarts);
        stats.leases_lost = self.lease_tally().lost;
        stats.backlog = self.resubmit.as_ref().map(Resubmit::backlog);
        // Before the accounts that count letters as dead-lettered when they are posted.
        let letters = self.letters.as_ref().map(|letters| letters.tally());
        // Held while the hands are read, so that an item that changes sides is seen on one.
        let stock = self.intake.stock().lock();
        stats.add_stock(&stock);
        for (index, hands) in self.hands().iter().enumerate() {
            let (tally, held, busy) = hands.account();
            stats.add(&tally, held, busy, index >= workers);
            stats.failing += usize::from(hands.is_failing());
            stats.idle += usize::from(hands.is_waiting());
            stats.add_presence(hands.presence().read());
        }
        if let Some(order) = self.terms.order.as_ref().filter(|order| order.is_held_up()) {
            stats.hold_up(order.outstanding());
        }
        if let Some(letters) = letters {
            stats.add_letters(&letters);
        }
        stats
    }

    pub(crate) fn report(&self, ended_by: EndedBy) -> Report {
        let stats = self.stats();
        Report {
            ended_by,
            taken: stats.taken,
            completed: stats.completed,
            failed: stats.failed,
            returned: stats.returned,
            dead_lettered: stats.dead_lettered,
            held: stats.held,
            undelivered: self.undelivered.load(Ordering::Acquire),
            aborted: stats.aborted,
            panics: stats.panics,
            timed_out: stats.timed_out,
            cancelled: stats.cancelled,
            retried: stats.retried,
            restarts: stats.restarts,
            settled: self.intake.is_settled(),
            unsent: self.terms.order.as_ref().map_or(0, |order| order.unsent()),
            leases_lost: stats.leases_lost,
            maybe_redelivered: self.intake.unconfirmed() + self.lease_tally().done_in_vain,
            elapsed: self.started.elapsed(),
        }
    }
}

//! Where one worker sits: its hands, and the pool around it.

use std::sync::Arc;

use tokio::time::Instant;
use tracing::Span;
use tracing::level_filters::LevelFilter;

use crate::contain::contain;
use crate::hands::{Hands, RunEnd};
use crate::intake::Standing;
use crate::rules::Rules;
use crate::shared::Shared;
use crate::{PoolHandle, WorkContext};

/// What a worker has from its hiring to its leaving, whatever handlers it wears out.
pub(crate) struct Desk<T> {
    pub(crate) shared: Arc<Shared<T>>,
    pub(crate) hands: Arc<Hands<T>>,
}

/// When a run is cut short, and what that counts as.
pub(crate) struct Cut {
    pub(crate) at: Instant,
    pub(crate) end: RunEnd,
}

// === impl Desk ===

impl<T: Send + 'static> Desk<T> {
    /// Starts a run by value: returns the item, or a copy of it.
    pub(crate) fn keep(&self) -> T {
        match self.shared.rules.copy {
            Some(copy) => self.hands.keep_copy(copy),
            None => self.hands.keep(),
        }
    }

    /// Whether work on items is ever cut short.
    pub(crate) fn is_limited(&self) -> bool {
        let Rules { timeout, deadline_of, .. } = &self.shared.rules;
        timeout.is_some() || deadline_of.is_some()
    }

    /// When work on the item in the inbox is cut short, if ever. Runs code that is not ours.
    pub(crate) fn cut(&self) -> Option<Cut> {
        let timeout = self.shared.rules.timeout;
        // A time beyond all time is none.
        let by_timeout = timeout
            .and_then(|timeout| Instant::now().checked_add(timeout))
            .map(|at| Cut { at, end: RunEnd::TimedOut });
        let by_item = self.expires().map(|at| Cut { at, end: RunEnd::Expired });
        by_item.into_iter().chain(by_timeout).min_by_key(|cut| cut.at)
    }

    /// When the item in the inbox reaches its own deadline, if ever. Runs code that is not ours.
    pub(crate) fn expires(&self) -> Option<Instant> {
        let deadline_of = self.shared.rules.deadline_of.as_ref()?;
        self.hands.inspect(|delivery| delivery.item().and_then(|item| deadline_of(item)))
    }

    /// The span in which the run that is about to start is to be, if it was set and anybody wants to know.
    pub(crate) fn span(&self) -> Option<Span> {
        let span_of = self.shared.rules.span_of.as_ref()?;
        if LevelFilter::current() == LevelFilter::OFF {
            return None;
        }
        let mut spans = Vec::new();
        self.hands.inspect_all(|delivery| match contain(|| span_of(delivery)) {
            Ok(span) => spans.push(span),
            Err(panic) => tracing::error!(%panic, "span of an item panicked; it is worked on without"),
        });
        if spans.len() < 2 {
            return spans.pop();
        }
        let batch = tracing::info_span!("batch", items = spans.len());
        spans.into_iter().for_each(|span| {
            batch.follows_from(span);
        });
        Some(batch)
    }

    /// Begins a run for a handler that wants its context. The item must be on its way to the handler.
    pub(crate) fn context(&self, deadline: Option<Instant>) -> WorkContext<T> {
        let runs = Arc::clone(self.hands.runs());
        let run = runs.begin();
        let is_cancelled = self.shared.rules.key_of.is_some() && self.hands.is_cancelled();
        if is_cancelled || self.hands.is_lost() {
            // After the run began: anybody who cancels it or marks the loss later ends the run.
            runs.end();
        }
        let pool = PoolHandle::new(&self.shared);
        WorkContext::new(pool, self.hands.id(), self.hands.attempt(), deadline, run, runs)
    }

    /// The worker no longer follows, if it did. It leads if it was made a leader meanwhile.
    pub(crate) fn fall_out(&self, standing: &mut Standing) {
        if *standing == Standing::Follows {
            *standing = self.shared.intake.fall_out(self.seat());
        }
    }

    /// The worker does not wait for items any more.
    pub(crate) fn stand_apart(&self, standing: &mut Standing) {
        self.fall_out(standing);
        if std::mem::replace(standing, Standing::Apart) == Standing::Leads {
            self.shared.intake.step_down();
        }
    }

    /// This worker's seat in the intake.
    pub(crate) fn seat(&self) -> usize {
        self.hands.id().index()
    }
}

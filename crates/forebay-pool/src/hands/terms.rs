//! What the rules decide about an item whose run ended. Pure: it tells nobody and reads no clock.

use std::sync::Arc;
use std::time::Duration;

use forebay_queue::{End, Receipt};

use super::tally::Became;
use crate::leases::Losses;
use crate::order::Places;
use crate::{Backoff, OnFailure, Retry};

/// What a pool does with items that are not done.
#[derive(Debug, Clone)]
pub(crate) struct Terms {
    /// Whether the source has a copy of what it handed out, as far as a delivery does not say so itself.
    pub(crate) redelivers: bool,
    pub(crate) max_attempts: u32,
    /// For items that are returned.
    pub(crate) backoff: Backoff,
    /// `None`: what can go back does.
    pub(crate) on_failure: Option<OnFailure>,
    /// Whether items have keys.
    pub(crate) keyed: bool,
    /// Whether a run may have several.
    pub(crate) batches: bool,
    /// Where results are ordered.
    pub(crate) order: Option<Arc<dyn Places>>,
    /// Where deliveries may be lost.
    pub(crate) losses: Option<Arc<dyn Losses>>,
}

/// How a run ended, as the worker saw it.
#[derive(Debug)]
pub(crate) enum RunEnd {
    Done,
    Failed(String),
    Panicked(String),
    TimedOut,
    /// The item's own deadline passed. Trying again would be in vain.
    Expired,
    /// The work is not wanted any more.
    Cancelled,
    /// The source has taken it back.
    Lost,
    Aborted,
}

/// An item that a run left behind.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rest {
    pub(super) attempt: u32,
    /// How long the handler wanted it to wait.
    pub(super) after: Duration,
    /// Whether its value is there.
    pub(super) has_item: bool,
    /// Whether there is somebody to give it back to.
    pub(super) has_source: bool,
    /// Whether a budget, if there is one, allows another attempt.
    pub(super) may_retry: bool,
    /// Whether the source has a copy of it.
    pub(super) redelivers: bool,
    /// Whether the source has taken it back.
    pub(super) lost: bool,
}

/// What is to be done with an item that a run left.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It leaves the hands. `discard`: without its value, even if that is there.
    Leaves { became: Became, end: End, discard: bool },
    /// The same worker tries again, after this long.
    Again(Duration),
}

// === impl Terms ===

impl Terms {
    /// Is an item that is done acked, and that is all?
    pub(super) fn is_plain(&self) -> bool {
        let deposits = matches!(self.on_failure, Some(OnFailure::Retry(_)));
        !(self.redelivers || self.keyed || self.order.is_some() || deposits)
    }

    /// Has the source a copy? `said`: what the delivery says of that.
    pub(super) fn redelivers(&self, said: Option<bool>) -> bool {
        said.unwrap_or(self.redelivers)
    }

    /// Is an ack counted here, as one that the source has to confirm? Where there are leases, their keeper counts
    /// it: what was lost is acked to nobody.
    pub(super) fn counts_ack(&self, said: Option<bool>) -> bool {
        self.redelivers(said) && self.losses.is_none()
    }

    /// Was it taken back?
    pub(super) fn is_lost(&self, receipt: Receipt) -> bool {
        self.losses.as_ref().is_some_and(|losses| losses.has_lost(receipt))
    }

    pub(super) fn judge(&self, run_end: &RunEnd, rest: Rest) -> Verdict {
        if rest.lost || matches!(run_end, RunEnd::Lost) {
            // Whatever the rules say of items that fail, this one is no longer ours. Nobody is told.
            let end = End::Nack { after: Duration::ZERO };
            return Verdict::Leaves { became: Became::Returned, end, discard: true };
        }
        let returns = rest.has_source && (rest.has_item || rest.redelivers);
        let why = match run_end {
            RunEnd::Done if returns => return self.hand_back("handed back", rest),
            // The pool's own decision is not the item's fault, however often it was tried.
            RunEnd::Aborted if returns => {
                let end = End::Nack { after: rest.after };
                return Verdict::Leaves { became: Became::Returned, end, discard: false };
            }
            // Nobody can deliver it again: it has no source that takes items back, or no value and no copy.
            RunEnd::Done | RunEnd::Aborted | RunEnd::Lost => return Self::lose(rest),
            RunEnd::Failed(error) => &format!("failed: {error}"),
            RunEnd::Panicked(panic) => &format!("panicked: {panic}"),
            RunEnd::TimedOut => "timed out",
            RunEnd::Expired => "its deadline passed",
            RunEnd::Cancelled => "cancelled",
        };
        match &self.on_failure {
            Some(OnFailure::Retry(retry))
                if !self.is_final(run_end)
                    && rest.has_item
                    && rest.may_retry
                    && rest.attempt < self.max_attempts =>
            {
                Verdict::Again(retry.backoff.after_failures(rest.attempt))
            }
            Some(OnFailure::Fail) => {
                // A source that has a copy would deliver it again after a nack.
                let end = if rest.redelivers { End::Ack } else { End::Nack { after: Duration::ZERO } };
                Verdict::Leaves { became: Became::Failed, end, discard: true }
            }
            _ if !returns => Self::lose(rest),
            _ if self.is_final(run_end) => {
                let end = End::DeadLetter { reason: format!("attempt {}: {why}", rest.attempt) };
                Verdict::Leaves { became: Became::DeadLettered, end, discard: false }
            }
            _ => self.hand_back(why, rest),
        }
    }

    /// Is the item set aside at once, whatever attempts it has left?
    fn is_final(&self, run_end: &RunEnd) -> bool {
        matches!(run_end, RunEnd::Expired | RunEnd::Cancelled)
            || matches!(self.on_failure, Some(OnFailure::DeadLetter))
    }

    /// It goes back: not sooner than the backoff allows, and not more often than allowed.
    fn hand_back(&self, why: &str, rest: Rest) -> Verdict {
        let Rest { attempt, after, .. } = rest;
        let (became, end) = if attempt < self.max_attempts {
            (Became::Returned, End::Nack { after: after.max(self.backoff.after(attempt)) })
        } else {
            let reason = format!("attempt {attempt} of {}: {why}", self.max_attempts);
            (Became::DeadLettered, End::DeadLetter { reason })
        };
        Verdict::Leaves { became, end, discard: false }
    }

    /// A source without a copy counts a nack without the value as failed, as we do.
    fn lose(rest: Rest) -> Verdict {
        Verdict::Leaves { became: Became::Failed, end: End::Nack { after: rest.after }, discard: false }
    }

    /// Whether an item that failed is tried again by its worker, as far as its attempts go.
    ///
    /// `attempt`: which one failed, if the item is there to be tried with.
    pub(super) fn retries(&self, run_end: &RunEnd, attempt: impl FnOnce() -> Option<u32>) -> Option<&Retry> {
        let failed = matches!(run_end, RunEnd::Failed(_) | RunEnd::Panicked(_) | RunEnd::TimedOut);
        match &self.on_failure {
            Some(OnFailure::Retry(retry)) if failed => {
                attempt().filter(|&attempt| attempt < self.max_attempts).map(|_| retry)
            }
            _ => None,
        }
    }
}

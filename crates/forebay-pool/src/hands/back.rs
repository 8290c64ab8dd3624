//! Deliveries that are out of our hands, and what is done with them once they are back.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use forebay_queue::{Delivery, End, Headers, Receipt, Settle};

use super::terms::{Rest, Terms};
use crate::contain::contain;
use crate::intake::KeyHash;
use crate::letters::Letters;

/// A delivery that is out of our hands.
pub(super) struct Lent<T> {
    /// What the pool calls this delivery.
    pub(super) receipt: Receipt,
    /// What the source calls it.
    pub(super) source_receipt: Receipt,
    pub(super) source: Option<Arc<dyn Settle<T>>>,
    pub(super) attempt: u32,
    /// What else the source said of the delivery.
    pub(super) facts: Facts,
    pub(super) key: Option<KeyHash>,
    /// The run that it was lent to.
    pub(super) run: u32,
    /// It came back during its run, and waits for the run to finish.
    pub(super) came_back: Option<CameBack<T>>,
}

/// What a delivery says of its item, so that it can be made again.
pub(super) struct Facts {
    redelivers: Option<bool>,
    enqueued_at: Option<SystemTime>,
    weight: usize,
    headers: Headers,
}

pub(super) struct CameBack<T> {
    pub(super) item: Option<T>,
    pub(super) after: Duration,
}

/// Something that the source is to be told, once the ledger's lock is released.
pub(super) struct Settlement<T> {
    pub(super) back: Back<T>,
    pub(super) end: End,
    /// The value is not to go along, even if it is there.
    pub(super) discard: bool,
}

/// A delivery that is ours again.
pub(super) enum Back<T> {
    Kept(Delivery<T>),
    Lent(Lent<T>, Option<T>),
}

// === impl Lent ===

impl<T> Lent<T> {
    /// It came back without an end that says what is to become of the item.
    pub(super) fn come_back(self, came_back: CameBack<T>, terms: &Terms, may_retry: bool) -> (Back<T>, Rest) {
        let CameBack { item, after } = came_back;
        let (has_item, has_source) = (item.is_some(), self.source.is_some());
        let lost = terms.is_lost(self.source_receipt);
        let redelivers = terms.redelivers(self.facts.redelivers);
        let rest = Rest { attempt: self.attempt, after, has_item, has_source, may_retry, redelivers, lost };
        (Back::Lent(self, item), rest)
    }
}

// === impl Facts ===

impl Facts {
    pub(super) fn of<T>(delivery: &Delivery<T>) -> Self {
        Self {
            redelivers: delivery.redelivers(),
            enqueued_at: delivery.enqueued_at(),
            weight: delivery.weight(),
            headers: delivery.headers().clone(),
        }
    }

    fn tell<T>(self, delivery: Delivery<T>) -> Delivery<T> {
        let Self { redelivers, enqueued_at, weight, headers } = self;
        let delivery = delivery.with_weight(weight).with_headers(headers);
        let delivery = match redelivers {
            Some(redelivers) => delivery.with_redelivers(redelivers),
            None => delivery,
        };
        match enqueued_at {
            Some(at) => delivery.with_enqueued_at(at),
            None => delivery,
        }
    }
}

// === impl Back ===

impl<T> Back<T> {
    pub(super) fn attempt(&self) -> u32 {
        match self {
            Self::Kept(delivery) => delivery.attempt(),
            Self::Lent(lent, _) => lent.attempt,
        }
    }

    /// What the delivery says of whether its source has a copy.
    pub(super) fn redelivers(&self) -> Option<bool> {
        match self {
            Self::Kept(delivery) => delivery.redelivers(),
            Self::Lent(lent, _) => lent.facts.redelivers,
        }
    }

    /// The key that it occupies by itself. The key of what a run kept is held by the run.
    pub(super) fn key(&self) -> Option<KeyHash> {
        match self {
            Self::Kept(_) => None,
            Self::Lent(lent, _) => lent.key,
        }
    }

    /// The delivery as the source made it, to be tried again.
    pub(super) fn into_delivery(self) -> Delivery<T> {
        let (lent, item) = match self {
            Self::Kept(delivery) => return delivery,
            Self::Lent(lent, item) => (lent, item.expect("only what has its item is tried again")),
        };
        let delivery = match lent.source {
            Some(source) => Delivery::new(item, lent.source_receipt, source),
            None => Delivery::unsettled(item),
        };
        lent.facts.tell(delivery)
    }
}

// === impl Settlement ===

impl<T> Settlement<T> {
    pub(super) fn is_ack(&self) -> bool {
        matches!(self.end, End::Ack)
    }

    /// Sends it off instead, if it is a dead letter that can be sent. `Some`: it cannot, and the source is to be told.
    pub(super) fn post(self, letters: &Letters<T>) -> Option<Self> {
        let Self { back, end, discard } = self;
        let End::DeadLetter { reason } = end else { return Some(Self { back, end, discard }) };
        let attempt = back.attempt();
        let delivery = match back {
            // The value is elsewhere, or gone.
            Back::Lent(lent, None) => {
                return Some(Self { back: Back::Lent(lent, None), end: End::DeadLetter { reason }, discard });
            }
            back => back.into_delivery().with_attempt(attempt),
        };
        let (delivery, reason) = letters.post(delivery, reason).err()?;
        Some(Self { back: Back::Kept(delivery), end: End::DeadLetter { reason }, discard })
    }

    /// Tells the source. Runs its code, and the item's destructor.
    pub(super) fn tell(self) {
        let Self { back, end, discard } = self;
        match back {
            Back::Kept(mut delivery) => {
                if discard {
                    drop_now(delivery.take());
                }
                match end {
                    End::Ack => delivery.ack(),
                    End::Nack { after } => delivery.nack(after),
                    End::DeadLetter { reason } => delivery.dead_letter(reason),
                }
            }
            Back::Lent(lent, item) => {
                let item = if discard {
                    drop_now(item);
                    None
                } else {
                    item
                };
                match lent.source {
                    Some(source) => source.settle(lent.source_receipt, item, end),
                    None => drop(item),
                }
            }
        }
    }
}

/// A panic of the item's destructor does not change what the source is told.
fn drop_now<T>(item: Option<T>) {
    if let Err(panic) = contain(|| drop(item)) {
        tracing::error!(%panic, "an item panicked when it was dropped");
    }
}

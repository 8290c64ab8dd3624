//! What goes with an item beside its value.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::moment::{self, Moment};
use crate::Headers;

/// What goes with an item beside its value: two words, since most items have none of it.
pub struct Tag {
    weight: usize,
    /// Allocated for items that bring any of it.
    more: Option<Box<More>>,
}

#[derive(Default)]
struct More {
    /// How long the item may wait.
    ttl: Option<Duration>,
    /// When the item expires; known once it waits.
    expires: Option<Moment>,
    headers: Headers,
    /// Where somebody who has a ticket for the item reads its number.
    ticket: Option<Arc<AtomicU64>>,
}

/// An item on its way in.
pub(crate) struct Parcel<T, R> {
    pub(crate) item: T,
    pub(crate) rank: R,
    pub(crate) tag: Tag,
}

// === impl Tag ===

impl Tag {
    /// The tag of an item that weighs this much and is plain otherwise.
    pub(crate) fn weighing(weight: usize) -> Self {
        Self { weight, more: None }
    }

    pub(crate) fn weight(&self) -> usize {
        self.weight
    }

    pub(crate) fn headers(&self) -> Headers {
        self.more.as_ref().map_or_else(Headers::default, |more| more.headers.clone())
    }

    pub(crate) fn is_tracked(&self) -> bool {
        self.more.as_ref().is_some_and(|more| more.ticket.is_some())
    }

    /// Called when the item has got its number.
    pub(crate) fn tell_number(&self, seq: u64) {
        if let Some(ticket) = self.more.as_ref().and_then(|more| more.ticket.as_ref()) {
            // Written and read under the queue's lock: the lock orders the accesses.
            ticket.store(seq, Ordering::Relaxed);
        }
    }

    /// When the item expires.
    pub(crate) fn expires(&self) -> Option<Moment> {
        self.more.as_ref().and_then(|more| more.expires)
    }

    /// Is there nothing but the weight?
    pub(crate) fn is_light(&self) -> bool {
        self.more.is_none()
    }

    /// Is there nothing to remember?
    pub(crate) fn is_plain(&self) -> bool {
        self.weight == 1 && self.more.is_none()
    }

    pub(crate) fn set_weight(&mut self, weight: usize) {
        self.weight = weight;
    }

    pub(crate) fn set_ttl(&mut self, ttl: Duration) {
        self.more().ttl = Some(ttl);
    }

    pub(crate) fn set_header(&mut self, name: String, value: String) {
        self.more().headers.set(name, value);
    }

    /// For a ticket: where the item's number will be. Until the item has one, a number that no item has.
    pub(crate) fn track(&mut self) -> Arc<AtomicU64> {
        self.more().ticket.get_or_insert_with(|| Arc::new(AtomicU64::new(u64::MAX))).clone()
    }

    /// Called when the item begins to wait. A time to live that the clock cannot express is as good as none.
    pub(crate) fn begin(&mut self) {
        if let Some(more) = &mut self.more {
            more.expires = more.ttl.and_then(|ttl| moment::clock().checked_add(ttl));
        }
    }

    fn more(&mut self) -> &mut More {
        self.more.get_or_insert_default()
    }
}

/// An item weighs 1 unless somebody says otherwise.
impl Default for Tag {
    fn default() -> Self {
        Self::weighing(1)
    }
}

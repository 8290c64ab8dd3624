//! What a pool is told about its items, in functions that are not our code.

use std::fmt;
use std::hash::RandomState;
use std::sync::Arc;
use std::time::Duration;

use forebay_queue::Delivery;
use tokio::time::Instant;
use tracing::Span;

use crate::intake::KeyHash;

/// When an item is to be done, if it says so.
pub(crate) type DeadlineOf<T> = Arc<dyn Fn(&T) -> Option<Instant> + Send + Sync>;

/// The hash of an item's key.
pub(crate) type KeyOf<T> = Arc<dyn Fn(&T) -> KeyHash + Send + Sync>;

/// The span in which an item is worked on.
pub(crate) type SpanOf<T> = Arc<dyn Fn(&Delivery<T>) -> Span + Send + Sync>;

/// The options that depend on the items' type.
pub(crate) struct Rules<T> {
    /// By-value handlers get a copy, and the pool keeps the item.
    pub(crate) copy: Option<fn(&T) -> T>,
    /// How long one attempt may take.
    pub(crate) timeout: Option<Duration>,
    pub(crate) deadline_of: Option<DeadlineOf<T>>,
    pub(crate) key_of: Option<KeyOf<T>>,
    pub(crate) span_of: Option<SpanOf<T>>,
    /// The seed of the keys' hashes.
    pub(crate) seed: RandomState,
}

// === impl Rules ===

impl<T> Default for Rules<T> {
    fn default() -> Self {
        Self {
            copy: None,
            timeout: None,
            deadline_of: None,
            key_of: None,
            span_of: None,
            seed: RandomState::new(),
        }
    }
}

impl<T> fmt::Debug for Rules<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rules")
            .field("keeps_copies", &self.copy.is_some())
            .field("timeout", &self.timeout)
            .field("deadlines", &self.deadline_of.is_some())
            .field("keys", &self.key_of.is_some())
            .field("spans", &self.span_of.is_some())
            .finish()
    }
}

//! Where one worker sits: its hands, and the pool around it.

use std::sync::Arc;

use crate::hands::Hands;
use crate::pool::Shared;
use crate::{PoolHandle, WorkContext};

/// What a worker has from its hiring to its leaving, whatever handlers it wears out.
pub(crate) struct Desk<T> {
    pub(crate) shared: Arc<Shared<T>>,
    pub(crate) hands: Arc<Hands<T>>,
}

// === impl Desk ===

impl<T: Send + 'static> Desk<T> {
    /// Begins a run for a handler that wants its context. The item must be on its way to the handler.
    pub(crate) fn context(&self) -> WorkContext<T> {
        let runs = Arc::clone(self.hands.runs());
        let run = runs.begin();
        let pool = PoolHandle::new(&self.shared);
        WorkContext::new(pool, self.hands.id(), self.hands.attempt(), run, runs)
    }

    /// Which seat in the intake is this worker's.
    pub(crate) fn seat(&self) -> usize {
        self.hands.id().index()
    }
}

//! Functions that take a batch of deliveries.

use super::{Handle, Make, Start, WorkerId};
use crate::desk::Desk;
use crate::outcome::sealed::Sealed as _;
use crate::outcome::{BoxError, IntoOutcome};
use forebay_queue::Delivery;

/// `Fn(WorkerId) -> FnMut(Vec<Delivery<T>>) -> Future`, as a maker and as what it makes.
pub(crate) struct ByBatch<F>(pub(crate) F);

// === impl ByBatch ===

impl<T, M, F, Fut> Make<T> for ByBatch<M>
where
    T: Send + 'static,
    M: Fn(WorkerId) -> F + Send + Sync + 'static,
    F: FnMut(Vec<Delivery<T>>) -> Fut + Send + 'static,
    Fut: Future<Output: IntoOutcome> + Send + 'static,
{
    type Handle = ByBatch<F>;

    fn make(&self, id: WorkerId) -> ByBatch<F> {
        ByBatch((self.0)(id))
    }
}

impl<T, F, Fut> Handle<T> for ByBatch<F>
where
    T: Send + 'static,
    F: FnMut(Vec<Delivery<T>>) -> Fut + Send + 'static,
    Fut: Future<Output: IntoOutcome> + Send + 'static,
{
    type Future = Fut;

    const LENDS: bool = true;
    const BATCHES: bool = true;

    fn call(&mut self, desk: &Desk<T>, _: Start<T>) -> Fut {
        (self.0)(desk.hands.lend_all())
    }

    fn outcome(output: Fut::Output) -> Result<(), BoxError> {
        output.into_outcome()
    }
}

//! Functions that take the delivery: whatever ends them, unwinding gives the item back.

use super::{Handle, Make, Start, WorkerId};
use crate::desk::Desk;
use crate::outcome::sealed::Sealed as _;
use crate::outcome::{BoxError, IntoOutcome};
use forebay_queue::Delivery;

/// `Fn(WorkerId) -> FnMut(Delivery<T>) -> Future`, as a maker and as what it makes.
pub(crate) struct ByDelivery<F>(pub(crate) F);

// === impl ByDelivery ===

impl<T, M, F, Fut> Make<T> for ByDelivery<M>
where
    T: Send + 'static,
    M: Fn(WorkerId) -> F + Send + Sync + 'static,
    F: FnMut(Delivery<T>) -> Fut + Send + 'static,
    Fut: Future<Output: IntoOutcome> + Send + 'static,
{
    type Handle = ByDelivery<F>;

    fn make(&self, id: WorkerId) -> ByDelivery<F> {
        ByDelivery((self.0)(id))
    }
}

impl<T, F, Fut> Handle<T> for ByDelivery<F>
where
    T: Send + 'static,
    F: FnMut(Delivery<T>) -> Fut + Send + 'static,
    Fut: Future<Output: IntoOutcome> + Send + 'static,
{
    type Future = Fut;

    const LENDS: bool = true;

    fn call(&mut self, desk: &Desk<T>, _: Start<T>) -> Fut {
        (self.0)(desk.hands.lend())
    }

    fn outcome(output: Fut::Output) -> Result<(), BoxError> {
        output.into_outcome()
    }
}

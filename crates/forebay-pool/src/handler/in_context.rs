//! Functions that want to know more than the item.

use super::{Handle, Make, Start, WorkerId};
use crate::WorkContext;
use crate::desk::Desk;
use crate::outcome::sealed::Sealed as _;
use crate::outcome::{BoxError, IntoOutcome};
use forebay_queue::Delivery;

/// `Fn(WorkerId) -> FnMut(WorkContext<T>, T) -> Future`, as a maker and as what it makes.
pub(crate) struct ByValueIn<F>(pub(crate) F);

/// `Fn(WorkerId) -> FnMut(WorkContext<T>, Delivery<T>) -> Future`, as a maker and as what it makes.
pub(crate) struct ByDeliveryIn<F>(pub(crate) F);

/// `Fn(WorkerId) -> FnMut(WorkContext<T>, Vec<Delivery<T>>) -> Future`, as a maker and as what it makes.
pub(crate) struct ByBatchIn<F>(pub(crate) F);

// === impl ByValueIn ===

impl<T, M, F, Fut> Make<T> for ByValueIn<M>
where
    T: Send + 'static,
    M: Fn(WorkerId) -> F + Send + Sync + 'static,
    F: FnMut(WorkContext<T>, T) -> Fut + Send + 'static,
    Fut: Future<Output: IntoOutcome> + Send + 'static,
{
    type Handle = ByValueIn<F>;

    fn make(&self, id: WorkerId) -> ByValueIn<F> {
        ByValueIn((self.0)(id))
    }
}

impl<T, F, Fut> Handle<T> for ByValueIn<F>
where
    T: Send + 'static,
    F: FnMut(WorkContext<T>, T) -> Fut + Send + 'static,
    Fut: Future<Output: IntoOutcome> + Send + 'static,
{
    type Future = Fut;

    const LENDS: bool = false;
    const BY_VALUE: bool = true;
    const IN_CONTEXT: bool = true;

    fn call(&mut self, desk: &Desk<T>, start: Start<T>) -> Fut {
        let deadline = start.deadline;
        let item = start.item(desk);
        (self.0)(desk.context(deadline), item)
    }

    fn outcome(output: Fut::Output) -> Result<(), BoxError> {
        output.into_outcome()
    }
}

// === impl ByDeliveryIn ===

impl<T, M, F, Fut> Make<T> for ByDeliveryIn<M>
where
    T: Send + 'static,
    M: Fn(WorkerId) -> F + Send + Sync + 'static,
    F: FnMut(WorkContext<T>, Delivery<T>) -> Fut + Send + 'static,
    Fut: Future<Output: IntoOutcome> + Send + 'static,
{
    type Handle = ByDeliveryIn<F>;

    fn make(&self, id: WorkerId) -> ByDeliveryIn<F> {
        ByDeliveryIn((self.0)(id))
    }
}

impl<T, F, Fut> Handle<T> for ByDeliveryIn<F>
where
    T: Send + 'static,
    F: FnMut(WorkContext<T>, Delivery<T>) -> Fut + Send + 'static,
    Fut: Future<Output: IntoOutcome> + Send + 'static,
{
    type Future = Fut;

    const LENDS: bool = true;
    const IN_CONTEXT: bool = true;

    fn call(&mut self, desk: &Desk<T>, start: Start<T>) -> Fut {
        let delivery = desk.hands.lend();
        (self.0)(desk.context(start.deadline), delivery)
    }

    fn outcome(output: Fut::Output) -> Result<(), BoxError> {
        output.into_outcome()
    }
}

// === impl ByBatchIn ===

impl<T, M, F, Fut> Make<T> for ByBatchIn<M>
where
    T: Send + 'static,
    M: Fn(WorkerId) -> F + Send + Sync + 'static,
    F: FnMut(WorkContext<T>, Vec<Delivery<T>>) -> Fut + Send + 'static,
    Fut: Future<Output: IntoOutcome> + Send + 'static,
{
    type Handle = ByBatchIn<F>;

    fn make(&self, id: WorkerId) -> ByBatchIn<F> {
        ByBatchIn((self.0)(id))
    }
}

impl<T, F, Fut> Handle<T> for ByBatchIn<F>
where
    T: Send + 'static,
    F: FnMut(WorkContext<T>, Vec<Delivery<T>>) -> Fut + Send + 'static,
    Fut: Future<Output: IntoOutcome> + Send + 'static,
{
    type Future = Fut;

    const LENDS: bool = true;
    const IN_CONTEXT: bool = true;
    const BATCHES: bool = true;

    fn call(&mut self, desk: &Desk<T>, start: Start<T>) -> Fut {
        let batch = desk.hands.lend_all();
        (self.0)(desk.context(start.deadline), batch)
    }

    fn outcome(output: Fut::Output) -> Result<(), BoxError> {
        output.into_outcome()
    }
}

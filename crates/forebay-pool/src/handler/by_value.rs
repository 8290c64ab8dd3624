//! Functions that take the item: the value moves into the future, so an item that fails is gone.

use super::{Handle, Make, Start, WorkerId};
use crate::desk::Desk;
use crate::outcome::sealed::Sealed as _;
use crate::outcome::{BoxError, IntoOutcome};

/// `Fn(WorkerId) -> FnMut(T) -> Future`, as a maker and as what it makes.
pub(crate) struct ByValue<F>(pub(crate) F);

// === impl ByValue ===

impl<T, M, F, Fut> Make<T> for ByValue<M>
where
    T: Send + 'static,
    M: Fn(WorkerId) -> F + Send + Sync + 'static,
    F: FnMut(T) -> Fut + Send + 'static,
    Fut: Future<Output: IntoOutcome> + Send + 'static,
{
    type Handle = ByValue<F>;

    fn make(&self, id: WorkerId) -> ByValue<F> {
        ByValue((self.0)(id))
    }
}

impl<T, F, Fut> Handle<T> for ByValue<F>
where
    T: Send + 'static,
    F: FnMut(T) -> Fut + Send + 'static,
    Fut: Future<Output: IntoOutcome> + Send + 'static,
{
    type Future = Fut;

    const LENDS: bool = false;
    const BY_VALUE: bool = true;

    fn call(&mut self, desk: &Desk<T>, start: Start<T>) -> Fut {
        (self.0)(start.item(desk))
    }

    fn outcome(output: Fut::Output) -> Result<(), BoxError> {
        output.into_outcome()
    }
}

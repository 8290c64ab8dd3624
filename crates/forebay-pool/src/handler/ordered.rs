//! Functions whose results have a place in the order of their items.

use super::{Handle, Make, Start, WorkerId};
use crate::desk::Desk;
use crate::outcome::sealed::Sealed as _;
use crate::outcome::{BoxError, IntoOutcome};

/// `Fn(WorkerId) -> FnMut(T, u64) -> Future`, as a maker and as what it makes. The number is the item's place.
pub(crate) struct ByPlace<F>(pub(crate) F);

// === impl ByPlace ===

impl<T, M, F, Fut> Make<T> for ByPlace<M>
where
    T: Send + 'static,
    M: Fn(WorkerId) -> F + Send + Sync + 'static,
    F: FnMut(T, u64) -> Fut + Send + 'static,
    Fut: Future<Output: IntoOutcome> + Send + 'static,
{
    type Handle = ByPlace<F>;

    fn make(&self, id: WorkerId) -> ByPlace<F> {
        ByPlace((self.0)(id))
    }
}

impl<T, F, Fut> Handle<T> for ByPlace<F>
where
    T: Send + 'static,
    F: FnMut(T, u64) -> Fut + Send + 'static,
    Fut: Future<Output: IntoOutcome> + Send + 'static,
{
    type Future = Fut;

    const LENDS: bool = false;

    fn call(&mut self, desk: &Desk<T>, _: Start<T>) -> Fut {
        let item = desk.keep();
        (self.0)(item, desk.hands.place())
    }

    fn outcome(output: Fut::Output) -> Result<(), BoxError> {
        output.into_outcome()
    }
}

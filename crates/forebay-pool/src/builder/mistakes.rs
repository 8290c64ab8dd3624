//! Calls that come too early, so that the compiler says what is missing.
//!
//! Without these it only says that there is no such method. None of them can be called.

use super::{Builder, Missing, StartError};

/// Of nothing.
#[diagnostic::on_unimplemented(
    message = "a pool needs something that feeds it before it is given a handler",
    label = "call `queue` or `source` before this"
)]
pub trait AfterInput {}

/// Of nothing.
#[diagnostic::on_unimplemented(
    message = "a pool needs a handler before it is started",
    label = "call `handler`, `service` or one of their variants before `start`",
    note = "the crate's docs begin with a table: which form of handler do I want?"
)]
pub trait AfterHandler {}

// === impl Builder ===

impl Builder<Missing, Missing> {
    #[doc(hidden)]
    pub fn handler<F: AfterInput>(self, _: F) -> Self {
        self
    }
}

impl<I> Builder<I, Missing> {
    #[doc(hidden)]
    pub fn start(self) -> Result<(), StartError>
    where
        Self: AfterHandler,
    {
        Ok(())
    }
}

//! What a handler may return.

use std::error::Error;

/// The type-erased error that a handler's error becomes when it is reported.
///
/// ```
/// use forebay_pool::{BoxError, Pool};
///
/// async fn parse(text: String) -> Result<(), BoxError> {
///     let port: u16 = text.parse()?; // any error fits
///     if port < 1024 {
///         return Err("a port below 1024 needs privileges".into()); // and so does a string
///     }
///     Ok(())
/// }
/// let builder = Pool::builder().queue(10).handler(parse);
/// ```
pub type BoxError = Box<dyn Error + Send + Sync>;

/// What a handler's future may return: `()`, or `Result<(), E>` with any error that turns into a [`BoxError`]
/// (every `std` error, `anyhow::Error`, a string).
///
/// A handler that returns anything else does not compile, so that no result is dropped by mistake:
///
/// ```compile_fail
/// # use forebay_pool::Pool;
/// let pool = Pool::builder().queue(1).handler(|n: u32| async move { n + 1 });
/// ```
///
/// Sealed, so that later versions may let a handler say more.
#[diagnostic::on_unimplemented(
    message = "a pool's handler returns `()` or `Result<(), E>`, not `{Self}`",
    label = "this handler's future returns `{Self}`",
    note = "send results on and return `()`: into a queue, in order with `handler_ordered`, or to the next stage of a `Pipeline`",
    note = "the `E` must turn into `Box<dyn Error + Send + Sync>`: a std error, `anyhow::Error` or a string does"
)]
pub trait IntoOutcome: sealed::Sealed {}

pub(crate) mod sealed {
    use super::BoxError;

    pub trait Sealed {
        fn into_outcome(self) -> Result<(), BoxError>;
    }
}

impl IntoOutcome for () {}

impl sealed::Sealed for () {
    fn into_outcome(self) -> Result<(), BoxError> {
        Ok(())
    }
}

impl<E: Into<BoxError>> IntoOutcome for Result<(), E> {}

impl<E: Into<BoxError>> sealed::Sealed for Result<(), E> {
    fn into_outcome(self) -> Result<(), BoxError> {
        self.map_err(Into::into)
    }
}

/// An error with all its causes, on one line.
pub(crate) fn chain(error: &BoxError) -> String {
    chain_of(&**error)
}

/// The same, for an error that is not boxed.
pub(crate) fn chain_of(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

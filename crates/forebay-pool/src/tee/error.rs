//! Which branch did not take an item.

use std::error::Error;
use std::fmt;
use std::sync::Arc;

use forebay_queue::SinkError;

use super::offer::discard;
use crate::BoxError;

/// A branch that may not lose did not take an item.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use std::error::Error;
/// use forebay_pool::{Tee, WhenSlow};
///
/// let mut tee = Tee::builder();
/// let archive = tee.branch("archive", 10, WhenSlow::Hold);
/// let tee = tee.build()?;
/// drop(archive);
///
/// let refused = tee.send("line").await.unwrap_err();
/// let why = refused.source().expect("it has a cause");
/// assert_eq!(why.to_string(), "branch `archive` did not take the item: queue closed");
/// assert_eq!(refused.into_item(), Some("line"));
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct BranchError {
    branch: Arc<str>,
    cause: BoxError,
}

// === impl BranchError ===

impl BranchError {
    pub(super) fn new(branch: &Arc<str>, cause: impl Into<BoxError>) -> Self {
        Self { branch: Arc::clone(branch), cause: cause.into() }
    }

    /// Without the item, which goes back to the sender and may not be fit for an error.
    pub(super) fn of_sink<T>(branch: &Arc<str>, refused: SinkError<T>) -> Self {
        match refused {
            SinkError::Failed { error, item } => {
                discard(item);
                Self::new(branch, error)
            }
            other => {
                let error = Self::new(branch, other.to_string());
                discard(other);
                error
            }
        }
    }

    /// Which branch.
    pub fn branch(&self) -> &str {
        &self.branch
    }
}

impl fmt::Display for BranchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "branch `{}` did not take the item: {}", self.branch, self.cause)
    }
}

impl Error for BranchError {
    /// The cause's own cause: its message is part of this one's.
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.cause.source()
    }
}

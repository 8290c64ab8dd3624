//! The description of a tee.

use std::fmt;
use std::sync::Arc;

use forebay_queue::{ItemSink, Receiver};

use super::branch::{Branch, To};
use super::{Tee, WhenSlow};
use crate::contain::Contained;

/// Describes a [`Tee`]; made by [`Tee::builder`].
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use std::time::Duration;
/// use forebay_pool::{Tee, WhenSlow};
///
/// let (elsewhere, _rx) = forebay_queue::bounded::<String>(10); // or a store, or a broker
/// let mut tee = Tee::builder();
/// let archive = tee.branch("archive", 100, WhenSlow::Hold);
/// tee.sink("elsewhere", elsewhere, WhenSlow::Detach { after: Duration::from_secs(30) });
/// let tee = tee.build()?;
/// tee.send("line".to_owned()).await?;
/// assert_eq!(archive.len(), 1);
/// # Ok(())
/// # }
/// ```
#[must_use = "a tee does nothing until it is built"]
pub struct TeeBuilder<T> {
    branches: Vec<Branch<T>>,
}

/// Why a tee cannot be built.
///
/// ```
/// use forebay_pool::{Tee, TeeBuildError};
///
/// assert_eq!(Tee::<u32>::builder().build().unwrap_err(), TeeBuildError::NoBranches);
/// ```
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TeeBuildError {
    /// Without a branch every item would be lost.
    #[error("a tee needs at least one branch")]
    NoBranches,
    /// Errors and stats could not say which one they mean.
    #[error("two branches are called `{0}`")]
    SameName(Arc<str>),
}

// === impl TeeBuilder ===

impl<T: Clone + Send + Sync + 'static> TeeBuilder<T> {
    pub(super) fn new() -> Self {
        Self { branches: Vec::new() }
    }

    /// Adds a branch with a queue of its own, which has room for `capacity` items: at least 1, and 0 counts as 1.
    ///
    /// Returns the receiver for its reader; as a [`Source`](forebay_queue::Source) it feeds a [`Pool`](crate::Pool).
    pub fn branch(&mut self, name: impl Into<Arc<str>>, capacity: usize, when_slow: WhenSlow) -> Receiver<T> {
        let (tx, rx) = forebay_queue::bounded(capacity.max(1));
        self.branches.push(Branch::new(name.into(), when_slow, To::Queue(tx)));
        rx
    }

    /// Adds a branch that leads to any sink. Its part of a send is over when the sink has taken the item, so a
    /// [`Hold`](WhenSlow::Hold) branch may lead even to a durable sink. The tee is as slow as the sink, unless there is a
    /// queue in between.
    pub fn sink(&mut self, name: impl Into<Arc<str>>, sink: impl ItemSink<T> + 'static, when_slow: WhenSlow) {
        self.branches.push(Branch::new(name.into(), when_slow, To::Sink(Contained::new(Box::new(sink)))));
    }

    /// Makes the tee.
    ///
    /// # Errors
    ///
    /// If there is no branch, or two have the same name.
    pub fn build(self) -> Result<Tee<T>, TeeBuildError> {
        if self.branches.is_empty() {
            return Err(TeeBuildError::NoBranches);
        }
        for (index, branch) in self.branches.iter().enumerate() {
            if self.branches[..index].iter().any(|other| other.name == branch.name) {
                return Err(TeeBuildError::SameName(Arc::clone(&branch.name)));
            }
        }
        Ok(Tee::new(self.branches))
    }
}

impl<T> fmt::Debug for TeeBuilder<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.branches.iter().map(|branch| (&branch.name, branch.when_slow));
        f.debug_map().entries(names).finish()
    }
}

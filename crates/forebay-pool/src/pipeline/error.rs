//! Why a pipeline did not start.

use std::sync::Arc;

use crate::StartError;

/// Why a pipeline did not start. Nothing has been taken from its source then.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// use std::error::Error;
/// use forebay_pool::{BoxError, Pipeline};
///
/// let started = Pipeline::builder()
///     .queue(10)
///     .stage("print", async |_: u32| Ok::<(), BoxError>(()), |pool| pool.workers(0))
///     .start();
/// let error = started.unwrap_err();
/// assert_eq!(error.to_string(), "stage `print` did not start");
/// assert_eq!(error.source().unwrap().to_string(), "a pool needs at least one worker, and was given 0");
/// # }
/// ```
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PipelineStartError {
    /// Reports could not say which one they mean.
    #[error("two stages are called `{0}`")]
    SameName(Arc<str>),
    /// The options of a stage make no sense, or there is no runtime.
    #[error("stage `{stage}` did not start")]
    Stage {
        /// Which one.
        stage: Arc<str>,
        /// Why its pool did not start.
        #[source]
        error: StartError,
    },
}

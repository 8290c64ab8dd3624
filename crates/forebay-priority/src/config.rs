//! What is wrong with a configuration.

use forebay_queue::UnknownClass;
use thiserror::Error;

/// A discipline's configuration is invalid; found when it is made or changed, so that nothing can go wrong later.
///
/// ```
/// use forebay_priority::{Classes, ConfigError};
///
/// assert_eq!(Classes::new(["a", "a"]), Err(ConfigError::ClassTwice("a".to_owned())));
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// There is no class, so nothing could be next.
    #[error("at least one class is needed")]
    NoClass,
    /// There are too many classes.
    #[error("more than {most} classes")]
    TooManyClasses {
        /// The most that there may be.
        most: usize,
    },
    /// Two classes of the same name.
    #[error("class {0:?} is named twice")]
    ClassTwice(String),
    /// A class is named that does not exist.
    #[error(transparent)]
    UnknownClass(#[from] UnknownClass),
    /// A number is out of its range.
    #[error("{what} must be from {least} to {most}")]
    OutOfRange {
        /// Which number.
        what: &'static str,
        /// The lowest that it may be.
        least: u64,
        /// The highest that it may be.
        most: u64,
    },
}

/// Checks that a number is in its range.
pub(crate) fn in_range(what: &'static str, number: u64, least: u64, most: u64) -> Result<(), ConfigError> {
    if (least..=most).contains(&number) { Ok(()) } else { Err(ConfigError::OutOfRange { what, least, most }) }
}

/// Nanoseconds; a duration that does not fit is as good as for ever.
pub(crate) fn nanos(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

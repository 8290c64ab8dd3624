//! Settings out of their ranges.

use std::fmt;

/// A number in a policy's configuration is out of its range.
///
/// ```
/// use forebay_flow::{LevelRate, LevelRateConfig};
///
/// let refused = LevelRate::try_new(LevelRateConfig { min: -1.0, ..LevelRateConfig::default() }).unwrap_err();
/// assert_eq!(refused.to_string(), "min is -1: must be a number above 0");
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ConfigError {
    name: &'static str,
    given: f64,
    range: &'static str,
}

// === impl ConfigError ===

impl ConfigError {
    /// Fails unless `holds`.
    pub(crate) fn unless(
        holds: bool,
        name: &'static str,
        given: f64,
        range: &'static str,
    ) -> Result<(), Self> {
        if holds { Ok(()) } else { Err(Self { name, given, range }) }
    }

    /// Which one.
    pub fn name(&self) -> &'static str {
        self.name
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, given, range } = self;
        write!(f, "{name} is {given}: must be {range}")
    }
}

impl std::error::Error for ConfigError {}

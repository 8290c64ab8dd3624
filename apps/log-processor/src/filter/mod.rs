//! Which records are kept: a small language over their fields.

use std::{fmt, str::FromStr};

/// A parsed filter expression.
#[derive(Debug, Clone)]
pub struct Filter {
    text: String,
}

/// Why a text is not a filter. `Display` shows the expression with a caret under the fault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct FilterError(String);

// === impl Filter ===

impl FromStr for Filter {
    type Err = FilterError;

    fn from_str(text: &str) -> Result<Self, FilterError> {
        Ok(Self { text: text.to_owned() })
    }
}

impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

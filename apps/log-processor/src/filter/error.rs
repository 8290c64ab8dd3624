//! What is wrong with an expression, where, and what to write instead.

use std::fmt;
use std::ops::Range;

use winnow::error::ParserError;
use winnow::stream::{Location, Stream};

/// Why a text is not a filter, or not a list of fields. `Display` shows the expression with carets under the fault, and
/// the remedy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct FilterError {
    /// What the expression should have been, by the name of its key.
    key: &'static str,
    expression: String,
    fault: Fault,
}

/// A fault in an expression that is known to whoever holds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fault {
    /// Bytes of the expression; empty at its end.
    pub(super) span: Range<usize>,
    pub(super) what: String,
    pub(super) help: String,
}

// === impl FilterError ===

impl FilterError {
    pub(super) fn new(key: &'static str, expression: &str, fault: Fault) -> Self {
        Self { key, expression: expression.to_owned(), fault }
    }

    /// Where the fault begins, in characters from 1. At the end of the expression: one behind it.
    pub fn column(&self) -> usize {
        self.expression[..self.fault.span.start].chars().count() + 1
    }
}

impl fmt::Display for FilterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Fault { span, what, help } = &self.fault;
        writeln!(f, "{}, column {}: {what}", self.key, self.column())?;
        // One line of expression and one of carets, whatever it holds: a multi-line string in a
        // configuration file is an expression too.
        let one_line = |text: &str| text.replace(['\n', '\r', '\t'], " ");
        writeln!(f, "  {}", one_line(&self.expression).trim_end())?;
        let carets = self.expression[span.clone()].chars().count().max(1);
        writeln!(f, "  {:1$}{2:^<carets$}", "", self.column() - 1, "")?;
        write!(f, "help: {help}")
    }
}

// === impl Fault ===

impl Fault {
    pub(super) fn new(span: Range<usize>, what: impl Into<String>, help: impl Into<String>) -> Self {
        Self { span, what: what.into(), help: help.into() }
    }
}

/// For tokens that are tried and may fail. Whoever tries them says what was expected.
impl<I: Stream + Location> ParserError<I> for Fault {
    type Inner = Self;

    fn from_input(input: &I) -> Self {
        let at = input.current_token_start();
        Fault::new(at..at, "not understood", "see `log-processor run --help` for the language")
    }

    fn into_inner(self) -> Result<Self, Self> {
        Ok(self)
    }
}

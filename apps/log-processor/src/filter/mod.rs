//! Which records are kept: a small language over their fields.
//!
//! ```text
//! level >= warn and not (path =~ "^/health" or status in [200, 204])
//! ```
//!
//! **Conditions**
//!
//! | condition | true when the field is there and |
//! | --- | --- |
//! | `status >= 500`, also `== != < <= >` | its number compares so; it reads as a number |
//! | `level >= warn` | its level compares so; it reads as a level ([`Level`](crate::level::Level)) |
//! | `host == "web1"` | its text compares so, byte by byte |
//! | `tls == true`, `user == null` | it is that (`==` and `!=` only) |
//! | `message contains "x"`, `starts_with`, `ends_with` | its text does |
//! | `path =~ "^/api/v\d+"`, `!~` | its text matches somewhere, or nowhere ([`regex`] syntax; `(?i)` ignores case) |
//! | `status in [500, 502, "-"]` | it equals one of them |
//! | `exists(user)`, `user exists` | nothing more; it may be null |
//!
//! What stands on the right decides how a field is compared, so `"500"` in quotes compares as text.
//! A missing field makes every condition false, `!=` and `!~` too: `user != "ann"` asks for records that
//! have a user, `not user == "ann"` takes the others as well. A null equals only `null`.
//!
//! **Combining**: `not` binds tightest, then `and`, then `or`; parentheses group. Words may be in capitals.
//!
//! **Fields**: `request.method` is the field of that very name or the member of a nested object, whichever
//! is there, the longest name first; a number picks from an array (`tags.0`). Names with other characters
//! than letters, digits and `_ @ $ -`, and names that are words of the language, go in quotes:
//! `"user name" == "x"`, `request."user agent"`. Where a name occurs twice the last one counts.
//!
//! Three names also stand for what programs call by other names. The first of these that a record has is
//! meant; the record itself is not changed by that.
//!
//! | name | also found as |
//! | --- | --- |
//! | `level` | `Level`, `LEVEL`, `lvl`, `severity`, `log.level`, `loglevel`, `log_level`, `levelname`, `severity_text`, `SeverityText`, `PRIORITY` (journald), `priority`, `@l` (Serilog), `s` (MongoDB) |
//! | `message` | `msg`, `@message`, `MESSAGE` (journald), `log` (Docker), `short_message` (GELF), `body`, `event` (structlog) |
//! | `time` | `timestamp`, `@timestamp`, `ts`, `datetime`, `t.$date` (MongoDB), `__REALTIME_TIMESTAMP` (journald) |
//!
//! **Values**: numbers; `true`, `false`, `null`; levels by name without quotes; text in double or single
//! quotes with `\" \' \\ \n \r \t \u{e9}`. In a pattern a backslash belongs to the pattern.

mod ast;
mod error;
mod eval;
mod fields;
mod lookup;
mod parser;

use std::{fmt, str::FromStr};

use crate::record::Record;
use ast::Expr;
pub use error::FilterError;
use eval::Predicate;
pub use fields::Fields;
pub(crate) use lookup::{Lookup, is_time_or_level, message_names};

/// A filter expression, parsed and ready to decide.
///
/// `Display` shows how it was understood; that text parses to the same filter.
///
/// ```
/// use log_processor::filter::Filter;
///
/// let filter: Filter = "level>=WARN and not status in [200,204]".parse()?;
/// assert_eq!(filter.to_string(), "level >= warn and not status in [200, 204]");
///
/// let error = "status = 500".parse::<Filter>().unwrap_err();
/// assert_eq!(error.column(), 8);
/// # Ok::<(), log_processor::filter::FilterError>(())
/// ```
#[derive(Debug, Clone)]
pub struct Filter {
    expr: Expr,
    predicate: Predicate,
}

// === impl Filter ===

impl Filter {
    /// Whether the record is to be kept.
    pub fn matches(&self, record: &Record<'_>) -> bool {
        self.predicate.holds(record)
    }
}

impl FromStr for Filter {
    type Err = FilterError;

    /// Parses an expression.
    ///
    /// # Errors
    /// Names the column and the remedy for what is not understood: syntax, unknown words, patterns that are
    /// no regular expressions, comparisons that make no sense, nesting over 100 deep.
    fn from_str(text: &str) -> Result<Self, FilterError> {
        let read = parser::parse(text).and_then(|expr| Ok((Predicate::compile(&expr)?, expr)));
        match read {
            Ok((predicate, expr)) => Ok(Self { expr, predicate }),
            Err(fault) => Err(FilterError::new("filter", text, fault)),
        }
    }
}

impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.expr.fmt(f)
    }
}

#[cfg(test)]
mod tests;

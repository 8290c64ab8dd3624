//! The syntax tree of a filter, and how it is shown.

use std::fmt::{self, Display, Write as _};
use std::ops::Range;

use super::parser::{is_name, is_word};
use crate::level::Level;

/// A condition or a combination of conditions.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Expr {
    /// At least two.
    Or(Vec<Expr>),
    /// At least two.
    And(Vec<Expr>),
    Not(Box<Expr>),
    Compare(Spanned<Path>, Comparison, Spanned<Literal>),
    Search(Spanned<Path>, Search, Spanned<String>),
    /// A regular expression as the user wrote it, but for escaped quotes.
    Match(Spanned<Path>, Polarity, Spanned<String>),
    In(Spanned<Path>, Vec<Spanned<Literal>>),
    Exists(Spanned<Path>),
}

/// A part of the tree and the bytes of the expression it came from. The place is for messages only, so
/// equality ignores it.
#[derive(Debug, Clone)]
pub(super) struct Spanned<T> {
    pub(super) node: T,
    pub(super) span: Range<usize>,
}

/// A field's name, or the way to a nested one. At least one segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Path(pub(super) Vec<String>);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Comparison {
    Equal,
    NotEqual,
    Less,
    AtMost,
    Greater,
    AtLeast,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Search {
    Contains,
    StartsWith,
    EndsWith,
}

/// Whether a pattern must be found or must not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Polarity {
    Found,
    NotFound,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Literal {
    Null,
    Bool(bool),
    /// As written, so that no digit is lost.
    Number(String),
    Level(Level),
    Text(String),
}

// === impl Expr ===

impl Expr {
    /// How tightly it binds: what binds less than its surroundings is shown in parentheses.
    fn strength(&self) -> u8 {
        match self {
            Expr::Or(_) => 0,
            Expr::And(_) => 1,
            Expr::Not(_) => 2,
            _ => 3,
        }
    }

    fn fmt_within(&self, strength: u8, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.strength() < strength { write!(f, "({self})") } else { self.fmt(f) }
    }
}

impl Display for Expr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Expr::Or(operands) | Expr::And(operands) => {
                let word = if matches!(self, Expr::Or(_)) { "or" } else { "and" };
                for (place, operand) in operands.iter().enumerate() {
                    if place > 0 {
                        write!(f, " {word} ")?;
                    }
                    // An `and` within an `and` was put in parentheses, so it is shown with them.
                    operand.fmt_within(self.strength() + 1, f)?;
                }
                Ok(())
            }
            Expr::Not(operand) => {
                f.write_str("not ")?;
                operand.fmt_within(self.strength(), f)
            }
            Expr::Compare(path, comparison, literal) => write!(f, "{path} {comparison} {literal}"),
            Expr::Search(path, search, text) => {
                write!(f, "{path} {search} ")?;
                quote(&text.node, f)
            }
            Expr::Match(path, polarity, pattern) => {
                write!(f, "{path} {polarity} ")?;
                quote_pattern(&pattern.node, f)
            }
            Expr::In(path, literals) => {
                write!(f, "{path} in [")?;
                for (place, literal) in literals.iter().enumerate() {
                    write!(f, "{}{literal}", if place > 0 { ", " } else { "" })?;
                }
                f.write_char(']')
            }
            Expr::Exists(path) => write!(f, "exists({path})"),
        }
    }
}

// === impl Spanned ===

impl<T: PartialEq> PartialEq for Spanned<T> {
    fn eq(&self, other: &Self) -> bool {
        self.node == other.node
    }
}

impl<T: Display> Display for Spanned<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.node.fmt(f)
    }
}

// === impl Path ===

impl Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, segment) in self.0.iter().enumerate() {
            if place > 0 {
                f.write_char('.')?;
            }
            let first = place == 0;
            if is_name(segment, first) && !(first && is_word(segment)) {
                f.write_str(segment)?;
            } else {
                quote(segment, f)?;
            }
        }
        Ok(())
    }
}

// === impl Comparison, Search, Polarity, Literal ===

impl Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Comparison::Equal => "==",
            Comparison::NotEqual => "!=",
            Comparison::Less => "<",
            Comparison::AtMost => "<=",
            Comparison::Greater => ">",
            Comparison::AtLeast => ">=",
        })
    }
}

impl Display for Search {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Search::Contains => "contains",
            Search::StartsWith => "starts_with",
            Search::EndsWith => "ends_with",
        })
    }
}

impl Display for Polarity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Polarity::Found => "=~",
            Polarity::NotFound => "!~",
        })
    }
}

impl Display for Literal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Literal::Null => f.write_str("null"),
            Literal::Bool(value) => value.fmt(f),
            Literal::Number(digits) => f.write_str(digits),
            Literal::Level(level) => level.fmt(f),
            Literal::Text(text) => quote(text, f),
        }
    }
}

fn quote(text: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    f.write_char('"')?;
    for c in text.chars() {
        match c {
            '"' | '\\' => write!(f, "\\{c}")?,
            '\n' => f.write_str("\\n")?,
            '\r' => f.write_str("\\r")?,
            '\t' => f.write_str("\\t")?,
            c if c.is_control() => write!(f, "\\u{{{:x}}}", u32::from(c))?,
            c => f.write_char(c)?,
        }
    }
    f.write_char('"')
}

/// A pattern keeps its backslashes; only quotes get one.
fn quote_pattern(pattern: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    write!(f, "\"{}\"", pattern.replace('"', "\\\""))
}

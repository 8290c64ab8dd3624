//! Deciding about records: the syntax tree made ready (names resolved, patterns compiled, numbers read).

use std::cmp::Ordering;

use memchr::memmem::Finder;
use regex::Regex;

use super::ast::{Comparison, Expr, Literal, Path, Polarity, Search, Spanned};
use super::error::Fault;
use super::lookup::Lookup;
use crate::level::Level;
use crate::number::Number;
use crate::record::{Record, Value};

/// A yes or no about a record.
#[derive(Debug, Clone)]
pub(super) enum Predicate {
    Any(Vec<Predicate>),
    All(Vec<Predicate>),
    Not(Box<Predicate>),
    /// The field is there and passes the test.
    Field(Lookup, Test),
}

/// A yes or no about a value that is there.
#[derive(Debug, Clone)]
pub(super) enum Test {
    There,
    Compare(Comparison, Operand),
    Any(Vec<Operand>),
    Contains(Box<Finder<'static>>),
    StartsWith(String),
    EndsWith(String),
    Match(Polarity, Regex),
}

/// What a value is compared with, which decides how.
#[derive(Debug, Clone)]
pub(super) enum Operand {
    Null,
    Bool(bool),
    Number(Number),
    Level(Level),
    Text(String),
}

// === impl Predicate ===

impl Predicate {
    /// Makes a tree ready.
    ///
    /// # Errors
    /// A pattern that does not compile, or an order asked of what has none.
    pub(super) fn compile(expr: &Expr) -> Result<Self, Fault> {
        let all = |operands: &[Expr]| operands.iter().map(Predicate::compile).collect::<Result<Vec<_>, _>>();
        let field = |path: &Spanned<Path>, test| Predicate::Field(Lookup::new(&path.node), test);
        Ok(match expr {
            Expr::Or(operands) => Predicate::Any(all(operands)?),
            Expr::And(operands) => Predicate::All(all(operands)?),
            Expr::Not(operand) => Predicate::Not(Box::new(Predicate::compile(operand)?)),
            Expr::Exists(path) => field(path, Test::There),
            Expr::Compare(path, comparison, literal) => {
                field(path, Test::Compare(*comparison, Operand::ordered(*comparison, literal)?))
            }
            Expr::In(path, literals) => {
                field(path, Test::Any(literals.iter().map(Operand::new).collect::<Result<_, _>>()?))
            }
            Expr::Search(path, search, text) => field(path, Test::search(*search, &text.node)),
            Expr::Match(path, polarity, pattern) => field(path, Test::Match(*polarity, compile(pattern)?)),
        })
    }

    pub(super) fn holds(&self, record: &Record<'_>) -> bool {
        match self {
            Predicate::Any(operands) => operands.iter().any(|operand| operand.holds(record)),
            Predicate::All(operands) => operands.iter().all(|operand| operand.holds(record)),
            Predicate::Not(operand) => !operand.holds(record),
            Predicate::Field(lookup, test) => lookup.find(record).is_some_and(|value| test.passes(value)),
        }
    }
}

fn compile(pattern: &Spanned<String>) -> Result<Regex, Fault> {
    Regex::new(&pattern.node).map_err(|error| {
        // The library's message draws the pattern on several lines; its last one says what is wrong.
        let text = error.to_string();
        let what = text.lines().last().unwrap_or_default().trim_start_matches("error: ");
        let help = r"a backslash makes a character stand for itself, as in `\(` or `\.`";
        Fault::new(pattern.span.clone(), format!("not a regular expression: {what}"), help)
    })
}

// === impl Test ===

impl Test {
    fn search(search: Search, text: &str) -> Self {
        match search {
            Search::Contains => Test::Contains(Box::new(Finder::new(text).into_owned())),
            Search::StartsWith => Test::StartsWith(text.to_owned()),
            Search::EndsWith => Test::EndsWith(text.to_owned()),
        }
    }

    fn passes(&self, value: Value<'_>) -> bool {
        let text = |test: &dyn Fn(&str) -> bool| value.text().is_some_and(|text| test(&text));
        match self {
            Test::There => true,
            Test::Compare(Comparison::NotEqual, operand) => operand.compare(value) != Some(Ordering::Equal),
            Test::Compare(comparison, operand) => {
                operand.compare(value).is_some_and(|ordering| comparison.allows(ordering))
            }
            Test::Any(operands) => {
                operands.iter().any(|operand| operand.compare(value) == Some(Ordering::Equal))
            }
            Test::Contains(finder) => text(&|text| finder.find(text.as_bytes()).is_some()),
            Test::StartsWith(prefix) => text(&|text| text.starts_with(prefix)),
            Test::EndsWith(suffix) => text(&|text| text.ends_with(suffix)),
            Test::Match(polarity, regex) => {
                text(&|text| regex.is_match(text) == (*polarity == Polarity::Found))
            }
        }
    }
}

// === impl Comparison ===

impl Comparison {
    fn allows(self, ordering: Ordering) -> bool {
        match self {
            Comparison::Equal => ordering.is_eq(),
            Comparison::NotEqual => ordering.is_ne(),
            Comparison::Less => ordering.is_lt(),
            Comparison::AtMost => ordering.is_le(),
            Comparison::Greater => ordering.is_gt(),
            Comparison::AtLeast => ordering.is_ge(),
        }
    }
}

// === impl Operand ===

impl Operand {
    fn new(literal: &Spanned<Literal>) -> Result<Self, Fault> {
        Ok(match &literal.node {
            Literal::Null => Operand::Null,
            Literal::Bool(value) => Operand::Bool(*value),
            Literal::Level(level) => Operand::Level(*level),
            Literal::Text(text) => Operand::Text(text.clone()),
            Literal::Number(digits) => Operand::Number(Number::parse(digits).ok_or_else(|| {
                Fault::new(literal.span.clone(), "not a number", "write numbers like 404, -1, 0.25 or 1e-3")
            })?),
        })
    }

    fn ordered(comparison: Comparison, literal: &Spanned<Literal>) -> Result<Self, Fault> {
        let is_order = !matches!(comparison, Comparison::Equal | Comparison::NotEqual);
        if is_order && matches!(literal.node, Literal::Null | Literal::Bool(_)) {
            return Err(Fault::new(
                literal.span.clone(),
                format!("`{literal}` is neither more nor less than anything"),
                format!("compare it with `==` or `!=`; as text it goes in quotes: \"{literal}\""),
            ));
        }
        Operand::new(literal)
    }

    /// How the value stands to this, or nothing where the two cannot be compared.
    fn compare(&self, value: Value<'_>) -> Option<Ordering> {
        match self {
            Operand::Null => value.is_null().then_some(Ordering::Equal),
            Operand::Bool(expected) => Some(value.boolean()?.cmp(expected)),
            Operand::Number(number) => value.number()?.partial_cmp(number),
            Operand::Level(level) => Some(value.level()?.cmp(level)),
            Operand::Text(text) => Some(value.text()?.as_ref().cmp(text)),
        }
    }
}

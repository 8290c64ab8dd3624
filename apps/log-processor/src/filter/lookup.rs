//! Finding the field that a path means. (The other names of `level`, `message` and `time` are documented
//! with the language.)

use super::ast::Path;
use crate::record::{Record, Value};

const LEVEL: [&str; 14] = [
    "Level",
    "LEVEL",
    "lvl",
    "severity",
    "log.level",
    "loglevel",
    "log_level",
    "levelname",
    "severity_text",
    "SeverityText",
    "PRIORITY",
    "priority",
    "@l",
    "s",
];
const MESSAGE: [&str; 7] = ["msg", "@message", "MESSAGE", "log", "short_message", "body", "event"];
const TIME: [&str; 6] = ["timestamp", "@timestamp", "ts", "datetime", "t.$date", "__REALTIME_TIMESTAMP"];

/// The names under which `message` is found, in the order in which they are looked for.
pub(crate) fn message_names() -> impl Iterator<Item = &'static str> {
    std::iter::once("message").chain(MESSAGE)
}

/// Whether that is a name of `time` or of `level`.
pub(crate) fn is_time_or_level(name: &str) -> bool {
    matches!(name, "time" | "level") || LEVEL.contains(&name) || TIME.contains(&name)
}

/// Finds one field in each record.
#[derive(Debug, Clone)]
pub(crate) struct Lookup {
    /// The first that a record has is meant.
    candidates: Vec<Candidate>,
}

/// A path, prepared: each way to split it into the name of a field and a path within that field.
#[derive(Debug, Clone)]
struct Candidate {
    /// Longest name first.
    splits: Vec<(String, Vec<String>)>,
    /// The kinds of these names.
    kinds: Kinds,
}

/// A set of names, as far as it takes one look to say that two have none in common: most records have few of the many
/// names that `level` may have.
#[derive(Debug, Clone, Copy, Default)]
struct Kinds(u64);

// === impl Lookup ===

impl Lookup {
    pub(super) fn new(path: &Path) -> Self {
        let aliases: &[&str] = match path.0.as_slice() {
            [name] if name == "level" => &LEVEL,
            [name] if name == "message" => &MESSAGE,
            [name] if name == "time" => &TIME,
            _ => &[],
        };
        let dotted = |alias: &&str| Candidate::new(&alias.split('.').map(str::to_owned).collect::<Vec<_>>());
        let candidates = std::iter::once(Candidate::new(&path.0)).chain(aliases.iter().map(dotted)).collect();
        Self { candidates }
    }

    /// Finds `time`.
    pub(crate) fn time() -> Self {
        Self::new(&Path(vec!["time".to_owned()]))
    }

    /// Each field that the record has under one of the names, the one that is meant first.
    pub(crate) fn all<'a>(&self, record: &Record<'a>) -> impl Iterator<Item = Value<'a>> {
        self.candidates.iter().filter_map(|candidate| candidate.find(record))
    }

    pub(super) fn find<'a>(&self, record: &Record<'a>) -> Option<Value<'a>> {
        let [only] = self.candidates.as_slice() else { return self.find_any(record) };
        only.find(record)
    }

    fn find_any<'a>(&self, record: &Record<'a>) -> Option<Value<'a>> {
        let kinds = record.names().collect::<Kinds>();
        let mut candidates = self.candidates.iter().filter(|candidate| candidate.kinds.may_share(kinds));
        candidates.find_map(|candidate| candidate.find(record))
    }

    /// Each name under which the field is looked for.
    fn names(&self) -> impl Iterator<Item = &str> {
        self.candidates.iter().map(Candidate::name)
    }

    /// Whether one of both may find a value that is, or lies in, what the other one finds.
    pub(super) fn overlaps(&self, other: &Lookup) -> bool {
        let within = |outer: &str, inner: &str| {
            inner.strip_prefix(outer).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        };
        self.names().any(|name| other.names().any(|other| within(name, other) || within(other, name)))
    }
}

// === impl Candidate ===

impl Candidate {
    fn new(segments: &[String]) -> Self {
        let split = |at| {
            let (name, within) = segments.split_at(at);
            (name.join("."), within.to_vec())
        };
        let splits: Vec<_> = (1..=segments.len()).rev().map(split).collect();
        Self { kinds: splits.iter().map(|(name, _)| name.as_str()).collect(), splits }
    }

    /// The whole path as one name.
    fn name(&self) -> &str {
        &self.splits[0].0
    }

    fn find<'a>(&self, record: &Record<'a>) -> Option<Value<'a>> {
        self.splits.iter().find_map(|(name, within)| {
            let value = record.get(name)?;
            descend(value, within)
        })
    }
}

// === impl Kinds ===

impl Kinds {
    /// If not, they have no name in common.
    fn may_share(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }
}

impl<'a> FromIterator<&'a str> for Kinds {
    fn from_iter<I: IntoIterator<Item = &'a str>>(names: I) -> Self {
        let kind = |name: &str| {
            let first = name.bytes().next().unwrap_or_default();
            1 << ((usize::from(first) + 7 * name.len()) % 64)
        };
        Self(names.into_iter().map(kind).fold(0, |kinds, kind| kinds | kind))
    }
}

/// Follows a path into nested JSON, where names may have dots in them as well.
fn descend<'a>(value: Value<'a>, path: &[String]) -> Option<Value<'a>> {
    if path.is_empty() {
        return Some(value);
    }
    (1..=path.len()).rev().find_map(|at| {
        let (name, within) = path.split_at(at);
        descend(value.member(&name.join("."))?, within)
    })
}

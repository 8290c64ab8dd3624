//! What a parsed line is: names and values, borrowed from the line as they are written there.
//!
//! Nothing is decoded or converted until a filter or a renderer asks: most fields of most lines are
//! never looked at.

use std::borrow::Cow;
use std::collections::HashSet;

use crate::escape;
use crate::level::Level;
use crate::number::Number;
use crate::parse::json;

/// The fields of one line, in the order of the line.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Record<'a> {
    fields: Vec<(Cow<'a, str>, Value<'a>)>,
}

/// One field's value as the line spells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Value<'a> {
    /// Text that stands for itself.
    Text(&'a str),
    /// What stood between double quotes, with backslash escapes still in it.
    Quoted(&'a str),
    /// A JSON value.
    Json(&'a str),
}

// === impl Record ===

impl<'a> Record<'a> {
    /// Forgets the fields and keeps the memory.
    pub fn clear(&mut self) {
        self.fields.clear();
    }

    /// Adds a field behind the others.
    pub fn push(&mut self, name: impl Into<Cow<'a, str>>, value: Value<'a>) {
        self.fields.push((name.into(), value));
    }

    /// Gives the field that [`get`](Self::get) finds another value, or adds it.
    pub(crate) fn with(mut self, name: &'static str, value: Value<'a>) -> Self {
        match self.fields.iter_mut().rev().find(|(known, _)| known == name) {
            Some((_, known)) => *known = value,
            None => self.push(name, value),
        }
        self
    }

    /// The value of a field. Where a name occurs twice the last one counts, as in most JSON readers.
    pub fn get(&self, name: &str) -> Option<Value<'a>> {
        self.fields.iter().rev().find(|(known, _)| known == name).map(|&(_, value)| value)
    }

    /// The names of the fields.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.fields.iter().map(|(name, _)| name.as_ref())
    }

    /// The fields, each name once: the last one that has it, at its place.
    pub(crate) fn distinct_fields(&self) -> Vec<(&str, Value<'a>)> {
        // Few fields are compared with each other sooner than they are hashed.
        const FEW: usize = 16;
        let mut seen = HashSet::new();
        let mut distinct = Vec::with_capacity(self.fields.len());
        for (index, (name, value)) in self.fields.iter().enumerate().rev() {
            let is_new = match self.fields.len() {
                ..=FEW => self.fields[index + 1..].iter().all(|(later, _)| later != name),
                _ => seen.insert(name.as_ref()),
            };
            if is_new {
                distinct.push((name.as_ref(), *value));
            }
        }
        distinct.reverse();
        distinct
    }

    /// The fields, in the order of the line.
    pub fn fields(&self) -> impl Iterator<Item = (&str, Value<'a>)> {
        self.fields.iter().map(|(name, value)| (name.as_ref(), *value))
    }
}

// === impl Value ===

impl<'a> Value<'a> {
    /// What stood between double quotes; without a backslash in it, it stands for itself.
    pub(crate) fn quoted(inner: &'a str) -> Self {
        match memchr::memchr(b'\\', inner.as_bytes()) {
            Some(_) => Value::Quoted(inner),
            None => Value::Text(inner),
        }
    }

    /// The value as text: strings decoded, numbers and nested values as written, nothing for null.
    pub fn text(self) -> Option<Cow<'a, str>> {
        match self {
            Value::Text(text) => Some(Cow::Borrowed(text)),
            Value::Quoted(inner) => Some(escape::decode(inner)),
            Value::Json("null") => None,
            Value::Json(raw) => Some(json::text(raw)),
        }
    }

    /// The value as a number, where it is one or is text that reads as one.
    pub fn number(self) -> Option<Number> {
        match self {
            Value::Text(text) | Value::Quoted(text) => Number::parse(text),
            Value::Json(raw) => Number::parse(json::bare(raw)),
        }
    }

    /// The value as a level: a name, a letter or a number ([`Level::from_value`]).
    pub fn level(self) -> Option<Level> {
        match self {
            Value::Text(text) | Value::Quoted(text) => Level::from_value(text),
            Value::Json(raw) => Level::from_value(json::bare(raw)),
        }
    }

    /// The value as a boolean: JSON's, or the words `true` and `false`.
    pub fn boolean(self) -> Option<bool> {
        let text = match self {
            Value::Text(text) | Value::Quoted(text) => text,
            Value::Json(raw) => json::bare(raw),
        };
        text.parse().ok()
    }

    /// Whether this is JSON's null.
    pub fn is_null(self) -> bool {
        self == Value::Json("null")
    }

    /// The member of an object or, by its place from 0, of an array. Text has no members.
    pub fn member(self, name: &str) -> Option<Value<'a>> {
        match self {
            Value::Json(raw) => json::member(raw, name).map(Value::Json),
            Value::Text(_) | Value::Quoted(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_of_two_equal_names_counts() {
        let mut record = Record::default();
        record.push("a", Value::Text("1"));
        record.push("a", Value::Text("2"));
        assert_eq!(record.get("a"), Some(Value::Text("2")));
        assert_eq!(record.get("b"), None);
    }

    #[test]
    fn values_are_decoded_on_demand() {
        assert_eq!(Value::quoted("plain"), Value::Text("plain"));
        assert_eq!(Value::quoted(r#"a \"b\""#).text().as_deref(), Some(r#"a "b""#));
        assert_eq!(Value::Json(r#""caf\u00e9""#).text().as_deref(), Some("café"));
        assert_eq!(Value::Json("1.50").text().as_deref(), Some("1.50"), "numbers stay as written");
        assert_eq!(Value::Json("null").text(), None);
        assert_eq!(Value::Json(r#""6""#).level(), Some(Level::Info));
        assert_eq!(Value::Json("true").boolean(), Some(true));
        assert_eq!(Value::Text("-").number(), None);
    }

    #[test]
    fn members_of_nested_values_are_found() {
        let value = Value::Json(r#"{"a":{"b":[10,{"c":"x"}]},"a":{"b":[20]}}"#);
        let inner = value.member("a").and_then(|a| a.member("b"));
        assert_eq!(inner, Some(Value::Json("[20]")), "the last of two equal names");
        assert_eq!(inner.and_then(|b| b.member("0")), Some(Value::Json("20")));
        assert_eq!(inner.and_then(|b| b.member("1")), None);
        assert_eq!(Value::Json("7").member("a"), None);
        assert_eq!(Value::Text("{}").member("a"), None);
    }
}

//! JSON lines: one object a line.
//!
//! Members are borrowed as written: numbers keep their digits, nested values their spelling, equal
//! names all their values. Nesting costs no stack, however deep: inner values are skipped, not built.
//! A line with a top-level array, string or number has no names, so it is not taken as a record.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserializer as _, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::record::{Record, Value};

/// Reads a JSON object into the record. On `false` the record holds some of the fields.
pub(super) fn parse<'a>(line: &'a str, record: &mut Record<'a>) -> bool {
    line.trim_start().starts_with('{')
        && for_each_member(line, |name, raw| record.push(name, Value::Json(raw)))
}

/// The last member of that name in an object, or the element at that place in an array.
pub(crate) fn member<'a>(raw: &'a str, name: &str) -> Option<&'a str> {
    if raw.starts_with('{') {
        let mut found = None;
        for_each_member(raw, |known, value| {
            if known == name {
                found = Some(value);
            }
        });
        found
    } else if raw.starts_with('[') {
        let place: usize = name.parse().ok()?;
        let elements: Vec<&RawValue> = serde_json::from_str(raw).ok()?;
        elements.get(place).map(|element| element.get())
    } else {
        None
    }
}

/// A value as text: strings decoded, anything else as written.
pub(crate) fn text(raw: &str) -> Cow<'_, str> {
    let Some(inner) = inner(raw) else { return Cow::Borrowed(raw) };
    if memchr::memchr(b'\\', inner.as_bytes()).is_none() {
        return Cow::Borrowed(inner);
    }
    // A lone surrogate has a valid spelling and no text; the spelling is the best there is.
    serde_json::from_str(raw).map_or(Cow::Borrowed(inner), Cow::Owned)
}

/// A value without quotes around it, still undecoded: enough to recognise numbers and words.
pub(crate) fn bare(raw: &str) -> &str {
    inner(raw).unwrap_or(raw)
}

fn inner(raw: &str) -> Option<&str> {
    raw.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'))
}

/// Calls with each name and value. Returns whether the text was one whole object.
fn for_each_member<'a>(text: &'a str, each: impl FnMut(Cow<'a, str>, &'a str)) -> bool {
    let mut reader = serde_json::Deserializer::from_str(text);
    reader.deserialize_map(Members(each)).is_ok() && reader.end().is_ok()
}

struct Members<F>(F);

/// A member's name, borrowed unless it has escapes. (`Cow` itself always copies.)
struct Name<'a>(Cow<'a, str>);

// === impl Members ===

impl<'de, F: FnMut(Cow<'de, str>, &'de str)> Visitor<'de> for Members<F> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut members: A) -> Result<(), A::Error> {
        while let Some(Name(name)) = members.next_key()? {
            let value: &RawValue = members.next_value()?;
            (self.0)(name, value.get());
        }
        Ok(())
    }
}

// === impl Name ===

impl<'de> serde::Deserialize<'de> for Name<'de> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct NameVisitor;

        impl<'de> Visitor<'de> for NameVisitor {
            type Value = Name<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a name")
            }

            fn visit_borrowed_str<E>(self, name: &'de str) -> Result<Self::Value, E> {
                Ok(Name(Cow::Borrowed(name)))
            }

            fn visit_str<E>(self, name: &str) -> Result<Self::Value, E> {
                Ok(Name(Cow::Owned(name.to_owned())))
            }
        }

        deserializer.deserialize_str(NameVisitor)
    }
}

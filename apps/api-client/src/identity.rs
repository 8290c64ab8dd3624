//! What makes a request the same one in another run.

use std::fmt;
use std::str::FromStr;

use ring::digest::{Context, SHA256};
use serde::{Deserialize, Serialize, Serializer, de};

use crate::input::Job;

/// The first half of a SHA-256 over a request's id, or over all of it if it has none: two that differ have
/// different keys, whoever chose them.
///
/// It tells nothing of what it was made of but to somebody who can guess all of it.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Key([u8; 16]);

// === impl Key ===

impl Key {
    pub(crate) fn of(job: &Job) -> Self {
        let mut context = Context::new(&SHA256);
        // Each part with its length: no two requests run together to the same bytes.
        let mut add = |part: &[u8]| {
            context.update(&(part.len() as u64).to_le_bytes());
            context.update(part);
        };
        match &job.id {
            Some(id) => {
                add(b"id");
                add(id.as_bytes());
            }
            None => {
                add(b"request");
                add(job.method.as_str().as_bytes());
                add(job.url.as_str().as_bytes());
                add(job.body.as_deref().unwrap_or_default());
                // They come sorted by their names in the object, so their order here is always the same.
                for (name, value) in &job.headers {
                    add(name.as_str().as_bytes());
                    add(value.as_bytes());
                }
            }
        }
        let digest = context.finish();
        Self(digest.as_ref()[..16].try_into().expect("SHA-256 has 32 bytes"))
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({self})")
    }
}

/// Why a text is no key.
#[derive(Debug, thiserror::Error)]
#[error("a key has 32 hexadecimal digits")]
pub struct KeyError;

impl FromStr for Key {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        if text.len() != 32 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(KeyError);
        }
        u128::from_str_radix(text, 16).map(|number| Self(number.to_be_bytes())).map_err(|_| KeyError)
    }
}

impl Serialize for Key {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Key {
    fn deserialize<D: de::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
        text.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::input::parse;

    fn key(line: &str) -> Key {
        parse(1, line.as_bytes(), None).unwrap().unwrap().key()
    }

    #[test]
    fn what_differs_has_another_key() {
        let lines = [
            "http://h/a",
            "http://h/b",
            r#"{"url": "http://h/a", "method": "HEAD"}"#,
            r#"{"url": "http://h/a", "method": "POST", "body": "x"}"#,
            r#"{"url": "http://h/a", "headers": {"a": "x"}}"#,
            r#"{"url": "http://h/a", "headers": {"ax": ""}}"#,
            r#"{"url": "http://h/a", "id": "http://h/a"}"#,
        ];
        assert_eq!(lines.map(key).iter().collect::<HashSet<_>>().len(), lines.len());
    }

    #[test]
    fn the_same_request_has_the_same_key_wherever_it_stands() {
        assert_eq!(key("http://h/a"), key(r#"{"method": "GET", "url": "http://h/a"}"#));
        assert_eq!(
            key(r#"{"url": "http://h/", "headers": {"b": "2", "a": "1"}}"#),
            key(r#"{"url": "http://h/", "headers": {"a": "1", "b": "2"}}"#)
        );
        // Its id is all that counts for one that has an id: a URL may hold a token that changes.
        assert_eq!(
            key(r#"{"url": "http://h/?token=1", "id": "a"}"#),
            key(r#"{"url": "http://h/?token=2", "id": "a"}"#)
        );
    }

    #[test]
    fn a_key_is_read_as_it_is_written() {
        let key = key("http://h/a");
        assert_eq!(key.to_string().parse::<Key>().unwrap(), key);
        assert!("+1".repeat(16).parse::<Key>().is_err());
    }
}

//! Names and values that travel with an item.

use std::fmt;
use std::sync::Arc;

/// Names and values that travel with an item: who sent it, its trace, its type.
///
/// Sorted by name, one value for each name. Without any it is one word and owns nothing; clones share what they hold.
///
/// ```
/// use forebay_queue::Headers;
///
/// let headers = Headers::from_iter([("trace", "4711"), ("tenant", "blue")]);
/// assert_eq!(headers.get("tenant"), Some("blue"));
/// assert_eq!(headers.iter().collect::<Vec<_>>(), [("tenant", "blue"), ("trace", "4711")]);
/// ```
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Headers(Option<Arc<Vec<(String, String)>>>);

// === impl Headers ===

impl Headers {
    /// The value of the header `name`.
    pub fn get(&self, name: &str) -> Option<&str> {
        let all = self.as_slice();
        let at = all.binary_search_by(|(known, _)| known.as_str().cmp(name)).ok()?;
        Some(&all[at].1)
    }

    /// Sets a header, and replaces the value that it had.
    pub fn set(&mut self, name: impl Into<String>, value: impl Into<String>) {
        let (name, value) = (name.into(), value.into());
        let all = Arc::make_mut(self.0.get_or_insert_default());
        match all.binary_search_by(|(known, _)| known.cmp(&name)) {
            Ok(at) => all[at].1 = value,
            Err(at) => all.insert(at, (name, value)),
        }
    }

    /// All of them, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.as_slice().iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.as_slice().len()
    }

    /// Are there none?
    pub fn is_empty(&self) -> bool {
        self.as_slice().is_empty()
    }

    fn as_slice(&self) -> &[(String, String)] {
        self.0.as_deref().map_or(&[], Vec::as_slice)
    }
}

impl<N: Into<String>, V: Into<String>> FromIterator<(N, V)> for Headers {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(pairs: I) -> Self {
        let mut headers = Self::default();
        pairs.into_iter().for_each(|(name, value)| headers.set(name, value));
        headers
    }
}

impl fmt::Debug for Headers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

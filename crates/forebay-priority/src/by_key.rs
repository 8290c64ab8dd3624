//! A map by keys.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use forebay_queue::Key;

/// A value for each key.
pub(crate) type ByKey<V> = HashMap<Key, V, BuildHasherDefault<AsItIs>>;

/// A hasher that does nothing: a key is a hash already, by a seed that nobody knows.
#[derive(Debug, Clone, Default)]
pub(crate) struct AsItIs(u64);

// === impl AsItIs ===

impl Hasher for AsItIs {
    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }

    fn write(&mut self, _: &[u8]) {
        unreachable!("a key is one number")
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

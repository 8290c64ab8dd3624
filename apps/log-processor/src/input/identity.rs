//! Who a file is, whatever its name: its place on disk, and what its first line says.

use std::{
    fs::{self, File, Metadata},
    io,
    os::unix::fs::{FileExt, MetadataExt},
    path::Path,
};

use serde::{Deserialize, Serialize};

/// A file's place on disk. Unique while the file exists; free to be used again once it is deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct FileKey {
    /// The device that holds the file.
    pub device: u64,
    /// The file's number there.
    pub inode: u64,
}

/// What a stretch of at most [`Fingerprint::LIMIT`] bytes hashed to.
///
/// Of the first line it tells a file from another that got the same inode; of the bytes before a position it tells
/// whether the file still holds what was read there. A log's first line may still be growing when it is seen:
/// the length says how much of it was, and only so much is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fingerprint {
    /// How many bytes were hashed.
    pub bytes: u16,
    /// FNV-1a of them, 64 bits: stable over builds and machines, unlike the standard library's hashers.
    pub hash: u64,
}

// === impl FileKey ===

impl FileKey {
    /// The key in what the system says about a file.
    pub fn of(metadata: &Metadata) -> Self {
        Self { device: metadata.dev(), inode: metadata.ino() }
    }
}

// === impl Fingerprint ===

impl Fingerprint {
    /// The longest stretch that is hashed, in bytes. A longer first line is known by its beginning.
    pub const LIMIT: usize = 256;

    /// Of no bytes: says nothing, and matches everything.
    pub const EMPTY: Self = Self { bytes: 0, hash: 0xcbf2_9ce4_8422_2325 };

    /// Of the first line in `bytes`, with its line end, or of as much of it as is there.
    pub fn of_first_line(bytes: &[u8]) -> Self {
        let bytes = &bytes[..bytes.len().min(Self::LIMIT)];
        let end = memchr::memchr(b'\n', bytes).map_or(bytes.len(), |newline| newline + 1);
        Self::of(&bytes[..end])
    }

    /// Of the last bytes of `bytes`, at most [`Self::LIMIT`].
    pub fn of_last_bytes(bytes: &[u8]) -> Self {
        Self::of(&bytes[bytes.len().saturating_sub(Self::LIMIT)..])
    }

    /// Whether `bytes` begin with what was hashed.
    pub fn begins(&self, bytes: &[u8]) -> bool {
        bytes.get(..usize::from(self.bytes)).is_some_and(|stretch| Self::of(stretch) == *self)
    }

    /// Whether `file` holds, from byte `offset` on, what was hashed.
    ///
    /// # Errors
    ///
    /// When the file cannot be read.
    pub fn is_at(&self, file: &File, offset: u64) -> io::Result<bool> {
        let mut stretch = [0; Self::LIMIT];
        let read = read_at(file, &mut stretch[..usize::from(self.bytes)], offset)?;
        Ok(self.begins(&stretch[..read]))
    }

    /// The hash alone, of any number of bytes.
    pub(crate) fn hash(bytes: &[u8]) -> u64 {
        bytes
            .iter()
            .fold(Self::EMPTY.hash, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
    }

    fn of(bytes: &[u8]) -> Self {
        let hash = Self::hash(bytes);
        Self { bytes: u16::try_from(bytes.len()).expect("a stretch is at most LIMIT bytes"), hash }
    }
}

/// The key of the file at `path`, if there is one.
pub(super) fn key_at(path: &Path) -> Option<FileKey> {
    fs::metadata(path).ok().map(|metadata| FileKey::of(&metadata))
}

/// Reads as much as there is, up to the length of `buffer`, without moving the file's position.
pub(super) fn read_at(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match file.read_at(&mut buffer[filled..], offset + filled as u64) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_first_line_that_grew_is_still_known() {
        let seen = Fingerprint::of_first_line(b"2026-01-01 star");
        assert!(seen.begins(b"2026-01-01 started\nnext\n"));
        assert!(!seen.begins(b"2026-01-02 started\nnext\n"));
        assert!(!seen.begins(b"2026-01-01"), "a shorter file is another one, or was cut");
    }

    #[test]
    fn only_the_first_line_counts_and_only_its_beginning() {
        assert_eq!(Fingerprint::of_first_line(b"a\nb\n"), Fingerprint::of_first_line(b"a\nc\n"));
        let long = [b'x'; 1000];
        assert_eq!(usize::from(Fingerprint::of_first_line(&long).bytes), Fingerprint::LIMIT);
    }

    #[test]
    fn hash_is_the_published_fnv_1a() {
        // Test vectors of http://www.isthe.com/chongo/tech/comp/fnv/: the state files depend on them.
        assert_eq!(Fingerprint::of(b"").hash, 0xcbf2_9ce4_8422_2325);
        assert_eq!(Fingerprint::of(b"a").hash, 0xaf63_dc4c_8601_ec8c);
        assert_eq!(Fingerprint::of(b"foobar").hash, 0x8594_4171_f739_67e8);
    }
}

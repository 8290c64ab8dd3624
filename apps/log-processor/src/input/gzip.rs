//! Compressed inputs: told by their first bytes, whatever their name.

use std::{
    fs::File,
    io::{self, BufReader, Read, Seek},
    path::Path,
};

use flate2::read::MultiGzDecoder;

use super::identity::{Fingerprint, read_at};

/// Decompresses a file of any number of gzip members, as `cat a.gz b.gz` makes them.
pub(super) type Decoder = MultiGzDecoder<BufReader<File>>;

/// Large enough that reading is no longer seen beside decompressing.
const COMPRESSED_BUFFER: usize = 64 * 1024;

/// Whether `file` begins as gzip does (RFC 1952, section 2.3.1: two magic bytes and the only method there is).
pub(super) fn is_gzip(file: &File) -> io::Result<bool> {
    let mut magic = [0; 3];
    Ok(read_at(file, &mut magic, 0)? == magic.len() && magic == [0x1f, 0x8b, 8])
}

/// Whether the file at `path` begins so. One that cannot be opened does not.
pub(super) fn is_gzip_at(path: &Path) -> bool {
    File::open(path).and_then(|file| is_gzip(&file)).unwrap_or(false)
}

/// Decompresses `file` from its start.
pub(super) fn decoder(mut file: File) -> io::Result<Decoder> {
    file.rewind()?;
    Ok(MultiGzDecoder::new(BufReader::with_capacity(COMPRESSED_BUFFER, file)))
}

/// The first [`Fingerprint::LIMIT`] bytes of what `file` decompresses to; fewer if it is shorter or damaged there.
pub(super) fn first_bytes(file: &File) -> io::Result<Vec<u8>> {
    let mut first = Vec::with_capacity(Fingerprint::LIMIT);
    // Damage is reported by whoever reads the file; here, what could be read says enough.
    let _ = decoder(file.try_clone()?)?.take(Fingerprint::LIMIT as u64).read_to_end(&mut first);
    Ok(first)
}

/// Decompresses and drops `offset` bytes. False if there are not so many, or if the last of them are not `tail`.
pub(super) fn skip(decoder: &mut Decoder, offset: u64, tail: Fingerprint) -> io::Result<bool> {
    let before = offset.saturating_sub(u64::from(tail.bytes));
    if io::copy(&mut decoder.by_ref().take(before), &mut io::sink())? < before {
        return Ok(false);
    }
    let mut last = Vec::new();
    decoder.by_ref().take(offset - before).read_to_end(&mut last)?;
    Ok(tail.begins(&last))
}

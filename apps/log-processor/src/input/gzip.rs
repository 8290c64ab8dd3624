//! Compressed inputs: told by their first bytes, whatever their name.

use std::{
    fs::File,
    io::{self, BufRead, BufReader, Read, Seek},
    mem,
    path::Path,
};

use flate2::bufread::GzDecoder;

use super::identity::{Fingerprint, read_at};

/// Decompresses a file of any number of gzip members, as `cat a.gz b.gz` makes them. Zeros behind the last one are
/// passed over, as by gzip: tapes and disks are written in blocks.
#[derive(Debug)]
pub(super) enum Decoder {
    /// Within a member.
    Member(Box<GzDecoder<BufReader<File>>>),
    /// Behind the last one.
    Ended,
}

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
    Ok(Decoder::Member(Box::new(GzDecoder::new(BufReader::with_capacity(COMPRESSED_BUFFER, file)))))
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

/// Passes over zeros, and says whether anything follows them.
fn has_more(source: &mut impl BufRead) -> io::Result<bool> {
    loop {
        let buffer = source.fill_buf()?;
        let zeros = buffer.iter().take_while(|byte| **byte == 0).count();
        if zeros < buffer.len() || buffer.is_empty() {
            let more = !buffer.is_empty();
            source.consume(zeros);
            return Ok(more);
        }
        source.consume(zeros);
    }
}

// === impl Decoder ===

impl Read for Decoder {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while let Self::Member(member) = self {
            let read = member.read(buffer)?;
            if read > 0 || buffer.is_empty() {
                return Ok(read);
            }
            if !has_more(member.get_mut())? {
                *self = Self::Ended;
            } else if let Self::Member(member) = mem::replace(self, Self::Ended) {
                *self = Self::Member(Box::new(GzDecoder::new(member.into_inner())));
            }
        }
        Ok(0)
    }
}

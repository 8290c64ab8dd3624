//! What bytes come from: a plain file, a compressed one, or a stream.

use std::{
    fs::File,
    io::{self, ErrorKind, Read, Seek, SeekFrom},
    path::Path,
};

use super::{
    compressed::{self, Format},
    identity::{Fingerprint, read_at},
    unpacked::Unpacked,
};

/// An open source of bytes.
#[derive(Debug)]
pub(super) enum Body {
    /// Read as it is.
    Plain(File),
    /// Decompressed on the way.
    Packed(Format, Box<compressed::OfFile>),
    /// Read by a thread, and decompressed if it is compressed.
    Stream(Unpacked),
}

/// How many bytes of two files are compared at once.
const COMPARED: usize = 64 * 1024;

// === impl Body ===

impl Body {
    /// Reads `file` from its start, or `None` if it does not hold `tail` just before byte `offset`.
    pub(super) fn of_file(mut file: File, offset: u64, tail: Fingerprint) -> io::Result<Option<Self>> {
        if let Some(format) = Format::of_file(&file)? {
            let mut decoder = format.decoder_of(file)?;
            let holds = compressed::skip(&mut decoder, offset, tail)?;
            return Ok(holds.then(|| Self::Packed(format, Box::new(decoder))));
        }
        if !holds(&file, offset, tail)? {
            return Ok(None);
        }
        file.seek(SeekFrom::Start(offset))?;
        Ok(Some(Self::Plain(file)))
    }

    /// The plain file, if it is one.
    pub(super) fn plain(&self) -> Option<&File> {
        match self {
            Self::Plain(file) => Some(file),
            Self::Packed(..) | Self::Stream(_) => None,
        }
    }

    /// How it is compressed, if it is.
    pub(super) fn format(&self) -> Option<Format> {
        match self {
            Self::Plain(_) => None,
            Self::Packed(format, _) => Some(*format),
            Self::Stream(stream) => stream.format(),
        }
    }

    /// Whether the source may have more after it said that it ended.
    pub(super) fn may_grow(&self) -> bool {
        matches!(self, Self::Plain(_))
    }
}

impl Read for Body {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(file) => file.read(buffer),
            Self::Packed(_, decoder) => decoder.read(buffer),
            Self::Stream(stream) => stream.read(buffer),
        }
    }
}

/// The fingerprint of the first line of `file`, after decompression.
pub(super) fn head(file: &File) -> io::Result<Fingerprint> {
    Ok(Fingerprint::of_first_line(&first_bytes(file)?))
}

/// Whether `file` begins with `head`, after decompression.
pub(super) fn begins_with(file: &File, head: Fingerprint) -> io::Result<bool> {
    Ok(head.begins(&first_bytes(file)?))
}

/// Whether two plain files hold the same from byte `offset` on: up to byte `end`, or as many as a fingerprint covers.
pub(super) fn agree(one: &File, other: &File, offset: u64, end: u64) -> io::Result<bool> {
    let bytes = usize::try_from(end - offset).unwrap_or(usize::MAX).min(Fingerprint::LIMIT);
    let (mut of_one, mut of_other) = ([0; Fingerprint::LIMIT], [0; Fingerprint::LIMIT]);
    let read = read_at(one, &mut of_one[..bytes], offset)?;
    Ok(read == read_at(other, &mut of_other[..bytes], offset)? && of_one[..read] == of_other[..read])
}

/// What `head` has become since: more of the same first line. None if the file begins otherwise, or nothing is new.
pub(super) fn grown_head(file: &File, head: Fingerprint) -> io::Result<Option<Fingerprint>> {
    if usize::from(head.bytes) == Fingerprint::LIMIT {
        return Ok(None);
    }
    Ok(grown(head, &first_bytes(file)?))
}

/// The same of a file that begins with `first`.
pub(super) fn grown(head: Fingerprint, first: &[u8]) -> Option<Fingerprint> {
    let grown = Fingerprint::of_first_line(first);
    (grown.bytes > head.bytes && head.begins(first)).then_some(grown)
}

/// What `file` begins with, after decompression: as much as a fingerprint covers.
pub(super) fn first_bytes(file: &File) -> io::Result<Vec<u8>> {
    let mut first = vec![0; Fingerprint::LIMIT];
    let read = read_at(file, &mut first, 0)?;
    first.truncate(read);
    match Format::of(&first) {
        Some(format) => format.first_bytes(file),
        None => Ok(first),
    }
}

/// Whether the compressed file at `packed` holds nothing but what the file at `plain` begins with. Who compresses may have
/// written only some of it yet.
pub(super) fn is_packed_begin(packed: &Path, plain: &Path) -> io::Result<bool> {
    let (packed, mut plain) = (File::open(packed)?, File::open(plain)?);
    let Some(format) = Format::of_file(&packed)? else {
        // Not even those bytes that tell how it is compressed.
        let mut first = [0; 4];
        let read = read_at(&packed, &mut first, 0)?;
        return Ok(read > 0 && Format::may_come(&first[..read]));
    };
    let mut decoder = format.decoder_of(packed)?;
    let (mut unpacked, mut expected) = (vec![0; COMPARED], vec![0; COMPARED]);
    loop {
        let read = match decoder.read(&mut unpacked) {
            Ok(0) => return Ok(true),
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Ok(true),
            read => read?,
        };
        match plain.read_exact(&mut expected[..read]) {
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Ok(false),
            filled => filled?,
        }
        if unpacked[..read] != expected[..read] {
            return Ok(false);
        }
    }
}

/// Whether plain `file` is at least `offset` long and holds `tail` just before that.
pub(super) fn holds(file: &File, offset: u64, tail: Fingerprint) -> io::Result<bool> {
    if file.metadata()?.len() < offset {
        return Ok(false);
    }
    tail.is_at(file, offset.saturating_sub(u64::from(tail.bytes)))
}

//! Compressed inputs: told by their first bytes, whatever their name.

use std::{
    fmt,
    fs::File,
    io::{self, BufRead, BufReader, Read, Seek},
    mem,
    path::Path,
};

use flate2::bufread::GzDecoder;

use super::identity::{Fingerprint, read_at};

/// How an input is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    Gzip,
    Zstd,
}

/// Decompresses any number of gzip members or zstd frames, as `cat a.gz b.gz` makes them. Zeros behind the last member are
/// passed over, as by gzip: tapes and disks are written in blocks.
///
/// A source that has nothing right now makes it say so, and it goes on from there.
pub(super) enum Decoder<R: BufRead> {
    /// Within a member.
    Gzip(Box<GzDecoder<R>>),
    Zstd {
        frames: Box<zstd::stream::read::Decoder<'static, R>>,
        /// The source had nothing when it was last asked, and all before that is read.
        is_dry: bool,
    },
    /// Behind the last one.
    Ended,
}

/// A file that is decompressed.
pub(super) type OfFile = Decoder<BufReader<File>>;

/// The first bytes of each: two magic ones and the only method there is (RFC 1952, section 2.3.1), a frame (RFC 8878, section 3.1.1), and
/// the frame to be skipped with which `pzstd` begins.
const BEGINS: [(&[u8], Format); 3] = [
    (&[0x1f, 0x8b, 8], Format::Gzip),
    (&[0x28, 0xb5, 0x2f, 0xfd], Format::Zstd),
    (&[0x50, 0x2a, 0x4d, 0x18], Format::Zstd),
];

/// Large enough that reading is no longer seen beside decompressing.
const COMPRESSED_BUFFER: usize = 64 * 1024;

/// How far back zstd may look, as a power of two: 8 MiB, which everybody has to support, and which all levels but the `--ultra` ones keep
/// to. It is memory that a file could else make as large as it says.
const ZSTD_WINDOW_LOG: u32 = 23;

// === impl Format ===

impl Format {
    /// By the first bytes.
    pub(super) fn of(first: &[u8]) -> Option<Self> {
        BEGINS.iter().find(|(begin, _)| first.starts_with(begin)).map(|(_, format)| *format)
    }

    /// Whether that is known only of more bytes.
    pub(super) fn may_come(first: &[u8]) -> bool {
        BEGINS.iter().any(|(begin, _)| begin.len() > first.len() && begin.starts_with(first))
    }

    /// How `file` is compressed, if it is.
    pub(super) fn of_file(file: &File) -> io::Result<Option<Self>> {
        let mut first = [0; 4];
        let read = read_at(file, &mut first, 0)?;
        Ok(Self::of(&first[..read]))
    }

    /// Decompresses `source` from its start.
    pub(super) fn decoder<R: BufRead>(self, source: R) -> io::Result<Decoder<R>> {
        Ok(match self {
            Self::Gzip => Decoder::Gzip(Box::new(GzDecoder::new(source))),
            Self::Zstd => {
                let mut decoder = zstd::stream::read::Decoder::with_buffer(source)?;
                decoder.window_log_max(ZSTD_WINDOW_LOG)?;
                Decoder::Zstd { frames: Box::new(decoder), is_dry: false }
            }
        })
    }

    /// The same of a file.
    pub(super) fn decoder_of(self, mut file: File) -> io::Result<OfFile> {
        file.rewind()?;
        self.decoder(BufReader::with_capacity(COMPRESSED_BUFFER, file))
    }

    /// The first [`Fingerprint::LIMIT`] bytes of what `file` decompresses to; fewer if it is shorter or damaged there.
    pub(super) fn first_bytes(self, file: &File) -> io::Result<Vec<u8>> {
        let mut first = Vec::with_capacity(Fingerprint::LIMIT);
        // Damage is reported by whoever reads the file; here, what could be read says enough.
        let _ = self.decoder_of(file.try_clone()?)?.take(Fingerprint::LIMIT as u64).read_to_end(&mut first);
        Ok(first)
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
        })
    }
}

/// Whether the file at `path` is compressed. One that cannot be opened is not.
pub(super) fn is_compressed_at(path: &Path) -> bool {
    File::open(path).and_then(|file| Format::of_file(&file)).is_ok_and(|format| format.is_some())
}

/// Decompresses and drops `offset` bytes. False if there are not so many, or if the last of them are not `tail`.
pub(super) fn skip(decoder: &mut OfFile, offset: u64, tail: Fingerprint) -> io::Result<bool> {
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

/// The library has no other sign of a window that is too large than its words.
fn with_remedy(error: io::Error) -> io::Error {
    const TOO_LARGE: &str = "Frame requires too much memory for decoding";
    const REMEDY: &str =
        "it takes more than 8 MiB of memory to decompress; send it through `zstdcat` into `-i -`";
    if error.to_string() == TOO_LARGE { io::Error::new(io::ErrorKind::OutOfMemory, REMEDY) } else { error }
}

// === impl Decoder ===

impl<R: BufRead> Decoder<R> {
    /// What it reads, unless it is at the end of that.
    pub(super) fn source(&mut self) -> Option<&mut R> {
        match self {
            Self::Gzip(member) => Some(member.get_mut()),
            Self::Zstd { frames, .. } => Some(frames.get_mut()),
            Self::Ended => None,
        }
    }
}

impl<R: BufRead> Read for Decoder<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let member = match self {
                Self::Gzip(member) => member,
                Self::Zstd { frames, is_dry } => {
                    if *is_dry {
                        // To be asked sixteen times without a byte in between is a failure to the library.
                        frames.get_mut().fill_buf()?;
                    }
                    let read = frames.read(buffer);
                    *is_dry = matches!(&read, Err(error) if error.kind() == io::ErrorKind::WouldBlock);
                    return read.map_err(with_remedy);
                }
                Self::Ended => return Ok(0),
            };
            let read = member.read(buffer)?;
            if read > 0 || buffer.is_empty() {
                return Ok(read);
            }
            if !has_more(member.get_mut())? {
                *self = Self::Ended;
            } else if let Self::Gzip(member) = mem::replace(self, Self::Ended) {
                *self = Self::Gzip(Box::new(GzDecoder::new(member.into_inner())));
            }
        }
    }
}

impl<R: BufRead> fmt::Debug for Decoder<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Gzip(_) => "Gzip(..)",
            Self::Zstd { .. } => "Zstd(..)",
            Self::Ended => "Ended",
        })
    }
}

//! What lies around the pixels, read by hand: the header, and where EXIF and colour profile are.
//!
//! These readers borrow from the file and allocate nothing that the file only claims.

mod gif;
mod jpeg;
mod png;
mod riff;
mod space;
pub(super) mod tiff;
mod unread;

use std::borrow::Cow;
use std::io::Read as _;

use flate2::read::ZlibDecoder;

use super::{Format, Header, Refused};

/// What is larger than this is no profile: the largest in use have about 4 MB.
const MOST_PROFILE: u64 = 8 << 20;

/// EXIF that is larger is not kept: what it says fits into a segment of a JPEG, which has 64 KB.
const MOST_EXIF: usize = 256 << 10;

/// A file taken apart.
#[derive(Debug)]
pub(super) struct Container<'a> {
    pub(super) header: Header,
    /// The part that the decoder needs: of an MPO the first picture, without what follows the end.
    pub(super) body: &'a [u8],
    /// The file holds the whole picture, as far as its structure tells.
    pub(super) is_whole: bool,
    /// Of a JPEG with an Adobe marker: its inks are stored inverted.
    pub(super) is_adobe: bool,
    /// Of a JPEG whose first channel is stored smaller than another one.
    pub(super) is_coarse: bool,
    /// From its byte order mark on, without the six bytes before it that a JPEG has.
    exif: Option<&'a [u8]>,
    icc: Option<Profile<'a>>,
}

/// Where the colour profile lies in the file.
#[derive(Debug)]
enum Profile<'a> {
    /// In one or more pieces.
    Plain(Vec<&'a [u8]>),
    /// Of what the code points of a PNG say.
    Made(Vec<u8>),
    /// As PNG has it, and how long it says that it is.
    Deflated { bytes: &'a [u8], length: u64 },
}

/// Takes a file apart by what its first bytes say it is.
pub(super) fn open(bytes: &[u8]) -> Result<Container<'_>, Refused> {
    match bytes {
        [] => Err(Refused::Empty),
        [0xFF, 0xD8, 0xFF, ..] => jpeg::open(bytes),
        [0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1A, b'\n', ..] => png::open(bytes),
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => riff::open(bytes),
        [b'G', b'I', b'F', b'8', b'7' | b'9', b'a', ..] => gif::open(bytes),
        [b'I', b'I', 42 | 43, 0, ..] | [b'M', b'M', 0, 42 | 43, ..] => tiff::open(bytes),
        _ => Err(unread::name(bytes).map_or(Refused::NotAPicture, |what| Refused::Unsupported { what })),
    }
}

// === impl Container ===

impl<'a> Container<'a> {
    fn new(header: Header, body: &'a [u8]) -> Self {
        Self { header, body, is_whole: true, is_adobe: false, is_coarse: false, exif: None, icc: None }
    }

    fn with_icc(mut self, icc: Option<Profile<'a>>) -> Self {
        self.icc = icc.filter(|icc| icc.most() <= MOST_PROFILE);
        self.header.has_icc = self.icc.is_some();
        self.header.profile = self.icc.as_ref().map_or(0, Profile::most);
        self
    }

    fn with_exif(mut self, exif: Option<&'a [u8]>) -> Self {
        if let Some(orientation) = exif.and_then(super::exif::orientation) {
            self.header.orientation = orientation;
        }
        self.exif = exif.filter(|exif| exif.len() <= MOST_EXIF);
        self
    }

    /// From its byte order mark on. Of a TIFF it is gathered from the fields of the picture.
    pub(super) fn exif(&self) -> Option<Cow<'a, [u8]>> {
        match self.header.format {
            Format::Tiff => super::exif::of_tiff(self.body).map(Cow::Owned),
            _ => self.exif.map(Cow::Borrowed),
        }
    }

    /// The colour profile; `None` also for one that does not inflate: the picture is worth more than its profile.
    pub(super) fn icc(&self) -> Option<Vec<u8>> {
        match self.icc.as_ref()? {
            Profile::Plain(parts) => Some(parts.concat()),
            Profile::Made(profile) => Some(profile.clone()),
            Profile::Deflated { bytes, length } => {
                let mut profile = Vec::new();
                ZlibDecoder::new(*bytes).take(*length).read_to_end(&mut profile).ok()?;
                Some(profile)
            }
        }
    }
}

// === impl Profile ===

impl<'a> Profile<'a> {
    /// `None` where not even its length inflates, which it begins with.
    fn deflated(bytes: &'a [u8]) -> Option<Self> {
        let mut length = [0; 4];
        ZlibDecoder::new(bytes).read_exact(&mut length).ok()?;
        Some(Self::Deflated { bytes, length: u32::from_be_bytes(length).into() })
    }

    /// The most bytes that it may have.
    fn most(&self) -> u64 {
        match self {
            Self::Plain(parts) => parts.iter().map(|part| part.len() as u64).sum(),
            Self::Made(profile) => profile.len() as u64,
            Self::Deflated { length, .. } => *length,
        }
    }
}

/// Walks through a file; each step is `Truncated` where the file ends before it.
#[derive(Debug, Clone)]
struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

// === impl Cursor ===

impl<'a> Cursor<'a> {
    fn new(bytes: &'a [u8], at: usize) -> Self {
        Self { bytes, at }
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], Refused> {
        let end = self.at.checked_add(length).ok_or(Refused::Truncated)?;
        let taken = self.bytes.get(self.at..end).ok_or(Refused::Truncated)?;
        self.at = end;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Refused> {
        self.take(N)?.try_into().map_err(|_| Refused::Truncated)
    }

    fn u8(&mut self) -> Result<u8, Refused> {
        self.array::<1>().map(|[byte]| byte)
    }

    fn u16_be(&mut self) -> Result<u16, Refused> {
        self.array().map(u16::from_be_bytes)
    }

    fn u16_le(&mut self) -> Result<u16, Refused> {
        self.array().map(u16::from_le_bytes)
    }

    fn u32_be(&mut self) -> Result<u32, Refused> {
        self.array().map(u32::from_be_bytes)
    }

    fn u32_le(&mut self) -> Result<u32, Refused> {
        self.array().map(u32::from_le_bytes)
    }

    fn u24_le(&mut self) -> Result<u32, Refused> {
        self.array().map(|[a, b, c]| u32::from_le_bytes([a, b, c, 0]))
    }
}

/// A side of zero pixels is no picture.
fn sides(width: u32, height: u32) -> Result<(u32, u32), Refused> {
    if width == 0 || height == 0 {
        return Err(Refused::Damaged { reason: format!("a picture of {width}x{height} pixels") });
    }
    Ok((width, height))
}

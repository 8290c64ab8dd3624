//! The first directory of a TIFF. The `tiff` crate reads it, within limits of its own.

use std::borrow::Cow;
use std::io;

use tiff::decoder::{Decoder, Limits};
use tiff::tags::Tag;
use tiff::{ColorType, TiffError};

use super::{Container, Profile, sides};
use crate::picture::{Colour, Format, Header, Orientation, Refused, exif};

type Reader<'a> = Decoder<io::Cursor<Cow<'a, [u8]>>>;

const PHOTOMETRIC: u16 = 262;
const BLACK_IS_ZERO: u16 = 1;
const PALETTE: u16 = 3;

/// The numbers are indices into a map of colours.
pub(in crate::picture) fn has_palette(bytes: &[u8]) -> bool {
    exif::short(bytes, PHOTOMETRIC) == Some(PALETTE)
}

/// A reader at the first page. `most` bounds what it allocates for pixels, in bytes.
///
/// The crate knows no palettes, so it is told that indices are levels of gray.
pub(in crate::picture) fn reader(bytes: &[u8], most: u64) -> Result<Reader<'_>, Refused> {
    let mut limits = Limits::default();
    limits.decoding_buffer_size = usize::try_from(most).unwrap_or(usize::MAX);
    limits.intermediate_buffer_size = limits.decoding_buffer_size;
    // Of a tag: profiles are the largest.
    limits.ifd_value_size = (8 << 20).min(bytes.len());
    let patched = if has_palette(bytes) { exif::with_short(bytes, PHOTOMETRIC, BLACK_IS_ZERO) } else { None };
    let bytes = patched.map_or(Cow::Borrowed(bytes), Cow::Owned);
    Ok(Decoder::new(io::Cursor::new(bytes)).map_err(refused)?.with_limits(limits))
}

pub(super) fn open(bytes: &[u8]) -> Result<Container<'_>, Refused> {
    let mut reader = reader(bytes, 0)?;
    let (width, height) = reader.dimensions().map_err(refused)?;
    let (width, height) = sides(width, height)?;
    let (mut colour, depth) = match reader.colortype().map_err(refused)? {
        ColorType::Gray(depth) => (Colour::Gray, depth),
        ColorType::GrayA(depth) => (Colour::GrayAlpha, depth),
        ColorType::RGB(depth) | ColorType::YCbCr(depth) => (Colour::Rgb, depth),
        ColorType::RGBA(depth) => (Colour::Rgba, depth),
        ColorType::CMYK(depth) => (Colour::Cmyk, depth),
        other => return Err(Refused::Unsupported { what: format!("a TIFF of {other:?}") }),
    };
    if has_palette(bytes) {
        colour = Colour::Palette;
    }
    let orientation = reader.find_tag_unsigned::<u16>(Tag::Orientation).ok().flatten();
    let profile = reader.get_tag_u8_vec(Tag::IccProfile).ok().map(|bytes| Profile::Plain(Cow::Owned(bytes)));
    let header = Header {
        format: Format::Tiff,
        width,
        height,
        orientation: orientation.and_then(Orientation::new).unwrap_or_default(),
        colour,
        depth,
        has_more_frames: reader.more_images(),
        has_icc: false,
        is_progressive: false,
        scans: 1,
        samples: 0,
    };
    Ok(Container::new(header, bytes).with_icc(profile))
}

pub(in crate::picture) fn refused(error: TiffError) -> Refused {
    match error {
        TiffError::IoError(error) if error.kind() == io::ErrorKind::UnexpectedEof => Refused::Truncated,
        TiffError::UnsupportedError(error) => Refused::Unsupported { what: format!("TIFF: {error}") },
        other => Refused::damaged(other),
    }
}

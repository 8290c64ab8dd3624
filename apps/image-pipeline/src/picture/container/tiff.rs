//! The first directory of a TIFF. The `tiff` crate reads it, within limits of its own.

use std::borrow::Cow;
use std::io;

use tiff::decoder::{Decoder, Limits};
use tiff::tags::Tag;
use tiff::{ColorType, TiffError};

use super::{Container, Profile, sides};
use crate::picture::{Colour, Format, Header, Orientation, Refused, exif};

/// The reader holds each number of a field in 32 bytes, of these as soon as it sees them. Strips and tiles have the most:
/// one for each row of a picture that is higher than wide.
const READ_AT_ONCE: [u64; 21] =
    [256, 257, 258, 259, 262, 273, 274, 277, 278, 279, 284, 317, 320, 322, 323, 324, 325, 338, 339, 347, 530];
const MOST_NUMBERS: u64 = 1 << 15;

/// What is not read, for people.
pub(in crate::picture) const NO_SHORT_INTEGERS: &str =
    "a TIFF whose channels are no integers of 1 to 16 bits";

type Reader<'a> = Decoder<io::Cursor<Cow<'a, [u8]>>>;

const PHOTOMETRIC: u16 = 262;
const EXTRA_SAMPLES: u16 = 338;
const PROFILE: u16 = 34_675;
const BLACK_IS_ZERO: u16 = 1;
const PALETTE: u16 = 3;

/// The numbers are indices into a map of colours.
pub(in crate::picture) fn has_palette(bytes: &[u8]) -> bool {
    exif::short(bytes, PHOTOMETRIC) == Some(PALETTE)
}

/// The first channel beside the colours is alpha, multiplied into them or not.
fn has_alpha(bytes: &[u8]) -> bool {
    matches!(exif::short(bytes, EXTRA_SAMPLES), Some(1 | 2))
}

/// A reader at the first page. `most` bounds what it allocates for pixels, in bytes.
///
/// The crate knows no palettes, so it is told that indices are levels of gray.
pub(in crate::picture) fn reader(bytes: &[u8], most: u64) -> Result<Reader<'_>, Refused> {
    let mut limits = Limits::default();
    limits.decoding_buffer_size = usize::try_from(most).unwrap_or(usize::MAX);
    limits.intermediate_buffer_size = limits.decoding_buffer_size;
    let patched = if has_palette(bytes) { exif::with_short(bytes, PHOTOMETRIC, BLACK_IS_ZERO) } else { None };
    let bytes = patched.map_or(Cow::Borrowed(bytes), Cow::Owned);
    Ok(Decoder::new(io::Cursor::new(bytes)).map_err(refused)?.with_limits(limits))
}

pub(super) fn open(bytes: &[u8]) -> Result<Container<'_>, Refused> {
    if longest_list(bytes).is_some_and(|length| length > MOST_NUMBERS) {
        return Err(Refused::damaged("a TIFF with more numbers in a field than a picture has a use for"));
    }
    let mut reader = reader(bytes, 0)?;
    let (width, height) = reader.dimensions().map_err(refused)?;
    let (width, height) = sides(width, height)?;
    let (mut colour, depth) = match reader.colortype().map_err(refused)? {
        ColorType::Gray(depth) => (Colour::Gray, depth),
        ColorType::Multiband { bit_depth: depth @ (8 | 16), num_samples: 2 } if has_alpha(bytes) => {
            (Colour::GrayAlpha, depth)
        }
        ColorType::Multiband { num_samples, .. } => {
            return Err(Refused::Unsupported { what: format!("a TIFF of {num_samples} channels") });
        }
        ColorType::RGB(depth) | ColorType::YCbCr(depth) => (Colour::Rgb, depth),
        ColorType::RGBA(depth) => (Colour::Rgba, depth),
        ColorType::CMYK(depth) => (Colour::Cmyk, depth),
        other => return Err(Refused::Unsupported { what: format!("a TIFF of {other:?}") }),
    };
    if depth > 16 {
        // Said before it is held at eight bytes a channel.
        return Err(Refused::unsupported(NO_SHORT_INTEGERS));
    }
    if has_palette(bytes) {
        colour = Colour::Palette;
    }
    let orientation = reader.find_tag_unsigned::<u16>(Tag::Orientation).ok().flatten();
    // The reader would hold each byte in 32.
    let profile = exif::bytes(bytes, PROFILE).map(|bytes| Profile::Plain(vec![bytes]));
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
        beside: 0,
        profile: 0,
    };
    Ok(Container::new(header, bytes).with_icc(profile))
}

/// How many numbers there are in the longest of the fields that are read at once.
fn longest_list(bytes: &[u8]) -> Option<u64> {
    let is_big_endian = bytes.starts_with(b"MM");
    let number = |at: u64, length: usize| {
        let field = bytes.get(usize::try_from(at).ok()?..)?.get(..length)?;
        let push = |number: u64, byte: &u8| number << 8 | u64::from(*byte);
        Some(if is_big_endian { field.iter().fold(0, push) } else { field.iter().rev().fold(0, push) })
    };
    // A BigTIFF is the same in longer numbers: where the directory is, how long its own length is, and a count.
    let is_big = number(2, 2)? == 43;
    let (start, head, count, entry) =
        if is_big { (number(8, 8)?, 8, 8, 20) } else { (number(4, 4)?, 2, 4, 12) };
    let entries = (0..number(start, head)?).map_while(|index| {
        let at = start.checked_add(head as u64)?.checked_add(entry * index)?;
        Some((number(at, 2)?, number(at + 4, count)?))
    });
    entries.filter(|(name, _)| READ_AT_ONCE.contains(name)).map(|(_, length)| length).max()
}

pub(in crate::picture) fn refused(error: TiffError) -> Refused {
    match error {
        TiffError::IoError(error) if error.kind() == io::ErrorKind::UnexpectedEof => Refused::Truncated,
        TiffError::UnsupportedError(error) => {
            let said = error.to_string();
            let what = said.trim_end_matches(" is unsupported").trim_end_matches(" not supported");
            Refused::Unsupported { what: format!("TIFF: {what}") }
        }
        other => Refused::damaged(other),
    }
}

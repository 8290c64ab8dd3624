use std::borrow::Cow;

use super::{Container, Cursor, Profile, sides};
use crate::picture::{Colour, Format, Header, Orientation, Refused};

/// Walks the chunks of a WebP.
pub(super) fn open(bytes: &[u8]) -> Result<Container<'_>, Refused> {
    let mut cursor = Cursor::new(bytes, 4);
    let claimed = cursor.u32_le()? as usize;
    cursor.take(4)?;
    let mut canvas = None;
    let (mut exif, mut profile, mut has_more_frames) = (None, None, false);
    while let Ok((name, mut chunk)) = chunk(&mut cursor) {
        match name {
            b"VP8X" if canvas.is_none() => {
                let flags = chunk.u8()?;
                chunk.take(3)?;
                let (width, height) = (chunk.u24_le()? + 1, chunk.u24_le()? + 1);
                canvas = Some((width, height, flags & 0x10 != 0));
                has_more_frames = flags & 0x02 != 0;
            }
            b"VP8 " if canvas.is_none() => {
                chunk.take(3)?;
                if chunk.take(3)? != [0x9D, 0x01, 0x2A] {
                    return Err(Refused::damaged("a WebP whose picture is no key frame"));
                }
                let (width, height) = (chunk.u16_le()? & 0x3FFF, chunk.u16_le()? & 0x3FFF);
                canvas = Some((width.into(), height.into(), false));
            }
            b"VP8L" if canvas.is_none() => {
                if chunk.u8()? != 0x2F {
                    return Err(Refused::damaged("a lossless WebP without its signature"));
                }
                let bits = chunk.u32_le()?;
                canvas = Some(((bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1, bits >> 28 & 1 != 0));
            }
            b"EXIF" if exif.is_none() => {
                let bytes = chunk.bytes;
                exif = Some(bytes.strip_prefix(b"Exif\0\0").unwrap_or(bytes));
            }
            b"ICCP" if profile.is_none() => profile = Some(Profile::Plain(Cow::Borrowed(chunk.bytes))),
            _ => {}
        }
    }
    let Some((width, height, has_alpha)) = canvas else { return Err(Refused::Truncated) };
    let (width, height) = sides(width, height)?;
    let header = Header {
        format: Format::WebP,
        width,
        height,
        orientation: Orientation::UPRIGHT,
        colour: if has_alpha { Colour::Rgba } else { Colour::Rgb },
        depth: 8,
        has_more_frames,
        has_icc: false,
        is_progressive: false,
        scans: 1,
        samples: 0,
    };
    let mut container = Container::new(header, bytes).with_icc(profile).with_exif(exif);
    container.is_whole = claimed.saturating_add(8) <= bytes.len().saturating_add(1);
    Ok(container)
}

/// The next chunk; the last may be cut off, since its header may be whole.
fn chunk<'a>(cursor: &mut Cursor<'a>) -> Result<(&'a [u8], Cursor<'a>), Refused> {
    let name = cursor.take(4)?;
    let length = cursor.u32_le()? as usize;
    let rest = &cursor.bytes[cursor.at..];
    let chunk = &rest[..length.min(rest.len())];
    cursor.at = cursor.at.saturating_add(length.saturating_add(length & 1));
    Ok((name, Cursor::new(chunk, 0)))
}

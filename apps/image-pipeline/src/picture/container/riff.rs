use super::{Container, Cursor, Profile, sides};
use crate::picture::{Colour, Format, Header, Orientation, Refused};

/// Walks the chunks of a WebP.
pub(super) fn open(bytes: &[u8]) -> Result<Container<'_>, Refused> {
    let mut cursor = Cursor::new(bytes, 4);
    let claimed = cursor.u32_le()? as usize;
    cursor.take(4)?;
    let mut canvas = None;
    let (mut exif, mut profile, mut is_animation, mut frames, mut is_lossy) = (None, None, false, 0, true);
    while let Ok((name, mut chunk)) = chunk(&mut cursor) {
        match name {
            b"VP8X" if canvas.is_none() => {
                let flags = chunk.u8()?;
                chunk.take(3)?;
                let (width, height) = (chunk.u24_le()? + 1, chunk.u24_le()? + 1);
                canvas = Some((width, height, flags & 0x10 != 0));
                is_animation = flags & 0x02 != 0;
            }
            b"VP8 " | b"VP8L" => {
                let (width, height, has_alpha) = picture(name, chunk)?;
                let (canvas_width, canvas_height, _) = *canvas.get_or_insert((width, height, has_alpha));
                is_in(width, height, (canvas_width, canvas_height))?;
                is_lossy &= name == b"VP8 ";
            }
            b"ANMF" => {
                frames += 1;
                // Where on the canvas.
                chunk.take(6)?;
                let sides = (chunk.u24_le()? + 1, chunk.u24_le()? + 1);
                // How long, and how it is laid over the last one.
                chunk.take(4)?;
                while let Ok((name, chunk)) = self::chunk(&mut chunk) {
                    if matches!(name, b"VP8 " | b"VP8L") {
                        let (width, height, _) = picture(name, chunk)?;
                        is_in(width, height, sides)?;
                    }
                }
            }
            b"EXIF" if exif.is_none() => {
                let bytes = chunk.bytes;
                exif = Some(bytes.strip_prefix(b"Exif\0\0").unwrap_or(bytes));
            }
            b"ICCP" if profile.is_none() => profile = Some(Profile::Plain(vec![chunk.bytes])),
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
        has_more_frames: frames > 1,
        has_icc: false,
        is_progressive: false,
        scans: 1,
        beside: match (is_lossy, is_animation || has_alpha) {
            // Luminance, and two planes of a quarter.
            (true, false) => 2 * u64::from(width) * u64::from(height),
            // The canvas and a frame, or the pixels and an alpha that is stored like four channels.
            _ => 8 * u64::from(width) * u64::from(height),
        },
        profile: 0,
    };
    let mut container = Container::new(header, bytes).with_icc(profile).with_exif(exif);
    container.is_whole = claimed.saturating_add(8) <= bytes.len().saturating_add(1);
    Ok(container)
}

/// Width, height, and whether there is alpha, of the pixels themselves.
fn picture(name: &[u8], mut chunk: Cursor<'_>) -> Result<(u32, u32, bool), Refused> {
    if name == b"VP8L" {
        if chunk.u8()? != 0x2F {
            return Err(Refused::damaged("a lossless WebP without its signature"));
        }
        let bits = chunk.u32_le()?;
        return Ok(((bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1, bits >> 28 & 1 != 0));
    }
    chunk.take(3)?;
    if chunk.take(3)? != [0x9D, 0x01, 0x2A] {
        return Err(Refused::damaged("a WebP whose picture is no key frame"));
    }
    let (width, height) = (chunk.u16_le()? & 0x3FFF, chunk.u16_le()? & 0x3FFF);
    Ok((width.into(), height.into(), false))
}

/// The decoder would find out once it has decoded all of it.
fn is_in(width: u32, height: u32, sides: (u32, u32)) -> Result<(), Refused> {
    if (width, height) == sides {
        return Ok(());
    }
    Err(Refused::damaged("a WebP whose picture has another size than the place for it"))
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

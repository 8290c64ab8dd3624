use super::{Container, Cursor, sides};
use crate::picture::{Colour, Format, Header, Orientation, Refused};

/// Reads the screen of a GIF, and looks whether there is a second picture.
pub(super) fn open(bytes: &[u8]) -> Result<Container<'_>, Refused> {
    let mut cursor = Cursor::new(bytes, 6);
    let (width, height) = (cursor.u16_le()?, cursor.u16_le()?);
    let (width, height) = sides(width.into(), height.into())?;
    let flags = cursor.u8()?;
    cursor.take(2)?;
    let header = Header {
        format: Format::Gif,
        width,
        height,
        orientation: Orientation::UPRIGHT,
        colour: Colour::Palette,
        depth: (flags & 7) + 1,
        has_more_frames: has_second(cursor, flags).unwrap_or(false),
        has_icc: false,
        is_progressive: false,
        scans: 1,
        samples: 0,
    };
    Ok(Container::new(header, bytes))
}

fn has_second(mut cursor: Cursor<'_>, flags: u8) -> Result<bool, Refused> {
    skip_colours(&mut cursor, flags)?;
    let mut pictures = 0;
    loop {
        match cursor.u8()? {
            0x21 => {
                cursor.u8()?;
            }
            0x2C => {
                pictures += 1;
                if pictures == 2 {
                    return Ok(true);
                }
                cursor.take(8)?;
                let flags = cursor.u8()?;
                skip_colours(&mut cursor, flags)?;
                // The least size of a code.
                cursor.u8()?;
            }
            _ => return Ok(false),
        }
        loop {
            match cursor.u8()? {
                0 => break,
                length => cursor.take(length.into())?,
            };
        }
    }
}

fn skip_colours(cursor: &mut Cursor<'_>, flags: u8) -> Result<(), Refused> {
    if flags & 0x80 != 0 {
        cursor.take(3 << ((flags & 7) + 1))?;
    }
    Ok(())
}

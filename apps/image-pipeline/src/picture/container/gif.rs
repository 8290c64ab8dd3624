use super::{Container, Cursor, sides};
use crate::picture::{Colour, Format, Header, Orientation, Refused};

/// Reads the screen of a GIF and its first picture, and looks whether there is a second one.
pub(super) fn open(bytes: &[u8]) -> Result<Container<'_>, Refused> {
    let mut cursor = Cursor::new(bytes, 6);
    let (width, height) = (cursor.u16_le()?, cursor.u16_le()?);
    let (width, height) = sides(width.into(), height.into())?;
    let flags = cursor.u8()?;
    cursor.take(2)?;
    let mut frames = Frames { cursor, flags: Some(flags) };
    let first = frames.step()?.ok_or_else(|| Refused::damaged("a GIF without a picture"))?;
    if first.width > width || first.height > height {
        return Err(Refused::damaged("a GIF whose picture is larger than its screen"));
    }
    // It is decoded in its place where no row has a gap.
    let is_in_place = first.left == 0 && first.width == width && first.top + first.height <= height;
    let header = Header {
        format: Format::Gif,
        width,
        height,
        orientation: Orientation::UPRIGHT,
        colour: Colour::Palette,
        depth: (flags & 7) + 1,
        has_more_frames: frames.step().is_ok_and(|second| second.is_some()),
        has_icc: false,
        is_progressive: false,
        scans: 1,
        beside: if is_in_place { 0 } else { 4 * u64::from(first.width) * u64::from(first.height) },
        profile: 0,
    };
    Ok(Container::new(header, bytes))
}

/// A picture on the screen.
struct Frame {
    left: u32,
    top: u32,
    width: u32,
    height: u32,
}

/// Walks over the pictures, as far as the file is whole.
struct Frames<'a> {
    cursor: Cursor<'a>,
    /// Of the screen, until its colours were passed over.
    flags: Option<u8>,
}

// === impl Frames ===

impl Frames<'_> {
    /// The next one; `None` at the end.
    fn step(&mut self) -> Result<Option<Frame>, Refused> {
        let cursor = &mut self.cursor;
        if let Some(flags) = self.flags.take() {
            skip_colours(cursor, flags)?;
        }
        loop {
            match cursor.u8()? {
                0x21 => {
                    cursor.u8()?;
                    skip_blocks(cursor)?;
                }
                0x2C => {
                    let mut side = || cursor.u16_le().map(u32::from);
                    let frame = Frame { left: side()?, top: side()?, width: side()?, height: side()? };
                    let flags = cursor.u8()?;
                    // What is cut off behind this is a picture, too.
                    let _ = skip_colours(cursor, flags).and_then(|()| {
                        // The least size of a code.
                        cursor.u8()?;
                        skip_blocks(cursor)
                    });
                    return Ok(Some(frame));
                }
                _ => return Ok(None),
            }
        }
    }
}

fn skip_blocks(cursor: &mut Cursor<'_>) -> Result<(), Refused> {
    loop {
        match cursor.u8()? {
            0 => return Ok(()),
            length => cursor.take(length.into())?,
        };
    }
}

fn skip_colours(cursor: &mut Cursor<'_>, flags: u8) -> Result<(), Refused> {
    if flags & 0x80 != 0 {
        cursor.take(3 << ((flags & 7) + 1))?;
    }
    Ok(())
}

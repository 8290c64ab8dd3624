use super::space::{self, Space};
use super::{Container, Cursor, Profile, sides};
use crate::picture::{Colour, Format, Header, Orientation, Refused};

/// Walks the chunks of a PNG.
pub(super) fn open(bytes: &[u8]) -> Result<Container<'_>, Refused> {
    let mut cursor = Cursor::new(bytes, 8);
    let length = cursor.u32_be()?;
    if (length, cursor.take(4)?) != (13, b"IHDR".as_slice()) {
        return Err(Refused::damaged("a PNG that does not begin with its header"));
    }
    let (width, height) = sides(cursor.u32_be()?, cursor.u32_be()?)?;
    let (depth, kind) = (cursor.u8()?, cursor.u8()?);
    // Compression, filter and checksum are the decoder's to judge.
    cursor.take(2)?;
    let is_interlaced = cursor.u8()? != 0;
    cursor.take(4)?;

    let (mut exif, mut profile, mut code_points) = (None, None, None);
    let (mut is_transparent, mut has_more_frames) = (false, false);
    // What is behind the pixels, or cut off, is nothing that a header needs.
    while let Ok((name, chunk)) = chunk(&mut cursor) {
        match name {
            b"tRNS" => is_transparent = true,
            b"acTL" => {
                has_more_frames = chunk.get(..4).is_some_and(|frames| frames > [0, 0, 0, 1].as_slice())
            }
            b"eXIf" if exif.is_none() => exif = Some(chunk),
            b"iCCP" if profile.is_none() => profile = compressed_profile(chunk),
            b"cICP" if code_points.is_none() => code_points = chunk.try_into().ok(),
            b"IEND" => break,
            _ => {}
        }
    }
    let colour = match (kind, is_transparent) {
        (0, false) => Colour::Gray,
        (0, true) | (4, _) => Colour::GrayAlpha,
        (2, false) => Colour::Rgb,
        (2, true) | (6, _) => Colour::Rgba,
        (3, _) => Colour::Palette,
        _ => return Err(Refused::Damaged { reason: format!("a PNG of colour type {kind}") }),
    };
    // Rows as they come, while they are unfiltered; one that is interlaced is held as it is stored.
    let wide = u64::from(depth > 8);
    let rows = if is_interlaced { u64::from(height).max(4) } else { 4 };
    let beside = u64::from(width).saturating_mul(rows).saturating_mul(colour.channels() * (1 + wide));
    let header = Header {
        format: Format::Png,
        width,
        height,
        orientation: Orientation::UPRIGHT,
        colour,
        depth,
        has_more_frames,
        has_icc: false,
        is_progressive: false,
        scans: 1,
        beside,
        profile: 0,
    };
    let is_gray = matches!(colour, Colour::Gray | Colour::GrayAlpha);
    let profile = match code_points.and_then(|points| space::of_code_points(points, is_gray)) {
        Some(Space::Srgb) => None,
        Some(Space::Other(made)) => Some(Profile::Made(made)),
        None => profile,
    };
    Ok(Container::new(header, bytes).with_icc(profile).with_exif(exif))
}

fn chunk<'a>(cursor: &mut Cursor<'a>) -> Result<(&'a [u8], &'a [u8]), Refused> {
    let length = cursor.u32_be()? as usize;
    let name = cursor.take(4)?;
    let chunk = cursor.take(length)?;
    cursor.take(4)?;
    Ok((name, chunk))
}

/// Behind a name that ends with a zero, and the number of the method, of which there is one.
fn compressed_profile(chunk: &[u8]) -> Option<Profile<'_>> {
    let end = chunk.iter().take(80).position(|byte| *byte == 0)?;
    match &chunk[end..] {
        [0, 0, deflated @ ..] => Profile::deflated(deflated),
        _ => None,
    }
}

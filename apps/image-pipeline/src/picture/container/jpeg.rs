use super::{Container, Cursor, Profile, sides};
use crate::picture::{Colour, Format, Header, Orientation, Refused};

const START_OF_SCAN: u8 = 0xDA;
const END_OF_IMAGE: u8 = 0xD9;

/// The frame header.
struct Frame {
    width: u32,
    height: u32,
    depth: u8,
    components: u8,
    samples: u64,
    is_coarse: bool,
    is_progressive: bool,
}

/// Walks all markers of a JPEG, from the start to the end of its (first) picture.
///
/// The data of the scans are passed over at the speed of memory, so it is known before decoding whether
/// the end is there and how many scans there are.
pub(super) fn open(bytes: &[u8]) -> Result<Container<'_>, Refused> {
    let mut cursor = Cursor::new(bytes, 2);
    let mut frame = None;
    let mut exif = None;
    let mut profile = ProfileParts::default();
    let (mut scans, mut is_adobe, mut has_more_frames) = (0, false, false);
    let is_whole = loop {
        let marker = match next_marker(&mut cursor) {
            Some(END_OF_IMAGE) => break true,
            Some(marker) => marker,
            None => break false,
        };
        // Without a segment: restarts that are left over, a start inside, and one for temporary use.
        if matches!(marker, 0xD0..=0xD8 | 0x01) {
            continue;
        }
        let segment = match segment(&mut cursor) {
            Ok(segment) => segment,
            Err(error) if frame.is_none() => return Err(error),
            Err(_) => break false,
        };
        match marker {
            0xC0..=0xC3 | 0xC5..=0xC7 | 0xC9..=0xCB | 0xCD..=0xCF => {
                if frame.is_some() {
                    return Err(Refused::damaged("a JPEG with two frame headers"));
                }
                frame = Some(Frame::read(marker, segment)?);
            }
            0xE1 if exif.is_none() => exif = segment.strip_prefix(b"Exif\0\0"),
            0xE2 => {
                profile.add(segment);
                has_more_frames |= segment.starts_with(b"MPF\0");
            }
            0xEE => is_adobe |= segment.starts_with(b"Adobe"),
            START_OF_SCAN => {
                scans += 1;
                skip_scan(&mut cursor);
            }
            _ => {}
        }
    };
    let Some(frame) = frame else {
        let reason = "a JPEG without a frame header";
        return Err(if is_whole { Refused::damaged(reason) } else { Refused::Truncated });
    };
    let header = Header {
        format: Format::Jpeg,
        width: frame.width,
        height: frame.height,
        orientation: Orientation::UPRIGHT,
        colour: match frame.components {
            1 => Colour::Gray,
            4 => Colour::Cmyk,
            _ => Colour::Rgb,
        },
        depth: frame.depth,
        has_more_frames,
        has_icc: false,
        is_progressive: frame.is_progressive,
        scans,
        beside: frame.samples,
        profile: 0,
    };
    let mut container = Container::new(header, &bytes[..cursor.at]).with_icc(profile.join()).with_exif(exif);
    container.is_whole = is_whole;
    container.is_adobe = is_adobe;
    container.is_coarse = frame.is_coarse;
    Ok(container)
}

/// Moves behind the next marker, over fill bytes and whatever some cameras leave between segments.
fn next_marker(cursor: &mut Cursor<'_>) -> Option<u8> {
    loop {
        let rest = cursor.bytes.get(cursor.at..)?;
        cursor.at += memchr::memchr(0xFF, rest).unwrap_or(rest.len());
        while *cursor.bytes.get(cursor.at)? == 0xFF {
            cursor.at += 1;
        }
        let marker = cursor.bytes[cursor.at];
        cursor.at += 1;
        if marker != 0 {
            return Some(marker);
        }
    }
}

fn segment<'a>(cursor: &mut Cursor<'a>) -> Result<&'a [u8], Refused> {
    let length = usize::from(cursor.u16_be()?);
    let length = length.checked_sub(2).ok_or_else(|| Refused::damaged("a JPEG segment of no length"))?;
    cursor.take(length)
}

/// Moves before the marker that ends the entropy-coded data.
fn skip_scan(cursor: &mut Cursor<'_>) {
    loop {
        let rest = cursor.bytes.get(cursor.at..).unwrap_or_default();
        let Some(found) = memchr::memchr(0xFF, rest) else {
            cursor.at = cursor.bytes.len();
            return;
        };
        match rest.get(found + 1) {
            // A stuffed byte or a restart: the scan goes on.
            Some(0 | 0xD0..=0xD7) => cursor.at += found + 2,
            Some(0xFF) => cursor.at += found + 1,
            _ => {
                cursor.at += found;
                return;
            }
        }
    }
}

// === impl Frame ===

impl Frame {
    fn read(marker: u8, segment: &[u8]) -> Result<Self, Refused> {
        let mut cursor = Cursor::new(segment, 0);
        let depth = cursor.u8()?;
        let (height, width) = (cursor.u16_be()?, cursor.u16_be()?);
        let components = cursor.u8()?;
        if height == 0 && width > 0 {
            return Err(Refused::unsupported("a JPEG that tells its height only after its pixels"));
        }
        let (width, height) = sides(width.into(), height.into())?;
        match marker {
            0xC0..=0xC2 => {}
            0xC3 => return Err(Refused::unsupported("lossless JPEG")),
            0xC9..=0xCB | 0xCD..=0xCF => return Err(Refused::unsupported("arithmetic coding in a JPEG")),
            _ => return Err(Refused::unsupported("hierarchical JPEG")),
        }
        if depth != 8 {
            return Err(Refused::Unsupported { what: format!("a JPEG of {depth} bits a channel") });
        }
        if !matches!(components, 1 | 3 | 4) {
            return Err(Refused::Unsupported { what: format!("a JPEG of {components} channels") });
        }
        let (samples, is_coarse) = samples(&mut cursor, width, height, components)?;
        Ok(Self { width, height, depth, components, samples, is_coarse, is_progressive: marker == 0xC2 })
    }
}

/// Of all channels, in whole blocks of 8x8 as they are stored; and whether the first is not the finest of them.
fn samples(cursor: &mut Cursor<'_>, width: u32, height: u32, components: u8) -> Result<(u64, bool), Refused> {
    let mut factors = Vec::with_capacity(components.into());
    for _ in 0..components {
        let [_, factor, _] = cursor.array()?;
        let (across, down) = (u32::from(factor >> 4), u32::from(factor & 0x0F));
        if !(1..=4).contains(&across) || !(1..=4).contains(&down) {
            return Err(Refused::damaged("a JPEG with impossible sampling factors"));
        }
        factors.push((across, down));
    }
    let most_across = factors.iter().map(|factor| factor.0).max().unwrap_or(1);
    let most_down = factors.iter().map(|factor| factor.1).max().unwrap_or(1);
    let units = u64::from(width.div_ceil(8 * most_across)) * u64::from(height.div_ceil(8 * most_down));
    let samples = factors.iter().map(|(across, down)| units * u64::from(across * down) * 64).sum();
    Ok((samples, factors.first() != Some(&(most_across, most_down))))
}

/// A profile in pieces, since a segment holds no more than 64 KB.
#[derive(Default)]
struct ProfileParts<'a> {
    parts: Vec<(u8, &'a [u8])>,
    count: u8,
}

// === impl ProfileParts ===

impl<'a> ProfileParts<'a> {
    fn add(&mut self, segment: &'a [u8]) {
        if let Some([number, count, part @ ..]) = segment.strip_prefix(b"ICC_PROFILE\0") {
            // Only so many can be told apart; a file of repetitions must not gather here.
            if self.parts.len() < 255 {
                self.parts.push((*number, part));
                self.count = *count;
            }
        }
    }

    /// `None` unless all pieces are there, each once.
    fn join(mut self) -> Option<Profile<'a>> {
        self.parts.sort_by_key(|(number, _)| *number);
        let is_whole = !self.parts.is_empty()
            && self.parts.len() == usize::from(self.count)
            && self.parts.iter().zip(1..).all(|((number, _), expected)| *number == expected);
        if !is_whole {
            return None;
        }
        Some(Profile::Plain(self.parts.into_iter().map(|(_, part)| part).collect()))
    }
}

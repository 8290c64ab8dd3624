//! The two EXIF fields that matter once the pixels are upright and in sRGB, and EXIF out of a TIFF.
//!
//! EXIF is a TIFF without pixels. Only the first directory and those of exposure and position are looked at, each once,
//! so neither a loop nor a count of four thousand million costs anything.

use super::Orientation;

const ORIENTATION: u16 = 0x0112;
const EXIF_DIRECTORY: u16 = 0x8769;
const COLOUR_SPACE: u16 = 0xA001;

const POSITION_DIRECTORY: u16 = 0x8825;

/// Fields of a TIFF that are not about how its pixels are stored: what is shown, maker, model, orientation, resolution (3),
/// program, time, artist, copyright, and the two directories.
const OF_THE_FILE: [u16; 13] = [
    0x010E,
    0x010F,
    0x0110,
    ORIENTATION,
    0x011A,
    0x011B,
    0x0128,
    0x0131,
    0x0132,
    0x013B,
    0x8298,
    EXIF_DIRECTORY,
    POSITION_DIRECTORY,
];

/// The maker's own notes, and a directory that says only that there are conventions. No directory has another one in it,
/// so none is copied twice.
const NOT_COPIED: [u16; 4] = [0x927C, 0xA005, EXIF_DIRECTORY, POSITION_DIRECTORY];

/// What is copied of a TIFF, in bytes: a JPEG has room for so much.
const MOST_COPIED: usize = 60_000;

/// How a field says what it holds.
const BYTE: u16 = 1;
const SHORT: u16 = 3;
const LONG: u16 = 4;
const UNDEFINED: u16 = 7;

#[derive(Debug, Clone, Copy)]
struct Order {
    is_big_endian: bool,
}

/// What the first directory says; `None` also where it cannot be read.
pub(super) fn orientation(exif: &[u8]) -> Option<Orientation> {
    short(exif, ORIENTATION).and_then(Orientation::new)
}

/// The same fields for pixels that have been turned upright and converted to sRGB. The thumbnail, which
/// was not turned, is no longer referred to. `None` where there is no directory to mend.
pub(super) fn upright(exif: &[u8]) -> Option<Vec<u8>> {
    let order = Order::of(exif)?;
    let first = order.u32(exif, 4)?;
    let mut upright = exif.to_vec();
    if let Some(entry) = entry(exif, order, first, ORIENTATION) {
        order.set(&mut upright, entry, 1)?;
    }
    if let Some(entry) = entry(exif, order, first, EXIF_DIRECTORY)
        && let Some(entry) = self::entry(exif, order, order.u32(exif, entry + 8)?, COLOUR_SPACE)
    {
        order.set(&mut upright, entry, 1)?;
    }
    let count = usize::from(order.u16(exif, first as usize)?);
    upright.get_mut(first as usize + 2 + 12 * count..)?.get_mut(..4)?.fill(0);
    Some(upright)
}

/// The EXIF that a TIFF has among the fields of its pixels: those of the camera and the author, and the directories of
/// exposure and position. `None` where there are none, or it is no TIFF of 32 bits.
///
/// What a maker keeps for itself is left out: it refers to places in the file that was.
pub(super) fn of_tiff(tiff: &[u8]) -> Option<Vec<u8>> {
    let order = Order::of(tiff)?;
    let mut copied = Copied { exif: tiff.get(..8)?.to_vec(), room: MOST_COPIED, tiff, order };
    order.write_u32(&mut copied.exif, 4, 8)?;
    let fields = copied.directory(order.u32(tiff, 4)?, |tag| OF_THE_FILE.contains(&tag))?;
    (fields > 0).then_some(copied.exif)
}

/// The file of a TIFF with another number in a field of its first directory, if it has that field.
pub(super) fn with_short(tiff: &[u8], tag: u16, value: u16) -> Option<Vec<u8>> {
    let order = Order::of(tiff)?;
    let entry = entry(tiff, order, order.u32(tiff, 4)?, tag)?;
    let mut patched = tiff.to_vec();
    order.set(&mut patched, entry, value)?;
    Some(patched)
}

/// What a field of the first directory of a TIFF holds, where that is one number which a short one can be. Some programs
/// write it as a long one, or a byte.
pub(super) fn short(tiff: &[u8], tag: u16) -> Option<u16> {
    let order = Order::of(tiff)?;
    let entry = entry(tiff, order, order.u32(tiff, 4)?, tag)?;
    match order.u16(tiff, entry + 2)? {
        BYTE => tiff.get(entry + 8).copied().map(u16::from),
        SHORT => order.u16(tiff, entry + 8),
        LONG => order.u32(tiff, entry + 8)?.try_into().ok(),
        _ => None,
    }
}

/// What a field of the first directory of a TIFF holds, where that is bytes.
pub(super) fn bytes(tiff: &[u8], tag: u16) -> Option<&[u8]> {
    let order = Order::of(tiff)?;
    let entry = entry(tiff, order, order.u32(tiff, 4)?, tag)?;
    let (kind, length) = (order.u16(tiff, entry + 2)?, order.u32(tiff, entry + 4)? as usize);
    // Up to four would lie in the field itself.
    if !matches!(kind, BYTE | UNDEFINED) || length <= 4 {
        return None;
    }
    tiff.get(order.u32(tiff, entry + 8)? as usize..)?.get(..length)
}

/// EXIF on its way out of a TIFF.
struct Copied<'a> {
    exif: Vec<u8>,
    /// For fields and what they hold, in bytes.
    room: usize,
    tiff: &'a [u8],
    order: Order,
}

// === impl Copied ===

impl Copied<'_> {
    /// Adds the directory at `start` with the fields that `keeps` wants and there is room for, and what these hold. Says how
    /// many they are.
    fn directory(&mut self, start: u32, keeps: fn(u16) -> bool) -> Option<usize> {
        let (tiff, order, start) = (self.tiff, self.order, start as usize);
        let entries = (0..usize::from(order.u16(tiff, start)?)).map(|index| start + 2 + 12 * index);
        let mut kept = Vec::new();
        for entry in entries {
            let Some(tag) = order.u16(tiff, entry) else { break };
            let Some(held) = held(tiff, order, entry).filter(|_| keeps(tag)) else { continue };
            // The entry, and what does not fit into it at an even place.
            if let Some(left) = self.room.checked_sub(12 + held.len() + 1) {
                self.room = left;
                kept.push((tag, entry, held));
            }
        }
        let place = self.exif.len();
        self.exif.resize(place + 2 + 12 * kept.len() + 4, 0);
        order.write_u16(&mut self.exif, place, u16::try_from(kept.len()).ok()?)?;
        for (index, (tag, entry, held)) in kept.iter().enumerate() {
            let place = place + 2 + 12 * index;
            self.exif[place..place + 12].copy_from_slice(tiff.get(*entry..entry + 12)?);
            let behind = u32::try_from(self.exif.len()).ok()?;
            if matches!(*tag, EXIF_DIRECTORY | POSITION_DIRECTORY) {
                order.write_u32(&mut self.exif, place + 8, behind)?;
                let start = order.u32(held, 0)?;
                // An empty one where it leads nowhere.
                if self.directory(start, |tag| !NOT_COPIED.contains(&tag)).is_none() {
                    self.exif.truncate(behind as usize);
                    self.exif.extend([0; 6]);
                }
            } else if held.len() > 4 {
                order.write_u32(&mut self.exif, place + 8, behind)?;
                self.exif.extend(*held);
                self.exif.resize(self.exif.len().next_multiple_of(2), 0);
            }
        }
        Some(kept.len())
    }
}

/// What the field at `entry` holds, in the entry itself or where that says. `None` for a kind that is not known.
fn held(tiff: &[u8], order: Order, entry: usize) -> Option<&[u8]> {
    let size = match order.u16(tiff, entry + 2)? {
        1 | 2 | 6 | 7 => 1,
        3 | 8 => 2,
        4 | 9 | 11 => 4,
        5 | 10 | 12 => 8,
        _ => return None,
    };
    let length = (order.u32(tiff, entry + 4)? as usize).checked_mul(size)?;
    let at = if length <= 4 { entry + 8 } else { order.u32(tiff, entry + 8)? as usize };
    tiff.get(at..)?.get(..length)
}

/// Where in `exif` the directory at `start` has a field.
fn entry(exif: &[u8], order: Order, start: u32, tag: u16) -> Option<usize> {
    let start = start as usize;
    let count = usize::from(order.u16(exif, start)?);
    let mut entries = (0..count).map(|index| start + 2 + 12 * index);
    entries.find(|entry| order.u16(exif, *entry) == Some(tag)).filter(|entry| exif.len() >= entry + 12)
}

// === impl Order ===

impl Order {
    fn of(exif: &[u8]) -> Option<Self> {
        match exif.get(..4)? {
            [b'I', b'I', 42, 0] => Some(Self { is_big_endian: false }),
            [b'M', b'M', 0, 42] => Some(Self { is_big_endian: true }),
            _ => None,
        }
    }

    fn u16(self, bytes: &[u8], at: usize) -> Option<u16> {
        let bytes = bytes.get(at..)?.first_chunk().copied()?;
        Some(if self.is_big_endian { u16::from_be_bytes(bytes) } else { u16::from_le_bytes(bytes) })
    }

    fn u32(self, bytes: &[u8], at: usize) -> Option<u32> {
        let bytes = bytes.get(at..)?.first_chunk().copied()?;
        Some(if self.is_big_endian { u32::from_be_bytes(bytes) } else { u32::from_le_bytes(bytes) })
    }

    /// Writes another number into the field at `entry`, as long as the one that is there.
    fn set(self, exif: &mut [u8], entry: usize, value: u16) -> Option<()> {
        match self.u16(exif, entry + 2)? {
            BYTE => *exif.get_mut(entry + 8)? = value.try_into().ok()?,
            LONG => self.write_u32(exif, entry + 8, value.into())?,
            _ => self.write_u16(exif, entry + 8, value)?,
        }
        Some(())
    }

    fn write_u32(self, bytes: &mut [u8], at: usize, value: u32) -> Option<()> {
        let value = if self.is_big_endian { value.to_be_bytes() } else { value.to_le_bytes() };
        bytes.get_mut(at..)?.get_mut(..4)?.copy_from_slice(&value);
        Some(())
    }

    fn write_u16(self, bytes: &mut [u8], at: usize, value: u16) -> Option<()> {
        let value = if self.is_big_endian { value.to_be_bytes() } else { value.to_le_bytes() };
        bytes.get_mut(at..)?.get_mut(..2)?.copy_from_slice(&value);
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Big endian: one directory with an orientation of 6, and a second one for a thumbnail.
    fn sample() -> Vec<u8> {
        let mut exif = b"MM\0\x2A\0\0\0\x08\0\x01".to_vec();
        exif.extend([0x01, 0x12, 0, 3, 0, 0, 0, 1, 0, 6, 0, 0]);
        exif.extend([0, 0, 0, 26]);
        exif.extend([0, 0, 0, 0, 0, 0]);
        exif
    }

    #[test]
    fn upright_pixels_are_said_to_be_upright_and_have_no_thumbnail() {
        let exif = sample();
        assert_eq!(orientation(&exif).map(Orientation::value), Some(6));
        let upright = upright(&exif).expect("the sample can be mended");
        assert_eq!(orientation(&upright).map(Orientation::value), Some(1));
        assert_eq!(upright[22..26], [0, 0, 0, 0]);
    }

    /// Programs that are less strict write a byte, or a long number, where a short one belongs.
    #[test]
    fn a_number_is_read_and_mended_however_long_it_is() {
        for (kind, mark) in
            [BYTE, SHORT, LONG].into_iter().flat_map(|kind| [(kind, b"MM\0\x2A"), (kind, b"II\x2A\0")])
        {
            let mut exif = [mark.as_slice(), &[0; 22]].concat();
            let order = Order::of(&exif).expect("it has a mark");
            order.write_u32(&mut exif, 4, 8).expect("where the directory is");
            order.write_u16(&mut exif, 8, 1).expect("how many fields it has");
            order.write_u16(&mut exif, 10, ORIENTATION).expect("the name of the field");
            order.write_u16(&mut exif, 12, kind).expect("its kind");
            order.write_u32(&mut exif, 14, 1).expect("how many it holds");
            match kind {
                BYTE => exif[18] = 6,
                SHORT => order.write_u16(&mut exif, 18, 6).expect("there is room"),
                _ => order.write_u32(&mut exif, 18, 6).expect("there is room"),
            }
            assert_eq!(orientation(&exif).map(Orientation::value), Some(6), "{kind} {mark:?}");
            let upright = upright(&exif).expect("it can be mended");
            assert_eq!(orientation(&upright).map(Orientation::value), Some(1), "{kind} {mark:?}");
        }
    }

    /// Little endian: a width, the name of an artist, and a directory with a time of exposure and notes of the maker.
    fn tiff() -> Vec<u8> {
        let mut tiff = b"II*\0\x08\0\0\0\x03\0".to_vec();
        tiff.extend([0x00, 0x01, 3, 0, 1, 0, 0, 0, 9, 0, 0, 0]);
        tiff.extend([0x3B, 0x01, 2, 0, 7, 0, 0, 0, 50, 0, 0, 0]);
        tiff.extend([0x69, 0x87, 4, 0, 1, 0, 0, 0, 58, 0, 0, 0]);
        tiff.extend([0; 4]);
        tiff.extend(b"nobody\0\0");
        tiff.extend([2, 0, 0x9A, 0x82, 5, 0, 1, 0, 0, 0, 88, 0, 0, 0]);
        tiff.extend([0x7C, 0x92, 7, 0, 8, 0, 0, 0, 88, 0, 0, 0]);
        tiff.extend([0; 4]);
        tiff.extend([1, 0, 0, 0, 250, 0, 0, 0]);
        tiff
    }

    #[test]
    fn of_a_tiff_what_is_not_about_pixels_is_copied() {
        let exif = of_tiff(&tiff()).expect("there is an artist");
        let order = Order::of(&exif).expect("it begins as the TIFF");
        let at = |entry: usize| order.u32(&exif, entry + 8).expect("it is whole");
        assert_eq!(order.u16(&exif, 8), Some(2), "without the width");
        let artist = entry(&exif, order, 8, 0x013B).expect("the artist");
        assert_eq!(exif[at(artist) as usize..][..7], *b"nobody\0");
        let directory = at(entry(&exif, order, 8, EXIF_DIRECTORY).expect("the directory"));
        let exposure = entry(&exif, order, directory, 0x829A).expect("the time");
        assert_eq!(exif[at(exposure) as usize..][..8], [1, 0, 0, 0, 250, 0, 0, 0]);
        assert_eq!(entry(&exif, order, directory, 0x927C), None, "the maker's notes");
        assert_eq!(of_tiff(&exif), Some(exif), "a copy of it is the same");
    }

    #[test]
    fn what_is_copied_is_bounded() {
        // Many fields that all hold the same kilobyte, and a directory that is the first one.
        let mut tiff = b"II*\0\x08\0\0\0\xFF\xFF".to_vec();
        tiff.extend([0x69, 0x87, 4, 0, 1, 0, 0, 0, 8, 0, 0, 0]);
        tiff.extend([0x3B, 0x01, 2, 0, 0, 4, 0, 0, 20, 0, 0, 0].repeat(0xFFFE));
        let exif = of_tiff(&tiff).expect("an artist");
        assert!((50_000..70_000).contains(&exif.len()), "{}", exif.len());
    }

    #[test]
    fn no_prefix_of_the_fields_does_harm() {
        for exif in [sample(), tiff()] {
            for length in 0..exif.len() {
                orientation(&exif[..length]);
                upright(&exif[..length]);
                of_tiff(&exif[..length]);
            }
        }
    }
}

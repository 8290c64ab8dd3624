//! The two EXIF fields that matter once the pixels are upright and in sRGB.
//!
//! EXIF is a TIFF without pixels. Only the first directory and the one it names are looked at, each once,
//! so neither a loop nor a count of four thousand million costs anything.

use super::Orientation;

const ORIENTATION: u16 = 0x0112;
const EXIF_DIRECTORY: u16 = 0x8769;
const COLOUR_SPACE: u16 = 0xA001;

/// How a field says what it holds.
const BYTE: u16 = 1;
const SHORT: u16 = 3;
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
        order.write_u16(&mut upright, entry + 8, 1)?;
    }
    if let Some(entry) = entry(exif, order, first, EXIF_DIRECTORY)
        && let Some(entry) = self::entry(exif, order, order.u32(exif, entry + 8)?, COLOUR_SPACE)
    {
        order.write_u16(&mut upright, entry + 8, 1)?;
    }
    let count = usize::from(order.u16(exif, first as usize)?);
    upright.get_mut(first as usize + 2 + 12 * count..)?.get_mut(..4)?.fill(0);
    Some(upright)
}

/// The file of a TIFF with another number in a field of its first directory, if it has that field.
pub(super) fn with_short(tiff: &[u8], tag: u16, value: u16) -> Option<Vec<u8>> {
    let order = Order::of(tiff)?;
    let entry = entry(tiff, order, order.u32(tiff, 4)?, tag)?;
    let mut patched = tiff.to_vec();
    order.write_u16(&mut patched, entry + 8, value)?;
    Some(patched)
}

/// What a field of the first directory of a TIFF holds, where that is one short number.
pub(super) fn short(tiff: &[u8], tag: u16) -> Option<u16> {
    let order = Order::of(tiff)?;
    let entry = entry(tiff, order, order.u32(tiff, 4)?, tag)?;
    (order.u16(tiff, entry + 2)? == SHORT).then(|| order.u16(tiff, entry + 8))?
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

    #[test]
    fn no_prefix_of_the_fields_does_harm() {
        let exif = sample();
        for length in 0..exif.len() {
            orientation(&exif[..length]);
            upright(&exif[..length]);
        }
    }
}

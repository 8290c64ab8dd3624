use tiff::ColorType;
use tiff::decoder::DecodingResult;
use tiff::tags::Tag;

use super::sixteen;
use crate::picture::Refused;
use crate::picture::container::{Container, tiff as directory};
use crate::picture::pixels::{Layout, Pixels};

/// Of `ExtraSamples`: alpha that has been multiplied into the colours.
const PREMULTIPLIED: u16 = 1;

/// Beside pixels there are maps of colours, and the headers of a JPEG.
const TABLES: u64 = 64 << 10;

/// The first page.
pub(super) fn decode(container: &Container<'_>) -> Result<Pixels, Refused> {
    let header = &container.header;
    // All pixels, and what is compressed is no larger, but for tables.
    let bytes = header.colour.channels() * if header.depth > 8 { 2 } else { 1 };
    let most = header.pixels().saturating_mul(bytes).saturating_add(TABLES);
    let mut reader = directory::reader(container.body, most)?;
    let colour = reader.colortype().map_err(directory::refused)?;
    if reader.find_tag_unsigned::<u16>(Tag::PlanarConfiguration).map_err(directory::refused)? == Some(2) {
        return Err(Refused::unsupported("a TIFF with a plane for each channel"));
    }
    let extra = reader.find_tag_unsigned_vec::<u16>(Tag::ExtraSamples).ok().flatten();
    let is_premultiplied = extra.is_some_and(|extra| extra.first() == Some(&PREMULTIPLIED));
    let colours = match directory::has_palette(container.body) {
        true => Some(reader.get_tag_u16_vec(Tag::ColorMap).map_err(directory::refused)?),
        false => None,
    };
    let values = match reader.read_image().map_err(directory::refused)? {
        DecodingResult::U8(values) => values,
        DecodingResult::U16(values) => values.into_iter().map(sixteen::level).collect(),
        _ => return Err(Refused::unsupported(directory::NO_SHORT_INTEGERS)),
    };
    let (width, height) = (header.width as usize, header.height as usize);
    let (layout, mut data) = match (colour, &colours) {
        (ColorType::Gray(depth @ 1..=8), Some(map)) => {
            (Layout::Rgb, look_up(&unpack(&values, depth, width), map)?)
        }
        (ColorType::Gray(depth @ 1..8), None) => {
            (Layout::Gray, levels(&unpack(&values, depth, width), depth))
        }
        (ColorType::Gray(_), None) => (Layout::Gray, values),
        (ColorType::Multiband { num_samples: 2, .. }, None) => {
            let (pixels, _) = values.as_chunks::<2>();
            (Layout::Rgba, pixels.iter().flat_map(|[l, a]| [*l, *l, *l, *a]).collect())
        }
        (ColorType::RGB(_), None) => (Layout::Rgb, values),
        (ColorType::YCbCr(_), None) => (Layout::Rgb, to_rgb(values)),
        (ColorType::RGBA(_), None) => (Layout::Rgba, values),
        (ColorType::CMYK(_), None) => (Layout::Cmyk, values),
        (other, _) => return Err(Refused::Unsupported { what: format!("a TIFF of {other:?}") }),
    };
    if data.len() != width * height * layout.channels() {
        return Err(Refused::damaged("a TIFF with more or fewer pixels than it says"));
    }
    if is_premultiplied && layout == Layout::Rgba {
        divide_alpha(&mut data);
    }
    Ok(Pixels::new(header.width, header.height, layout, data))
}

/// One value a byte, from rows in which several share one.
fn unpack(packed: &[u8], depth: u8, width: usize) -> Vec<u8> {
    if depth >= 8 || width == 0 {
        return packed.to_vec();
    }
    let (depth, in_byte) = (usize::from(depth), 8 / usize::from(depth.max(1)));
    let mask = ((1u16 << depth) - 1) as u8;
    let rows = packed.chunks_exact((width * depth).div_ceil(8));
    let value = |row: &[u8], x: usize| row[x / in_byte] >> (8 - depth - x % in_byte * depth) & mask;
    rows.flat_map(|row| (0..width).map(move |x| value(row, x))).collect()
}

/// Spread over all 256 levels.
fn levels(values: &[u8], depth: u8) -> Vec<u8> {
    let most = (1u16 << depth) - 1;
    values.iter().map(|value| (u16::from(*value) * 255 / most) as u8).collect()
}

/// The map has all reds, then all greens, then all blues.
fn look_up(indices: &[u8], map: &[u16]) -> Result<Vec<u8>, Refused> {
    let count = map.len() / 3;
    let entry = |index: usize, part: usize| map.get(part * count + index).map(|value| sixteen::level(*value));
    let mut data = Vec::with_capacity(indices.len() * 3);
    for index in indices.iter().map(|index| usize::from(*index)) {
        if index >= count {
            return Err(Refused::damaged("a TIFF with a colour outside of its map"));
        }
        data.extend((0..3).filter_map(|part| entry(index, part)));
    }
    Ok(data)
}

/// Luminance and differences of colours, which the decoder hands over as they are, to colours: by the numbers of JPEG.
fn to_rgb(mut values: Vec<u8>) -> Vec<u8> {
    let (pixels, _) = values.as_chunks_mut::<3>();
    for pixel in pixels {
        let [y, cb, cr] = pixel.map(f32::from);
        let (cb, cr) = (cb - 128.0, cr - 128.0);
        let colours = [y + 1.402 * cr, y - 0.344_136 * cb - 0.714_136 * cr, y + 1.772 * cb];
        *pixel = colours.map(|colour| colour.round() as u8);
    }
    values
}

fn divide_alpha(rgba: &mut [u8]) {
    let (pixels, _) = rgba.as_chunks_mut::<4>();
    for [colours @ .., alpha] in pixels {
        for colour in colours {
            let divided = (u16::from(*colour) * 255 + u16::from(*alpha) / 2).checked_div((*alpha).into());
            *colour = divided.map_or(0, |divided| divided.min(255) as u8);
        }
    }
}

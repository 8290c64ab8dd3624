use std::borrow::Cow;
use std::io;

use png::{BitDepth, ColorType, Compression, Decoder, DecodingError, Encoder, Info, Limits, Transformations};

use super::sixteen;
use crate::picture::container::Container;
use crate::picture::pixels::{Layout, Pixels};
use crate::picture::{Refused, Stage};

/// Row by row, so that 16 bits a channel are never held for all of the picture; but for interlaced ones.
///
/// Text and profile are not read here: both may inflate to anything.
pub(super) fn decode(container: &Container<'_>) -> Result<Pixels, Refused> {
    // What the decoder may allocate beside the rows: those are ours, and bounded by the plan.
    let limits = Limits { bytes: 64 << 20 };
    let mut decoder = Decoder::new_with_limits(io::Cursor::new(container.body), limits);
    decoder.set_ignore_text_chunk(true);
    decoder.set_ignore_iccp_chunk(true);
    // Palettes to colours, what is transparent to alpha, fewer bits than 8 to 8.
    decoder.set_transformations(Transformations::EXPAND);
    let mut reader = decoder.read_info().map_err(refused)?;
    let (colour, depth) = reader.output_color_type();
    let (width, height) = (reader.info().width, reader.info().height);
    if (width, height) != (container.header.width, container.header.height) {
        return Err(Refused::damaged("a PNG with two headers"));
    }
    let layout = match colour {
        ColorType::Grayscale => Layout::Gray,
        ColorType::Rgb => Layout::Rgb,
        ColorType::GrayscaleAlpha | ColorType::Rgba => Layout::Rgba,
        ColorType::Indexed => return Err(Refused::damaged("a palette that does not expand")),
    };
    let row = row_converter(colour, depth);
    let mut data = Vec::new();
    let length = width as usize * height as usize * layout.channels();
    if reader.info().interlaced {
        let size = reader.output_buffer_size().ok_or_else(|| Refused::damaged("a PNG of no size"))?;
        let mut whole = vec![0; size];
        reader.next_frame(&mut whole).map_err(refused)?;
        if (colour, depth) == (ColorType::Rgb, BitDepth::Eight) {
            data = whole;
        } else {
            data.reserve_exact(length);
            row(&whole, &mut data);
        }
    } else {
        data.reserve_exact(length);
        while let Some(line) = reader.next_row().map_err(refused)? {
            row(line.data(), &mut data);
        }
    }
    if data.len() != length {
        return Err(Refused::Truncated);
    }
    Ok(Pixels::new(width, height, layout, data))
}

/// Appends a row in our own layout.
fn row_converter(colour: ColorType, depth: BitDepth) -> fn(&[u8], &mut Vec<u8>) {
    fn narrow(high: u8, low: u8) -> u8 {
        sixteen::level(u16::from_be_bytes([high, low]))
    }
    match (colour, depth) {
        (ColorType::GrayscaleAlpha, BitDepth::Sixteen) => |row, data| {
            let (pixels, _) = row.as_chunks::<4>();
            data.extend(pixels.iter().flat_map(|[l, l_low, a, a_low]| {
                let (l, a) = (narrow(*l, *l_low), narrow(*a, *a_low));
                [l, l, l, a]
            }));
        },
        (ColorType::GrayscaleAlpha, _) => |row, data| {
            let (pixels, _) = row.as_chunks::<2>();
            data.extend(pixels.iter().flat_map(|[l, a]| [*l, *l, *l, *a]));
        },
        (_, BitDepth::Sixteen) => |row, data| {
            let (values, _) = row.as_chunks::<2>();
            data.extend(values.iter().map(|[high, low]| narrow(*high, *low)));
        },
        _ => |row, data| data.extend_from_slice(row),
    }
}

/// 8 bits a channel, compressed as far as it comes at a fair speed.
pub(super) fn encode(pixels: &Pixels, profile: Option<&[u8]>) -> Result<Vec<u8>, Refused> {
    let failed =
        |error: png::EncodingError| Refused::Failed { stage: Stage::Encode, reason: error.to_string() };
    let mut info = Info::with_size(pixels.width, pixels.height);
    info.bit_depth = BitDepth::Eight;
    info.color_type = match pixels.layout {
        Layout::Gray => ColorType::Grayscale,
        Layout::Rgb => ColorType::Rgb,
        // There are no inks left once a picture has been resized.
        Layout::Rgba | Layout::Cmyk => ColorType::Rgba,
    };
    info.icc_profile = profile.map(Cow::Borrowed);
    info.exif_metadata = pixels.exif.as_deref().map(Cow::Borrowed);
    let mut bytes = Vec::new();
    let mut encoder = Encoder::with_info(&mut bytes, info).map_err(failed)?;
    encoder.set_compression(Compression::Balanced);
    let mut writer = encoder.write_header().map_err(failed)?;
    writer.write_image_data(&pixels.data).map_err(failed)?;
    writer.finish().map_err(failed)?;
    Ok(bytes)
}

fn refused(error: DecodingError) -> Refused {
    match error {
        DecodingError::IoError(error) if error.kind() == io::ErrorKind::UnexpectedEof => Refused::Truncated,
        // Said there with the names that chunks have in programs.
        DecodingError::Format(error) if error.to_string().starts_with("CRC error") => {
            Refused::damaged("a chunk with a wrong checksum")
        }
        other => Refused::damaged(other),
    }
}

//! Two decoders: one that is faster, and one that knows more.
//!
//! zune-jpeg takes less time for a whole picture, and makes no copy of it in between. jpeg-decoder can reduce while it
//! decodes, knows inks, and is the judge of what is damaged: what the other one does not take without a doubt is its own.

use std::io;

use zune_jpeg::JpegDecoder;
use zune_jpeg::zune_core::bytestream::ZCursor;
use zune_jpeg::zune_core::colorspace::ColorSpace;
use zune_jpeg::zune_core::options::DecoderOptions;

use crate::picture::container::Container;
use crate::picture::pixels::{Layout, Pixels};
use crate::picture::{Colour, Plan, Refused};

/// The longest side that a JPEG can have.
const LONGEST: usize = u16::MAX as usize;

/// At the plan's scale.
pub(in crate::picture::codec) fn decode(container: &Container<'_>, plan: &Plan) -> Result<Pixels, Refused> {
    if !container.is_whole {
        return Err(Refused::Truncated);
    }
    let header = &container.header;
    // Where the channels come one after the other, the faster one holds more than the weight allows for; and a luminance
    // that is stored smaller than the colours it spreads to the wrong places.
    let is_plain =
        header.colour == Colour::Rgb && (header.scans == 1 || header.is_progressive) && !container.is_coarse;
    if plan.denominator() == 1
        && is_plain
        && let Some(pixels) = whole(container)
    {
        return Ok(pixels);
    }
    at_scale(container, plan)
}

/// All of it, if it is as the standard says in every respect and its colours are those of most photographs.
fn whole(container: &Container<'_>) -> Option<Pixels> {
    let options = DecoderOptions::default()
        .set_strict_mode(true)
        .set_max_width(LONGEST)
        .set_max_height(LONGEST)
        .jpeg_set_out_colorspace(ColorSpace::RGB);
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(container.body), options);
    decoder.decode_headers().ok()?;
    let (width, height) = (container.header.width, container.header.height);
    let is_same = decoder.dimensions() == Some((width as usize, height as usize));
    if !is_same || decoder.input_colorspace() != Some(ColorSpace::YCbCr) {
        return None;
    }
    let data = decoder.decode().ok()?;
    Some(Pixels::new(width, height, Layout::Rgb, data))
}

fn at_scale(container: &Container<'_>, plan: &Plan) -> Result<Pixels, Refused> {
    let (width, height) = plan.decoded();
    let mut decoder = jpeg_decoder::Decoder::new(container.body);
    if plan.denominator() > 1 {
        // By the longer side alone: a short one is one pixel at several scales, of which the decoder takes the smallest.
        let longer =
            |side, other| if side < other { u16::MAX } else { u16::try_from(side).unwrap_or(u16::MAX) };
        decoder.scale(longer(width, height), longer(height, width)).map_err(refused)?;
    }
    decoder.read_info().map_err(refused)?;
    let read = decoder.info().map(|info| (u32::from(info.width), u32::from(info.height)));
    if read != Some((width, height)) {
        return Err(Refused::damaged("the decoder reads another size than the header's"));
    }
    let mut data = decoder.decode().map_err(refused)?;
    let layout = match data.len() / (width as usize * height as usize) {
        1 => Layout::Gray,
        3 => Layout::Rgb,
        4 => Layout::Cmyk,
        _ => return Err(Refused::damaged("the decoder reads other channels than the header's")),
    };
    if layout == Layout::Cmyk && !container.is_adobe {
        // The decoder takes all inks for inverted, as Adobe's programs store them. Others do not.
        for ink in &mut data {
            *ink = 255 - *ink;
        }
    }
    Ok(Pixels::new(width, height, layout, data))
}

fn refused(error: jpeg_decoder::Error) -> Refused {
    match error {
        jpeg_decoder::Error::Io(error) if error.kind() == io::ErrorKind::UnexpectedEof => Refused::Truncated,
        jpeg_decoder::Error::Unsupported(feature) => {
            Refused::Unsupported { what: format!("JPEG: {feature:?}") }
        }
        jpeg_decoder::Error::Format(reason) => Refused::Damaged { reason },
        other => Refused::damaged(other),
    }
}

use std::borrow::Cow;
use std::io;

use jpeg_encoder::{ChromaSubsamplingMethod, ColorType, Encoder, SamplingFactor};

use crate::picture::container::Container;
use crate::picture::pixels::{Layout, Pixels};
use crate::picture::{Plan, Refused, Stage};

/// Below this quality colours are stored at half the size: what it saves is seen, what it loses is not.
pub(in crate::picture) const FULL_COLOUR_FROM: u8 = 90;

/// At the plan's scale.
pub(super) fn decode(container: &Container<'_>, plan: &Plan) -> Result<Pixels, Refused> {
    if !container.is_whole {
        return Err(Refused::Truncated);
    }
    let (width, height) = plan.decoded();
    let too_large = |_| Refused::damaged("a JPEG too large for its format");
    let mut decoder = jpeg_decoder::Decoder::new(container.body);
    let scaled = decoder
        .scale(width.try_into().map_err(too_large)?, height.try_into().map_err(too_large)?)
        .map_err(refused)?;
    if (u32::from(scaled.0), u32::from(scaled.1)) != (width, height) {
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

/// Baseline, with Huffman tables made for this picture; what is transparent is laid on white.
pub(super) fn encode(pixels: &Pixels, quality: u8, profile: Option<&[u8]>) -> Result<Vec<u8>, Refused> {
    let failed = |error: jpeg_encoder::EncodingError| Refused::Failed {
        stage: Stage::Encode,
        reason: error.to_string(),
    };
    let mut bytes = Vec::new();
    let mut encoder = Encoder::new(&mut bytes, quality);
    let is_full = quality >= FULL_COLOUR_FROM;
    encoder.set_sampling_factor(if is_full { SamplingFactor::F_1_1 } else { SamplingFactor::F_2_2 });
    encoder.set_chroma_subsampling_method(ChromaSubsamplingMethod::Average);
    encoder.set_optimized_huffman_tables(true);
    if let Some(exif) = &pixels.exif {
        // More than a segment holds was never in a JPEG; of another format it is left behind.
        if exif.len() < 65_000 {
            encoder.add_exif_metadata(exif).map_err(failed)?;
        }
    }
    if let Some(profile) = profile {
        encoder.add_icc_profile(profile).map_err(failed)?;
    }
    let (data, colour) = match pixels.layout {
        Layout::Gray => (Cow::Borrowed(&pixels.data), ColorType::Luma),
        Layout::Rgb => (Cow::Borrowed(&pixels.data), ColorType::Rgb),
        Layout::Rgba => (Cow::Owned(on_white(&pixels.data)), ColorType::Rgb),
        Layout::Cmyk => (Cow::Borrowed(&pixels.data), ColorType::Cmyk),
    };
    let side = |side: u32| u16::try_from(side).unwrap_or(u16::MAX);
    encoder.encode(&data, side(pixels.width), side(pixels.height), colour).map_err(failed)?;
    Ok(bytes)
}

fn on_white(rgba: &[u8]) -> Vec<u8> {
    let (pixels, _) = rgba.as_chunks::<4>();
    let laid = |colour: u8, alpha: u8| {
        ((u32::from(colour) * u32::from(alpha) + 255 * (255 - u32::from(alpha)) + 127) / 255) as u8
    };
    pixels.iter().flat_map(|[r, g, b, a]| [laid(*r, *a), laid(*g, *a), laid(*b, *a)]).collect()
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

use std::borrow::Cow;

use jpeg_encoder::{ChromaSubsamplingMethod, ColorType, Encoder, SamplingFactor};

use super::FULL_COLOUR_FROM;
use crate::picture::pixels::{Layout, Pixels};
use crate::picture::{Refused, Stage};

/// Baseline, with Huffman tables made for this picture; what is transparent is laid on white.
pub(in crate::picture::codec) fn encode(
    pixels: &Pixels,
    quality: u8,
    profile: Option<&[u8]>,
) -> Result<Vec<u8>, Refused> {
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

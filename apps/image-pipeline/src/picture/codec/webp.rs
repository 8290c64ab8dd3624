use std::borrow::Cow;
use std::io;

use image::codecs::webp::WebPDecoder;
use image::{ColorType, ImageDecoder as _};
use webp::{Encoder, PixelLayout};

use super::refused;
use crate::picture::container::Container;
use crate::picture::pixels::{Layout, Pixels};
use crate::picture::{Refused, Stage};

/// In Rust: what comes from outside is not given to C.
pub(super) fn decode(container: &Container<'_>) -> Result<Pixels, Refused> {
    if !container.is_whole {
        return Err(Refused::Truncated);
    }
    let decoder = WebPDecoder::new(io::Cursor::new(container.body)).map_err(refused)?;
    let (width, height) = decoder.dimensions();
    if (width, height) != (container.header.width, container.header.height) {
        return Err(Refused::damaged("the decoder reads another size than the header's"));
    }
    let layout = if decoder.color_type() == ColorType::Rgba8 { Layout::Rgba } else { Layout::Rgb };
    let mut data = vec![0; width as usize * height as usize * layout.channels()];
    decoder.read_image(&mut data).map_err(refused)?;
    Ok(Pixels::new(width, height, layout, data))
}

/// Lossy, by libwebp.
pub(super) fn encode(pixels: &Pixels, quality: u8, profile: Option<&[u8]>) -> Result<Vec<u8>, Refused> {
    let (data, layout) = match pixels.layout {
        Layout::Gray => (Cow::Owned(pixels.data.iter().flat_map(|l| [*l; 3]).collect()), PixelLayout::Rgb),
        Layout::Rgb => (Cow::Borrowed(pixels.data.as_slice()), PixelLayout::Rgb),
        Layout::Rgba | Layout::Cmyk => (Cow::Borrowed(pixels.data.as_slice()), PixelLayout::Rgba),
    };
    let encoder = Encoder::new(&data, layout, pixels.width, pixels.height);
    let encoded = encoder
        .encode_simple(false, quality.into())
        .map_err(|error| Refused::Failed { stage: Stage::Encode, reason: format!("{error:?}") })?;
    if profile.is_none() && pixels.exif.is_none() {
        return Ok(encoded.to_vec());
    }
    Ok(with_metadata(&encoded, pixels, profile, pixels.exif.as_deref()))
}

/// The same file in the extended form, which is the one that can hold metadata.
fn with_metadata(encoded: &[u8], pixels: &Pixels, profile: Option<&[u8]>, exif: Option<&[u8]>) -> Vec<u8> {
    const PROFILE: u8 = 0x20;
    const ALPHA: u8 = 0x10;
    const EXIF: u8 = 0x08;
    // What libwebp wrote behind the twelve bytes of the container: with alpha that is extended already.
    let mut chunks = encoded.get(12..).unwrap_or_default();
    if chunks.starts_with(b"VP8X") {
        chunks = chunks.get(18..).unwrap_or_default();
    }
    let mut flags = if pixels.layout == Layout::Rgba { ALPHA } else { 0 };
    flags |= if profile.is_some() { PROFILE } else { 0 };
    flags |= if exif.is_some() { EXIF } else { 0 };
    let mut header = vec![flags, 0, 0, 0];
    header.extend_from_slice(&(pixels.width - 1).to_le_bytes()[..3]);
    header.extend_from_slice(&(pixels.height - 1).to_le_bytes()[..3]);

    let mut body = b"WEBP".to_vec();
    push(&mut body, b"VP8X", &header);
    if let Some(profile) = profile {
        push(&mut body, b"ICCP", profile);
    }
    body.extend_from_slice(chunks);
    if let Some(exif) = exif {
        push(&mut body, b"EXIF", exif);
    }
    let mut file = Vec::with_capacity(body.len() + 8);
    push(&mut file, b"RIFF", &body);
    file
}

/// A chunk: name, length, content, and a zero where that is odd.
fn push(to: &mut Vec<u8>, name: &[u8; 4], content: &[u8]) {
    to.extend_from_slice(name);
    to.extend_from_slice(&u32::try_from(content.len()).unwrap_or(u32::MAX).to_le_bytes());
    to.extend_from_slice(content);
    to.resize(to.len() + content.len() % 2, 0);
}

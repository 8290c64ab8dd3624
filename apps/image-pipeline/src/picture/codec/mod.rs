//! Each format to pixels, and pixels to each format.

mod gif;
mod jpeg;
mod png;
mod sixteen;
mod tiff;
mod webp;

pub(super) use self::jpeg::FULL_COLOUR_FROM;
use super::container::Container;
use super::pixels::Pixels;
use super::{Format, Plan, Refused, Settings};

/// To pixels; their profile and EXIF are the caller's to add.
pub(super) fn decode(container: &Container<'_>, plan: &Plan) -> Result<Pixels, Refused> {
    match container.header.format {
        Format::Jpeg => jpeg::decode(container, plan),
        Format::Png => png::decode(container),
        Format::WebP => webp::decode(container),
        Format::Gif => gif::decode(container),
        Format::Tiff => tiff::decode(container),
    }
}

/// To a file. `profile` is embedded, and the EXIF of the pixels where they have any.
pub(super) fn encode(
    pixels: &Pixels,
    format: Format,
    settings: &Settings,
    profile: Option<&[u8]>,
) -> Result<Vec<u8>, Refused> {
    let quality = settings.quality.clamp(1, 100);
    match format {
        Format::Jpeg => jpeg::encode(pixels, quality, profile),
        Format::WebP => webp::encode(pixels, quality, profile),
        // A plan asks for none of the others.
        Format::Png | Format::Gif | Format::Tiff => png::encode(pixels, profile),
    }
}

/// An error of the `image` crate, by what it means for the file.
fn refused(error: image::ImageError) -> Refused {
    match error {
        image::ImageError::Unsupported(error) => Refused::Unsupported { what: error.to_string() },
        image::ImageError::IoError(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => {
            Refused::Truncated
        }
        other => Refused::damaged(other),
    }
}

use std::fmt;

use super::{Refused, container};

/// A format, known by its first bytes and never by a file's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Format {
    /// JPEG, baseline or progressive; of an MPO its first picture.
    Jpeg,
    /// PNG; of an APNG its default picture.
    Png,
    /// WebP, lossy or lossless; of an animation its first frame.
    WebP,
    /// GIF, its first frame. Read only.
    Gif,
    /// TIFF, its first page. Read only.
    Tiff,
}

/// How the stored picture is turned to be seen upright: EXIF's eight values.
///
/// ```
/// use image_pipeline::picture::Orientation;
///
/// assert_eq!(Orientation::new(6).map(Orientation::swaps_sides), Some(true));
/// assert_eq!(Orientation::new(9), None);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Orientation(u8);

/// What the stored numbers mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Colour {
    /// Luminance.
    Gray,
    /// Luminance and alpha.
    GrayAlpha,
    /// Red, green, blue, also where they are stored as YCbCr.
    Rgb,
    /// Red, green, blue, alpha.
    Rgba,
    /// Indices into a table of colours, some of which may be transparent.
    Palette,
    /// Cyan, magenta, yellow, black, also where they are stored as YCCK.
    Cmyk,
}

/// What the first part of a file says, without a pixel decoded.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Header {
    /// By content.
    pub format: Format,
    /// As stored, in pixels, at least 1.
    pub width: u32,
    /// As stored, in pixels, at least 1.
    pub height: u32,
    /// From EXIF or TIFF; upright where there is none.
    pub orientation: Orientation,
    /// As stored.
    pub colour: Colour,
    /// Bits a channel, 1 to 64; of a palette the bits of an index.
    pub depth: u8,
    /// There is more than one frame, page or, in a JPEG, picture; the first is taken.
    pub has_more_frames: bool,
    /// A colour profile is embedded, or a PNG has code points of other colours than those of sRGB.
    pub has_icc: bool,
    /// A JPEG that comes in several passes.
    pub is_progressive: bool,
    /// Passes of a JPEG, 1 for everything else.
    pub scans: u32,
    /// What the decoder holds beside the pixels that it hands over, in bytes. Of a JPEG these are all channels as they
    /// are stored, subsampled and in whole blocks, and less at a reduced scale.
    pub(super) beside: u64,
    /// The most bytes that the colour profile may have.
    pub(super) profile: u64,
}

/// Reads the header, and nothing else, of a picture.
///
/// # Errors
///
/// [`Refused::Empty`], [`Refused::NotAPicture`] if the first bytes are unknown, [`Refused::Unsupported`] for a format that is
/// known and not read, [`Refused::Truncated`] or [`Refused::Damaged`] where the header is not whole.
///
/// ```
/// use image_pipeline::picture::{Refused, probe};
///
/// assert_eq!(probe(b"<!DOCTYPE html>"), Err(Refused::NotAPicture));
/// ```
pub fn probe(bytes: &[u8]) -> Result<Header, Refused> {
    container::open(bytes).map(|container| container.header)
}

// === impl Format ===

impl Format {
    /// The ending of a file's name: `jpg`, `png`, `webp`, `gif`, `tif`.
    pub fn extension(self) -> &'static str {
        match self {
            Self::Jpeg => "jpg",
            Self::Png => "png",
            Self::WebP => "webp",
            Self::Gif => "gif",
            Self::Tiff => "tif",
        }
    }

    /// What an HTTP header calls it.
    pub fn media_type(self) -> &'static str {
        match self {
            Self::Jpeg => "image/jpeg",
            Self::Png => "image/png",
            Self::WebP => "image/webp",
            Self::Gif => "image/gif",
            Self::Tiff => "image/tiff",
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Jpeg => "JPEG",
            Self::Png => "PNG",
            Self::WebP => "WebP",
            Self::Gif => "GIF",
            Self::Tiff => "TIFF",
        })
    }
}

// === impl Colour ===

impl Colour {
    /// Bytes of a pixel once it is decoded, at the most: a palette may have colours that are transparent.
    pub(super) fn channels(self) -> u64 {
        match self {
            Self::Gray => 1,
            Self::Rgb => 3,
            Self::GrayAlpha | Self::Rgba | Self::Palette | Self::Cmyk => 4,
        }
    }
}

// === impl Orientation ===

impl Orientation {
    /// Stored as it is seen.
    pub const UPRIGHT: Self = Self(1);

    /// `None` unless 1 to 8.
    pub fn new(value: u16) -> Option<Self> {
        u8::try_from(value).ok().filter(|value| (1..=8).contains(value)).map(Self)
    }

    /// EXIF's number, 1 to 8.
    pub fn value(self) -> u8 {
        self.0
    }

    /// Width and height change places.
    pub fn swaps_sides(self) -> bool {
        self.0 >= 5
    }
}

impl Default for Orientation {
    fn default() -> Self {
        Self::UPRIGHT
    }
}

// === impl Header ===

impl Header {
    /// Width and height as seen.
    pub fn upright(&self) -> (u32, u32) {
        if self.orientation.swaps_sides() { (self.height, self.width) } else { (self.width, self.height) }
    }

    /// Whether somebody may miss the others. Not those of a JPEG: cameras put previews, maps of depth and of brightness
    /// behind the picture.
    pub fn drops_frames(&self) -> bool {
        self.has_more_frames && self.format != Format::Jpeg
    }

    /// Width times height; some formats' headers can claim more than any memory holds.
    pub fn pixels(&self) -> u64 {
        u64::from(self.width) * u64::from(self.height)
    }
}

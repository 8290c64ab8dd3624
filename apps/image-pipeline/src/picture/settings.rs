/// What is asked of each picture.
///
/// ```
/// use image_pipeline::picture::{Settings, Size, Target};
///
/// let thumbnails = Settings { size: Size::Fit(400, 400), format: Target::WebP, ..Settings::default() };
/// assert_eq!(thumbnails.quality, 80);
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// How large it becomes. Default: as it is.
    pub size: Size,
    /// Which format it becomes. Default: as it is.
    pub format: Target,
    /// Of JPEG and WebP, 1 (smallest file) to 100 (best picture); numbers outside count as the nearer end.
    /// Default 80. PNG is lossless and knows none.
    pub quality: u8,
    /// Applied in this order, after resizing.
    pub filters: Vec<Filter>,
    /// Keeps EXIF, with the orientation reset to 1 since the pixels are upright, and embeds an sRGB
    /// profile where there are colours. Default: position, camera and all other metadata are stripped.
    pub keep_metadata: bool,
}

/// How large a picture becomes, in pixels as it is seen (after its orientation). Nothing is ever enlarged;
/// a side never becomes less than 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Size {
    /// As it is.
    Keep,
    /// The largest of its shape inside this width and height.
    Fit(u32, u32),
    /// The whole of this width and height; what stands out on two sides is cut off, equally. A picture
    /// smaller than that is cut to the part that it can fill.
    Fill(u32, u32),
    /// This width; the height follows.
    Width(u32),
    /// This height; the width follows.
    Height(u32),
}

/// Which format a picture becomes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// That of the input. GIF and TIFF become PNG.
    Keep,
    /// JPEG, 4:2:0 below quality 90 and 4:4:4 from there on. What is transparent is laid on white.
    Jpeg,
    /// PNG, 8 bits a channel.
    Png,
    /// Lossy WebP, with alpha.
    WebP,
}

/// A change of the resized picture.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Filter {
    /// A light unsharp mask, for what was made smaller: radius 1, half of the difference.
    Sharpen,
    /// A Gaussian blur of this standard deviation in pixels, 0.1 to 100.
    Blur(f32),
    /// Luminance only.
    Grayscale,
}

/// How much a file may ask for. Each is checked against the header, before anything is allocated.
///
/// ```
/// use image_pipeline::picture::Limits;
///
/// let mut limits = Limits::default();
/// limits.max_pixels = 20_000_000;
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Width times height. Default 100 million, which is above any camera in common use.
    pub max_pixels: u64,
    /// Scans of a progressive JPEG, each of which costs the time of a pass over the picture. Default 64;
    /// common encoders write about 10.
    pub max_scans: u32,
    /// Memory for one picture, in bytes, beside the file itself; see [`Plan::weight`](super::Plan::weight).
    /// What is heavier is decoded smaller, or refused. Default 512 MiB.
    pub max_weight: u64,
}

// === impl Settings ===

impl Default for Settings {
    fn default() -> Self {
        Self {
            size: Size::Keep,
            format: Target::Keep,
            quality: 80,
            filters: Vec::new(),
            keep_metadata: false,
        }
    }
}

// === impl Limits ===

impl Default for Limits {
    fn default() -> Self {
        Self { max_pixels: 100_000_000, max_scans: 64, max_weight: 512 << 20 }
    }
}

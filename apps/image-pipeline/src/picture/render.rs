use std::fmt;
use std::panic::{self, AssertUnwindSafe};
use std::time::{Duration, Instant};

use super::pixels::{Layout, Pixels};
use super::{
    Format, Limits, Plan, Refused, Settings, codec, colour, container, exif, filter, orient, resample,
};

/// A finished picture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Picture {
    /// The file's content.
    pub bytes: Vec<u8>,
    /// What it is.
    pub format: Format,
    /// In pixels.
    pub width: u32,
    /// In pixels.
    pub height: u32,
    /// What it took.
    pub times: Times,
}

/// How long each step of [`render`] took.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Times {
    /// From bytes to pixels.
    pub decode: Duration,
    /// From pixels to fewer pixels, with filters, colours and orientation.
    pub resize: Duration,
    /// From pixels to bytes.
    pub encode: Duration,
}

/// A step of [`render`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// From bytes to pixels.
    Decode,
    /// From pixels to fewer pixels.
    Resize,
    /// From pixels to bytes.
    Encode,
}

/// All of it: [`decode`], [`resize`], [`encode`]. The same bytes and settings give the same result, on
/// every processor that has the same vector instructions.
///
/// # Errors
///
/// Those of the three steps. A panic inside a codec is caught and becomes [`Refused::Failed`].
///
/// # Example
///
/// ```no_run
/// use image_pipeline::picture::{Limits, Settings, Size, plan, probe, render};
///
/// let bytes = std::fs::read("photo.jpg")?;
/// let settings = Settings { size: Size::Fit(400, 400), ..Settings::default() };
/// let limits = Limits::default();
/// let plan = plan(&probe(&bytes)?, &settings, &limits)?;
/// let picture = render(&bytes, &plan, &settings, &limits)?;
/// std::fs::write("thumbnail.jpg", &picture.bytes)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn render(bytes: &[u8], plan: &Plan, settings: &Settings, limits: &Limits) -> Result<Picture, Refused> {
    let start = Instant::now();
    let pixels = decode(bytes, plan, settings, limits)?;
    let decoded = Instant::now();
    let pixels = resize(pixels, plan, settings)?;
    let resized = Instant::now();
    let bytes = encode(&pixels, plan, settings)?;
    let times = Times { decode: decoded - start, resize: resized - decoded, encode: resized.elapsed() };
    Ok(Picture { bytes, format: plan.format(), width: pixels.width, height: pixels.height, times })
}

/// From bytes to pixels, at the plan's scale. Nobody who reads them has to know the format.
///
/// # Errors
///
/// [`Refused::Truncated`], [`Refused::Damaged`], [`Refused::Unsupported`] or [`Refused::Failed`], and
/// [`Refused::Damaged`] if these are not the bytes that the plan was made for.
pub fn decode(bytes: &[u8], plan: &Plan, settings: &Settings, limits: &Limits) -> Result<Pixels, Refused> {
    let container = container::open(bytes)?;
    if container.header != *plan.header() {
        return Err(Refused::damaged("the file has changed since its header was read"));
    }
    if container.header.pixels() > limits.max_pixels {
        let (pixels, limit) = (container.header.pixels(), limits.max_pixels);
        return Err(Refused::TooManyPixels { pixels, limit });
    }
    let mut pixels = contained(Stage::Decode, || codec::decode(&container, plan))?;
    pixels.icc = container.icc();
    if settings.keep_metadata {
        pixels.exif = container.exif().and_then(|exif| exif::upright(&exif));
    }
    Ok(pixels)
}

/// To the plan's size; then colours to sRGB, filters, and the picture is turned upright.
///
/// # Errors
///
/// [`Refused::Failed`].
pub fn resize(pixels: Pixels, plan: &Plan, settings: &Settings) -> Result<Pixels, Refused> {
    contained(Stage::Resize, || {
        // Colours are converted once there are few of them: the two commute but for a rounding.
        let pixels = resample::resample(pixels, plan.part(), plan.stored())?;
        let pixels = colour::to_srgb(pixels);
        let pixels = settings.filters.iter().fold(pixels, |pixels, f| filter::apply(*f, pixels));
        Ok(orient::upright(without_idle_alpha(pixels), plan.header().orientation))
    })
}

/// From pixels to the bytes of a file.
///
/// # Errors
///
/// [`Refused::Failed`].
pub fn encode(pixels: &Pixels, plan: &Plan, settings: &Settings) -> Result<Vec<u8>, Refused> {
    // It is a profile of three colours, and of what is gray only a WebP has three.
    let is_gray = pixels.layout == Layout::Gray && plan.format() != Format::WebP;
    let profile = if settings.keep_metadata && !is_gray { colour::srgb_profile() } else { None };
    contained(Stage::Encode, || codec::encode(pixels, plan.format(), settings, profile.as_deref()))
}

/// The codecs in use and their versions, for `--version` and reports.
///
/// ```
/// assert!(image_pipeline::picture::codecs().iter().any(|(name, _)| *name == "jpeg-decoder"));
/// ```
pub fn codecs() -> Vec<(&'static str, String)> {
    CODECS.iter().map(|(name, version)| (*name, (*version).to_owned())).collect()
}

/// As Cargo.lock has them; a test compares.
const CODECS: &[(&str, &str)] = &[
    ("zune-jpeg", "0.5.15"),
    ("jpeg-decoder", "0.3.2"),
    ("jpeg-encoder", "0.7.1"),
    ("png", "0.18.1"),
    ("image-webp", "0.2.4"),
    ("libwebp-sys", "0.9.6"),
    ("gif", "0.14.2"),
    ("tiff", "0.11.3"),
    ("fast_image_resize", "6.1.0"),
    ("moxcms", "0.8.1"),
];

/// An alpha that hides nothing costs a third more, and a JPEG nothing.
fn without_idle_alpha(mut pixels: Pixels) -> Pixels {
    if pixels.layout == Layout::Rgba && pixels.data.as_chunks::<4>().0.iter().all(|pixel| pixel[3] == 255) {
        let (opaque, _) = pixels.data.as_chunks::<4>();
        pixels.data = opaque.iter().flat_map(|[r, g, b, _]| [*r, *g, *b]).collect();
        pixels.layout = Layout::Rgb;
    }
    pixels
}

/// Runs a codec. Others wrote it, and a file that makes it panic must end only itself.
fn contained<T>(stage: Stage, step: impl FnOnce() -> Result<T, Refused>) -> Result<T, Refused> {
    // Nothing that the closure borrows is used after a panic.
    panic::catch_unwind(AssertUnwindSafe(step)).unwrap_or_else(|panic| {
        let said = panic.downcast_ref::<String>().map(String::as_str);
        let said = said.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("a panic");
        Err(Refused::Failed { stage, reason: said.to_owned() })
    })
}

// === impl Stage ===

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Decode => "decoding",
            Self::Resize => "resizing",
            Self::Encode => "encoding",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_versions_told_are_those_in_use() {
        let lock = include_str!("../../../../Cargo.lock");
        for (name, version) in CODECS {
            let entry = format!("name = \"{name}\"\nversion = \"{version}\"");
            assert!(lock.contains(&entry), "{name} is no longer {version}");
        }
    }
}

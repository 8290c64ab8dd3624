use std::fmt;
use std::time::Duration;

use super::{Format, Limits, Plan, Refused, Settings};

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

/// A decoded picture between two steps.
#[derive(Debug, Clone)]
pub struct Pixels {}

/// All of it: [`decode`], [`resize`], [`encode`]. The same bytes and settings give the same result.
///
/// # Errors
///
/// Those of the three steps. A panic inside a codec is caught and becomes [`Refused::Failed`].
pub fn render(bytes: &[u8], plan: &Plan, settings: &Settings, limits: &Limits) -> Result<Picture, Refused> {
    let pixels = decode(bytes, plan, settings, limits)?;
    let pixels = resize(pixels, plan, settings)?;
    let bytes = encode(&pixels, plan, settings)?;
    let Plan { format, width, height, .. } = *plan;
    Ok(Picture { bytes, format, width, height, times: Times::default() })
}

/// From bytes to pixels, at the plan's scale.
///
/// # Errors
///
/// [`Refused::Truncated`], [`Refused::Damaged`], [`Refused::Unsupported`] or [`Refused::Failed`].
pub fn decode(bytes: &[u8], plan: &Plan, settings: &Settings, limits: &Limits) -> Result<Pixels, Refused> {
    let _ = (bytes, plan, settings, limits);
    Err(Refused::NotAPicture)
}

/// To the plan's size; then colours to sRGB, filters, and the picture is turned upright.
///
/// # Errors
///
/// [`Refused::Failed`].
pub fn resize(pixels: Pixels, plan: &Plan, settings: &Settings) -> Result<Pixels, Refused> {
    let _ = (plan, settings);
    Ok(pixels)
}

/// From pixels to the bytes of a file.
///
/// # Errors
///
/// [`Refused::Failed`].
pub fn encode(pixels: &Pixels, plan: &Plan, settings: &Settings) -> Result<Vec<u8>, Refused> {
    let _ = (pixels, plan, settings);
    Err(Refused::NotAPicture)
}

/// The codecs in use and their versions, for `--version` and reports.
pub fn codecs() -> Vec<(&'static str, String)> {
    Vec::new()
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

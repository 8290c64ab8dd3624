//! Names below the output: they cannot lead out of it, and end as their format does.

use std::borrow::Cow;
use std::ffi::OsString;
use std::fmt;
use std::path::{Component, Path, PathBuf};

use crate::picture::{Format, Target};
use crate::shown;

/// The name of a result, below the output: one or more plain folders and a file.
///
/// ```
/// use image_pipeline::Name;
/// use image_pipeline::picture::Format;
///
/// let name = Name::new("2024/beach.tif")?;
/// assert_eq!(name.for_format(Format::Png).to_string(), "2024/beach.png");
/// assert!(Name::new("../beach.jpg").is_err());
/// # Ok::<(), image_pipeline::NameError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Name(PathBuf);

/// Why a path is no name for a result.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{} leads out of the output, or is no name of a file", shown(path))]
pub struct NameError {
    /// What was given.
    pub path: PathBuf,
}

/// Endings that pictures have: those that say a format we write, and others that are read, or refused with a reason
/// that is better than to overlook them.
const WRITTEN: [(&str, Format); 8] = [
    ("jpg", Format::Jpeg),
    ("jpeg", Format::Jpeg),
    ("jpe", Format::Jpeg),
    ("jfif", Format::Jpeg),
    ("png", Format::Png),
    ("webp", Format::WebP),
    ("apng", Format::Png),
    ("mpo", Format::Jpeg),
];
const READ: [&str; 3] = ["gif", "tif", "tiff"];
const REFUSED: [&str; 4] = ["avif", "heic", "heif", "bmp"];

// === impl Name ===

impl Name {
    /// Takes a relative path of plain components.
    ///
    /// # Errors
    ///
    /// If it is empty, absolute, ends in a separator, or has `.` or `..` in it.
    pub fn new(path: impl Into<PathBuf>) -> Result<Self, NameError> {
        let path = path.into();
        let is_plain = path.components().all(|component| matches!(component, Component::Normal(_)));
        let bytes = path.as_os_str().as_encoded_bytes();
        // `components` overlooks what these would mean: a folder, and nothing.
        let is_file = !path.as_os_str().is_empty() && !bytes.ends_with(b"/") && !bytes.ends_with(b"/.");
        if is_plain && is_file && !bytes.contains(&0) { Ok(Self(path)) } else { Err(NameError { path }) }
    }

    /// As a relative path.
    pub fn as_path(&self) -> &Path {
        &self.0
    }

    /// Its path in a folder, as a person would spell it.
    pub(crate) fn below(&self, folder: &Path) -> PathBuf {
        if folder == Path::new(".") { self.0.clone() } else { folder.join(&self.0) }
    }

    /// The same name with the ending of `format`. One that says so already stays as it is, and one that is not that of
    /// a picture is kept in front of it: `2024.05` becomes `2024.05.jpg`.
    #[must_use]
    pub fn for_format(&self, format: Format) -> Self {
        let extension = format.extension();
        match ending(&self.0) {
            Some(Ending::Written(known, written))
                if known == format && written != "mpo" && written != "apng" =>
            {
                self.clone()
            }
            Some(_) => Self(self.0.with_extension(extension)),
            None => {
                let mut name = OsString::from(self.0.as_os_str());
                name.push(".");
                name.push(extension);
                Self(name.into())
            }
        }
    }

    /// The format of a result that is called exactly so; `None` if none is.
    pub(crate) fn format(&self) -> Option<Format> {
        match ending(&self.0)? {
            Ending::Written(format, _) if self.for_format(format) == *self => Some(format),
            _ => None,
        }
    }

    /// The name that the result will have as far as its input's name tells: what the content says may differ.
    ///
    /// `None` where it takes nobody's name: what has the ending of a format that is not read will have no result, and
    /// what has none and keeps its format will have an ending that only the content tells.
    #[must_use]
    pub fn expected(&self, target: Target) -> Option<Self> {
        let format = match (target, ending(&self.0)) {
            (_, Some(Ending::Refused)) => return None,
            (Target::Jpeg, _) => Format::Jpeg,
            (Target::Png, _) => Format::Png,
            (Target::WebP, _) => Format::WebP,
            (Target::Keep, Some(Ending::Written(format, _))) => format,
            (Target::Keep, Some(Ending::Read)) => Format::Png,
            (Target::Keep, None) => return None,
        };
        Some(self.for_format(format))
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&shown(&self.0))
    }
}

/// Whether a file is named as a picture.
pub(crate) fn is_picture(path: &Path) -> bool {
    ending(path).is_some()
}

enum Ending {
    Written(Format, &'static str),
    Read,
    Refused,
}

fn ending(path: &Path) -> Option<Ending> {
    let ending = path.extension().map(|ending| ending.to_string_lossy()).map(Cow::into_owned)?;
    let is = |known: &str| ending.eq_ignore_ascii_case(known);
    if let Some((known, format)) = WRITTEN.into_iter().find(|(known, _)| is(known)) {
        return Some(Ending::Written(format, known));
    }
    if READ.into_iter().any(is) {
        return Some(Ending::Read);
    }
    REFUSED.into_iter().any(is).then_some(Ending::Refused)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_cannot_lead_out() {
        for bad in ["", ".", "..", "/etc/passwd", "../a.jpg", "a/../../b.jpg", "./a.jpg", "a/", "a/.", "a\0b"]
        {
            assert!(Name::new(bad).is_err(), "{bad:?}");
        }
        for good in ["a.jpg", "a/b/c.jpg", "..a.jpg", "a..", "-", "a b/ü.jpg", "two\nlines.jpg"] {
            assert!(Name::new(good).is_ok(), "{good:?}");
        }
    }

    #[test]
    fn an_ending_follows_the_format_and_stays_if_it_says_so_already() {
        let named = |name: &str, format| Name::new(name).unwrap().for_format(format).to_string();
        assert_eq!(named("a.JPG", Format::Jpeg), "a.JPG");
        assert_eq!(named("a.jpeg", Format::Jpeg), "a.jpeg");
        assert_eq!(named("a.jpeg", Format::WebP), "a.webp");
        assert_eq!(named("a.mpo", Format::Jpeg), "a.jpg");
        assert_eq!(named("b/2024.05", Format::Png), "b/2024.05.png");
        assert_eq!(named(".jpg", Format::Jpeg), ".jpg.jpg", "a hidden file without an ending");
    }

    #[test]
    fn the_expected_name_is_known_from_the_input_s() {
        let expected = |name: &str, target| Name::new(name).unwrap().expected(target).unwrap().to_string();
        assert_eq!(expected("a.gif", Target::Keep), "a.png");
        assert_eq!(expected("a.JPEG", Target::Keep), "a.JPEG");
        assert_eq!(expected("a.JPEG", Target::WebP), "a.webp");
        assert_eq!(Name::new("photo").unwrap().expected(Target::Keep), None, "only the content tells");
        assert_eq!(expected("photo", Target::Jpeg), "photo.jpg");
        assert_eq!(Name::new("a.HEIC").unwrap().expected(Target::Jpeg), None, "it is not read");
    }
}

//! The names of values, which flags and files share, and how they are read.

use bytesize::ByteSize;
use clap::ValueEnum;
use clap::builder::PossibleValue;

use super::ReportFormat;
use crate::picture::{Filter, Size, Target};

/// Which results that are there already are made anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum If {
    /// Those whose input was changed since.
    Newer,
    /// None.
    Missing,
}

impl ValueEnum for If {
    fn value_variants<'a>() -> &'a [Self] {
        &[Self::Newer, Self::Missing]
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(match self {
            Self::Newer => PossibleValue::new("newer").help("those whose input was changed since"),
            Self::Missing => PossibleValue::new("missing").help("none: what is there is kept"),
        })
    }
}

impl ValueEnum for Target {
    fn value_variants<'a>() -> &'a [Self] {
        &[Self::Keep, Self::Jpeg, Self::Png, Self::WebP]
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(match self {
            Self::Keep => PossibleValue::new("keep").help("that of the input; GIF and TIFF become PNG"),
            Self::Jpeg => PossibleValue::new("jpeg")
                .alias("jpg")
                .help("for photographs; what is transparent becomes white"),
            Self::Png => PossibleValue::new("png").help("lossless"),
            Self::WebP => PossibleValue::new("webp").help("smaller than JPEG, and may be transparent"),
        })
    }
}

impl ValueEnum for ReportFormat {
    fn value_variants<'a>() -> &'a [Self] {
        &[Self::Text, Self::Json]
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(match self {
            Self::Text => PossibleValue::new("text").help("for people"),
            Self::Json => PossibleValue::new("json").help("one object on one line"),
        })
    }
}

/// Between a width and a height.
const CROSS: [char; 3] = ['x', 'X', '×'];

/// A width and a height, or one of them: `1600x1200`, `1600x`, `x1200`.
pub(super) fn parse_fit(text: &str) -> Result<Size, String> {
    let sides = text.split_once(CROSS).map(|(width, height)| (width.trim(), height.trim()));
    let size = sides.and_then(|sides| match sides {
        (width, "") => side(width).map(Size::Width),
        ("", height) => side(height).map(Size::Height),
        (width, height) => Some(Size::Fit(side(width)?, side(height)?)),
    });
    size.ok_or_else(|| {
        format!(
            "`{text}` is not a width and a height in pixels such as 1600x1200, or one of them, 1600x or x1200"
        )
    })
}

pub(super) fn parse_sides(text: &str) -> Result<(u32, u32), String> {
    let sides = text.split_once(CROSS).and_then(|(width, height)| Some((side(width)?, side(height)?)));
    sides.ok_or_else(|| format!("`{text}` is not a width and a height in pixels such as 1600x1200"))
}

fn side(text: &str) -> Option<u32> {
    text.trim().parse().ok().filter(|side| *side > 0)
}

pub(super) fn parse_filter(text: &str) -> Result<Filter, String> {
    match text {
        "sharpen" => Ok(Filter::Sharpen),
        "grayscale" => Ok(Filter::Grayscale),
        _ => {
            let width = text.strip_prefix("blur:").and_then(|width| width.parse().ok());
            width.filter(|width| (0.1..=100.0).contains(width)).map(Filter::Blur).ok_or_else(|| {
                format!("`{text}` is not one of sharpen, grayscale, and blur:S with 0.1 to 100 for S")
            })
        }
    }
}

/// A number of pixels, alone or in megapixels.
pub(super) fn parse_pixels(text: &str) -> Result<u64, String> {
    let pixels = match text.strip_suffix("MP").or_else(|| text.strip_suffix("mp")) {
        Some(mega) => mega.trim().parse().ok().and_then(|mega: u64| mega.checked_mul(1_000_000)),
        None => text.parse().ok(),
    };
    pixels.ok_or_else(|| format!("`{text}` is not a number of pixels such as 50MP or 50000000"))
}

pub(super) fn parse_size(text: &str) -> Result<ByteSize, String> {
    text.parse()
        .map_err(|_| format!("`{text}` is not a size such as \"256MB\", \"1GiB\" or a number of bytes"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_read_as_people_write_them() {
        assert_eq!(parse_sides("1600x1200"), Ok((1600, 1200)));
        assert_eq!(parse_fit("1600x1200"), Ok(Size::Fit(1600, 1200)));
        assert_eq!(parse_fit("1600x"), Ok(Size::Width(1600)));
        assert_eq!(parse_fit(" X 1200"), Ok(Size::Height(1200)));
        assert_eq!(parse_pixels("50MP"), Ok(50_000_000));
        assert_eq!(parse_pixels("7"), Ok(7));
        assert_eq!(parse_filter("blur:1.5"), Ok(Filter::Blur(1.5)));
        assert_eq!(parse_size("256MB").unwrap().as_u64(), 256_000_000);
        for bad in ["", "x", "0x10", "10x", "-1x5", "10x10x10", "1e3x5"] {
            assert!(parse_sides(bad).is_err(), "{bad}");
        }
        for bad in ["", "x", "10", "0x", "x0", "10x10x10", "10x10x", "-1x"] {
            assert!(parse_fit(bad).is_err(), "{bad}");
        }
        for bad in ["", "blur", "blur:", "blur:0", "blur:NaN", "blur:1e9", "Sharpen"] {
            assert!(parse_filter(bad).is_err(), "{bad}");
        }
        assert!(parse_pixels("99999999999999999MP").is_err() && parse_pixels("many").is_err());
    }
}

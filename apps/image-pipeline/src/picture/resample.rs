//! To another size: Lanczos with three lobes, over premultiplied alpha.

use fast_image_resize::images::{Image, ImageRef};
use fast_image_resize::{FilterType, MulDiv, PixelType, ResizeAlg, ResizeOptions, Resizer};

use super::pixels::{Layout, Pixels};
use super::{Refused, Stage};

/// A part of a picture: left, top, width, height. Fractions of a pixel count.
pub(super) type Part = (f64, f64, f64, f64);

/// `part` of the picture becomes `width` by `height`.
pub(super) fn resample(
    mut pixels: Pixels,
    part: Part,
    (width, height): (u32, u32),
) -> Result<Pixels, Refused> {
    let (left, top, part_width, part_height) = part;
    let is_whole = (left, top) == (0.0, 0.0)
        && (part_width.ceil(), part_height.ceil()) == (pixels.width.into(), pixels.height.into());
    if is_whole && (width, height) == (pixels.width, pixels.height) {
        return Ok(pixels);
    }
    let kind = match pixels.layout {
        Layout::Gray => PixelType::U8,
        Layout::Rgb => PixelType::U8x3,
        Layout::Rgba | Layout::Cmyk => PixelType::U8x4,
    };
    // Without it the colour of what cannot be seen would bleed into what can.
    let has_alpha = pixels.layout == Layout::Rgba;
    if has_alpha {
        let mut image =
            Image::from_slice_u8(pixels.width, pixels.height, &mut pixels.data, kind).map_err(failed)?;
        MulDiv::new().multiply_alpha_inplace(&mut image).map_err(failed)?;
    }
    let mut data = vec![0; width as usize * height as usize * pixels.layout.channels()];
    {
        let from = ImageRef::new(pixels.width, pixels.height, &pixels.data, kind).map_err(failed)?;
        let mut to = Image::from_slice_u8(width, height, &mut data, kind).map_err(failed)?;
        let options = ResizeOptions::new()
            .resize_alg(ResizeAlg::Convolution(FilterType::Lanczos3))
            .crop(left, top, part_width, part_height)
            .use_alpha(false);
        Resizer::new().resize(&from, &mut to, &options).map_err(failed)?;
        if has_alpha {
            MulDiv::new().divide_alpha_inplace(&mut to).map_err(failed)?;
        }
    }
    Ok(Pixels { width, height, data, ..pixels })
}

fn failed(error: impl ToString) -> Refused {
    Refused::Failed { stage: Stage::Resize, reason: error.to_string() }
}

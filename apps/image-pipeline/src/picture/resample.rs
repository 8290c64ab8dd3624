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
    // The filter keeps a weight for each pixel under it, 48 bytes of them for each column and row.
    let (across, down) = (coarse(part_width / f64::from(width)), coarse(part_height / f64::from(height)));
    let (left, part_width) = (left / f64::from(across), part_width / f64::from(across));
    let (top, part_height) = (top / f64::from(down), part_height / f64::from(down));
    if across * down > 1 {
        average(&mut pixels, across as usize, down as usize);
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

/// By how many a side is averaged before the filter: only where that many more are left for each of the
/// result that nobody can tell.
fn coarse(ratio: f64) -> u32 {
    if ratio > 64.0 { (ratio / 16.0) as u32 } else { 1 }
}

/// Boxes of this size become a pixel each, in place: what is written lies behind what is read.
fn average(pixels: &mut Pixels, across: usize, down: usize) {
    let channels = pixels.layout.channels();
    let (width, height) = (pixels.width as usize, pixels.height as usize);
    let (to_width, to_height) = (width.div_ceil(across), height.div_ceil(down));
    for y in 0..to_height {
        for x in 0..to_width {
            let (columns, rows) =
                (x * across..((x + 1) * across).min(width), y * down..((y + 1) * down).min(height));
            let count = (columns.len() * rows.len()) as u64;
            for channel in 0..channels {
                let row_sum = |row: usize| -> u64 {
                    let from = &pixels.data[(row * width + columns.start) * channels + channel..];
                    from.iter().step_by(channels).take(columns.len()).map(|v| u64::from(*v)).sum()
                };
                let sum: u64 = rows.clone().map(row_sum).sum();
                pixels.data[(y * to_width + x) * channels + channel] = ((sum + count / 2) / count) as u8;
            }
        }
    }
    pixels.data.truncate(to_width * to_height * channels);
    (pixels.width, pixels.height) = (to_width as u32, to_height as u32);
}

fn failed(error: impl ToString) -> Refused {
    Refused::Failed { stage: Stage::Resize, reason: error.to_string() }
}

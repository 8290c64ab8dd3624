//! What may be asked for beside another size.

use image::{ImageBuffer, Luma, Pixel, Rgb, Rgba};

use super::Filter;
use super::pixels::{Layout, Pixels};

/// Of the difference to its blurred self, what sharpening adds to a picture.
const SHARPENING: i16 = 2;

/// Blurs that are narrower change nothing; wider ones leave a single colour.
const WIDTHS: std::ops::RangeInclusive<f32> = 0.1..=100.0;

/// One filter. Colours are sRGB by now.
pub(super) fn apply(filter: Filter, pixels: Pixels) -> Pixels {
    match filter {
        Filter::Grayscale => grayscale(pixels),
        Filter::Blur(width) if width.is_nan() => pixels,
        Filter::Blur(width) => {
            let data = blurred(&pixels, width.clamp(*WIDTHS.start(), *WIDTHS.end()));
            Pixels { data, ..pixels }
        }
        Filter::Sharpen => sharpen(pixels),
    }
}

fn sharpen(mut pixels: Pixels) -> Pixels {
    let soft = blurred(&pixels, 1.0);
    let has_alpha = pixels.layout == Layout::Rgba;
    for (index, (sharp, soft)) in pixels.data.iter_mut().zip(soft).enumerate() {
        if has_alpha && index % 4 == 3 {
            continue;
        }
        let difference = i16::from(*sharp) - i16::from(soft);
        *sharp = (i16::from(*sharp) + difference / SHARPENING).clamp(0, 255) as u8;
    }
    pixels
}

fn grayscale(pixels: Pixels) -> Pixels {
    // Rec. 601, as television and JPEG weigh the three.
    let luminance = |r: u8, g: u8, b: u8| {
        ((u32::from(r) * 19_595 + u32::from(g) * 38_470 + u32::from(b) * 7_471 + 0x8000) >> 16) as u8
    };
    match pixels.layout {
        Layout::Rgb => {
            let (colours, _) = pixels.data.as_chunks::<3>();
            let data = colours.iter().map(|[r, g, b]| luminance(*r, *g, *b)).collect();
            Pixels { layout: Layout::Gray, data, ..pixels }
        }
        Layout::Rgba => {
            let mut pixels = pixels;
            let (colours, _) = pixels.data.as_chunks_mut::<4>();
            for [r, g, b, _] in colours {
                let gray = luminance(*r, *g, *b);
                (*r, *g, *b) = (gray, gray, gray);
            }
            pixels
        }
        Layout::Gray | Layout::Cmyk => pixels,
    }
}

/// Nearly Gaussian, at a cost that does not depend on the width.
fn blurred(pixels: &Pixels, width: f32) -> Vec<u8> {
    fn blur<P: Pixel<Subpixel = u8>>(pixels: &Pixels, data: Vec<u8>, width: f32) -> Vec<u8> {
        match ImageBuffer::<P, _>::from_raw(pixels.width, pixels.height, data) {
            Some(image) => image::imageops::fast_blur(&image, width).into_raw(),
            None => pixels.data.clone(),
        }
    }
    match pixels.layout {
        Layout::Gray => blur::<Luma<u8>>(pixels, pixels.data.clone(), width),
        Layout::Rgb => blur::<Rgb<u8>>(pixels, pixels.data.clone(), width),
        Layout::Cmyk => blur::<Rgba<u8>>(pixels, pixels.data.clone(), width),
        Layout::Rgba => {
            // Over premultiplied alpha, as for another size.
            let mut data = pixels.data.clone();
            for [colours @ .., alpha] in data.as_chunks_mut::<4>().0 {
                for colour in colours {
                    *colour = ((u16::from(*colour) * u16::from(*alpha) + 127) / 255) as u8;
                }
            }
            let mut data = blur::<Rgba<u8>>(pixels, data, width);
            for [colours @ .., alpha] in data.as_chunks_mut::<4>().0 {
                for colour in colours {
                    let divided = (u16::from(*colour) * 255).checked_div((*alpha).into());
                    *colour = divided.map_or(0, |divided| divided.min(255) as u8);
                }
            }
            data
        }
    }
}

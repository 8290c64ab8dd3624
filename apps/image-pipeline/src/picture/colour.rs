//! Whatever the colours are, to sRGB.

use std::borrow::Cow;

use moxcms::{ColorProfile, DataColorSpace, Layout as Channels, RenderingIntent, TransformOptions};

use super::pixels::{Layout, Pixels};

/// How colours are converted, the best way first.
const INTENTS: [RenderingIntent; 3] =
    [RenderingIntent::RelativeColorimetric, RenderingIntent::Perceptual, RenderingIntent::Saturation];

/// Tables from a device's colours, in the order of these intents.
const TABLES: [&[u8; 4]; 3] = [b"A2B1", b"A2B0", b"A2B2"];

/// What else of a profile a conversion from its colours needs.
const NEEDED: [&[u8; 4]; 10] =
    [b"rXYZ", b"gXYZ", b"bXYZ", b"rTRC", b"gTRC", b"bTRC", b"kTRC", b"wtpt", b"chad", b"cicp"];

/// Converts by the embedded profile, and takes it away. Where there is none, or one that is damaged or
/// meant for other channels, colours count as sRGB and inks as ideal ones.
pub(super) fn to_srgb(mut pixels: Pixels) -> Pixels {
    let converted = pixels.icc.take().and_then(|profile| by_profile(&pixels, profile));
    match converted {
        Some((layout, data)) => Pixels { layout, data, ..pixels },
        None if pixels.layout == Layout::Cmyk => {
            let data = ideal_inks(&pixels.data);
            Pixels { layout: Layout::Rgb, data, ..pixels }
        }
        None => pixels,
    }
}

fn by_profile(pixels: &Pixels, mut profile: Vec<u8>) -> Option<(Layout, Vec<u8>)> {
    leave_what_is_needed(&mut profile);
    let parsed = ColorProfile::new_from_slice(&profile).ok()?;
    drop(profile);
    let profile = parsed;
    let (needed, from, to, layout) = match pixels.layout {
        Layout::Gray => (DataColorSpace::Gray, Channels::Gray, Channels::Rgb, Layout::Rgb),
        Layout::Rgb => (DataColorSpace::Rgb, Channels::Rgb, Channels::Rgb, Layout::Rgb),
        // What was gray, and has alpha.
        Layout::Rgba if profile.color_space == DataColorSpace::Gray && is_gray(&pixels.data) => {
            (DataColorSpace::Gray, Channels::GrayAlpha, Channels::Rgba, Layout::Rgba)
        }
        Layout::Rgba => (DataColorSpace::Rgb, Channels::Rgba, Channels::Rgba, Layout::Rgba),
        // Four channels without a name of their own in that crate.
        Layout::Cmyk => (DataColorSpace::Cmyk, Channels::Rgba, Channels::Rgb, Layout::Rgb),
    };
    if profile.color_space != needed {
        return None;
    }
    let srgb = ColorProfile::new_srgb();
    // A profile of tables may have one for a single intent only, which then stands for all.
    let transform = INTENTS.into_iter().find_map(|rendering_intent| {
        let options = TransformOptions { rendering_intent, ..TransformOptions::default() };
        profile.create_transform_8bit(from, &srgb, to, options).ok()
    })?;
    let count = pixels.width as usize * pixels.height as usize;
    let mut data = vec![0; count * layout.channels()];
    let stored = match from {
        Channels::GrayAlpha => {
            let (pixels, _) = pixels.data.as_chunks::<4>();
            Cow::Owned(pixels.iter().flat_map(|[l, _, _, a]| [*l, *a]).collect())
        }
        _ => Cow::Borrowed(&pixels.data),
    };
    transform.transform(&stored, &mut data).ok()?;
    if pixels.layout == Layout::Gray {
        // Gray stays gray: the three are the same, and one is a third of the file.
        let (colours, _) = data.as_chunks::<3>();
        return Some((Layout::Gray, colours.iter().map(|[_, green, _]| *green).collect()));
    }
    Some((layout, data))
}

fn is_gray(rgba: &[u8]) -> bool {
    rgba.as_chunks::<4>().0.iter().all(|[r, g, b, _]| r == g && g == b)
}

/// Makes all other entries of a profile unknown ones, which are passed over, and leaves each once: many may share one
/// table, and each would become one of its own, of four times the size.
fn leave_what_is_needed(profile: &mut [u8]) {
    let name = |profile: &[u8], at: usize| profile.get(at..)?.first_chunk::<4>().copied();
    let count = name(profile, 128).map_or(0, u32::from_be_bytes) as usize;
    let entries = (0..count).map_while(|index| {
        let at = 132 + 12 * index;
        Some((at, name(profile, at)?))
    });
    let entries: Vec<_> = entries.collect();
    let table = TABLES.into_iter().find(|table| entries.iter().any(|(_, name)| name == *table));
    let mut needed: Vec<_> = NEEDED.into_iter().chain(table).collect();
    for (at, name) in entries {
        match needed.iter().position(|needed| **needed == name) {
            Some(index) => drop(needed.swap_remove(index)),
            None => profile[at..at + 4].fill(0),
        }
    }
}

/// Each ink takes its part of the light.
fn ideal_inks(cmyk: &[u8]) -> Vec<u8> {
    let light = |ink: u8, black: u8| {
        let product = u32::from(255 - ink) * u32::from(255 - black);
        ((product + 127) / 255) as u8
    };
    let (pixels, _) = cmyk.as_chunks::<4>();
    pixels.iter().flat_map(|[c, m, y, k]| [light(*c, *k), light(*m, *k), light(*y, *k)]).collect()
}

/// The profile that says sRGB.
pub(super) fn srgb_profile() -> Option<Vec<u8>> {
    ColorProfile::new_srgb().encode().ok()
}

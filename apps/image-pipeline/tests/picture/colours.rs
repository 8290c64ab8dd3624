//! Profiles, inks, alpha, depth: what is stored, and what is seen.

use image_pipeline::picture::{Colour, Filter, Format, Settings, Size, Target, probe};

use crate::forge;
use crate::look::{Look, photo, rendered};

fn as_png(name: &str) -> Look {
    let settings = Settings { format: Target::Png, ..Settings::default() };
    Look::at(&rendered(&photo(name), &settings).expect(name))
}

/// The colour of the pixel at a place.
fn pixel(look: &Look, x: usize, y: usize) -> [u8; 3] {
    let at = (y * look.width + x) * 3;
    look.data[at..at + 3].try_into().expect("three channels")
}

#[test]
fn a_profile_changes_the_colours() {
    let stored = Look::at_jpeg(&photo("rocket.jpg"));
    // Adobe RGB shown as sRGB looks dull; converted it is another picture.
    let alike = as_png("rocket.jpg").psnr(&stored);
    assert!((20.0..42.0).contains(&alike), "{alike:.1} dB");
    assert!(probe(&photo("rocket.jpg")).expect("a good file").has_icc);
}

#[test]
fn a_profile_of_tables_for_one_intent_is_used_for_all() {
    let stored = Look::at_jpeg(&photo("icc_profile_big.jpg"));
    let alike = as_png("icc_profile_big.jpg").psnr(&stored);
    assert!((20.0..32.0).contains(&alike), "{alike:.1} dB");
}

#[test]
fn every_container_s_profile_is_used() {
    let profile = profile(&photo("rocket.jpg"));
    let rgb: Vec<u8> = (0..16 * 16 * 3).map(|index| (index * 7 % 256) as u8).collect();
    let png = Settings { format: Target::Png, ..Settings::default() };
    let seen = |file: Vec<u8>| Look::at(&rendered(&file, &png).expect("a good file"));
    let from_png = seen(forge::png_with_profile(16, 16, &rgb, &profile));
    let from_tiff = seen(forge::tiff(16, 16, &rgb, &profile));
    assert_eq!(from_png, from_tiff);
    assert_ne!(from_png.data, rgb);
}

#[test]
fn a_profile_of_gray_is_used_with_and_without_alpha() {
    let png = Settings { format: Target::Png, ..Settings::default() };
    let light = forge::profile_of_light();
    let seen = |kind, pixels: &[u8]| {
        let file = forge::png_of_kind_with_profile(2, 1, kind, pixels, &light);
        Look::at(&rendered(&file, &png).expect("a good file")).data
    };
    // Half of the light looks brighter than half.
    let gray = seen(0, &[128, 255]);
    assert!(gray[0].abs_diff(188) <= 1, "{gray:?}");
    assert_eq!(seen(4, &[128, 255, 255, 255]), gray);
    // It is not meant for colours.
    assert_eq!(seen(6, &[128, 0, 0, 255, 255, 255, 255, 255]), [128, 0, 0, 255, 255, 255]);
}

#[test]
fn a_png_s_code_points_come_first() {
    let png = Settings { format: Target::Png, ..Settings::default() };
    let seen = |kind, pixels: &[u8], chunks: &[(&[u8; 4], &[u8])]| {
        let file = forge::png_with_chunks(2, 1, kind, pixels, chunks);
        let has_icc = probe(&file).expect("a good file").has_icc;
        (has_icc, Look::at(&rendered(&file, &png).expect("a good file")).data)
    };
    let rgb = [200, 100, 50, 128, 128, 128];
    // Display P3 has more red in its red.
    let (has_icc, wide) = seen(2, &rgb, &[(b"cICP", &[12, 13, 0, 1])]);
    assert!(has_icc && wide[0] > 205 && wide[2] < 50 && wide[3].abs_diff(128) <= 1, "{wide:?}");
    // Half of the light looks brighter than half.
    let (_, gray) = seen(0, &[128, 255], &[(b"cICP", &[1, 8, 0, 1])]);
    assert!(gray[0].abs_diff(188) <= 1 && gray[3] == 255, "{gray:?}");
    assert_eq!(seen(4, &[128, 255, 255, 255], &[(b"cICP", &[1, 8, 0, 1])]).1, gray);
    // Before a profile, also where they say sRGB.
    let adobe = forge::profile_chunk(&profile(&photo("rocket.jpg")));
    assert_eq!(seen(2, &rgb, &[(b"cICP", &[1, 13, 0, 1]), (b"iCCP", &adobe)]), (false, rgb.to_vec()));
    assert_eq!(seen(2, &rgb, &[(b"cICP", &[12, 13, 0, 1]), (b"iCCP", &adobe)]).1, wide);
    // Numbers that stand for nothing, and light beyond white, leave it as it is stored.
    for points in [[255, 13, 0, 1], [12, 255, 0, 1], [12, 13, 0, 0], [9, 16, 0, 1], [9, 18, 0, 1]] {
        assert_eq!(seen(2, &rgb, &[(b"cICP", &points)]), (false, rgb.to_vec()), "{points:?}");
    }
}

#[test]
fn a_large_profile_is_used_in_every_container() {
    // It was passed over in a PNG, where it is compressed, as if it could inflate to more than any profile has.
    let profile = profile(&photo("icc_profile_big.jpg"));
    assert_eq!(profile.len(), 399_788);
    let rgb: Vec<u8> = (0..16 * 16 * 3).map(|index| (index * 7 % 256) as u8).collect();
    let png = Settings { format: Target::Png, ..Settings::default() };
    let seen = |file: Vec<u8>| Look::at(&rendered(&file, &png).expect("a good file"));
    let from_png = seen(forge::png_with_profile(16, 16, &rgb, &profile));
    assert_eq!(from_png, seen(forge::tiff(16, 16, &rgb, &profile)));
    assert_ne!(from_png.data, rgb);
}

/// The profile of a JPEG, of all its segments.
fn profile(jpeg: &[u8]) -> Vec<u8> {
    let starts = jpeg.windows(12).enumerate().filter(|(_, bytes)| *bytes == b"ICC_PROFILE\0");
    let parts = starts.map(|(at, _)| {
        let length = usize::from(u16::from_be_bytes([jpeg[at - 2], jpeg[at - 1]]));
        &jpeg[at + 14..at - 2 + length]
    });
    parts.collect::<Vec<_>>().concat()
}

#[test]
fn a_damaged_profile_is_worth_less_than_the_picture() {
    let mut file = photo("rocket.jpg");
    let at = file.windows(12).position(|bytes| bytes == b"ICC_PROFILE\0").expect("a profile");
    file[at + 14..at + 60].fill(0xFF);
    assert!(rendered(&file, &Settings::default()).is_ok());
}

#[test]
fn inks_are_light_whether_or_not_they_are_stored_inverted() {
    let adobe = photo("pil_sample_cmyk.jpg");
    let inverted = as_png("pil_sample_cmyk.jpg");
    // The same bytes without Adobe's mark mean the opposite.
    let plain = forge::without_adobe(&adobe);
    let settings = Settings { format: Target::Png, ..Settings::default() };
    let plain = Look::at(&rendered(&plain, &settings).expect("a good file"));
    assert!(plain.psnr(&inverted) < 12.0);
    // The same graphic is there as TIFF, where inks are never inverted.
    let tiff = as_png("tiff_strip_cmyk_jpeg.tif");
    assert!(inverted.psnr(&tiff) >= 30.0, "{:.1} dB", inverted.psnr(&tiff));
}

#[test]
fn what_is_transparent_is_white_in_a_jpeg_and_stays_transparent_elsewhere() {
    let jpeg = Settings { format: Target::Jpeg, quality: 95, ..Settings::default() };
    for name in ["pil123rgba.png", "pil123p.png", "transparent.webp"] {
        let on_white = Look::at(&rendered(&photo(name), &jpeg).expect(name));
        let alike = on_white.psnr(&as_png(name));
        assert!(alike >= 30.0, "{name}: {alike:.1} dB");
        let png = Settings { format: Target::Png, ..Settings::default() };
        let kept = rendered(&photo(name), &png).expect(name);
        assert_eq!(probe(&kept.bytes).expect(name).colour, Colour::Rgba, "{name}");
    }
}

#[test]
fn the_colour_of_what_cannot_be_seen_does_not_bleed() {
    // Opaque red beside transparent green: between them is half a red, and no green.
    let file = forge::png(64, 8, 8, 6, |x, _| if x < 32 { vec![255, 0, 0, 255] } else { vec![0, 255, 0, 0] });
    let settings = Settings { size: Size::Width(17), ..Settings::default() };
    let look = Look::at(&rendered(&file, &settings).expect("a good file"));
    for x in 0..look.width {
        let [red, green, blue] = pixel(&look, x, 0);
        assert!(red >= 250 && green.abs_diff(blue) <= 4, "column {x}: {red} {green} {blue}");
    }
}

#[test]
fn sixteen_bits_are_rounded_to_eight() {
    let file = forge::png(4, 1, 16, 0, |x, _| [0x0000u16, 0x00FF, 0x8000, 0xFFFF][x].to_be_bytes().to_vec());
    let look = Look::at(&rendered(&file, &Settings::default()).expect("a good file"));
    assert_eq!((0..4).map(|x| pixel(&look, x, 0)[0]).collect::<Vec<_>>(), [0, 1, 128, 255]);
    let pattern = as_png("basn2c16.png");
    assert!(pattern.psnr(&Look::at_png(&photo("basn2c16.png"))) >= 45.0);
}

#[test]
fn premultiplied_tiff_is_as_bright_as_it_was() {
    let look = as_png("tiff_16bit_RGBa.tiff");
    assert_eq!((look.width, look.height), (100, 40));
}

#[test]
fn a_tiff_of_luminance_and_differences_has_the_colours_of_a_jpeg() {
    let jpeg = photo("grace_hopper.jpg");
    let header = probe(&jpeg).expect("a good file");
    let png = Settings { format: Target::Png, ..Settings::default() };
    let seen = |file: Vec<u8>| Look::at(&rendered(&file, &png).expect("a good file"));
    let alike = seen(forge::tiff_of_jpeg(header.width, header.height, &jpeg)).psnr(&seen(jpeg));
    assert!(alike >= 40.0, "{alike:.1} dB");
    // As they are, and of full size.
    let plain =
        forge::tiff_of_strip(2, 1, 3, &[(262, 1, 6), (530, 2, 0x0001_0001)], &[76, 85, 255, 150, 44, 21]);
    assert_eq!(seen(plain).data, [254, 0, 0, 0, 255, 1]);
}

#[test]
fn a_gray_tiff_keeps_its_alpha() {
    let file = |alpha| forge::tiff_of_strip(2, 1, 2, &[(262, 1, 1), (338, 1, alpha)], &[200, 255, 50, 100]);
    let png = Settings { format: Target::Png, ..Settings::default() };
    let data = |file: Vec<u8>| Look::at(&rendered(&file, &png).expect("a good file")).data;
    assert_eq!(data(file(2)), [200, 200, 200, 175, 175, 175], "50 on white");
    assert_eq!(data(file(1)), [200, 200, 200, 205, 205, 205], "50 of what may be 100");
    let said = probe(&file(0)).expect_err("nobody knows what the second channel is").to_string();
    assert_eq!(said, "a TIFF of 2 channels is not supported");
}

#[test]
fn a_luminance_smaller_than_the_colours_is_spread_over_all_of_the_picture() {
    let settings = Settings { format: Target::Png, ..Settings::default() };
    let look = Look::at(&rendered(&forge::coarse_jpeg(), &settings).expect("a good file"));
    assert!(look.data.iter().all(|value| *value == 128), "{:?}", &look.data);
}

#[test]
fn an_animation_gives_its_first_frame() {
    let header = probe(&photo("dispose_none_load_end.gif")).expect("a good file");
    assert!(header.has_more_frames);
    let picture = rendered(&photo("dispose_none_load_end.gif"), &Settings::default()).expect("a good file");
    assert_eq!((picture.format, picture.width, picture.height), (Format::Png, 200, 150));
    let mpo = probe(&photo("frozenpond.mpo")).expect("a good file");
    assert!(mpo.has_more_frames);
    assert_eq!((mpo.width, mpo.height), (640, 480));
}

#[test]
fn gray_stays_gray() {
    for (name, settings) in [
        ("hopper_gray.jpg", Settings::default()),
        ("camera.png", Settings { format: Target::Jpeg, ..Settings::default() }),
        ("grace_hopper.jpg", Settings { filters: vec![Filter::Grayscale], ..Settings::default() }),
    ] {
        let picture = rendered(&photo(name), &settings).expect(name);
        assert_eq!(probe(&picture.bytes).expect(name).colour, Colour::Gray, "{name}");
    }
}

#[test]
fn filters_do_what_they_are_called() {
    let settings = |filter| Settings { filters: vec![filter], format: Target::Png, ..Settings::default() };
    let edges = |look: &Look| -> u64 {
        look.data.windows(4).map(|bytes| u64::from(bytes[0].abs_diff(bytes[3]))).sum()
    };
    let plain = edges(&as_png("grace_hopper.jpg"));
    let of =
        |filter| edges(&Look::at(&rendered(&photo("grace_hopper.jpg"), &settings(filter)).expect("good")));
    assert!(of(Filter::Sharpen) > plain);
    assert!(of(Filter::Blur(2.0)) < plain / 2);
    assert!(of(Filter::Blur(20.0)) < of(Filter::Blur(2.0)) / 2);
}

//! Position, camera and profile.

use image_pipeline::picture::{Colour, Filter, Settings, Target, probe};

use crate::forge;
use crate::look::{photo, rendered};

const SECRET: &[u8] = b"52.5163 N 13.3777 E";

fn keep(format: Target) -> Settings {
    Settings { format, keep_metadata: true, ..Settings::default() }
}

fn holds(bytes: &[u8], wanted: &[u8]) -> bool {
    bytes.windows(wanted.len()).any(|window| window == wanted)
}

#[test]
fn the_position_is_stripped_unless_it_is_to_be_kept() {
    let file = forge::with_exif(&photo("hopper.jpg"), &forge::exif(6, SECRET));
    for format in [Target::Jpeg, Target::Png, Target::WebP] {
        let stripped = rendered(&file, &Settings { format, ..Settings::default() }).expect("a good file");
        assert!(!holds(&stripped.bytes, SECRET), "{format:?}");
        let kept = rendered(&file, &keep(format)).expect("a good file");
        assert!(holds(&kept.bytes, SECRET), "{format:?}");
    }
}

#[test]
fn what_is_kept_says_upright_and_srgb() {
    let file = forge::with_exif(&photo("rocket.jpg"), &forge::exif(6, SECRET));
    for format in [Target::Jpeg, Target::Png, Target::WebP] {
        let kept = rendered(&file, &keep(format)).expect("a good file");
        assert_eq!((kept.width, kept.height), (427, 640), "{format:?}");
        let header = probe(&kept.bytes).expect("our own file");
        assert_eq!((header.width, header.height), (427, 640), "{format:?}");
        assert_eq!(header.orientation.value(), 1, "{format:?}");
        assert!(header.has_icc, "{format:?}");
        // Once more, and nothing is turned or converted a second time.
        assert!(rendered(&kept.bytes, &keep(format)).is_ok(), "{format:?}");
    }
}

#[test]
fn what_is_gray_has_no_profile_of_colours() {
    // A PNG or JPEG of one channel must not have one of three, and programs that convert by it fail.
    for format in [Target::Jpeg, Target::Png, Target::WebP] {
        let kept = Settings { filters: vec![Filter::Grayscale], ..keep(format) };
        let header = probe(&rendered(&photo("rocket.jpg"), &kept).expect("a good file").bytes);
        let header = header.expect("our own file");
        assert_eq!(header.has_icc, header.colour != Colour::Gray, "{format:?}: {header:?}");
    }
}

#[test]
fn of_a_tiff_too_position_and_camera_are_stripped_or_kept() {
    // An artist among the fields of the pixels, and a position in a directory of its own, behind the three pixels.
    let position = [&b"\x01\0\x1B\0\x07\0"[..], &[19, 0, 0, 0, 172, 0, 0, 0], &[0; 4], SECRET].concat();
    let fields = [
        (256, 4, 1, 3),
        (257, 4, 1, 1),
        (258, 3, 1, 8),
        (262, 3, 1, 1),
        (273, 4, 1, 146),
        (274, 3, 1, 6),
        (277, 3, 1, 1),
        (278, 4, 1, 1),
        (279, 4, 1, 3),
        (315, 2, 4, u32::from_le_bytes(*b"me!\0")),
        (34_853, 4, 1, 154),
    ];
    let file = forge::tiff_of(&fields, &[&[9, 99, 200, 0, 0, 0, 0, 0], position.as_slice()].concat());
    for format in [Target::Jpeg, Target::Png, Target::WebP] {
        let stripped = rendered(&file, &Settings { format, ..Settings::default() }).expect("a good file");
        assert!(!holds(&stripped.bytes, SECRET) && !holds(&stripped.bytes, b"me!"), "{format:?}");
        let kept = rendered(&file, &keep(format)).expect("a good file");
        assert!(holds(&kept.bytes, SECRET) && holds(&kept.bytes, b"me!"), "{format:?}");
        let header = probe(&kept.bytes).expect("our own file");
        assert_eq!((header.width, header.height, header.orientation.value()), (1, 3, 1), "{format:?}");
    }
}

#[test]
fn webp_keeps_its_alpha_beside_metadata() {
    let kept = rendered(&photo("transparent.webp"), &keep(Target::WebP)).expect("a good file");
    let again =
        rendered(&kept.bytes, &Settings { format: Target::Png, ..Settings::default() }).expect("ours");
    assert_eq!(probe(&again.bytes).expect("ours").colour, image_pipeline::picture::Colour::Rgba);
}

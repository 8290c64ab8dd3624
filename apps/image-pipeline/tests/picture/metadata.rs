//! Position, camera and profile.

use image_pipeline::picture::{Settings, Target, probe};

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
fn webp_keeps_its_alpha_beside_metadata() {
    let kept = rendered(&photo("transparent.webp"), &keep(Target::WebP)).expect("a good file");
    let again =
        rendered(&kept.bytes, &Settings { format: Target::Png, ..Settings::default() }).expect("ours");
    assert_eq!(probe(&again.bytes).expect("ours").colour, image_pipeline::picture::Colour::Rgba);
}

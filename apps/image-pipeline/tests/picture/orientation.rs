//! The eight ways to hold a camera.

use image_pipeline::picture::{Format, Settings, Size, Target};

use crate::forge;
use crate::look::{Look, photo, rendered};

const PNG: Settings = Settings {
    size: Size::Keep,
    format: Target::Png,
    quality: 80,
    filters: Vec::new(),
    keep_metadata: false,
};

#[test]
fn each_of_the_eight_is_shown_upright() {
    let upright = Look::at_jpeg(&photo("hopper.jpg"));
    let others = (2..=8).map(|value| format!("hopper_orientation_{value}.jpg"));
    for name in others.chain(["hopper_orientation_6.webp".to_owned()]) {
        let picture = rendered(&photo(&name), &PNG).expect("a good file");
        let alike = Look::at(&picture).psnr(&upright);
        assert!(alike >= 30.0, "{name}: {alike:.1} dB");
    }
}

#[test]
fn a_large_photo_is_turned_with_its_size() {
    let photo = photo("friends_by_Aitzol_Berasategi.jpg");
    let settings = Settings { size: Size::Fit(300, 300), ..PNG };
    let stored = Look::at(&rendered(&photo, &settings).expect("a good file"));
    assert_eq!((stored.width, stored.height), (200, 300));
    for value in 1..=8 {
        let picture = rendered(&forge::with_orientation(&photo, value), &settings).expect("a good file");
        let seen = Look::at(&picture);
        let turned = turned(&stored, value);
        let alike = seen.psnr(&turned);
        assert!(alike >= 45.0, "orientation {value}: {alike:.1} dB");
    }
}

/// By EXIF's own words: which side of the picture the stored first row and first column are.
fn turned(stored: &Look, value: u8) -> Look {
    let (w, h) = (stored.width, stored.height);
    let (width, height) = if value >= 5 { (h, w) } else { (w, h) };
    let mut data = vec![0; stored.data.len()];
    for y in 0..h {
        for x in 0..w {
            let (to_x, to_y) = match value {
                1 => (x, y),
                2 => (w - 1 - x, y),
                3 => (w - 1 - x, h - 1 - y),
                4 => (x, h - 1 - y),
                // The first row is shown left, right, right, left.
                5 => (y, x),
                6 => (h - 1 - y, x),
                7 => (h - 1 - y, w - 1 - x),
                _ => (y, w - 1 - x),
            };
            let (from, to) = ((y * w + x) * 3, (to_y * width + to_x) * 3);
            data[to..to + 3].copy_from_slice(&stored.data[from..from + 3]);
        }
    }
    Look { width, height, data }
}

#[test]
fn a_jpeg_stays_a_jpeg_and_needs_no_turning_any_more() {
    let picture = rendered(&photo("hopper_orientation_6.jpg"), &Settings::default()).expect("a good file");
    assert_eq!(picture.format, Format::Jpeg);
    let header = image_pipeline::picture::probe(&picture.bytes).expect("our own file");
    assert_eq!(header.orientation.value(), 1);
}

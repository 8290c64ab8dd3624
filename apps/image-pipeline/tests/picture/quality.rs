//! Against Pillow's Lanczos; `tests/data/make_references.py` made the references and these numbers.

use image_pipeline::picture::{Limits, Settings, Size, Target, plan, probe};

use crate::look::{Look, data, photo, rendered};

/// What Pillow's own JPEG keeps of its own reduction, in dB.
const PILLOW: [(&str, f64); 12] = [
    ("retina.jpg", 34.50),
    ("friends_by_Aitzol_Berasategi.jpg", 34.84),
    ("rocket.jpg", 31.93),
    ("grace_hopper.jpg", 31.28),
    ("frozenpond.mpo", 31.49),
    ("camera.png", 36.44),
    ("pil_sample_cmyk.jpg", 23.41),
    ("flower2.webp", 33.16),
    ("transparent.webp", 34.11),
    ("pil123p.png", 30.24),
    ("basn2c16.png", 41.26),
    // Its profile is tables, for one intent only.
    ("icc_profile_big.jpg", 34.80),
];

/// The same where a JPEG is only just decoded at a fraction of its size: photograph, side, the fraction's denominator.
const LIMITS: [(&str, u32, u32, f64); 11] = [
    ("rocket.jpg", 228, 2, 31.86),
    ("grace_hopper.jpg", 213, 2, 31.55),
    ("frozenpond.mpo", 228, 2, 31.67),
    ("rocket.jpg", 106, 4, 31.81),
    ("grace_hopper.jpg", 100, 4, 28.54),
    ("frozenpond.mpo", 106, 4, 31.38),
    ("retina.jpg", 235, 4, 35.08),
    ("grace_hopper.jpg", 41, 8, 26.25),
    ("frozenpond.mpo", 44, 8, 32.06),
    ("retina.jpg", 97, 8, 32.13),
    ("friends_by_Aitzol_Berasategi.jpg", 212, 8, 35.10),
];

/// Half a decibel is seen by no one.
const ALLOWED: f64 = 0.5;

fn reference(name: &str, side: &str) -> Look {
    let stem = name.split('.').next().expect("a name with an ending");
    Look::at_png(&data(&format!("references/{stem}{side}.png")))
}

#[test]
fn thumbnails_are_within_half_a_decibel_of_pillows() {
    let settings = Settings { size: Size::Fit(200, 200), format: Target::Jpeg, ..Settings::default() };
    for (name, pillow) in PILLOW {
        let picture = rendered(&photo(name), &settings).expect(name);
        let ours = Look::at(&picture).psnr(&reference(name, ""));
        assert!(ours >= pillow - ALLOWED, "{name}: {ours:.2} dB, Pillow {pillow:.2}");
    }
}

#[test]
fn so_are_those_that_are_only_just_decoded_at_a_fraction() {
    for (name, side, denominator, pillow) in LIMITS {
        let settings =
            |side| Settings { size: Size::Fit(side, side), format: Target::Jpeg, ..Settings::default() };
        let bytes = photo(name);
        let header = probe(&bytes).expect(name);
        let at = |side| plan(&header, &settings(side), &Limits::default()).expect(name).denominator();
        assert_eq!(at(side), denominator, "{name} at {side}");
        assert!(at(side + side / 50 + 1) < denominator, "{name} at {side} is not the limit");
        let ours = Look::at(&rendered(&bytes, &settings(side)).expect(name));
        let ours = ours.psnr(&reference(name, &format!("_{side}")));
        assert!(ours >= pillow - ALLOWED, "{name} at {side}: {ours:.2} dB, Pillow {pillow:.2}");
    }
}

#[test]
fn without_loss_nothing_but_rounding_is_left() {
    let settings = Settings { size: Size::Fit(200, 200), format: Target::Png, ..Settings::default() };
    for (name, _) in PILLOW {
        let picture = rendered(&photo(name), &settings).expect(name);
        let ours = Look::at(&picture).psnr(&reference(name, ""));
        assert!(ours >= 38.0, "{name}: {ours:.2} dB");
    }
}

#[test]
fn lossy_webp_is_a_picture_too() {
    let settings = Settings { size: Size::Fit(200, 200), format: Target::WebP, ..Settings::default() };
    for name in ["retina.jpg", "camera.png", "transparent.webp"] {
        let picture = rendered(&photo(name), &settings).expect(name);
        let ours = Look::at(&picture).psnr(&reference(name, ""));
        assert!(ours >= 30.0, "{name}: {ours:.2} dB");
    }
}

#[test]
fn the_same_input_gives_the_same_bytes() {
    for format in [Target::Jpeg, Target::Png, Target::WebP] {
        let settings = Settings { size: Size::Fit(200, 200), format, ..Settings::default() };
        let [first, second] =
            [0, 1].map(|_| rendered(&photo("friends_by_Aitzol_Berasategi.jpg"), &settings).expect("a photo"));
        assert_eq!(first.bytes, second.bytes);
    }
}

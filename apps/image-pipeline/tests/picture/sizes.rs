//! The size that was asked for, for every format that is read.

use image_pipeline::picture::{Filter, Limits, Refused, Settings, Size, Target, plan, probe, reduce, render};

use crate::forge;
use crate::look::{Look, photo, rendered};

const PHOTOS: [&str; 8] = [
    "retina.jpg",
    "friends_by_Aitzol_Berasategi.jpg",
    "frozenpond.mpo",
    "camera.png",
    "flower2.webp",
    "hopper.gif",
    "tiff_strip_cmyk_jpeg.tif",
    "hopper_orientation_6.jpg",
];

#[test]
fn a_box_is_kept_to_and_a_fill_is_filled() {
    for name in PHOTOS {
        let fit = Settings { size: Size::Fit(90, 60), ..Settings::default() };
        let picture = rendered(&photo(name), &fit).expect(name);
        assert!(picture.width <= 90 && picture.height <= 60, "{name}");
        assert!(picture.width == 90 || picture.height == 60, "{name}");
        let fill = Settings { size: Size::Fill(90, 60), ..Settings::default() };
        let picture = rendered(&photo(name), &fill).expect(name);
        assert_eq!((picture.width, picture.height), (90, 60), "{name}");
    }
}

#[test]
fn of_one_side_the_other_follows() {
    for name in PHOTOS {
        let photo = photo(name);
        let (width, height) = probe(&photo).expect(name).upright();
        let sized = |size| {
            let picture = rendered(&photo, &Settings { size, ..Settings::default() }).expect(name);
            (picture.width, picture.height)
        };
        let follows = |side: u32, from: u32, to: u32| {
            (f64::from(side) * f64::from(to) / f64::from(from)).round() as u32
        };
        assert_eq!(sized(Size::Width(60)), (60, follows(60, width, height)), "{name}");
        assert_eq!(sized(Size::Height(60)), (follows(60, height, width), 60), "{name}");
    }
}

#[test]
fn a_gray_jpeg_of_one_row_or_column_is_read() {
    // Its decoder took a reduced scale, at which the narrow side is as long, and the picture for damaged.
    for (width, height) in [(1, 1), (1, 9), (30, 1)] {
        let file = forge::png(width, height, 8, 0, |x, y| vec![[40, 200][(x + y) % 2]]);
        let format = |format, quality| Settings { format, quality, ..Settings::default() };
        let jpeg = rendered(&file, &format(Target::Jpeg, 100)).expect("a good file");
        let read = rendered(&jpeg.bytes, &format(Target::Png, 80)).expect("our own file");
        assert_eq!((read.width, read.height), (width, height));
        let png = rendered(&file, &format(Target::Png, 80)).expect("a good file");
        assert!(Look::at(&read).psnr(&Look::at(&png)) >= 40.0, "{width}x{height}");
    }
}

#[test]
fn a_fill_shows_the_middle() {
    let photo = photo("retina.jpg");
    let png = |size| Settings { size, format: Target::Png, ..Settings::default() };
    let whole = Look::at(&rendered(&photo, &png(Size::Fit(100, 100))).expect("a good file"));
    let middle = Look::at(&rendered(&photo, &png(Size::Fill(100, 50))).expect("a good file"));
    let rows = 25 * 100 * 3..75 * 100 * 3;
    let cut = Look { width: 100, height: 50, data: whole.data[rows].to_vec() };
    assert!(cut.psnr(&middle) >= 38.0, "{:.1} dB", cut.psnr(&middle));
}

#[test]
fn what_has_no_room_is_decoded_smaller() {
    let bytes = photo("friends_by_Aitzol_Berasategi.jpg");
    let (settings, limits) = (Settings::default(), Limits::default());
    let whole = plan(&probe(&bytes).expect("a good file"), &settings, &limits).expect("6 megapixels");
    let half = reduce(&whole, whole.weight() - 1).expect("a JPEG can be decoded smaller");
    assert_eq!(half.denominator(), 2);
    let picture = render(&bytes, &half, &settings, &limits).expect("the reduced plan");
    assert_eq!((picture.width, picture.height), (1028, 1544));
    assert_eq!((picture.width, picture.height), (half.width(), half.height()));
    let png = plan(&probe(&photo("camera.png")).expect("good"), &settings, &limits).expect("small");
    assert_eq!(reduce(&png, png.weight() - 1), None);
}

#[test]
fn a_plan_is_for_one_file_only() {
    let (settings, limits) = (Settings::default(), Limits::default());
    let plan = plan(&probe(&photo("hopper.jpg")).expect("good"), &settings, &limits).expect("small");
    let other = render(&photo("retina.jpg"), &plan, &settings, &limits);
    assert!(matches!(other, Err(Refused::Damaged { .. })), "{other:?}");
}

#[test]
fn odd_settings_are_taken_for_the_nearest_that_make_sense() {
    let settings = Settings {
        size: Size::Fit(0, 0),
        quality: 0,
        filters: vec![
            Filter::Blur(f32::NAN),
            Filter::Blur(-1.0),
            Filter::Blur(f32::INFINITY),
            Filter::Sharpen,
        ],
        ..Settings::default()
    };
    let picture = rendered(&photo("hopper.jpg"), &settings).expect("a good file");
    assert_eq!((picture.width, picture.height), (1, 1));
}

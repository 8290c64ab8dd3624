use super::*;
use crate::picture::{Colour, Orientation};

fn header(width: u32, height: u32) -> Header {
    Header {
        format: Format::Jpeg,
        width,
        height,
        orientation: Orientation::UPRIGHT,
        colour: Colour::Rgb,
        depth: 8,
        has_more_frames: false,
        has_icc: false,
        is_progressive: false,
        scans: 1,
        beside: u64::from(width) * u64::from(height) * 3 / 2,
        profile: 0,
    }
}

fn planned(header: &Header, size: Size) -> (u32, u32, u32) {
    let settings = Settings { size, ..Settings::default() };
    let plan = plan(header, &settings, &Limits::default()).expect("within the limits");
    (plan.width(), plan.height(), plan.denominator())
}

#[test]
fn nothing_is_enlarged_and_no_side_vanishes() {
    let small = header(300, 200);
    assert_eq!(planned(&small, Size::Fit(1000, 1000)), (300, 200, 1));
    assert_eq!(planned(&small, Size::Width(1000)), (300, 200, 1));
    assert_eq!(planned(&small, Size::Height(1000)), (300, 200, 1));
    assert_eq!(planned(&header(60_000, 3), Size::Height(1)), (20_000, 1, 2));
    assert_eq!(planned(&header(3, 60_000), Size::Height(400)), (1, 400, 2));
    assert_eq!(planned(&small, Size::Fill(1000, 1000)), (200, 200, 1));
    assert_eq!(planned(&small, Size::Fill(1000, 100)), (300, 30, 1));
    assert_eq!(planned(&header(60_000, 1), Size::Fit(400, 400)), (400, 1, 1));
    assert_eq!(planned(&small, Size::Fit(0, 0)), (1, 1, 8));
}

#[test]
fn a_box_is_kept_to_and_a_fill_is_filled() {
    let photo = header(6000, 4000);
    assert_eq!(planned(&photo, Size::Fit(400, 400)), (400, 267, 8));
    assert_eq!(planned(&photo, Size::Fit(1600, 1600)), (1600, 1067, 2));
    assert_eq!(planned(&photo, Size::Fill(400, 400)), (400, 400, 4));
    assert_eq!(planned(&photo, Size::Width(2142)), (2142, 1428, 2));
    assert_eq!(planned(&photo, Size::Width(2143)), (2143, 1429, 1));
    assert_eq!(planned(&photo, Size::Height(1428)), (2142, 1428, 2));
    assert_eq!(planned(&photo, Size::Width(5000)), (5000, 3333, 1));
}

#[test]
fn sizes_are_those_of_the_upright_picture() {
    let mut photo = header(6000, 4000);
    photo.orientation = Orientation::new(6).expect("6 is one of the eight");
    assert_eq!(planned(&photo, Size::Fit(400, 300)), (200, 300, 8));
    assert_eq!(planned(&photo, Size::Width(2000)), (2000, 3000, 1));
    assert_eq!(planned(&photo, Size::Height(3000)), (2000, 3000, 1));
}

#[test]
fn a_lighter_plan_is_smaller_until_there_is_none() {
    let photo = header(6000, 4000);
    let whole = plan(&photo, &Settings::default(), &Limits::default()).expect("24 megapixels are allowed");
    let half = reduce(&whole, whole.weight() / 3).expect("half the size fits into a third");
    assert_eq!((half.width(), half.height(), half.denominator()), (3000, 2000, 2));
    assert!(half.weight() <= whole.weight() / 3);
    assert_eq!(reduce(&whole, 1 << 20), None);
    assert_eq!(reduce(&whole, whole.weight()), Some(whole));
}

#[test]
fn what_is_over_a_limit_is_refused_with_the_figure() {
    let settings = Settings::default();
    let limits = Limits { max_pixels: 23_999_999, ..Limits::default() };
    assert_eq!(
        plan(&header(6000, 4000), &settings, &limits),
        Err(Refused::TooManyPixels { pixels: 24_000_000, limit: 23_999_999 })
    );
    let mut scans = header(6000, 4000);
    scans.scans = 65;
    assert_eq!(
        plan(&scans, &settings, &Limits::default()),
        Err(Refused::TooManyScans { scans: 65, limit: 64 })
    );
    let webp = Settings { format: Target::WebP, ..Settings::default() };
    let refused = plan(&header(20_000, 10), &webp, &Limits::default());
    assert_eq!(
        refused,
        Err(Refused::TooLarge { width: 20_000, height: 10, format: Format::WebP, limit: 16_383 })
    );
    let limits = Limits { max_weight: 1 << 20, ..Limits::default() };
    assert!(matches!(plan(&header(6000, 4000), &settings, &limits), Err(Refused::TooHeavy { .. })));
}

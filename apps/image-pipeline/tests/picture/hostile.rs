//! Files that ask for too much, or are not what they say; `tests/data/SOURCES.md` has what each is and what is right.

use std::time::Duration;

use image_pipeline::picture::{Limits, Picture, Refused, Settings, Size, Target, plan, probe};

use crate::forge;
use crate::look::{Look, data, photo, rendered};
use crate::weight;

/// What the docs promise for one file, in time of a processor, since a busy machine takes its own time.
const PATIENCE: Duration = Duration::from_secs(20);

/// The same for memory: the default limit on the weight, and what a program has anyway.
const MEMORY: u64 = (512 + 64) << 20;

enum Right {
    Refuse,
    Process,
    Either,
}

fn thumbnail(bytes: &[u8]) -> Result<Picture, Refused> {
    rendered(bytes, &Settings { size: Size::Fit(400, 400), format: Target::Jpeg, ..Settings::default() })
}

/// Of this thread so far.
fn processor_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    time.try_into().expect("it is not negative")
}

fn files() -> Vec<(&'static str, Vec<u8>, Right)> {
    use Right::{Either, Process, Refuse};
    let stored = |name: &'static str, right| (name, data(&format!("hostile/{name}")), right);
    let (good, retina) = (photo("grace_hopper.jpg"), photo("retina.jpg"));
    let garbage: Vec<u8> = (0..4096).map(|index| (index % 256) as u8).collect();
    vec![
        stored("badcrc.png", Either),
        stored("bomb_header_only_65500.png", Refuse),
        stored("bomb_screen.gif", Either),
        stored("broken_data_stream.png", Refuse),
        stored("crash-0c7e0e8e11ce787078f00b5b0ca409a167f070e0.tif", Refuse),
        stored("endless_subblocks.gif", Either),
        stored("exif_count_4g.jpg", Process),
        stored("exif_ifd_loop.jpg", Process),
        stored("html_named.jpg", Refuse),
        stored("huge_IDAT.png", Either),
        stored("huge_iCCP_chunk.png", Refuse),
        stored("libtiff_segfault.tif", Refuse),
        stored("multipage_multiple_frame_loop.tiff", Process),
        stored("negative_size.ppm", Refuse),
        stored("oom-225817ca0f8c663be7ab4b9e717b02c661e66834.tif", Refuse),
        stored("png_decompression_dos.png", Either),
        stored("strip_outside.tif", Refuse),
        stored("syntax_num_frames_high.png", Either),
        stored("truncated_image.png", Refuse),
        stored("vp8l_16384_nodata.webp", Refuse),
        stored("vp8x_canvas_4gp.webp", Refuse),
        stored("zero_width.gif", Refuse),
        ("bomb_16bit_12000", forge::empty_png(12_000, 12_000, 16, 6, 96_000), Either),
        ("bomb_20000x20000_rgb", forge::empty_png(20_000, 20_000, 8, 2, 60_000), Refuse),
        ("bomb_iccp_200MB", forge::png_with_bomb(b"iCCP", b"x\0\0"), Process),
        ("bomb_ztxt_200MB", forge::png_with_bomb(b"zTXt", b"Comment\0\0"), Process),
        ("bomb_sof_65000", forge::with_sides(&retina, 65_000), Refuse),
        ("empty", Vec::new(), Refuse),
        ("frame_over_screen", forge::gif_over_screen(), Refuse),
        ("picture_over_canvas", forge::webp_over_canvas(&photo("flower2.webp")), Refuse),
        ("deep", forge::tiff_of_depth(64), Refuse),
        ("strips_without_end", forge::tiff_of_strips(8_000_000), Refuse),
        ("frames_20000", forge::frames_gif(), Either),
        ("jpeg and png under other names", photo("camera.png"), Process),
        ("no_eoi", good[..good.len() - 2].to_vec(), Either),
        ("nul_4k", vec![0; 4096], Refuse),
        ("one_byte", vec![0xFF], Refuse),
        ("scan_bomb_1000", forge::scan_bomb(), Either),
        ("trailing_garbage", [good, b"PK\x03\x04".to_vec(), garbage].concat(), Process),
        ("trunc_half", retina[..retina.len() / 2].to_vec(), Refuse),
        ("trunc_hdr", retina[..600].to_vec(), Refuse),
        ("wide_1x60000000", forge::empty_png(60_000_000, 1, 8, 0, 60_000_000), Either),
    ]
}

#[test]
fn each_is_refused_or_processed_as_is_right() {
    for (name, bytes, right) in files() {
        let start = processor_time();
        let outcome = thumbnail(&bytes);
        let took = processor_time() - start;
        assert!(took < PATIENCE, "{name}: {took:?}");
        match (right, &outcome) {
            (Right::Refuse, Ok(_)) => panic!("{name} was processed"),
            (Right::Process, Err(error)) => panic!("{name} was refused: {error}"),
            (_, Ok(picture)) => {
                Look::at(picture);
            }
            (_, Err(error)) => {
                assert!(!matches!(error, Refused::Failed { .. }), "{name}: a codec panicked: {error}");
            }
        }
    }
}

#[test]
fn all_of_them_stay_within_the_memory_that_the_docs_state() {
    let files = files();
    let before = weight::peak();
    for (_, bytes, _) in &files {
        // Right or wrong is the other test's.
        let _ = thumbnail(bytes);
    }
    let used = weight::peak() - before;
    assert!(used < MEMORY, "{} MB", used >> 20);
}

#[test]
fn the_reason_is_named() {
    let refused = |bytes: &[u8]| thumbnail(bytes).expect_err("a hostile file").to_string();
    let retina = photo("retina.jpg");
    assert_eq!(refused(&retina[..retina.len() / 2]), "truncated: the file ends before the picture does");
    // Each would otherwise take memory that its header says nothing of, many times the file.
    assert_eq!(refused(&forge::gif_over_screen()), "damaged: a GIF whose picture is larger than its screen");
    assert_eq!(
        refused(&forge::webp_over_canvas(&photo("flower2.webp"))),
        "damaged: a WebP whose picture has another size than the place for it"
    );
    assert_eq!(
        refused(&forge::tiff_of_strips(40_000)),
        "damaged: a TIFF with more numbers in a field than a picture has a use for"
    );
    assert_eq!(
        refused(&forge::tiff_of_depth(64)),
        "a TIFF whose channels are no integers of 1 to 16 bits is not supported"
    );
    assert_eq!(refused(b"<html>"), "not a picture: the first bytes belong to no known format");
    assert_eq!(refused(&photo("hopper.avif")), "AVIF is not supported");
    assert_eq!(
        refused(&forge::scan_bomb()),
        "1001 scans are over the limit of 64; no camera or program writes so many"
    );
    assert_eq!(
        refused(&forge::with_sides(&retina, 65_000)),
        "4225000000 pixels are over the limit of 100000000; raise the limit on pixels (max-pixels) if the file is trusted"
    );
}

#[test]
fn no_prefix_of_a_photo_becomes_a_picture() {
    let names =
        ["hopper.jpg", "pil_sample_cmyk.jpg", "basn2c16.png", "pil123p.png", "hopper_orientation_6.webp"];
    for name in names {
        let whole = photo(name);
        // The last bytes of a container may be padding, or an end that holds nothing.
        for length in (0..whole.len() - 16).step_by(61) {
            assert!(thumbnail(&whole[..length]).is_err(), "{length} bytes of {name}");
        }
    }
}

#[test]
fn a_jpeg_is_judged_alike_at_each_scale() {
    // One decoder for whole pictures, another one at a fraction; bits that are all ones are no code of any table.
    let mut bytes = photo("retina.jpg");
    let middle = bytes.len() / 2;
    bytes[middle..middle + 64].as_chunks_mut().0.fill([0xFF, 0]);
    let header = probe(&bytes).expect("the header is whole");
    for (width, denominator) in [(header.width, 1), (header.width / 3, 2)] {
        let (settings, limits) =
            (Settings { size: Size::Width(width), ..Settings::default() }, Limits::default());
        let plan = plan(&header, &settings, &limits).expect("a small picture");
        assert_eq!(plan.denominator(), denominator);
        let refused = image_pipeline::picture::render(&bytes, &plan, &settings, &limits).map(|_| ());
        assert!(matches!(refused, Err(Refused::Damaged { .. })), "at one in {denominator}: {refused:?}");
    }
}

#[test]
fn no_flipped_byte_makes_a_codec_panic() {
    let names = [
        "hopper.jpg",
        "pil_sample_cmyk.jpg",
        "basn2c16.png",
        "pil123p.png",
        "hopper_orientation_6.webp",
        "hopper.gif",
        "tiff_strip_cmyk_jpeg.tif",
    ];
    for name in names {
        let whole = photo(name);
        // The first bytes are the structure; of the pixels a sample will do.
        for at in (0..200).chain((200..whole.len()).step_by(397)).filter(|at| *at < whole.len()) {
            let mut flipped = whole.clone();
            flipped[at] ^= 0x55;
            let mut limits = Limits::default();
            limits.max_pixels = 1 << 20;
            let settings = Settings { size: Size::Fit(50, 50), ..Settings::default() };
            let planned = probe(&flipped).and_then(|header| plan(&header, &settings, &limits));
            let outcome = planned.and_then(|plan| {
                image_pipeline::picture::render(&flipped, &plan, &settings, &limits).map(|_| ())
            });
            if let Err(Refused::Failed { reason, .. }) = outcome {
                panic!("byte {at} of {name}: {reason}");
            }
        }
    }
}

//! Arbitrary bytes, as a picture: never a panic, and never more memory than was planned.
#![no_main]

// The module and not the crate: the half that uploads would have to be built with the sanitizer too, which
// takes minutes, and none of it is reached from here.
#[path = "../../src/picture/mod.rs"]
pub mod picture;

use std::panic;
use std::sync::Once;

use crate::picture::{Filter, Limits, Refused, Settings, Size, Target, plan, probe, reduce, render};
use libfuzzer_sys::fuzz_target;

static QUIET: Once = Once::new();

fuzz_target!(|input: &[u8]| {
    // The fuzzer aborts at each panic; those of others' decoders are contained, and that is what is fuzzed.
    QUIET.call_once(|| panic::set_hook(Box::new(|_| {})));
    // The first byte chooses what is asked for, so that all of it is reached.
    let Some((choice, bytes)) = input.split_first() else { return };
    let mut limits = Limits::default();
    limits.max_pixels = 1 << 20;
    limits.max_weight = 64 << 20;
    let settings = Settings {
        size: [Size::Keep, Size::Fit(40, 30), Size::Fill(30, 30), Size::Width(25)][usize::from(choice & 3)],
        format: [Target::Keep, Target::Jpeg, Target::Png, Target::WebP][usize::from(choice >> 2 & 3)],
        filters: if choice & 16 != 0 { vec![Filter::Sharpen, Filter::Grayscale] } else { Vec::new() },
        keep_metadata: choice & 32 != 0,
        ..Settings::default()
    };
    let Ok(header) = probe(bytes) else { return };
    let Ok(whole) = plan(&header, &settings, &limits) else { return };
    let plan = if choice & 64 != 0 { reduce(&whole, whole.weight() / 2).unwrap_or(whole) } else { whole };
    match render(bytes, &plan, &settings, &limits) {
        Ok(picture) => {
            assert_eq!((picture.width, picture.height), (plan.width(), plan.height()));
            let header = probe(&picture.bytes).expect("our own file has a header");
            assert_eq!((header.width, header.height), (picture.width, picture.height));
        }
        Err(Refused::Failed { stage, reason }) => {
            // Contained, so no harm; still worth a look, but only ours would be worth a red build.
            assert!(!reason.is_empty(), "{stage}");
        }
        Err(_) => {}
    }
});

//! What a terminal shows while the program runs.

use crate::place::{Place, Report as _};

#[test]
fn a_terminal_shows_progress_and_failures_and_keeps_only_these() {
    let place = Place::with_photos(30);
    place.write("in/broken.jpg", "not a picture");
    let (ended, shown) = place.run_in_terminal("run in none.jpg --output out --fit 300x300 --report json");
    assert_eq!((ended.code(), ended.counts()), (Some(1), [30, 0, 2, 0]), "{ended:#?}");
    // What is named in vain ends before there is a bar.
    for part in [" of 31 pictures", "/s", " megapixels", " left"] {
        assert!(shown.contains(part), "no {part} in {shown:?}");
    }
    assert!(shown.contains("error: in/broken.jpg: not a picture"), "{shown:?}");
    // The bar is cleared, so the last that is left on its line is nothing.
    let last = shown.rsplit(['\r', '\n']).next().unwrap_or_default();
    assert!(!last.contains("pictures"), "{last:?}");
}

#[test]
fn what_is_no_terminal_gets_no_progress() {
    let place = Place::with_photos(3);
    let ended = place.done("run in --output out --fit 300x300");
    assert_eq!(ended.stderr, "");
    assert!(!ended.stdout.contains('\x1b'), "{ended:#?}");
}

//! What a terminal shows while the program runs.

use std::time::Duration;

use crate::place::{Place, Report as _};
use crate::server::{Allowed, Says, Server};

#[test]
fn a_terminal_shows_progress_and_failures_and_keeps_only_these() {
    // It pauses for two seconds, so there is something to see.
    let server = Server::start(Allowed::Fixed { count: 25, per: Duration::from_secs(2) }, Says::Seconds);
    let place = Place::with_items(&server.url(), 30);
    let urls = place.text("urls");
    place.write("urls", format!("file:///etc/passwd\nhttp://-nobody-.example/\n{urls}"));
    let (ended, shown) =
        place.run_in_terminal("fetch --urls urls --out out --rate 50/s --burst 30 --report json");
    assert_eq!(ended.code(), Some(1), "{ended:#?}");
    let report = ended.report();
    assert_eq!([&report["answered"], &report["failed"], &report["bad_lines"]], [30, 1, 1], "{report}");
    // The limit is the sum of those of both hosts.
    for part in [" of 32", "/s", "  limit 100.0 a second", "  refused ", "  failed 1", "  paused ", " left"] {
        assert!(shown.contains(part), "no {part:?} in {shown:?}");
    }
    for part in ["error: urls:1: the scheme file", "error: http://-nobody-.example/: there is no host"] {
        assert!(shown.contains(part), "no {part:?} in {shown:?}");
    }
    // The bar is cleared, so the last that is left on its line is nothing.
    let last = shown.rsplit(['\r', '\n']).next().unwrap_or_default();
    assert!(!last.contains("refused"), "{last:?}");
}

#[test]
fn what_is_no_terminal_gets_no_progress() {
    let server = Server::free();
    let place = Place::with_items(&server.url(), 3);
    let ended = place.done("fetch --urls urls --out out");
    assert_eq!(ended.stderr, "");
    assert!(!ended.stdout.contains('\x1b'), "{ended:#?}");
}

/// It was a limit of 0.0.
#[test]
fn a_limit_of_less_than_one_a_second_is_shown_by_the_minute() {
    let (server, place) = (Server::free(), Place::with_items("http://127.0.0.1:1", 0));
    place.write("urls", format!("{}/slow\n", server.url()));
    let (_, shown) = place.run_in_terminal("fetch --urls urls --out out --rate 2/m --report json");
    assert!(shown.contains("  limit 2.0 a minute  refused 0"), "{shown:?}");
}

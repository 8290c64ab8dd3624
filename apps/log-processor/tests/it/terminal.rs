//! What a terminal shows while the program runs.

use crate::assert_reads;
use crate::place::Place;

#[test]
fn records_and_a_bar_are_not_mixed_on_a_terminal() {
    let place = Place::new();
    place.write("in", "one\ntwo\n");
    let (ended, shown) = place.run_all_in_terminal("run -i in -o -");
    assert_eq!(ended.code(), Some(0), "{ended:#?}");
    assert_reads!(shown.replace("\r\n", "\n"));
}

#[test]
fn a_terminal_shows_progress_where_the_records_go_elsewhere() {
    let place = Place::new();
    place.write("in", "one\ntwo\n");
    let (ended, shown) = place.run_in_terminal("run -i in -o -");
    assert_eq!((ended.code(), ended.stdout.as_str()), (Some(0), "one\ntwo\n"), "{ended:#?}");
    assert!(shown.contains(" of 8 B"), "{shown:?}");
}

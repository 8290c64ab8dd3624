//! A worker that panics: an error, never a gap.

use crate::place::{Place, Report as _};

#[test]
fn a_panic_in_a_worker_ends_the_run_with_an_error_and_the_output_has_no_gap() {
    let place = Place::new();
    let content: String = (0..300_000).map(|n| format!("line number {n}\n")).collect();
    place.write("in", &content);
    let arguments = "run -i in -o out --state state --workers 4 --report json";

    let mut command = place.command(arguments);
    command.env("FAULT_POINT", "panic-in-worker:5");
    let ended = place.start_command(command).wait();
    assert_eq!(ended.code(), Some(1), "{ended:#?}");
    assert_eq!(ended.report()["ended"], "failed");
    ended.totals();
    assert!(place.len("out") > 0, "what came before the batch is written");
    assert!(content.as_bytes().starts_with(&place.read("out")), "and nothing that came behind it");

    place.done(arguments);
    assert!(place.text("out") == content, "nothing is lost or doubled when it goes on");

    let said = ended.stderr.lines().find(|line| line.starts_with("error: ")).expect("the failure is said");
    let filters = vec![(r"bytes \d+ to \d+", "bytes [from] to [to]"), (r"of /\S+/in ", "of [folder]/in ")];
    insta::with_settings!({filters => filters}, {
        insta::assert_snapshot!(said);
    });
}

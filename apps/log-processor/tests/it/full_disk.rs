//! A full disk: the run stops with a remedy, and goes on when there is room.

use std::process::Command;

use crate::place::Place;

/// In a mount namespace of its own: a file system of 1 MB is filled, then made larger.
///
/// Prints `mounted` if that was possible, and the exit codes; what the two runs say goes to files outside of the small file system.
const SCRIPT: &str = r#"
set -u
mount -t tmpfs -o size=1m none small || exit
echo mounted
"$@" >full.stdout 2>full.stderr
echo "full: $?"
mount -o remount,size=64m none small
"$@" >room.stdout 2>room.stderr
echo "room: $?"
cp small/out out
"#;

#[test]
fn a_full_disk_stops_the_run_and_with_room_it_goes_on() {
    let place = Place::new();
    let content: String = (0..300_000).map(|n| format!("line number {n}\n")).collect();
    place.write("in", &content);
    place.write("small/.keep", "");

    let program =
        place.command("run -i in -o small/out --state small/state --checkpoint-every 64KiB --report json");
    let mut command = Command::new("unshare");
    command.args(["--user", "--map-root-user", "--mount", "sh", "-c", SCRIPT, "sh"]);
    command.arg(program.get_program()).args(program.get_args()).current_dir(place.path(""));
    let script = command.output().expect("util-linux is on every Linux");
    let said = String::from_utf8_lossy(&script.stdout);
    let Some(codes) = said.strip_prefix("mounted\n") else {
        eprintln!("skipped: no file system can be mounted here, user namespaces are off: {script:?}");
        return;
    };

    assert_eq!(codes, "full: 1\nroom: 0\n");
    insta::assert_snapshot!(place.text("full.stderr"));
    let report: serde_json::Value = serde_json::from_str(&place.text("full.stdout")).unwrap();
    assert_eq!(report["ended"], "failed");
    assert!(report["totals"]["not_written"].as_u64() > Some(0), "{report}");
    assert!(place.text("out") == content, "lines were lost or doubled");
}

//! A full disk: the run stops with a remedy, nothing is half-written, and with room it goes on. And one that is read only.

use std::process::Command;

use crate::place::{Place, Report as _};

/// In a mount namespace of its own: a file system of 256 KB is filled, then made larger. Prints the exit codes; what the
/// runs say goes to files outside. Ends with 77 if nothing can be mounted.
const SMALL_DISK: &str = r#"
mount -t tmpfs -o size=256k none small || exit 77
"$@" >full.stdout 2>full.stderr
echo "full: $?"
ls -a small | grep -c part
mount -o remount,size=64m none small
"$@" >room.stdout 2>room.stderr
echo "room: $?"
cp -r small out
"#;

#[test]
fn a_full_disk_stops_the_run_and_with_room_it_goes_on() {
    let place = Place::with_photos(30);
    place.write("small/.keep", "");
    let program = place.command("run in --output small --width 500 --workers 2 --report json");
    let mut script = Command::new("unshare");
    script.args(["--user", "--map-root-user", "--mount", "sh", "-c", SMALL_DISK, "sh"]);
    script.arg(program.get_program()).args(program.get_args()).current_dir(place.path(""));
    let script = script.output().expect("util-linux is on every Linux");
    if script.stdout.is_empty() {
        println!(
            "NOTICE: nothing can be mounted here; only a limit on files has taken the place of a small disk"
        );
        return;
    }
    assert_eq!(String::from_utf8_lossy(&script.stdout), "full: 1\n0\nroom: 0\n", "{script:?}");
    let said = String::from_utf8(place.read("full.stderr")).unwrap();
    assert!(said.contains("there is no more room for"), "{said}");
    let report: serde_json::Value = serde_json::from_slice(&place.read("full.stdout")).unwrap();
    assert_eq!(report["ended"], "failed");
    assert!(report["not_started"].as_u64() > Some(0), "it does not go on in vain: {report}");
    assert_eq!(place.files("out").len(), 30);
}

/// In a mount namespace of its own: `out` cannot be written, then it can, and then it need not. Prints the exit codes, as
/// above.
const READ_ONLY: &str = r#"
mount --bind out out && mount -o remount,bind,ro out || exit 77
"$1" check in --output out/new >/dev/null 2>check.stderr
echo "check: $?"
"$1" check in --output out >/dev/null 2>there.stderr
echo "there: $?"
"$@" >locked.stdout 2>locked.stderr
echo "locked: $?"
mount -o remount,bind,rw out
"$@" >open.stdout 2>open.stderr
echo "open: $?"
mount -o remount,bind,ro out
"$1" check in --output out >/dev/null 2>&1
echo "check again: $?"
"$@" >/dev/null 2>&1
echo "again: $?"
"#;

#[test]
fn an_output_that_is_read_only_stops_the_run_and_once_it_is_not_it_goes_on() {
    let place = Place::with_photos(30);
    place.write("out/.keep", "");
    let program = place.command("run in --output out --width 100 --workers 2 --report json");
    let mut script = Command::new("unshare");
    script.args(["--user", "--map-root-user", "--mount", "sh", "-c", READ_ONLY, "sh"]);
    script.arg(program.get_program()).args(program.get_args()).current_dir(place.path(""));
    let script = script.output().expect("util-linux is on every Linux");
    if script.stdout.is_empty() {
        println!("NOTICE: nothing can be mounted here; an output that is read only was not tested");
        return;
    }
    assert_eq!(
        String::from_utf8_lossy(&script.stdout),
        "check: 2\nthere: 2\nlocked: 1\nopen: 0\ncheck again: 0\nagain: 0\n",
        "{script:?}"
    );
    let said = |name: &str| String::from_utf8(place.read(name)).unwrap();
    for checked in [said("check.stderr"), said("there.stderr")] {
        assert!(checked.starts_with("error: the output folder out"), "{checked}");
        assert!(checked.contains(" cannot be used: Read-only file system"), "{checked}");
    }
    let locked = said("locked.stderr");
    assert!(locked.contains(".jpg cannot be written: Read-only file system"), "{locked}");
    let report: serde_json::Value = serde_json::from_slice(&place.read("locked.stdout")).unwrap();
    assert_eq!((&report["ended"], &report["written"]), (&"failed".into(), &0.into()), "{report}");
    assert!(report["not_started"].as_u64() > Some(0), "it does not go on in vain: {report}");
    assert_eq!(place.files("out").len(), 31);
}

#[test]
fn what_exceeds_a_limit_on_files_stops_the_run_too() {
    let place = Place::with_photos(30);
    let program = place.command("run in --output out --width 500 --workers 2 --report json");
    let mut script = Command::new("sh");
    // In blocks of 512 bytes: no result fits. Without the trap the system would end the process.
    script.args(["-c", "trap '' XFSZ; ulimit -f 16; exec \"$@\"", "sh"]);
    script.arg(program.get_program()).args(program.get_args()).current_dir(place.path(""));
    let ended: crate::place::Ended = script.output().unwrap().into();
    assert_eq!(ended.code(), Some(1), "{ended:#?}");
    assert!(ended.stderr.contains("there is no more room for"), "{ended:#?}");
    let [written, _, _, not_started] = ended.counts();
    assert!(written == 0 && not_started > 0, "it does not go on in vain: {ended:#?}");
    assert_eq!(place.files("out"), [""; 0], "nothing is half-written");
    place.done("run in --output out --width 500");
    assert_eq!(place.files("out").len(), 30);
}

#[cfg(feature = "fault-points")]
#[test]
fn a_disk_that_is_full_at_a_fault_point_leaves_nothing() {
    for (point, more) in [("full-output", ""), ("full-sync", "--sync")] {
        let place = Place::with_photos(3);
        let arguments =
            format!("run in --output out --width 50 --workers 1 --uploaders 1 --report json {more}");
        let mut command = place.command(&arguments);
        let ended: crate::place::Ended =
            command.env("FAULT_POINT", format!("{point}:2")).output().unwrap().into();
        assert_eq!(ended.code(), Some(1), "{ended:#?}");
        assert!(ended.stderr.contains("No space left on device"), "{ended:#?}");
        assert_eq!(place.files("out"), ["0.jpg"], "{point}");
        place.done(&arguments);
        assert_eq!(place.files("out").len(), 3);
    }
}

#[cfg(feature = "fault-points")]
#[test]
fn the_folders_of_a_result_are_synced_too_once_for_each() {
    // Whether the run fails if the sync of a folder does, from the given one on; and how much is written then.
    let fails = |inputs: &[&str], more: &str, from: usize| {
        let place = Place::new();
        inputs.iter().for_each(|name| place.copy("hopper.jpg", &format!("in/{name}")));
        let arguments = format!("run in --output new/out --width 10 --workers 1 --uploaders 1 {more}");
        let mut command = place.command(&arguments);
        let ended: crate::place::Ended =
            command.env("FAULT_POINT", format!("full-sync-folder:{from}")).output().unwrap().into();
        (ended.code() == Some(1), place.files("new/out").len())
    };
    let syncs = |inputs: &[&str]| (0..30).find(|syncs| !fails(inputs, "--sync", syncs + 1).0).unwrap();
    assert_eq!(fails(&["1.jpg"], "--sync", 1), (true, 0), "nothing counts as written before its folders");
    let flat = syncs(&["1.jpg"]);
    assert!(flat >= 2, "the folder in which the output was made, and the output");
    assert_eq!(syncs(&["1.jpg", "2.jpg"]), flat + 1, "the folder of the second result");
    assert_eq!(syncs(&["a/b/1.jpg"]), flat + 2, "those in which `a` and `b` were made");
    assert_eq!(syncs(&["a/b/1.jpg", "a/b/2.jpg"]), flat + 3, "and these only once");
    assert!(!fails(&["a/b/1.jpg"], "", 1).0, "unasked nothing is");
}

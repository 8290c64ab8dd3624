//! A full disk: the run stops with a remedy, and goes on when there is room; nothing lost, nothing doubled.

use std::process::{Command, Output};

use crate::crash::{Dice, VARIANTS, arguments, expected, has_checkpoint, numbered_logs, remove};
use crate::place::{Ended, Place};

/// In a mount namespace of its own: a file system of 1 MB is filled, then made larger.
///
/// Prints the exit codes; what the two runs say goes to files outside of the small file system. Ends with 77 if
/// nothing can be mounted.
const SMALL_DISK: &str = r#"
mount -t tmpfs -o size=1m none small || exit 77
"$@" >full.stdout 2>full.stderr
echo "full: $?"
mount -o remount,size=64m none small
"$@" >room.stdout 2>room.stderr
echo "room: $?"
cp small/out out
"#;

/// The same where users may not mount: the system refuses to let a file grow over 1 MB, which it calls too large.
const SMALL_FILES: &str = r#"
(ulimit -f 2048; exec "$@" >full.stdout 2>full.stderr)
echo "full: $?"
"$@" >room.stdout 2>room.stderr
echo "room: $?"
cp small/out out
"#;

/// Arguments of the program after those of the limit, in blocks of 512 bytes.
const WITH_LIMIT: &str = r#"ulimit -f "$1"; shift; exec "$@""#;

/// Runs the program in a script that gives it little room.
fn in_a_script(place: &Place, arguments: &str, shell: &[&str]) -> Output {
    let program = place.command(arguments);
    let mut command = Command::new(shell[0]);
    command.args(&shell[1..]).arg(program.get_program()).args(program.get_args());
    command.current_dir(place.path("")).output().expect("a shell and util-linux are on every Linux")
}

#[test]
fn a_full_disk_stops_the_run_and_with_room_it_goes_on() {
    let place = Place::new();
    let content: String = (0..300_000).map(|n| format!("line number {n}\n")).collect();
    place.write("in", &content);
    place.write("small/.keep", "");

    let arguments = "run -i in -o small/out --state small/state --checkpoint-every 64KiB --report json";
    let namespace = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", SMALL_DISK, "sh"];
    let mut script = in_a_script(&place, arguments, &namespace);
    if script.stdout.is_empty() {
        println!("nothing can be mounted here: files that may not grow take the place of a small disk");
        script = in_a_script(&place, arguments, &["sh", "-c", SMALL_FILES, "sh"]);
    }

    assert_eq!(String::from_utf8_lossy(&script.stdout), "full: 1\nroom: 0\n", "{script:?}");
    let filters = vec![(r"more room: .* \(os error \d+\)", "more room: [what the system says]")];
    insta::with_settings!({filters => filters}, {
        insta::assert_snapshot!(place.text("full.stderr"));
    });
    let report: serde_json::Value = serde_json::from_str(&place.text("full.stdout")).unwrap();
    assert_eq!(report["ended"], "failed");
    assert!(report["totals"]["not_written"].as_u64() > Some(0), "{report}");
    assert!(place.text("out") == content, "lines were lost or doubled");
}

/// Runs with ever more room until a run gets through, and says how many disks that were full counted.
fn fill_until_done(place: &Place, more: &str, dice: &mut Dice, longest: u64) -> usize {
    let mut full = 0;
    loop {
        // Up to a quarter further on, and room for a checkpoint in any case.
        let blocks = (place.len("out") + dice.below(longest / 4)) / 512 + 16;
        let shell = ["sh", "-c", WITH_LIMIT, "sh", &blocks.to_string()];
        let ended: Ended = in_a_script(place, &arguments("out", more), &shell).into();
        if ended.code() == Some(0) {
            return full;
        }
        assert_eq!(ended.code(), Some(1), "{ended:#?}");
        assert!(ended.stderr.contains("out has no more room"), "{ended:#?}");
        full += usize::from(has_checkpoint(place));
        // Else the runs might go on for ever.
        assert!(place.len("out") <= longest, "lines were doubled");
    }
}

#[test]
fn disks_that_are_full_at_random_moments_lose_nothing_and_double_nothing() {
    let place = numbered_logs();
    let mut full = 0;
    for (seed, more) in (1..=7).zip(VARIANTS.into_iter().cycle()) {
        let expected = expected(&place, more);
        full += fill_until_done(&place, more, &mut Dice::new(seed), expected.len() as u64);
        assert!(place.read("out") == expected, "seed {seed}: the output is not that of an uninterrupted run");
        remove(&place, "out");
    }
    println!("{full} full disks between the first checkpoint and the end");
    assert!(full >= 40, "only {full} full disks between the first checkpoint and the end");
}

#[cfg(feature = "fault-points")]
#[test]
fn a_disk_that_is_full_at_each_fault_point_loses_nothing_and_doubles_nothing() {
    let place = numbered_logs();
    for more in ["--sync", crate::crash::FEW_LINES] {
        let expected = expected(&place, more);
        let sync: &[&str] = if more == "--sync" { &["full-sync"] } else { &[] };
        for point in ["full-output", "full-state", "full-rename"].iter().chain(sync) {
            // The first checkpoint is made before anything is read.
            for passing in [2, 3, 7] {
                let mut command = place.command(&arguments("out", more));
                command.env("FAULT_POINT", format!("{point}:{passing}"));
                let ended = place.start_command(command).wait();
                assert_eq!(ended.code(), Some(1), "{point} was not passed {passing} times: {ended:#?}");
                assert!(ended.stderr.contains("No space left on device"), "{ended:#?}");
                place.done(&arguments("out", more));
                assert!(place.read("out") == expected, "full at {point}, passing {passing}, {more}");
                remove(&place, "out");
            }
        }
    }
}

#[cfg(feature = "fault-points")]
#[test]
fn a_disk_that_is_full_before_the_first_checkpoint_leaves_nothing_in_the_way() {
    let place = Place::new();
    place.write("in", "one\n");
    let arguments = "run -i in -o out --state out.state";
    for point in ["full-state", "full-rename"] {
        let mut command = place.command(arguments);
        command.env("FAULT_POINT", format!("{point}:1"));
        assert_eq!(place.start_command(command).wait().code(), Some(1), "as when it is full later");
        place.done(arguments);
        assert_eq!(place.text("out"), "one\n");
        remove(&place, "out");
    }
}

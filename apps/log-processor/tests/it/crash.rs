//! Killed at random moments and at each fault point: nothing lost, nothing doubled.

use std::fs;
use std::hint;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::place::{Place, Report as _, logs, until};

/// Small checkpoints, so that the input spans many: one a batch.
pub(crate) fn arguments(output: &str, more: &str) -> String {
    format!(
        "run -i app.log old.log.gz new.log -o {output} --state {output}.state --checkpoint-every 64KiB {more}"
    )
}

/// How many checkpoints a run makes at least: batches of 256 KiB.
const CHECKPOINTS: u64 = 12;

/// Keeps about a line in twenty, so that most of the time there is something written and not flushed.
pub(crate) const FEW_LINES: &str = "--parse plain -f message=~\"^[0-9]*77\"";

/// Pipelines that use the output and the state in different ways.
pub(crate) const VARIANTS: [&str; 5] =
    ["", "--format json", FEW_LINES, "--sync", "--format logfmt --workers 4"];

/// Numbers that are the same in every run: SplitMix64, <https://prng.di.unimi.it/splitmix64.c>.
pub(crate) struct Dice(u64);

/// Three inputs of real lines, each numbered, so that no two are the same.
pub(crate) fn numbered_logs() -> Place {
    let place = Place::new();
    let real =
        ["syslog/rfc3164_centos.log", "json/gitlab.log", "logfmt/authelia.log", "access/shop_access.log"]
            .map(|name| fs::read(logs(name)).unwrap())
            .concat();
    let lines: Vec<_> = real.split(|&byte| byte == b'\n').filter(|line| !line.is_empty()).collect();
    let mut number = 0;
    for name in ["app.log", "old.log", "new.log"] {
        let mut content = Vec::new();
        while content.len() < 1 << 20 {
            content.extend_from_slice(format!("{number} ").as_bytes());
            content.extend_from_slice(lines[number % lines.len()]);
            content.push(b'\n');
            number += 1;
        }
        // The last line without its end, as one that is still being written.
        content.pop();
        if name == "old.log" {
            place.write_gz("old.log.gz", content);
        } else {
            place.write(name, content);
        }
    }
    place
}

/// What an uninterrupted run writes.
pub(crate) fn expected(place: &Place, more: &str) -> Vec<u8> {
    let uninterrupted = place.done(&arguments("expected", &format!("{more} --report json")));
    let bytes = uninterrupted.report()["totals"]["bytes_read"].as_u64().unwrap();
    assert!(bytes / (256 << 10) >= CHECKPOINTS, "{bytes} bytes are too few");
    let expected = place.read("expected");
    remove(place, "expected");
    expected
}

/// Makes room for the next run.
pub(crate) fn remove(place: &Place, output: &str) {
    fs::remove_file(place.path(output)).unwrap();
    fs::remove_dir_all(place.path(output).with_extension("state")).unwrap();
}

/// Whether a checkpoint says that something was read.
pub(crate) fn has_checkpoint(place: &Place) -> bool {
    let Ok(state) = fs::read_to_string(place.path("out.state/checkpoint.json")) else { return false };
    state.split("\"offset\":").skip(1).any(|offset| !offset.starts_with('0'))
}

/// Runs with kills until a run gets through, and says how many kills counted.
pub(crate) fn kill_until_done(place: &Place, more: &str, dice: &mut Dice, longest: u64) -> usize {
    let mut kills = 0;
    loop {
        let mut running = place.start(&arguments("out", more));
        // A place in the output, up to an eighth further on, and a moment behind it.
        let length = place.len("out") + dice.below(longest / 8);
        let moment = Duration::from_micros(dice.below(2000));
        until("the output is that long", || {
            running.has_ended() || (place.len("out") >= length && has_checkpoint(place))
        });
        let reached = Instant::now();
        while reached.elapsed() < moment {
            hint::spin_loop();
        }
        if !running.has_ended() {
            running.signal(Signal::KILL);
        }
        let ended = running.wait();
        if !ended.was_killed() {
            assert_eq!(ended.code(), Some(0), "{ended:#?}");
            return kills;
        }
        kills += 1;
        // Else the runs might go on for ever.
        assert!(place.len("out") <= longest, "lines were doubled");
    }
}

/// Kills runs of each variant, in turn, at random moments until they are done, and compares what came of them. Tells how
/// many were killed between the first checkpoint and the end.
pub(crate) fn kill_each(place: &Place, variants: &[&str], seeds: u64) -> usize {
    let mut kills = 0;
    for (seed, more) in (1..=seeds).zip(variants.iter().copied().cycle()) {
        let expected = expected(place, more);
        kills += kill_until_done(place, more, &mut Dice::new(seed), expected.len() as u64);
        assert!(place.read("out") == expected, "seed {seed}: the output is not that of an uninterrupted run");
        remove(place, "out");
    }
    kills
}

#[test]
fn kills_at_random_moments_lose_nothing_and_double_nothing() {
    let kills = kill_each(&numbered_logs(), &VARIANTS, 10);
    assert!(kills >= 40, "only {kills} kills between the first checkpoint and the end");
}

/// Crashes a run of each variant at each fault point, the so manieth time that it passes there, and compares what the next
/// run makes of it.
#[cfg(feature = "fault-points")]
pub(crate) fn crash_at_each_point(place: &Place, variants: &[&str], passings: &[usize]) {
    for more in variants {
        let expected = expected(place, more);
        for point in ["after-write", "after-flush", "after-save", "after-rename"] {
            for passing in passings {
                let mut command = place.command(&arguments("out", more));
                command.env("FAULT_POINT", format!("{point}:{passing}"));
                let ended = place.start_command(command).wait();
                assert_eq!(ended.code(), None, "{point} was not passed {passing} times");
                place.done(&arguments("out", more));
                assert!(place.read("out") == expected, "crashed at {point}, passing {passing}, {more}");
                remove(place, "out");
            }
        }
    }
}

#[cfg(feature = "fault-points")]
#[test]
fn a_crash_at_each_fault_point_loses_nothing_and_doubles_nothing() {
    crash_at_each_point(&numbered_logs(), &["", FEW_LINES], &[1, 2, 7]);
}

// === impl Dice ===

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % end
    }
}

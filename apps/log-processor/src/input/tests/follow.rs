use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::{Duration, Instant},
};

use insta::assert_snapshot;

use super::*;
use crate::input::Wake;

#[test]
fn lines_come_when_they_are_whole() {
    let logs = Logs::new();
    logs.write("app.log", "one\ntw");
    let mut run = logs.follow(&["app.log"]);
    assert_eq!(run.read(), "one\n");
    logs.append("app.log", "o\nthr");
    assert_eq!(run.read(), "two\n");
    assert_eq!(run.read(), "");
}

#[test]
fn rotated_file_is_read_to_its_end_before_the_new_one() {
    let logs = Logs::new();
    logs.write("app.log", "1\n");
    let mut run = logs.follow(&["app.log"]);
    assert_eq!(run.read(), "1\n");

    logs.rename("app.log", "app.log.1");
    logs.append("app.log.1", "2\n");
    assert_eq!(run.read(), "2\n", "the writer still has the old file");
    logs.write("app.log", "");
    logs.append("app.log.1", "3\n");
    assert_eq!(run.read(), "3\n", "and does not use the new one yet");
    logs.append("app.log.1", "4\n5 unfinished");
    logs.append("app.log", "6\n");
    assert_eq!(run.read(), "[app.log was rotated: reading the new file from its start]\n4\n5 unfinished6\n");

    logs.append("app.log", "7\n");
    assert_eq!(run.read(), "7\n");
}

#[test]
fn rotated_file_with_much_to_read_is_finished_before_the_new_one() {
    let logs = Logs::new();
    logs.write("app.log", "old\n".repeat(200_000));
    let mut run = logs.follow(&["app.log"]);
    logs.rename("app.log", "app.log.1");
    logs.write("app.log", "new\n");
    // The first look finds the rotation, and of the old file nothing is read by then.
    let said = run.read();
    let lines = said.strip_prefix("[app.log was rotated: reading the new file from its start]\n");
    assert!(lines == Some(&("old\n".repeat(200_000) + "new\n")));
}

#[test]
fn every_one_of_several_rotations_is_read() {
    let logs = Logs::new();
    logs.write("app.log", "0\n");
    let mut run = logs.follow(&["app.log"]);
    let mut lines = run.lines();
    for round in 1..=5 {
        logs.append("app.log", &format!("{round} late\n"));
        logs.rename("app.log", &format!("app.log.{round}"));
        logs.write("app.log", format!("{round}\n"));
        lines += &run.lines();
    }
    assert_eq!(lines, "0\n1 late\n1\n2 late\n2\n3 late\n3\n4 late\n4\n5 late\n5\n");
}

#[test]
fn files_that_came_and_went_between_two_looks_are_read_in_their_order() {
    for pattern in ["app.log", "app.log*"] {
        let logs = Logs::new();
        logs.write("app.log", "1\n");
        let mut run = logs.follow(&[pattern]);
        assert_eq!(run.read(), "1\n");
        logs.append("app.log", "2\n");
        for content in ["3\n", "4\n", "5\n"] {
            logs.rotate(3);
            logs.write("app.log", content);
        }
        assert_eq!(
            run.read(),
            "[app.log.2 was rotated in the meantime: reading it from its start]\n\
             [app.log.1 was rotated in the meantime: reading it from its start]\n\
             [app.log was rotated: reading the new file from its start]\n\
             2\n3\n4\n5\n",
            "{pattern}"
        );
        logs.rotate(4);
        logs.write("app.log", "6\n");
        assert_eq!(
            run.read(),
            "[app.log was rotated: reading the new file from its start]\n6\n",
            "{pattern}"
        );
    }
}

#[test]
fn file_in_between_is_found_when_the_one_before_it_is_gone() {
    for is_compressed in [false, true] {
        let logs = Logs::new();
        logs.write("app.log", "1\n");
        let mut run = logs.follow(&["app.log"]);
        assert_eq!(run.read(), "1\n");
        logs.append("app.log", "2\n");
        logs.age("app.log");
        logs.rotate(0);
        logs.write("app.log", "3\n");
        if is_compressed {
            // By a program that does not keep the time of the last change.
            let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            encoder.write_all(b"1\n2\n").expect("memory takes what is written");
            logs.write("app.log.2.gz", encoder.finish().expect("memory takes what is written"));
        }
        // What was `app.log.1` is overwritten.
        logs.rotate(0);
        logs.write("app.log", "4\n");
        assert_eq!(
            run.read(),
            "[app.log.1 was rotated in the meantime: reading it from its start]\n\
             [app.log was rotated: reading the new file from its start]\n\
             2\n3\n4\n"
        );
    }
}

/// What came and went while there was no new log was not looked for.
#[test]
fn file_in_between_is_found_while_nothing_stands_at_the_path() {
    for pattern in ["app.log", "*.log"] {
        let logs = Logs::new();
        logs.write("app.log", "1\n");
        logs.age("app.log");
        let mut run = logs.follow(&[pattern]);
        assert_eq!(run.read(), "1\n");
        logs.rotate(1);
        logs.write("app.log", "2\n");
        logs.rotate(2);
        // As when it is compressed.
        logs.remove("app.log.2");
        let said = run.read();
        assert!(
            said.contains("[app.log.1 was rotated in the meantime: reading it from its start]\n"),
            "{said}"
        );
        assert!(said.ends_with("2\n"), "{said}");
        logs.append("app.log", "3\n");
        assert_eq!(run.read(), "[app.log was rotated: reading the new file from its start]\n3\n");
    }
}

#[test]
fn copies_of_several_truncations_are_read_in_their_order() {
    let logs = Logs::new();
    logs.write("app.log", "1\n");
    let mut run = logs.follow(&["app.log"]);
    assert_eq!(run.read(), "1\n");
    logs.append("app.log", "2\n");
    logs.copy_and_truncate("app.log", "app.log.1");
    logs.append("app.log", "3\n");
    logs.rename("app.log.1", "app.log.2");
    logs.copy_and_truncate("app.log", "app.log.1");
    logs.append("app.log", "4\n");
    assert_eq!(
        run.read(),
        "[app.log was truncated: going on from byte 2 in its copy app.log.2]\n\
         [app.log.1 was rotated in the meantime: reading it from its start]\n\
         2\n3\n4\n"
    );
}

#[test]
fn closed_file_that_one_look_misses_is_not_read_again() {
    let logs = Logs::new();
    logs.write("app.log", "1\n");
    let mut run = logs.follow(&["app.log*"]);
    assert_eq!(run.read(), "1\n");
    logs.rotate(0);
    logs.write("app.log", "2\n");
    assert_eq!(run.read(), "[app.log was rotated: reading the new file from its start]\n2\n");
    // A look goes through names and then to the files: one that is renamed in between is under none of them.
    logs.rename("app.log.1", "between");
    logs.write("app.log.new", "3\n");
    let steps: Vec<_> = (0..2).map(|_| run.step().unwrap_or_default()).collect();
    assert_eq!(steps, ["", "[app.log.new appeared: reading it from its start]\n"]);
    logs.rename("between", "app.log.2");
    assert_eq!(run.step().as_deref(), Some("3\n"));
    assert_eq!(run.checkpoint().inputs.len(), 3, "nor would the next run read it again");
    assert_eq!(run.read(), "");
}

#[test]
fn file_that_is_closed_when_a_look_missed_it_is_not_read_again() {
    let logs = Logs::new();
    logs.write("app.log", "1\n");
    let mut run = logs.follow(&["app.log*"]);
    assert_eq!(run.read(), "1\n");
    logs.rename("app.log", "between");
    logs.write("app.log", "2\n");
    let steps: Vec<_> = (0..3).map(|_| run.step().unwrap_or_default()).collect();
    assert_eq!(steps, ["", "[app.log was rotated: reading the new file from its start]\n", ""]);
    logs.rename("between", "app.log.1");
    assert_eq!(run.read(), "2\n");
}

#[test]
fn forgotten_file_is_known_when_it_comes_back() {
    let logs = Logs::new();
    logs.write("app.log", "1\n");
    let mut run = logs.follow(&["*.log"]);
    assert_eq!(run.read(), "1\n");
    logs.rotate(0);
    logs.write("app.log", "2\n");
    assert_eq!(run.read(), "[app.log was rotated: reading the new file from its start]\n2\n");
    assert_eq!(run.checkpoint().inputs.len(), 1, "a checkpoint forgets what no pattern leads to");
    logs.rename("app.log.1", "back.log");
    assert_eq!(run.read(), "");
    assert_eq!(run.checkpoint().inputs.len(), 2);
    logs.append("back.log", "late\n");
    assert_eq!(run.read(), "late\n");
}

#[test]
fn looks_in_the_middle_of_renames_double_nothing_and_lose_nothing() {
    const ROTATIONS: u32 = 100;
    for pattern in ["app.log", "app.log*"] {
        let logs = Logs::new();
        logs.write("app.log", "line 0\n");
        let mut run = logs.follow(&[pattern]);
        let mut lines = Vec::new();
        let read = AtomicUsize::new(0);
        // A lost line must not hang the test.
        let end = Instant::now() + Duration::from_secs(60);
        std::thread::scope(|scope| {
            let writer = scope.spawn(|| {
                for rotation in 1..=ROTATIONS {
                    logs.rotate(rotation);
                    logs.write("app.log", format!("line {rotation}\n"));
                    // Every other time it goes on at once.
                    while rotation % 2 == 0
                        && read.load(Ordering::Relaxed) <= rotation as usize
                        && Instant::now() < end
                    {
                        std::thread::yield_now();
                    }
                }
            });
            while !writer.is_finished() || lines.len() <= ROTATIONS as usize && Instant::now() < end {
                let said = run.read();
                lines.extend(said.lines().filter_map(|line| line.strip_prefix("line ")?.parse::<u32>().ok()));
                read.store(lines.len(), Ordering::Relaxed);
            }
        });
        lines.sort_unstable();
        assert_eq!(lines, (0..=ROTATIONS).collect::<Vec<_>>(), "{pattern}");
    }
}

#[test]
fn truncated_file_of_which_nothing_was_read_is_read_from_its_copy() {
    let logs = Logs::new();
    logs.write("app.log", "1\n");
    let mut run = logs.follow(&["app.log"]);
    logs.copy_and_truncate("app.log", "app.log.1");
    logs.append("app.log", "2\n");
    assert_eq!(run.read(), "[app.log was truncated: going on from byte 0 in its copy app.log.1]\n1\n2\n");
}

#[test]
fn truncated_file_is_read_from_its_start() {
    let logs = Logs::new();
    logs.write("app.log", "one\ntwo\nthr");
    let mut run = logs.follow(&["app.log"]);
    assert_eq!(run.read(), "one\ntwo\n");
    logs.truncate("app.log");
    assert_eq!(
        run.read(),
        "[app.log was truncated behind byte 8: reading it again from its start]\nthr",
        "the begin of a line that was read is not thrown away"
    );
    logs.append("app.log", "1\n");
    assert_eq!(run.read(), "1\n");
}

#[test]
fn file_that_grew_past_the_position_after_it_was_truncated_is_not_taken_for_itself() {
    let logs = Logs::new();
    // The first line is the same, as a header may be.
    logs.write("app.log", "header\none\n");
    let mut run = logs.follow(&["app.log"]);
    assert_eq!(run.read(), "header\none\n");
    logs.truncate("app.log");
    logs.append("app.log", "header\nsomething longer than before\n");
    assert_eq!(
        run.read(),
        "[app.log was truncated behind byte 11: reading it again from its start]\n\
         header\nsomething longer than before\n"
    );
}

#[test]
fn copy_that_was_made_before_the_truncation_gives_what_was_not_read_yet() {
    for pattern in ["app.log", "app.log*"] {
        let logs = Logs::new();
        logs.write("app.log", "one\n");
        let mut run = logs.follow(&[pattern]);
        assert_eq!(run.read(), "one\n");
        logs.append("app.log", "two\nthree, unfinished");
        logs.copy_and_truncate("app.log", "app.log.1");
        logs.append("app.log", "four\n");
        assert_eq!(
            run.read(),
            "[app.log was truncated: going on from byte 4 in its copy app.log.1]\n\
             two\nthree, unfinishedfour\n",
            "{pattern}"
        );
    }
}

#[test]
fn copy_in_a_glob_is_not_read_twice() {
    let logs = Logs::new();
    logs.write("app.log", "one\ntwo\n");
    let mut run = logs.follow(&["app.log*"]);
    assert_eq!(run.read(), "one\ntwo\n");
    logs.write("app.log.1", "");
    assert_eq!(run.read(), "");
    logs.append("app.log.1", "one\n");
    assert_eq!(run.read(), "[app.log.1 is a copy of app.log: leaving it out]\n", "half of it is copied");
    logs.append("app.log.1", "two\n");
    assert_eq!(run.read(), "");
    logs.truncate("app.log");
    assert_eq!(
        run.read(),
        "[app.log was truncated: going on from byte 8 in its copy app.log.1]\n",
        "where nothing is left to read"
    );
    logs.append("app.log", "three\n");
    assert_eq!(run.read(), "three\n");
}

#[test]
fn file_may_be_missing_at_first_and_for_a_while() {
    let logs = Logs::new();
    let mut run = logs.follow(&["app.log"]);
    assert_eq!(run.read(), "[app.log does not exist: waiting for it]\n");
    assert_eq!(run.read(), "");
    logs.write("app.log", "one\n");
    assert_eq!(run.read(), "[app.log appeared: reading it from its start]\none\n");
    logs.remove("app.log");
    assert_eq!(run.read(), "[app.log does not exist: waiting for it]\n");
    logs.write("app.log", "two\n");
    assert_eq!(run.read(), "[app.log appeared: reading it from its start]\ntwo\n");
}

#[test]
fn glob_in_a_folder_that_does_not_exist_is_refused() {
    let logs = Logs::new();
    let pattern = logs.path("no/*.log").display().to_string();
    let opened = Inputs::open(&[pattern], None, Options { follow: true, ..Options::default() });
    let said = opened.expect_err("nothing can appear there").to_string();
    assert_snapshot!(said.replace(&logs.folder.path().display().to_string(), "FOLDER"), @"changes in FOLDER/no cannot be watched: it does not exist; make it first, or check the spelling");
}

#[test]
fn new_files_of_a_glob_are_read_and_renamed_ones_are_not_read_again() {
    let logs = Logs::new();
    logs.write("app.log", "1\n");
    let mut run = logs.follow(&["*.log*"]);
    assert_eq!(run.read(), "1\n");
    logs.write("other.log", "other\n");
    assert_eq!(run.read(), "[other.log appeared: reading it from its start]\nother\n");
    logs.rename("app.log", "app.log.1");
    assert_eq!(run.read(), "");
    logs.write("app.log", "2\n");
    assert_eq!(run.read(), "[app.log was rotated: reading the new file from its start]\n2\n");
    logs.append("app.log.1", "late\n");
    assert_eq!(run.read(), "late\n", "the glob still reaches the old file");
    assert_eq!(run.checkpoint().inputs.len(), 3);
    logs.remove("app.log.1");
    assert_eq!(run.read(), "");
    assert_eq!(run.checkpoint().inputs.len(), 2, "what is gone need not be remembered");
}

#[test]
fn inode_that_is_used_again_is_another_file() {
    let logs = Logs::new();
    logs.write("a.log", "one\n");
    let mut run = logs.follow(&["*.log"]);
    assert_eq!(run.read(), "one\n");
    // Same place on disk, other content: what a file system makes of a delete and a create when it gives the inode
    // out again, without having to hope that it does.
    logs.truncate("a.log");
    logs.append("a.log", "two\n");
    assert_eq!(run.read(), "[a.log was truncated behind byte 4: reading it again from its start]\ntwo\n");
}

#[test]
fn busy_file_keeps_no_other_waiting() {
    let logs = Logs::new();
    logs.write("busy.log", "busy\n".repeat(500_000));
    logs.write("quiet.log", "quiet\n");
    let mut run = logs.follow(&["busy.log", "quiet.log"]);
    let first_two = [run.step(), run.step()];
    assert!(first_two.contains(&Some("quiet\n".to_owned())));
}

#[test]
fn run_that_is_stopped_leaves_the_begun_line_to_the_next() {
    let logs = Logs::new();
    logs.write("app.log", "one\ntw");
    let mut run = logs.follow(&["app.log"]);
    assert_eq!(run.read(), "one\n");
    run.inputs.stopper().stop();
    assert_eq!(run.read(), "");
    logs.append("app.log", "o\n");
    assert_eq!(logs.resume(&["app.log"], Options::default(), Some(&run.checkpoint())).read(), "two\n");
}

#[test]
fn wait_ends_when_a_file_grows_a_new_one_appears_or_the_run_is_stopped() {
    let logs = Logs::new();
    logs.write("app.log", "1\n");
    let mut run = logs.follow(&["*.log"]);
    assert_eq!(run.read(), "1\n");

    // An event may come late and one change may make several, so a wait may end for an old one: what must hold is
    // that a change is seen after some wait.
    let mut read_until = |line: &str| {
        let mut said = String::new();
        while !said.ends_with(line) {
            assert_eq!(run.inputs.wait(), Wake::Look);
            said += &run.read();
        }
    };
    logs.append("app.log", "2\n");
    read_until("2\n");
    logs.write("new.log", "3\n");
    read_until("3\n");
    logs.rename("app.log", "app.old");
    logs.write("app.log", "4\n");
    read_until("4\n");

    let stopper = run.inputs.stopper();
    let waiting = std::thread::spawn(move || {
        while run.inputs.wait() == Wake::Look {
            run.read();
        }
    });
    stopper.stop();
    waiting.join().expect("the reader does not panic");
}

#[test]
fn files_that_were_rotated_into_another_folder_between_two_looks_are_read_in_their_order() {
    let logs = Logs::new();
    fs::create_dir(logs.path("old")).expect("the folder is ours");
    logs.write("app.log", "1\n");
    let mut run = logs.follow(&["app.log"]);
    assert_eq!(run.read(), "1\n");
    logs.append("app.log", "2\n");
    // As logrotate does with `olddir`.
    for (last, content) in [(0, "3\n"), (1, "4\n"), (2, "5\n")] {
        for number in (1..=last).rev() {
            logs.rename(&format!("old/app.log.{number}"), &format!("old/app.log.{}", number + 1));
        }
        logs.rename("app.log", "old/app.log.1");
        logs.write("app.log", content);
    }
    assert_eq!(
        run.read(),
        "[old/app.log.2 was rotated in the meantime: reading it from its start]\n\
         [old/app.log.1 was rotated in the meantime: reading it from its start]\n\
         [app.log was rotated: reading the new file from its start]\n\
         2\n3\n4\n5\n"
    );
    assert_eq!(run.read(), "");
    let mut again =
        logs.resume(&["app.log"], Options { follow: true, ..Options::default() }, Some(&run.checkpoint()));
    logs.append("app.log", "6\n");
    assert!(again.read().ends_with("6\n"), "what was read there is not read again");
}

#[test]
fn a_file_that_was_moved_under_a_name_that_tells_nothing_is_said_to_hide_what_came_after_it() {
    let logs = Logs::new();
    fs::create_dir(logs.path("old")).expect("the folder is ours");
    logs.write("app.log", "1\n");
    let mut run = logs.follow(&["app.log"]);
    assert_eq!(run.read(), "1\n");
    for (name, content) in [("old/first", "2\n"), ("old/second", "3\n")] {
        logs.rename("app.log", name);
        logs.write("app.log", content);
    }
    assert_eq!(
        run.read(),
        "[app.log was moved to old/first: were there others before the present one, their lines are missing]\n\
         [app.log was rotated: reading the new file from its start]\n\
         3\n"
    );
}

/// The file was read on behind the position, in what had been written after it was truncated: the rest of the copy was lost, and
/// so were the lines up to there.
#[test]
fn log_that_was_truncated_and_then_renamed_is_finished_in_its_copy_first() {
    for pattern in ["app.log", "app.log*"] {
        for has_copy in [true, false] {
            let logs = Logs::new();
            logs.write("app.log", "1\n");
            let mut run = logs.follow(&[pattern]);
            assert_eq!(run.lines(), "1\n");
            logs.append("app.log", "2\n");
            logs.copy_and_truncate("app.log", "app.log.1");
            if !has_copy {
                logs.remove("app.log.1");
            }
            logs.append("app.log", "3\n");
            for content in ["4\n", "5\n"] {
                logs.rotate(2);
                logs.write("app.log", content);
            }
            let lines = if has_copy { "2\n3\n4\n5\n" } else { "3\n4\n5\n" };
            assert_eq!(run.lines(), lines, "{pattern}, {has_copy}");
            let options = Options { follow: true, ..Options::default() };
            assert_eq!(logs.resume(&[pattern], options, Some(&run.checkpoint())).lines(), "", "{pattern}");
        }
    }
}

/// It was said to be read again, and nothing of it was; or it was read on in the middle of what had been written since.
#[test]
fn log_that_was_truncated_and_then_moved_away_or_deleted_is_read_again_as_it_is_said() {
    for (pattern, to) in [
        ("app.log", Some("old/first")),
        ("app.log", Some("other")),
        ("app.log", None),
        ("*.log", Some("other")),
    ] {
        for is_made in [true, false] {
            let logs = Logs::new();
            fs::create_dir(logs.path("old")).expect("the folder is ours");
            logs.write("app.log", "one\n");
            let mut run = logs.follow(&[pattern]);
            assert_eq!(run.read(), "one\n");
            logs.truncate("app.log");
            logs.append("app.log", "2\n");
            match to {
                Some(to) => logs.rename("app.log", to),
                None => logs.remove("app.log"),
            }
            if is_made {
                logs.write("app.log", "3\n");
            }
            let said = run.read();
            let is_case = format!("{pattern}, {to:?}, {is_made}: {said}");
            let restarted = "[app.log was truncated behind byte 4: reading it again from its start]\n";
            assert!(said.contains(restarted), "{is_case}");
            let lines: Vec<&str> = said.lines().filter(|line| !line.starts_with('[')).collect();
            assert_eq!(lines, if is_made { vec!["2", "3"] } else { vec!["2"] }, "{is_case}");
            assert_eq!(run.lines(), "", "{is_case}");
            if !is_made && let Some(to) = to {
                logs.append(to, "three\n");
                assert_eq!(run.lines(), "three\n", "{is_case}");
                logs.write("app.log", "4\n");
                assert_eq!(run.lines(), "4\n", "{is_case}");
            }
        }
    }
}

/// It would have been followed from then on, since it begins anew.
#[test]
fn rotated_file_that_is_truncated_while_it_is_finished_is_not_followed() {
    let logs = Logs::new();
    logs.write("app.log", "1\n".repeat(1_000_000));
    let mut run = logs.follow(&["app.log"]);
    run.step().expect("there is a first batch");
    logs.rotate(0);
    logs.write("app.log", "2\n");
    while run.step().expect("there is more") != "[app.log was rotated: reading the new file from its start]\n"
    {
    }
    logs.truncate("app.log.1");
    logs.append("app.log.1", "3\n");
    for _ in 0..4 {
        run.lines();
    }
    let read_on = run.checkpoint().inputs.into_iter().filter(|input| input.phase == Phase::Reading);
    assert_eq!(read_on.map(|input| input.path).collect::<Vec<_>>(), [logs.path("app.log")]);
    logs.append("app.log.1", "4\n");
    logs.append("app.log", "5\n");
    assert_eq!(run.lines(), "5\n");
}

#[test]
fn log_that_was_renamed_and_its_successor_truncated_is_read_in_order() {
    for pattern in ["app.log", "app.log*"] {
        let logs = Logs::new();
        logs.write("app.log", "1\n");
        let mut run = logs.follow(&[pattern]);
        assert_eq!(run.lines(), "1\n");
        logs.append("app.log", "2\n");
        logs.rotate(0);
        logs.write("app.log", "3\n");
        logs.rename("app.log.1", "app.log.2");
        logs.copy_and_truncate("app.log", "app.log.1");
        logs.append("app.log", "4\n");
        assert_eq!(run.lines(), "2\n3\n4\n", "{pattern}");
        let options = Options { follow: true, ..Options::default() };
        assert_eq!(logs.resume(&[pattern], options, Some(&run.checkpoint())).lines(), "", "{pattern}");
    }
}

/// Its lines were held back until the new one had some.
#[test]
fn file_in_between_is_read_while_the_new_one_is_empty() {
    for pattern in ["app.log", "app.log*"] {
        for is_compressed in [true, false] {
            let logs = Logs::new();
            logs.write("app.log", "1\n");
            let mut run = logs.follow(&[pattern]);
            assert_eq!(run.lines(), "1\n");
            for (content, last) in [("2\n", 0), ("", 1)] {
                logs.rotate(last);
                logs.write("app.log", content);
            }
            if is_compressed {
                logs.write("app.log.2.gz", gzip("1\n"));
                logs.remove("app.log.2");
            }
            assert_eq!(run.lines(), "2\n", "{pattern}, {is_compressed}");
            logs.append("app.log.1", "late\n");
            assert_eq!(run.lines(), "late\n", "the writer has not turned to the new file yet");
            logs.append("app.log", "3\n");
            assert_eq!(run.lines(), "3\n");
        }
    }
}

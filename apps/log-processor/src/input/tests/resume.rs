use super::*;

fn resumed(logs: &Logs, patterns: &[&str], checkpoint: &Checkpoint) -> String {
    logs.resume(patterns, Options::default(), Some(checkpoint)).read()
}

/// The checkpoint of a run that read `content` of `app.log` as far as its last whole line.
fn read_and_killed(logs: &Logs, content: &str) -> Checkpoint {
    logs.write("app.log", content);
    let mut run = logs.follow(&["app.log"]);
    run.read();
    run.checkpoint()
}

#[test]
fn goes_on_behind_what_was_written() {
    let logs = Logs::new();
    let checkpoint = read_and_killed(&logs, "one\ntwo\nthr");
    logs.append("app.log", "ee\n");
    assert_eq!(resumed(&logs, &["app.log"], &checkpoint), "three\n");
}

#[test]
fn goes_on_at_every_batch_of_every_file_without_loss_or_double() {
    let logs = Logs::new();
    let content = |name: &str| -> String { (0..90_000).map(|line| format!("{name} {line}\n")).collect() };
    let whole: String = ["a", "b", "c"].map(content).concat();
    for name in ["a", "b", "c"] {
        logs.write(&format!("{name}.log"), content(name));
    }
    let mut run = logs.run(&["*.log"], Options::default());
    let mut before = String::new();
    let mut checkpoints = 0;
    while let Some(batch) = run.step() {
        before += &batch;
        checkpoints += 1;
        assert!(before.clone() + &resumed(&logs, &["*.log"], &run.checkpoint()) == whole);
    }
    assert!(checkpoints > 6 && before == whole);
}

#[test]
fn goes_on_within_an_overlong_line() {
    let logs = Logs::new();
    logs.write("app.log", "0123456789abcdef\nnext\n");
    let options = Options { max_line: 8, ..Options::default() };
    let mut run = logs.run(&["app.log"], options.clone());
    assert_eq!(run.step().as_deref(), Some("01234567"));
    let mut resumed = logs.resume(&["app.log"], options, Some(&run.checkpoint()));
    let Step::Batch(batch) = resumed.inputs.next(Vec::new()) else { panic!("there is more") };
    assert!(batch.starts_inside && batch.ends_inside && batch.bytes == b"89abcdef");
}

#[test]
fn rotated_file_is_finished_first_and_then_those_rotated_after_it() {
    let logs = Logs::new();
    let checkpoint = read_and_killed(&logs, "1\n");
    logs.append("app.log", "2\n");
    logs.rename("app.log", "app.log.3");
    logs.write("app.log.2", "3\n");
    logs.write("app.log.1", "4\n");
    logs.write("app.log.4", "older\n");
    logs.write("app.log", "5\n");
    let said = "[app.log of the run before is now app.log.3: going on there from byte 2]\n\
                [app.log.2 was rotated in the meantime: reading it from its start]\n\
                [app.log.1 was rotated in the meantime: reading it from its start]\n\
                2\n3\n4\n5\n";
    assert_eq!(resumed(&logs, &["app.log"], &checkpoint), said);
    let mut following =
        logs.resume(&["app.log"], Options { follow: true, ..Options::default() }, Some(&checkpoint));
    assert_eq!(following.read(), said);
    logs.append("app.log", "6\n");
    assert_eq!(following.read(), "6\n");
}

/// The date was read as a number, and the second file, as one that is older than the first, was left out without a word.
#[test]
fn files_that_were_rotated_by_date_are_read_in_the_order_of_their_dates() {
    for follow in [true, false] {
        let logs = Logs::new();
        let checkpoint = read_and_killed(&logs, "1\n");
        logs.append("app.log", "2\n");
        logs.rename("app.log", "app.log.20260130");
        logs.write("app.log.20260201", "4\n");
        logs.write("app.log.20260131.gz", gzip("3\n"));
        logs.write("app.log.20260129", "older\n");
        logs.write("app.log", "5\n");
        let options = Options { follow, ..Options::default() };
        assert_eq!(logs.resume(&["app.log"], options, Some(&checkpoint)).lines(), "2\n3\n4\n5\n", "{follow}");
    }
}

#[test]
fn follow_goes_on_in_a_rotated_file_whose_successor_is_still_empty() {
    let logs = Logs::new();
    let checkpoint = read_and_killed(&logs, "1\n");
    logs.rename("app.log", "app.log.1");
    logs.write("app.log", "");
    let mut run =
        logs.resume(&["app.log"], Options { follow: true, ..Options::default() }, Some(&checkpoint));
    assert_eq!(run.read(), "[app.log of the run before is now app.log.1: going on there from byte 2]\n");
    logs.append("app.log.1", "2\n");
    assert_eq!(run.read(), "2\n");
    logs.append("app.log", "3\n");
    assert_eq!(run.read(), "[app.log was rotated: reading the new file from its start]\n3\n");
}

#[test]
fn rotated_file_in_a_glob_is_not_read_twice() {
    let logs = Logs::new();
    logs.write("app.log", "2\n");
    logs.write("app.log.1", "1\n");
    let mut run = logs.run(&["app.log*"], Options::default());
    assert_eq!(run.read(), "2\n1\n");
    logs.rename("app.log.1", "app.log.2");
    logs.rename("app.log", "app.log.1");
    logs.write("app.log", "3\n");
    assert_eq!(logs.resume(&["app.log*"], Options::default(), Some(&run.checkpoint())).lines(), "3\n");
}

#[test]
fn copied_and_truncated_file_is_finished_in_the_copy() {
    let logs = Logs::new();
    let checkpoint = read_and_killed(&logs, "one\ntwo\n");
    logs.append("app.log", "three\n");
    logs.copy_and_truncate("app.log", "app.log.1");
    logs.append("app.log", "four\n");
    assert_eq!(
        resumed(&logs, &["app.log"], &checkpoint),
        "[app.log of the run before is now app.log.1: going on there from byte 8]\nthree\nfour\n"
    );
}

#[test]
fn file_that_was_replaced_by_a_copy_goes_on() {
    let logs = Logs::new();
    let checkpoint = read_and_killed(&logs, "one\ntwo\n");
    logs.replace("app.log");
    logs.append("app.log", "three\n");
    assert_eq!(
        resumed(&logs, &["app.log"], &checkpoint),
        "[app.log of the run before is now app.log: going on there from byte 8]\nthree\n"
    );
}

#[test]
fn what_cannot_be_found_is_said_and_the_present_file_is_read_from_its_start() {
    let lost = "[failed: input app.log was read up to byte 8 by the run before, and neither it nor a copy is at \
                that place or in its folder any more: lines behind that byte, if there were any, are missing from \
                the output]\n";
    // Deleted and made anew; truncated and longer than before; the same inode and the same first line.
    for content in ["other\n", "a different file, and a long one\n", "one\nTWO\nthree\n"] {
        let logs = Logs::new();
        let checkpoint = read_and_killed(&logs, "one\ntwo\n");
        logs.truncate("app.log");
        logs.append("app.log", content);
        assert_eq!(resumed(&logs, &["app.log"], &checkpoint), format!("{lost}{content}"));
    }
}

#[test]
fn first_line_tells_a_file_from_another_with_the_same_end() {
    let logs = Logs::new();
    let common = "the same for longer than a fingerprint reaches\n".repeat(10);
    let checkpoint = read_and_killed(&logs, &format!("one\n{common}"));
    logs.truncate("app.log");
    logs.append("app.log", &format!("two\n{common}"));
    let said = resumed(&logs, &["app.log"], &checkpoint);
    assert!(
        said.starts_with("[failed: input app.log was read up to byte") && said.contains("]\ntwo\n"),
        "{said}"
    );
}

#[test]
fn finished_file_that_is_gone_is_no_failure() {
    let logs = Logs::new();
    logs.write("a.log", "a\n");
    logs.write("b.log", "b\n");
    let mut run = logs.run(&["*.log"], Options::default());
    assert_eq!(run.read(), "a\nb\n");
    logs.remove("a.log");
    logs.append("b.log", "more\n");
    assert_eq!(
        resumed(&logs, &["*.log"], &run.checkpoint()),
        "[a.log of the run before, read to its end at byte 2, is gone: if it grew or was rotated since, lines are missing]\nmore\n"
    );
}

#[test]
fn finished_file_that_grew_and_was_rotated_is_finished_again() {
    let logs = Logs::new();
    logs.write("app.log", "one\n");
    let mut run = logs.run(&["app.log"], Options::default());
    assert_eq!(run.read(), "one\n");
    logs.append("app.log", "two\n");
    logs.rename("app.log", "app.log.1");
    logs.write("app.log", "three\n");
    assert_eq!(
        resumed(&logs, &["app.log"], &run.checkpoint()),
        "[app.log of the run before is now app.log.1: going on there from byte 4]\ntwo\nthree\n"
    );
}

#[test]
fn last_line_without_an_end_goes_on_as_the_same_line() {
    let logs = Logs::new();
    logs.write("app.log", "one\ntw");
    let mut run = logs.run(&["app.log"], Options::default());
    assert_eq!(run.read(), "one\ntw");
    logs.append("app.log", "o\n");
    let mut resumed = logs.resume(&["app.log"], Options::default(), Some(&run.checkpoint()));
    let Step::Batch(batch) = resumed.inputs.next(Vec::new()) else { panic!("there is more") };
    assert!(batch.starts_inside && batch.bytes == b"o\n");
}

#[test]
fn checkpoint_keeps_inputs_that_the_run_did_not_come_to() {
    let logs = Logs::new();
    logs.write("a.log", "a\n");
    logs.write("b.log", "b\n");
    let mut run = logs.run(&["*.log"], Options::default());
    run.read();
    // Killed at once, before the first batch.
    let again = logs.resume(&["*.log"], Options::default(), Some(&run.checkpoint()));
    assert_eq!(again.checkpoint(), run.checkpoint());
}

#[test]
fn rotated_file_keeps_its_home_over_several_runs() {
    // With an empty file in its place, and with none.
    for is_made in [true, false] {
        let logs = Logs::new();
        let mut checkpoint = read_and_killed(&logs, "1\n");
        logs.rotate(0);
        if is_made {
            logs.write("app.log", "");
        }
        let following = || Options { follow: true, ..Options::default() };
        let mut run = logs.resume(&["app.log"], following(), Some(&checkpoint));
        run.read();
        checkpoint = run.checkpoint();
        logs.append("app.log", "2\n");
        logs.rotate(1);
        logs.write("app.log", "3\n");
        let said = "[app.log.1 of the run before is now app.log.2: going on there from byte 2]\n\
                    [app.log.1 was rotated in the meantime: reading it from its start]\n\
                    2\n3\n";
        assert_eq!(logs.resume(&["app.log"], following(), Some(&checkpoint)).read(), said);
        assert_eq!(resumed(&logs, &["app.log"], &checkpoint), said);
    }
}

#[test]
fn file_in_between_keeps_its_home_too() {
    let logs = Logs::new();
    let checkpoint = read_and_killed(&logs, "1\n");
    for content in ["2\n", ""] {
        logs.rotate(1);
        logs.write("app.log", content);
    }
    let options = || Options { follow: true, ..Options::default() };
    let mut run = logs.resume(&["app.log"], options(), Some(&checkpoint));
    assert!(run.read().ends_with("]\n2\n"));
    let checkpoint = run.checkpoint();
    assert_eq!(checkpoint.inputs.len(), 1, "only the one in between may still grow");
    logs.append("app.log", "3\n");
    logs.rotate(2);
    logs.write("app.log", "4\n");
    assert_eq!(
        logs.resume(&["app.log"], options(), Some(&checkpoint)).read(),
        "[app.log.1 of the run before is now app.log.2: going on there from byte 2]\n\
         [app.log.1 was rotated in the meantime: reading it from its start]\n\
         3\n4\n"
    );
}

#[test]
fn file_of_which_nothing_was_read_is_read_from_its_copy() {
    for follow in [true, false] {
        let logs = Logs::new();
        logs.write("app.log", "1\n2\n");
        let options = || Options { follow, ..Options::default() };
        // Killed before the first batch.
        let checkpoint = logs.run(&["app.log"], options()).checkpoint();
        logs.write("app.log.2", "older\n");
        logs.copy_and_truncate("app.log", "app.log.1");
        logs.append("app.log", "3\n");
        assert_eq!(
            logs.resume(&["app.log"], options(), Some(&checkpoint)).read(),
            "[app.log of the run before is now app.log.1: going on there from byte 0]\n1\n2\n3\n"
        );
    }
}

#[test]
fn file_of_which_nothing_was_read_may_be_lost() {
    let logs = Logs::new();
    logs.write("app.log", "1\n");
    let checkpoint = logs.follow(&["app.log"]).checkpoint();
    logs.truncate("app.log");
    logs.append("app.log", "2\n");
    let said = resumed(&logs, &["app.log"], &checkpoint);
    assert!(
        said.starts_with("[failed: input app.log was read up to byte 0") && said.ends_with("]\n2\n"),
        "{said}"
    );
}

/// It was said to be lost, and one of which nothing was read was left out without a word.
#[test]
fn file_that_is_rotated_before_its_turn_comes_is_read_where_it_is_by_then() {
    let logs = Logs::new();
    let checkpoint = read_and_killed(&logs, "1\n");
    for (checkpoint, rest) in [(Some(&checkpoint), "2\n"), (None, "1\n2\n")] {
        logs.write("first.log", "first\n");
        logs.write("app.log", "1\n2\n");
        let patterns = ["first.log", "app.log"];
        let mut run = logs.resume(&patterns, Options::default(), checkpoint);
        logs.rotate(1);
        logs.write("app.log", "3\n");
        let said = run.read();
        let mut lines: Vec<&str> = said.lines().collect();
        lines.sort_unstable();
        assert_eq!(lines.join("\n") + "\n", format!("{rest}first\n"), "what came later is for the next run");
        assert_eq!(resumed(&logs, &patterns, &run.checkpoint()), "3\n");
        for name in ["app.log", "app.log.1"] {
            logs.remove(name);
        }
    }
}

/// All begin with the same line.
#[test]
fn files_in_between_that_are_renamed_before_their_turn_are_known_by_their_place_on_disk() {
    let logs = Logs::new();
    let checkpoint = read_and_killed(&logs, "#\n1\n");
    for content in ["#\n2\n", "#\n3\n"] {
        logs.rotate(1);
        logs.write("app.log", content);
    }
    let mut run = logs.resume(&["app.log"], Options::default(), Some(&checkpoint));
    logs.rotate(2);
    logs.write("app.log", "#\n4\n");
    assert_eq!(run.lines(), "#\n2\n#\n3\n");
}

/// What stood at its path by then was the file of another input.
#[test]
fn file_that_is_deleted_before_its_turn_is_not_taken_for_the_one_that_has_its_name_by_then() {
    let logs = Logs::new();
    for (name, content) in [("app.log.2", "1\n"), ("app.log.1", "2\n"), ("app.log", "3\n")] {
        logs.write(name, content);
    }
    let mut run = logs.run(&["app.log*"], Options::default());
    logs.remove("app.log.2");
    logs.rotate(1);
    logs.write("app.log", "4\n");
    let said = run.read();
    assert!(said.starts_with("3\n2\n[failed: input app.log.2 cannot be opened"), "{said}");
    assert_eq!(said.lines().count(), 3, "{said}");
}

/// What was rotated in the meantime came behind the oldest of the known files, and so before the others.
#[test]
fn what_was_rotated_in_the_meantime_comes_behind_all_known_files_that_are_older() {
    for pattern in ["app.log", "app.log*"] {
        for follow in [true, false] {
            let logs = Logs::new();
            let options = || Options { follow, ..Options::default() };
            let mut checkpoint = read_and_killed(&logs, "1\n");
            logs.append("app.log", "2\n");
            logs.rotate(0);
            logs.write("app.log", "3\n");
            // Killed before the first batch.
            checkpoint = logs.resume(&[pattern], options(), Some(&checkpoint)).checkpoint();
            for (content, last) in [("4\n", 1), ("5\n", 2)] {
                logs.rotate(last);
                logs.write("app.log", content);
            }
            let mut run = logs.resume(&[pattern], options(), Some(&checkpoint));
            assert_eq!(run.lines(), "2\n3\n4\n5\n", "{pattern}, {follow}");
        }
    }
}

/// A pattern leads to the oldest, so it is remembered; the one in between was forgotten, and so taken for one that nobody had
/// read.
#[test]
fn what_was_read_is_remembered_as_long_as_an_older_file_of_the_same_log_is() {
    let logs = Logs::new();
    let patterns = ["app.log", "app.log.2"];
    logs.write("app.log", "1\n");
    let mut run = logs.follow(&patterns);
    assert_eq!(run.lines(), "1\n");
    for (content, last) in [("2\n", 0), ("3\n", 1)] {
        logs.rotate(last);
        logs.write("app.log", content);
        assert_eq!(run.lines(), content);
    }
    // A file is forgotten when two looks have not found it.
    for _ in 0..3 {
        assert_eq!(run.lines(), "");
    }
    for follow in [true, false] {
        let options = Options { follow, ..Options::default() };
        let mut next = logs.resume(&patterns, options, Some(&run.checkpoint()));
        assert_eq!(next.lines(), "", "{follow}");
        assert_eq!(logs.resume(&patterns, Options::default(), Some(&next.checkpoint())).lines(), "");
    }
}

/// It waited only for the file just before it, which had nothing to be waited for.
#[test]
fn file_waits_for_all_that_come_before_it() {
    let logs = Logs::new();
    let long: String = (0..90_000).map(|line| format!("line {line}\n")).collect();
    logs.write("app.log.3", &long);
    logs.write("app.log.2.gz", gzip("2\n"));
    logs.write("app.log.1", "3\n");
    logs.write("app.log", "4\n");
    let home = logs.path("app.log");
    let start = |name: &str| Position::start(&home).found(&logs.path(name), logs.key(name));
    let read = Position { phase: Phase::Finished, ..start("app.log.2.gz") };
    let inputs = vec![start("app.log.3"), read, start("app.log.1")];
    let checkpoint = Checkpoint { inputs, ..Checkpoint::default() };
    let options = Options { follow: true, ..Options::default() };
    assert!(logs.resume(&["app.log"], options, Some(&checkpoint)).lines() == long + "3\n4\n");
}

/// The empty log was all that the state knew: its lines were lost, also where the next log got its place on disk.
#[test]
fn log_that_was_empty_is_found_by_the_time_when_it_was_filled_and_compressed() {
    for pattern in ["app.log", "app.log*"] {
        for follow in [true, false] {
            // Whether the system gave its place on disk to the next log.
            for is_reused in [true, false] {
                let case = format!("{pattern}, {follow}, {is_reused}");
                let logs = Logs::new();
                let options = || Options { follow, ..Options::default() };
                logs.write("app.log", "");
                logs.age("app.log");
                let mut run = logs.run(&["app.log"], options());
                assert_eq!(run.lines(), "", "{case}");
                logs.append("app.log", "1\n");
                logs.rotate(0);
                logs.write("app.log.1.gz", gzip("1\n"));
                logs.write("app.log", "2\n");
                logs.remove("app.log.1");
                let mut checkpoint = run.checkpoint();
                if is_reused {
                    checkpoint.inputs[0].key = Some(logs.key("app.log"));
                }
                let mut next = logs.resume(&[pattern], options(), Some(&checkpoint));
                assert_eq!(next.lines(), "1\n2\n", "{case}");
                let mut last = logs.resume(&[pattern], options(), Some(&next.checkpoint()));
                assert_eq!(last.lines(), "", "{case}");
            }
        }
    }
}

/// The state went on to speak of it when it had forgotten what came after it, which the next run then took for unread.
#[test]
fn rotated_file_that_is_empty_is_forgotten_before_those_that_come_after_it() {
    for is_packed in [true, false] {
        let logs = Logs::new();
        let checkpoint = read_and_killed(&logs, "1\n");
        for content in ["", "2\n", "3\n"] {
            logs.rotate(2);
            logs.write("app.log", content);
        }
        if is_packed {
            logs.write("app.log.2.gz", gzip(""));
            logs.age("app.log.2.gz");
            logs.remove("app.log.2");
        }
        logs.age("app.log.3");
        let mut next = logs.resume(&["app.log"], Options::default(), Some(&checkpoint));
        assert_eq!(next.lines(), "2\n3\n", "{is_packed}");
        let mut last = logs.resume(&["app.log"], Options::default(), Some(&next.checkpoint()));
        assert_eq!(last.lines(), "", "{is_packed}");
        assert_eq!(next.checkpoint().inputs.len(), 1, "{is_packed}");
    }
}

/// What no run was asked for is not what the empty log has become.
#[test]
fn older_logs_are_not_taken_for_one_that_was_empty() {
    for follow in [true, false] {
        let logs = Logs::new();
        let options = || Options { follow, ..Options::default() };
        logs.write("app.log.1", "0\n");
        logs.age("app.log.1");
        logs.write("app.log", "");
        let mut run = logs.run(&["app.log"], options());
        assert_eq!(run.lines(), "", "{follow}");
        logs.remove("app.log");
        logs.write("app.log", "1\n");
        let mut next = logs.resume(&["app.log"], options(), Some(&run.checkpoint()));
        assert_eq!(next.lines(), "1\n", "{follow}");
    }
}

/// The empty log was all that the state knew, and nothing tells what such a file has become.
#[test]
fn log_that_was_empty_is_found_by_the_one_before_it_when_it_was_filled_and_compressed() {
    for pattern in ["app.log", "app.log*"] {
        // When the one before it was compressed: before the run that finds the log empty, during it, or after it.
        let cases = ["before", "during", "after"].map(|when| [(true, when), (false, when)]);
        for (follow, compressed) in cases.into_iter().flatten() {
            let case = format!("{pattern}, {follow}, {compressed}");
            let logs = Logs::new();
            let compress = |name: &str, content: &str| {
                logs.write(&format!("{name}.gz"), gzip(content));
                logs.remove(name);
            };
            let options = || Options { follow, ..Options::default() };
            let checkpoint = read_and_killed(&logs, "1\n");
            logs.rotate(0);
            logs.write("app.log", "");
            if compressed == "before" {
                compress("app.log.1", "1\n");
            }
            let mut run = logs.resume(&[pattern], options(), Some(&checkpoint));
            if compressed == "during" {
                compress("app.log.1", "1\n");
            }
            // A file is forgotten when two looks have not found it.
            for _ in 0..4 {
                assert_eq!(run.lines(), "", "{case}");
            }
            let checkpoint = run.checkpoint();
            logs.append("app.log", "2\n");
            if compressed == "after" {
                logs.rotate(1);
                compress("app.log.2", "1\n");
            } else {
                logs.rename("app.log.1.gz", "app.log.2.gz");
                logs.rotate(0);
            }
            compress("app.log.1", "2\n");
            logs.write("app.log", "3\n");
            let mut next = logs.resume(&[pattern], options(), Some(&checkpoint));
            assert_eq!(next.lines(), "2\n3\n", "{case}");
            for _ in 0..4 {
                assert_eq!(next.lines(), "", "{case}");
            }
            let mut last = logs.resume(&[pattern], options(), Some(&next.checkpoint()));
            for _ in 0..4 {
                assert_eq!(last.lines(), "", "{case}");
            }
            if pattern == "app.log" {
                assert_eq!(
                    last.checkpoint().inputs.len(),
                    1,
                    "{case}: what is read is not remembered for ever"
                );
            }
        }
    }
}

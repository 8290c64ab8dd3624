use std::{
    io::{self, Read},
    os::fd::AsRawFd,
    time::Duration,
};

use super::*;
use crate::{
    input::Wake,
    multiline::{FirstLine, Multiline},
};

/// Records begin at the left, and are waited for so long.
fn joined(wait: Duration) -> Options {
    let multiline = Some(Multiline { first_line: FirstLine::Indent, wait });
    Options { multiline, ..Options::default() }
}

fn followed(wait: Duration) -> Options {
    Options { follow: true, ..joined(wait) }
}

/// Every batch, with a mark where it begins or ends inside a record.
fn marked(run: &mut Run) -> Vec<String> {
    let mut said = Vec::new();
    while let Step::Batch(batch) = run.inputs.next(Vec::new()) {
        let (begin, end) =
            (if batch.starts_inside { "> " } else { "" }, if batch.ends_inside { " >" } else { "" });
        said.push(format!("{begin}{}{end}", run.take(&batch)));
    }
    said
}

#[test]
fn batches_hold_whole_records() {
    let logs = Logs::new();
    let content: String = (0..60_000).map(|n| format!("{n}\n{}", " more\n".repeat(n % 4))).collect();
    logs.write("a.log", &content);
    let mut run = logs.run(&["a.log"], joined(Duration::MAX));
    let batches = marked(&mut run);
    assert!(batches.len() > 3 && batches.concat() == content);
    assert!(batches.iter().all(|batch| batch.starts_with(|first: char| first.is_ascii_digit())));
}

#[test]
fn goes_on_at_every_batch_of_records_whole_or_in_pieces() {
    let logs = Logs::new();
    // One that fits exactly, one that is a byte too long, one line that does not fit, lines that are no record's.
    let content =
        " nobody's\n1234567\n 901234\nx\n 34567\n 901234\nshort\n0123456789abcdefghijkl\n m\n\n\nlast\n half";
    logs.write("a.log", content);
    let options = Options { max_line: 16, ..joined(Duration::MAX) };
    let mut run = logs.run(&["a.log"], options.clone());
    let mut before = Vec::new();
    while let Step::Batch(batch) = run.inputs.next(Vec::new()) {
        before.push((run.take(&batch), batch.starts_inside));
        let mut resumed = logs.resume(&["a.log"], options.clone(), Some(&run.checkpoint()));
        let mut all = before.clone();
        while let Step::Batch(batch) = resumed.inputs.next(Vec::new()) {
            all.push((resumed.take(&batch), batch.starts_inside));
        }
        let mut records: Vec<String> = Vec::new();
        for (text, starts_inside) in all.into_iter().filter(|(text, _)| !text.is_empty()) {
            match records.last_mut() {
                Some(last) if starts_inside => *last += &text,
                _ => records.push(text),
            }
        }
        let expected = [
            " nobody's\n",
            "1234567\n 901234\n",
            "x\n 34567\n 901234\n",
            "short\n",
            "0123456789abcdefghijkl\n m\n\n\n",
            "last\n half",
        ];
        assert_eq!(records, expected, "behind {before:?}");
    }
    assert!(before.len() > 7, "{before:?}");
}

#[test]
fn last_record_of_a_run_with_state_is_left_to_the_next_which_may_find_more_of_it() {
    let logs = Logs::new();
    logs.write("a.log", "one\n 1\ntwo\n 2\n");
    logs.write("b.log", "three\n 3\nfour, unfinished");
    let options = Options { unended_last: true, ..joined(Duration::MAX) };
    let mut run = logs.run(&["a.log", "b.log"], options.clone());
    assert_eq!(run.read(), "one\n 1\nthree\n 3\ntwo\n 2\nfour, unfinished", "last ones come last");
    let mut checkpoint = run.checkpoint();
    assert!(checkpoint.inputs.iter().all(|position| position.inside_record && position.unended.is_some()));
    logs.append("a.log", " and more\nfive\n");
    let next = |checkpoint: &Checkpoint| {
        let mut run = logs.resume(&["a.log", "b.log"], options.clone(), Some(checkpoint));
        marked(&mut run).into_iter().filter(|batch| batch.len() > "> ".len()).collect::<Vec<_>>()
    };
    // Left where they are, they go on; what begins another record does not.
    let mut left = checkpoint.clone();
    left.leave();
    assert_eq!(next(&left), [">  and more\n", "five\n"]);
    checkpoint.take_back();
    assert_eq!(next(&checkpoint), ["two\n 2\n and more\n", "five\n", "four, unfinished"]);
}

#[test]
fn following_holds_the_last_record_until_another_one_begins() {
    let logs = Logs::new();
    logs.write("app.log", "one\n 1\n");
    let mut run = logs.run(&["app.log"], followed(Duration::MAX));
    assert_eq!(run.read(), "");
    logs.append("app.log", " 2\ntw");
    assert_eq!(run.read(), "one\n 1\n 2\n", "so much of a line tells that it begins one");
    logs.append("app.log", "o\n");
    assert_eq!(run.read(), "");
    // The next run finds it where it is.
    assert_eq!(logs.resume(&["app.log"], joined(Duration::MAX), Some(&run.checkpoint())).read(), "two\n");
}

#[test]
fn a_record_that_was_waited_for_goes_on_its_way_and_late_lines_still_belong_to_it() {
    let logs = Logs::new();
    logs.write("app.log", "one\n 1\n hal");
    let mut run = logs.run(&["app.log"], followed(Duration::ZERO));
    assert_eq!(marked(&mut run), ["one\n 1\n >"]);
    let within = run.checkpoint();
    assert!(within.inputs[0].inside_record && !within.inputs[0].inside_line);
    logs.append("app.log", "f\ntwo\n");
    assert_eq!(marked(&mut run), [">  half\n", "two\n >"]);
    logs.append("app.log", "three\n");
    assert_eq!(marked(&mut run), ["three\n >"], "what begins a record is no line of the one before");
    // A run that is killed between the two goes on in the same way.
    let mut resumed = logs.resume(&["app.log"], joined(Duration::MAX), Some(&within));
    assert_eq!(marked(&mut resumed).concat(), ">  half\ntwo\nthree\n");
}

#[test]
fn rotation_ends_the_last_record() {
    let logs = Logs::new();
    logs.write("app.log", "one\n 1\n");
    let mut run = logs.run(&["app.log*"], followed(Duration::MAX));
    assert_eq!(run.read(), "");
    logs.append("app.log", " 2\n");
    logs.rotate(0);
    logs.write("app.log", " nobody's\ntwo\n");
    assert_eq!(
        run.read(),
        "[app.log was rotated: reading the new file from its start]\none\n 1\n 2\n nobody's\n"
    );
    let checkpoint = run.checkpoint();
    let old = &checkpoint.inputs[0];
    assert!(old.phase == Phase::Finished && !old.inside_record, "{checkpoint:?}");
}

#[test]
fn truncation_ends_the_last_record_or_leaves_it_to_the_copy() {
    for copies in [false, true] {
        let logs = Logs::new();
        logs.write("app.log", "one\n 1\n");
        let mut run = logs.run(&["app.log"], followed(Duration::MAX));
        assert_eq!(run.read(), "");
        if copies {
            logs.append("app.log", " 2\n");
            logs.copy_and_truncate("app.log", "app.log.1");
        } else {
            logs.truncate("app.log");
        }
        logs.append("app.log", "2\n3\n");
        assert_eq!(run.lines(), if copies { "one\n 1\n 2\n2\n" } else { "one\n 1\n2\n" });
    }
}

#[test]
fn a_stop_leaves_a_held_record_to_the_next_run_or_hands_it_on_where_there_is_none() {
    for (resumable, said) in [(true, ""), (false, "two\n 2\n")] {
        let logs = Logs::new();
        logs.write("app.log", "one\ntwo\n 2\n hal");
        let mut run = logs.run(&["app.log"], Options { resumable, ..followed(Duration::MAX) });
        assert_eq!(run.read(), "one\n");
        run.inputs.stopper().stop();
        assert_eq!(run.read(), said);
    }
}

#[test]
fn a_pipe_is_waited_for_as_a_file_is() {
    for (wait, follow) in [(Duration::MAX, false), (Duration::ZERO, false), (Duration::from_millis(1), true)]
    {
        let logs = Logs::new();
        let (mut reader, mut writer) = io::pipe().expect("the system gives pipes");
        let path = format!("/dev/fd/{}", reader.as_raw_fd());
        let mut run = logs.run(&[&path], Options { follow, ..joined(wait) });
        writer.write_all(b"one\n 1\n").expect("the reader is there");
        if wait < Duration::MAX {
            assert_eq!(run.read_some(), "one\n 1\n", "nothing else comes");
            writer.write_all(b" 2\n").expect("the reader is there");
            assert_eq!(run.read_some(), " 2\n");
        } else {
            writer.write_all(b" 2\ntwo\n").expect("the reader is there");
            assert_eq!(run.read_some(), "one\n 1\n 2\n");
        }
        writer.write_all(b"three\n 3").expect("the reader is there");
        let mut said = String::new();
        if wait == Duration::MAX {
            said += &run.read_some();
            assert_eq!(said, "two\n", "the end of a record is where another one begins");
        }
        run.inputs.stopper().stop();
        said += &run.read();
        assert_eq!(run.inputs.wait(), Wake::Stopped);
        drop((run, writer));
        reader.read_to_string(&mut said).expect("the pipe can be read");
        assert!(said.ends_with("three\n 3"), "what was taken and what was left are all there is: {said:?}");
    }
}

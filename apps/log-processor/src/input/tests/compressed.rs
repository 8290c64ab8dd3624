use insta::assert_snapshot;

use super::*;
use crate::input::InputError;

fn zstd(content: &str) -> Vec<u8> {
    zstd::encode_all(content.as_bytes(), 3).expect("memory does not fail")
}

/// Lines that do not compress to nothing.
fn lines(count: u32) -> String {
    (0..count).map(|line| format!("{line} {:08x}\n", line.wrapping_mul(2_654_435_761))).collect()
}

#[test]
fn members_are_one_input_whatever_its_name() {
    let logs = Logs::new();
    logs.write("a.gz", [gzip("one\ntw"), gzip("o\n"), gzip(""), gzip("three")].concat());
    logs.write("b", gzip("no extension\n"));
    logs.write("c.gz", "not compressed\n");
    assert_eq!(
        logs.run(&["a.gz", "b", "c.gz"], Options::default()).read(),
        "one\ntwo\nthreeno extension\nnot compressed\n"
    );
}

#[test]
fn truncated_file_gives_what_it_has_and_is_named() {
    let logs = Logs::new();
    let whole = gzip(&lines(100_000));
    logs.write("a.gz", &whole[..whole.len() / 2]);
    logs.write("b.log", "the next input\n");
    let said = logs.run(&["*"], Options::default()).read();
    let (lines_read, rest) = said.split_at(said.find('[').expect("the damage is reported"));
    assert!(lines(100_000).starts_with(lines_read) && lines_read.len() > 100_000);
    let named = format!("[failed: input a.gz is damaged gzip: {} bytes could be", lines_read.len());
    assert!(rest.starts_with(&named) && rest.ends_with("]\nthe next input\n"), "{rest}");
}

#[test]
fn damage_is_found_at_the_begin_and_behind_the_end() {
    let logs = Logs::new();
    logs.write("cut.gz", &gzip("line\n")[..5]);
    logs.write("tail.gz", [gzip("line\n"), b"longer than a header".to_vec()].concat());
    assert_snapshot!(logs.run(&["cut.gz", "tail.gz"], Options::default()).read(), @r"
    [failed: input cut.gz is damaged gzip: 0 bytes could be decompressed, then unexpected end of file; they were passed on, get a complete copy for the rest]
    line
    [failed: input tail.gz is damaged gzip: 5 bytes could be decompressed, then invalid gzip header; they were passed on, get a complete copy for the rest]
    ");
}

#[test]
fn goes_on_within_a_compressed_file() {
    let logs = Logs::new();
    let content = lines(100_000);
    logs.write("a.gz", gzip(&content));
    let mut run = logs.run(&["a.gz"], Options::default());
    let first = run.step().expect("there is a first batch");
    let rest = logs.resume(&["a.gz"], Options::default(), Some(&run.checkpoint())).read();
    assert!(first.len() < content.len() && first + &rest == content);
}

#[test]
fn finished_compressed_file_is_not_decompressed_again() {
    let logs = Logs::new();
    logs.write("a.gz", gzip("a\n"));
    logs.write("b.gz", gzip("b\n"));
    let mut run = logs.run(&["*.gz"], Options::default());
    assert_eq!(run.step().as_deref(), Some("a\n"));
    let checkpoint = run.checkpoint();
    let mut resumed = logs.resume(&["*.gz"], Options::default(), Some(&checkpoint));
    let Step::Batch(batch) = resumed.inputs.next(Vec::new()) else { panic!("there is another file") };
    assert_eq!(batch.bytes, b"b\n", "and nothing had to be said about the first");
    assert_eq!(resumed.checkpoint(), checkpoint);
}

#[test]
fn follow_refuses_a_compressed_file_by_name_and_passes_it_over_in_a_glob() {
    let logs = Logs::new();
    logs.write("a.log.gz", gzip("old\n"));
    logs.write("a.log", "new\n");
    let named = [logs.path("a.log.gz").display().to_string()];
    let opened = Inputs::open(&named, None, Options { follow: true, ..Options::default() });
    assert!(matches!(opened, Err(InputError::CompressedFollow { .. })));
    assert_eq!(
        logs.follow(&["a.log*"]).read(),
        "[a.log.gz is compressed and cannot be followed: leaving it out]\nnew\n"
    );
}

/// `gzip` makes its file empty, and writes later: it was taken for a log, and read as it is, and then once more unpacked.
#[test]
fn file_that_becomes_a_compressed_one_is_passed_over() {
    for (name, content) in [("old", gzip(&lines(1000))), ("old.zst", zstd(&lines(1000)))] {
        let logs = Logs::new();
        logs.write("app.log", "1\n");
        let mut run = logs.follow(&["*"]);
        assert_eq!(run.read(), "1\n");
        logs.write(name, "");
        let appeared = format!("[{name} appeared: reading it from its start]\n");
        let at_once = run.read();
        assert_eq!(at_once, if name == "old" { &appeared } else { "" });
        let killed_here = run.checkpoint();
        logs.write(name, &content[..2]);
        assert_eq!(run.read(), if name == "old" { "" } else { &appeared }, "it may become anything");
        logs.write(name, &content);
        let left_out =
            |name: &str| format!("[{name} is compressed and cannot be followed: leaving it out]\n");
        assert_eq!(run.read(), left_out(name));
        logs.append("app.log", "2\n");
        assert_eq!(run.read(), "2\n");
        let options = Options { follow: true, ..Options::default() };
        let next = |checkpoint: &Checkpoint| logs.resume(&["*"], options.clone(), Some(checkpoint)).read();
        assert_eq!(next(&run.checkpoint()), left_out(name));
        assert_eq!(next(&killed_here), left_out(name) + "2\n");
    }
}

/// As above, and then it is rotated: it was unpacked where a run found it under its next name.
#[test]
fn compressed_file_that_was_empty_is_none_under_its_next_name_either() {
    let logs = Logs::new();
    logs.write("app.log.1.gz", "");
    let mut run = logs.follow(&["*"]);
    assert_eq!(run.read(), "");
    logs.write("app.log.1.gz", gzip("1\n"));
    logs.rename("app.log.1.gz", "app.log.2.gz");
    let options = Options { follow: true, ..Options::default() };
    assert_eq!(
        logs.resume(&["*"], options, Some(&run.checkpoint())).read(),
        "[app.log.1.gz of the run before is now app.log.2.gz: going on there from byte 0]\n\
         [app.log.2.gz is compressed and cannot be followed: leaving it out]\n"
    );
}

/// What a glob leads to was taken for where the log had stood, so nothing was looked for that stood there since.
#[test]
fn compressed_file_in_between_is_found_where_a_glob_reaches_rotated_ones() {
    let logs = Logs::new();
    logs.write("app.log", "1\n");
    logs.age("app.log");
    let mut run = logs.follow(&["app.log*"]);
    assert_eq!(run.read(), "1\n");
    logs.rotate(1);
    assert_eq!(run.read(), "");
    for (content, last) in [("2\n", 1), ("3\n", 2)] {
        logs.write("app.log", content);
        logs.rotate(last);
    }
    for (name, content) in [("app.log.3", "1\n"), ("app.log.2", "2\n")] {
        logs.remove(name);
        logs.write(&format!("{name}.gz"), gzip(content));
    }
    let said = run.read();
    assert!(
        said.contains("[app.log.2.gz was rotated in the meantime: reading it from its start]\n"),
        "{said}"
    );
    assert!(said.ends_with("2\n3\n"), "{said}");
}

#[test]
fn log_that_was_compressed_while_nobody_read_is_finished_there() {
    let logs = Logs::new();
    logs.write("app.log", "one\ntwo\n");
    let mut run = logs.run(&["app.log"], Options::default());
    assert_eq!(run.read(), "one\ntwo\n");
    logs.write("app.log.1.gz", gzip("one\ntwo\nthree\n"));
    logs.remove("app.log");
    logs.write("app.log", "four\n");
    assert_eq!(
        logs.resume(&["app.log"], Options::default(), Some(&run.checkpoint())).read(),
        "[app.log of the run before is now app.log.1.gz: going on there from byte 8]\nthree\nfour\n"
    );
}

#[test]
fn zeros_behind_the_last_member_are_passed_over() {
    let logs = Logs::new();
    let zeros = |count: usize| vec![0; count];
    logs.write("block.gz", [gzip("one\n"), zeros(200_000)].concat());
    logs.write("between.gz", [gzip("two\n"), zeros(10), gzip("three\n"), zeros(1)].concat());
    assert_eq!(logs.run(&["block.gz", "between.gz"], Options::default()).read(), "one\ntwo\nthree\n");
}

#[test]
fn zstd_frames_are_one_input_whatever_its_name() {
    let logs = Logs::new();
    // The frame in the middle is one that is passed over, as `pzstd` writes it.
    let skipped = [0x50, 0x2a, 0x4d, 0x18, 4, 0, 0, 0, 1, 2, 3, 4];
    logs.write("a.zst", [&skipped[..], &zstd("one\ntw"), &skipped, &zstd("o\n"), &zstd("")].concat());
    logs.write("b", zstd("no extension\n"));
    logs.write("c.zst", "(not compressed\n");
    assert_eq!(
        logs.run(&["a.zst", "b", "c.zst"], Options::default()).read(),
        "one\ntwo\nno extension\n(not compressed\n"
    );
}

#[test]
fn damaged_zstd_gives_what_it_has_and_is_named() {
    let logs = Logs::new();
    let whole = zstd(&lines(100_000));
    logs.write("a.zst", &whole[..whole.len() / 2]);
    let said = logs.run(&["a.zst"], Options::default()).read();
    let (lines_read, rest) = said.split_at(said.find('[').expect("the damage is reported"));
    assert!(lines(100_000).starts_with(lines_read) && lines_read.len() > 100_000);
    let named = format!("[failed: input a.zst is damaged zstd: {} bytes could be", lines_read.len());
    assert!(rest.starts_with(&named), "{rest}");

    let mut checked = zstd::Encoder::new(Vec::new(), 3).expect("memory does not fail");
    checked.include_checksum(true).expect("it can be");
    checked.write_all(lines(10).as_bytes()).expect("memory does not fail");
    let mut checked = checked.finish().expect("memory does not fail");
    *checked.last_mut().expect("it is not empty") ^= 1;
    logs.write("sum.zst", checked);
    logs.write("tail.zst", [zstd("line\n"), b"something else".to_vec()].concat());
    let mut large = zstd::Encoder::new(Vec::new(), 3).expect("memory does not fail");
    large.window_log(24).expect("it can be");
    large.write_all(b"line\n").expect("memory does not fail");
    logs.write("large.zst", large.finish().expect("memory does not fail"));
    assert_snapshot!(logs.run(&["sum.zst", "tail.zst", "large.zst"], Options::default()).read(), @r"
    [failed: input sum.zst is damaged zstd: 0 bytes could be decompressed, then Restored data doesn't match checksum; they were passed on, get a complete copy for the rest]
    line
    [failed: input tail.zst is damaged zstd: 5 bytes could be decompressed, then Unknown frame descriptor; they were passed on, get a complete copy for the rest]
    [failed: input large.zst could be read up to byte 0 only: it takes more than 8 MiB of memory to decompress; send it through `zstdcat` into `-i -`]
    ");
}

#[test]
fn goes_on_within_a_zstd_file() {
    let logs = Logs::new();
    let content = lines(100_000);
    logs.write("a.zst", zstd(&content));
    let mut run = logs.run(&["a.zst"], Options::default());
    let first = run.step().expect("there is a first batch");
    let rest = logs.resume(&["a.zst"], Options::default(), Some(&run.checkpoint())).read();
    assert!(first.len() < content.len() && first + &rest == content);
}

#[test]
fn log_that_was_compressed_by_zstd_is_finished_there() {
    let logs = Logs::new();
    logs.write("app.log", "one\ntwo\n");
    let mut run = logs.run(&["app.log"], Options::default());
    assert_eq!(run.read(), "one\ntwo\n");
    logs.write("app.log.1.zst", zstd("one\ntwo\nthree\n"));
    logs.remove("app.log");
    assert_eq!(
        logs.resume(&["app.log*"], Options::default(), Some(&run.checkpoint())).read(),
        "[app.log of the run before is now app.log.1.zst: going on there from byte 8]\nthree\n"
    );
}

/// It was forgotten with the plain file, and so it was taken for one that nobody had read.
#[test]
fn what_was_read_and_compressed_since_is_not_read_again_by_the_next_run() {
    for (follow, has_older) in [(true, true), (false, true), (true, false), (false, false)] {
        let logs = Logs::new();
        logs.write("app.log", "1\n");
        let mut run = logs.follow(&["app.log*"]);
        assert_eq!(run.read(), "1\n");
        logs.rotate(0);
        logs.write("app.log", "2\n");
        assert!(run.read().ends_with("2\n"));
        logs.rotate(1);
        logs.write("app.log.1.gz", gzip("2\n"));
        if !has_older {
            logs.remove("app.log.2");
        }
        run.read();
        logs.remove("app.log.1");
        run.read();
        let options = Options { follow, ..Options::default() };
        let mut next = logs.resume(&["app.log*"], options, Some(&run.checkpoint()));
        assert_eq!(next.lines(), "", "{follow}, {has_older}");
    }
}

/// By a program that does not keep the time of the last change, so it looks younger than the log.
#[test]
fn what_was_compressed_after_it_was_read_is_not_caught_up_with() {
    for pattern in ["app.log", "app.log*"] {
        let logs = Logs::new();
        logs.write("app.log", "1\n");
        let mut run = logs.follow(&[pattern]);
        assert_eq!(run.read(), "1\n");
        logs.rotate(0);
        logs.write("app.log", "2\n");
        assert!(run.read().ends_with("2\n"));
        logs.age("app.log");
        logs.rotate(1);
        logs.write("app.log.2.gz", gzip("1\n"));
        logs.remove("app.log.2");
        run.read();
        logs.remove("app.log.1");
        assert_eq!(run.lines(), "", "{pattern}");
    }
}

/// Both stand there until the compressor is done.
#[test]
fn log_that_is_being_compressed_is_caught_up_with_once() {
    let logs = Logs::new();
    logs.write("app.log", "1\n");
    let mut run = logs.follow(&["app.log*"]);
    assert_eq!(run.read(), "1\n");
    for (content, last) in [("2\n", 0), ("3\n", 1)] {
        logs.rotate(last);
        logs.write("app.log", content);
    }
    for so_far in [gzip("2\n"), gzip("2\n")[..12].to_vec()] {
        logs.write("app.log.1.gz", so_far);
        let options = Options { follow: true, ..Options::default() };
        let said = logs.resume(&["app.log*"], options, Some(&run.checkpoint())).read();
        assert!(
            said.contains("[app.log.1 was rotated in the meantime: reading it from its start]\n"),
            "{said}"
        );
        assert!(!said.contains("[app.log.1.gz was rotated") && said.ends_with("]\n2\n3\n"), "{said}");
    }
}

#[test]
fn log_that_is_compressed_before_it_is_read_is_read_once() {
    let logs = Logs::new();
    logs.write("app.log", "1\n");
    logs.age("app.log");
    let mut run = logs.follow(&["app.log*"]);
    assert_eq!(run.read(), "1\n");
    logs.rotate(0);
    logs.write("app.log", "2\n");
    logs.age("app.log");
    logs.rotate(1);
    let options = Options { follow: true, ..Options::default() };
    let mut run = logs.resume(&["app.log*"], options, Some(&run.checkpoint()));
    logs.write("app.log.1.gz", gzip("2\n"));
    logs.remove("app.log.1");
    assert_eq!(run.lines(), "2\n");
}

#[test]
fn copy_of_a_log_that_was_rotated_before_it_was_read_is_known_under_the_next_number() {
    let logs = Logs::new();
    logs.write("app.log.1", "1\n");
    logs.write("app.log", "2\n");
    let mut run = logs.run(&["app.log*"], Options::default());
    assert_eq!(run.read(), "2\n1\n");
    logs.rotate(1);
    logs.write("app.log.2.gz", gzip("1\n"));
    assert_eq!(logs.resume(&["app.log*"], Options::default(), Some(&run.checkpoint())).lines(), "");
}

/// There was nothing by which to know it again, for the run that had found it and, once that was killed, for the next.
#[test]
fn log_that_was_found_and_compressed_before_it_was_read_is_read_by_that_run_and_the_next() {
    for (pattern, follow) in [("app.log", true), ("app.log", false), ("app.log*", true), ("app.log*", false)]
    {
        let logs = Logs::new();
        logs.write("app.log", "1\n");
        let mut run = logs.follow(&[pattern]);
        assert_eq!(run.read(), "1\n");
        for (content, last) in [("2\n", 0), ("3\n", 1)] {
            logs.rotate(last);
            logs.write("app.log", content);
        }
        let options = || Options { follow, ..Options::default() };
        let mut killed = logs.resume(&[pattern], options(), Some(&run.checkpoint()));
        let checkpoint = killed.checkpoint();
        logs.write("app.log.1.gz", gzip("2\n"));
        logs.remove("app.log.1");
        for lines in [logs.resume(&[pattern], options(), Some(&checkpoint)).lines(), killed.lines()] {
            assert_eq!(lines, "2\n3\n", "{pattern}, {follow}");
        }
    }
}

/// The run that found it there, and was killed before it had read on, took it for the end of the file.
#[test]
fn copy_that_holds_more_than_was_read_is_read_on_by_the_run_after_the_next() {
    for follow in [true, false] {
        let logs = Logs::new();
        logs.write("app.log", "1\n");
        let mut run = logs.run(&["app.log"], Options::default());
        assert_eq!(run.lines(), "1\n");
        logs.append("app.log", "2\n");
        logs.write("app.log.1.gz", gzip("1\n2\n"));
        logs.remove("app.log");
        logs.write("app.log", "3\n");
        let options = || Options { follow, ..Options::default() };
        let killed = logs.resume(&["app.log"], options(), Some(&run.checkpoint()));
        let mut next = logs.resume(&["app.log"], options(), Some(&killed.checkpoint()));
        assert_eq!(next.lines(), "2\n3\n", "{follow}");
    }
}

/// The one at its path was read in its place, and it was lost.
#[test]
fn file_that_is_compressed_before_its_turn_comes_is_read_there() {
    let logs = Logs::new();
    logs.write("first.log", "first\n");
    logs.write("app.log", "1\n2\n");
    let patterns = ["first.log", "app.log"];
    let mut run = logs.run(&patterns, Options::default());
    logs.write("app.log.1.gz", gzip("1\n2\n"));
    logs.remove("app.log");
    logs.write("app.log", "3\n");
    assert_eq!(run.lines(), "first\n1\n2\n", "what came later is for the next run");
    assert_eq!(logs.resume(&patterns, Options::default(), Some(&run.checkpoint())).lines(), "3\n");
}

/// The one at its path was read in its place, or it was said to be missing, and its lines were lost.
#[test]
fn empty_file_that_is_filled_and_compressed_before_its_turn_comes_is_read_there() {
    for is_replaced in [true, false] {
        let logs = Logs::new();
        logs.write("first.log", "first\n");
        logs.write("app.log", "");
        logs.age("app.log");
        let patterns = ["first.log", "app.log"];
        let mut run = logs.run(&patterns, Options::default());
        logs.append("app.log", "1\n");
        logs.write("app.log.1.gz", gzip("1\n"));
        if is_replaced {
            logs.rename("app.log", "app.log.1");
            logs.write("app.log", "2\n");
            logs.remove("app.log.1");
        } else {
            logs.remove("app.log");
        }
        assert_eq!(run.read(), "first\n1\n", "{is_replaced}: what came later is for the next run");
        logs.write("app.log", "2\n");
        assert_eq!(
            logs.resume(&patterns, Options::default(), Some(&run.checkpoint())).lines(),
            "2\n",
            "{is_replaced}"
        );
    }
}

/// It was looked for under the names that come behind its own, such as `app.log.1.gz`, and said to be lost.
#[test]
fn rotated_file_that_is_compressed_under_its_next_name_before_its_turn_is_read_there() {
    for follow in [true, false] {
        let logs = Logs::new();
        logs.write("app.log.1", "1\n");
        logs.write("app.log", "2\n");
        let options = || Options { follow, ..Options::default() };
        let mut waiting = logs.run(&["app.log*"], Options::default());
        let checkpoint = logs.run(&["app.log*"], options()).checkpoint();
        logs.rotate(1);
        logs.write("app.log", "3\n");
        logs.write("app.log.2.gz", gzip("1\n"));
        logs.remove("app.log.2");
        assert_eq!(waiting.read(), "2\n1\n", "{follow}");
        let said = logs.resume(&["app.log*"], options(), Some(&checkpoint)).read();
        assert!(!said.contains("failed"), "{follow}: {said}");
        let mut lines: Vec<&str> = said.lines().filter(|line| !line.starts_with('[')).collect();
        lines.sort_unstable();
        assert_eq!(lines, ["1", "2", "3"], "{follow}");
    }
}

/// What it was compressed to is closed at its end, or forgotten, and then nobody looked for what came after it.
#[test]
fn what_came_after_a_log_that_was_compressed_while_nothing_stands_at_its_path_is_found() {
    for (is_found, is_killed) in [(true, false), (true, true), (false, false), (false, true)] {
        let logs = Logs::new();
        logs.write("app.log", "1\n");
        let mut run = logs.follow(&["app.log"]);
        assert_eq!(run.lines(), "1\n");
        let options = || Options { follow: true, ..Options::default() };
        if is_found {
            logs.write("app.log.1.gz", gzip("1\n"));
            logs.remove("app.log");
            run = logs.resume(&["app.log"], options(), Some(&run.checkpoint()));
        } else {
            logs.rotate(0);
            assert_eq!(run.lines(), "");
            logs.write("app.log.1.gz", gzip("1\n"));
            logs.remove("app.log.1");
        }
        for _ in 0..3 {
            assert_eq!(run.lines(), "");
        }
        logs.rename("app.log.1.gz", "app.log.2.gz");
        logs.write("app.log.1", "2\n");
        logs.write("app.log", "3\n");
        if is_killed {
            run = logs.resume(&["app.log"], options(), Some(&run.checkpoint()));
        }
        assert_eq!(run.lines(), "2\n3\n", "{is_found}, {is_killed}");
        assert_eq!(logs.resume(&["app.log"], options(), Some(&run.checkpoint())).lines(), "");
    }
}

/// Its lines came twice, and what was compressed of it so far was said to be damaged.
#[test]
fn file_and_what_it_is_compressed_to_are_read_once() {
    let content = lines(100_000);
    let whole = gzip(&content);
    let so_far = ["".into(), whole[..3].to_vec(), whole[..whole.len() / 2].to_vec(), whole.clone()];
    for patterns in [&["app.log*"][..], &["*.gz", "app.log.1"]] {
        for (packed, length) in so_far.iter().map(|packed| (packed, packed.len())) {
            let logs = Logs::new();
            logs.write("app.log.1", &content);
            logs.write("app.log.1.gz", packed);
            let killed = logs.run(patterns, Options::default()).checkpoint();
            let mut run = logs.resume(patterns, Options::default(), Some(&killed));
            let said = run.read();
            let left_out = "[app.log.1.gz is a copy of app.log.1: leaving it out]\n";
            assert!(said.replace(left_out, "") == content, "{patterns:?}, {length}");
            assert_eq!(said.contains(left_out), length > 0, "{patterns:?}, {length}");
            logs.write("app.log.1.gz", &whole);
            logs.remove("app.log.1");
            let checkpoint = run.checkpoint();
            assert_eq!(logs.resume(&["app.log*"], Options::default(), Some(&checkpoint)).lines(), "");
        }
    }
}

/// It was read as what it is compressed to, and said to be removed all the same, with an exit code that says so.
#[test]
fn file_that_is_compressed_before_its_turn_is_no_failure_where_both_are_named() {
    let content = lines(1000);
    for patterns in [&["first.log", "app.log*"][..], &["first.log", "*.gz", "app.log.1"]] {
        for length in [0, 3, 20] {
            let logs = Logs::new();
            logs.write("first.log", "first\n");
            logs.write("app.log.1", &content);
            logs.write("app.log.1.gz", &gzip(&content)[..length]);
            let mut run = logs.run(patterns, Options::default());
            logs.write("app.log.1.gz", gzip(&content));
            logs.remove("app.log.1");
            let left_out = "[app.log.1 is a copy of app.log.1.gz: leaving it out]\n";
            let said = run.read();
            assert!(said.contains(left_out), "{patterns:?}, {length}");
            assert!(said.replace(left_out, "") == format!("first\n{content}"), "{patterns:?}, {length}");
            let mut next = logs.resume(&patterns[..2], Options::default(), Some(&run.checkpoint()));
            assert_eq!(next.read(), "", "{patterns:?}, {length}");
        }
    }
}

/// What it was compressed to was read from its start, and what the run before had read came twice.
#[test]
fn file_that_was_begun_and_is_compressed_before_its_turn_is_read_on_where_that_comes_first() {
    let logs = Logs::new();
    let patterns = ["app.log.1.gz", "app.log.1"];
    logs.write("app.log.1", "1\n");
    let mut run = logs.run(&patterns[1..], Options::default());
    assert_eq!(run.read(), "1\n");
    logs.append("app.log.1", "2\n");
    for length in [0, 3, 20] {
        logs.write("app.log.1", "1\n2\n");
        logs.write("app.log.1.gz", &gzip("1\n2\n")[..length]);
        let mut next = logs.resume(&patterns, Options::default(), Some(&run.checkpoint()));
        logs.write("app.log.1.gz", gzip("1\n2\n"));
        logs.remove("app.log.1");
        let said = next.read();
        let lines: Vec<&str> = said.lines().filter(|line| !line.starts_with('[')).collect();
        assert_eq!(lines, ["2"], "{length}: {said}");
        assert!(said.contains("[app.log.1.gz is a copy of app.log.1: leaving it out]\n"), "{length}: {said}");
        let mut last = logs.resume(&patterns[..1], Options::default(), Some(&next.checkpoint()));
        assert_eq!(last.lines(), "", "{length}");
    }
}

#[test]
fn file_that_was_compressed_after_its_turn_is_read_once() {
    let content = lines(100_000);
    let logs = Logs::new();
    logs.write("app.log.1", &content);
    logs.write("app.log.1.gz", &gzip(&content)[..20]);
    let mut run = logs.run(&["app.log*"], Options::default());
    let mut said = run.step().expect("there is a first batch");
    logs.write("app.log.1.gz", gzip(&content));
    logs.remove("app.log.1");
    said += &run.read();
    assert!(said.strip_prefix(&content) == Some("[app.log.1.gz is a copy of app.log.1: leaving it out]\n"));
}

#[test]
fn files_that_are_only_named_like_a_compressed_one_are_all_read() {
    for (plain, packed) in [("1\n2\n", "1\n3\n"), ("1\n", "1\n2\n"), ("", "1\n")] {
        let logs = Logs::new();
        logs.write("app.log.1", plain);
        logs.write("app.log.1.gz", gzip(packed));
        assert_eq!(logs.run(&["app.log*"], Options::default()).read(), format!("{plain}{packed}"));
    }
}

/// It was said to be lost, with an exit code that says so.
#[test]
fn empty_file_that_is_compressed_before_its_turn_is_not_lost() {
    for has_another_its_name in [false, true] {
        let logs = Logs::new();
        let patterns = ["a.log", "app.log"];
        logs.write("a.log", "a\n");
        logs.write("app.log", "1\n");
        let mut run = logs.run(&patterns, Options::default());
        assert_eq!(run.read(), "a\n1\n");
        for content in ["", "2\n"] {
            logs.rotate(1);
            logs.write("app.log", content);
        }
        let mut run = logs.resume(&patterns, Options::default(), Some(&run.checkpoint()));
        // Beside it, so that it has a place on disk of its own.
        logs.write("another", "another\n");
        logs.write("app.log.1.gz", gzip(""));
        logs.remove("app.log.1");
        if has_another_its_name {
            logs.rename("another", "app.log.1");
        }
        assert_eq!(
            run.read(),
            "[app.log of the run before is now app.log.2: going on there from byte 2]\n\
             [app.log.1 was rotated in the meantime: reading it from its start]\n\
             2\n"
        );
        let empty = logs.path("app.log.1");
        assert!(
            run.checkpoint().inputs.iter().all(|it| it.path != empty),
            "what came later is forgotten, too"
        );
    }
}

#[test]
fn empty_file_that_a_glob_led_to_and_that_is_compressed_before_its_turn_is_not_lost() {
    for is_followed in [false, true] {
        let logs = Logs::new();
        for (name, content) in [("app.log", "2\n"), ("app.log.1", "")] {
            logs.write(name, content);
        }
        let checkpoint = logs.follow(&["app.log*"]).checkpoint();
        for checkpoint in [None, Some(&checkpoint)] {
            let mut run =
                logs.resume(&["app.log*"], Options { follow: is_followed, ..Options::default() }, checkpoint);
            logs.write("app.log.1.gz", gzip(""));
            logs.remove("app.log.1");
            let said = run.read();
            assert!(said.ends_with("2\n") && !said.contains("failed"), "{is_followed}: {said}");
            logs.remove("app.log.1.gz");
            logs.write("app.log.1", "");
        }
    }
}

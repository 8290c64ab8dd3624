use super::*;

#[test]
fn files_come_whole_and_one_after_the_other() {
    let logs = Logs::new();
    logs.write("b.log", "b1\nb2\n");
    logs.write("a.log", "a1\r\na2 without an end");
    logs.write("empty.log", "");
    assert_eq!(logs.run(&["b.log", "*.log"], Options::default()).read(), "b1\nb2\na1\r\na2 without an end");
}

#[test]
fn any_bytes_stay_as_they_are() {
    let logs = Logs::new();
    let content = b"nul \0 inside\n\xff\xfe not UTF-8\r\n\n\r\n\0";
    logs.write("a.log", content);
    let mut run = logs.run(&["a.log"], Options::default());
    let Step::Batch(batch) = run.inputs.next(Vec::new()) else { panic!("there are lines") };
    assert_eq!(batch.bytes, b"nul \0 inside\n\xff\xfe not UTF-8\r\n\n\r\n");
    let Step::Batch(batch) = run.inputs.next(batch.bytes) else { panic!("there is a last line") };
    assert_eq!(batch.bytes, b"\0");
    assert_eq!((batch.end.offset, batch.end.inside_line), (content.len() as u64, true));
}

#[test]
fn last_batch_says_that_the_input_is_finished() {
    let logs = Logs::new();
    for (name, content) in
        [("ends.log", "line\n"), ("open.log", "line\nline"), ("long.log", "0123456789abcdef")]
    {
        logs.write(name, content);
        let mut run = logs.run(&[name], Options { max_line: 8, ..Options::default() });
        assert_eq!(run.read(), content);
        assert_eq!(run.checkpoint().inputs[0].phase, Phase::Finished, "{name}");
    }
}

#[test]
fn pieces_of_an_overlong_line_are_marked_up_to_its_end() {
    let logs = Logs::new();
    logs.write("a.log", "short\n0123456789abcdef\nshort\n0123456789abcdef");
    let mut run = logs.run(&["a.log"], Options { max_line: 8, ..Options::default() });
    let mut pieces = Vec::new();
    while let Step::Batch(batch) = run.inputs.next(Vec::new()) {
        let text = String::from_utf8_lossy(&batch.bytes).into_owned();
        pieces.push((text, batch.starts_inside, batch.ends_inside));
    }
    let piece = |text: &str, starts_inside, ends_inside| (text.to_owned(), starts_inside, ends_inside);
    assert_eq!(
        pieces,
        [
            piece("short\n", false, false),
            piece("01234567", false, true),
            piece("89abcdef", true, true),
            piece("\n", true, false),
            piece("short\n", false, false),
            piece("01234567", false, true),
            piece("89abcdef", true, true),
            // The file ends here: whoever waits for the rest of the line learns that there is none.
            piece("", true, false),
        ]
    );
}

#[test]
fn file_that_cannot_be_opened_in_its_turn_does_not_stop_the_others() {
    let logs = Logs::new();
    for name in ["a.log", "b.log", "c.log"] {
        logs.write(name, format!("{name}\n"));
    }
    let mut run = logs.run(&["*.log"], Options::default());
    logs.remove("b.log");
    assert_eq!(
        run.read(),
        "a.log\n[failed: input b.log cannot be opened: No such file or directory (os error 2); it was removed or \
         renamed meanwhile]\nc.log\n"
    );
}

#[test]
fn stopped_run_ends_before_the_next_batch_and_stays_ended() {
    let logs = Logs::new();
    logs.write("a.log", "a\n");
    logs.write("b.log", "b\n");
    let mut run = logs.run(&["*.log"], Options::default());
    assert_eq!(run.step().as_deref(), Some("a\n"));
    run.inputs.stopper().stop();
    assert_eq!(run.step(), None);
    assert_eq!(run.step(), None);
}

#[test]
fn excepted_file_is_not_read() {
    let logs = Logs::new();
    logs.write("a.log", "a\n");
    logs.write("out.log", "o\n");
    let metadata = fs::metadata(logs.path("out.log")).expect("it was just written");
    let except = Some(crate::input::FileKey::of(&metadata));
    assert_eq!(logs.run(&["*.log"], Options { except, ..Options::default() }).read(), "a\n");
    assert_eq!(logs.run(&["*.log"], Options { except, follow: true, ..Options::default() }).read(), "a\n");
}

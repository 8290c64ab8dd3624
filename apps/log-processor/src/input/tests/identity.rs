use super::{
    super::{
        Fingerprint,
        start::Start,
        table::{Entry, State, Table},
    },
    *,
};

/// The position of an empty file that had that place on disk, and was rotated.
fn empty(logs: &Logs, key: FileKey) -> Position {
    Position::start(&logs.path("app.log")).found(&logs.path("app.log.2"), key)
}

/// It was taken for the empty one, and its lines were read from their start.
#[test]
fn copy_that_has_the_place_on_disk_of_an_empty_file_is_that_of_the_file_that_was_read() {
    for follow in [true, false] {
        let logs = Logs::new();
        logs.write("app.log", "1\n");
        let mut run = logs.follow(&["app.log"]);
        run.read();
        let mut checkpoint = run.checkpoint();
        logs.append("app.log", "2\n");
        logs.copy_and_truncate("app.log", "app.log.1");
        logs.append("app.log", "3\n");
        checkpoint.inputs.insert(0, empty(&logs, logs.key("app.log.1")));
        let options = Options { follow, ..Options::default() };
        assert_eq!(logs.resume(&["app.log"], options, Some(&checkpoint)).lines(), "2\n3\n", "{follow}");
    }
}

/// It was taken for the empty one, though that could not have been compressed without a place on disk of its own.
#[test]
fn compressed_file_that_has_the_place_on_disk_of_an_empty_one_is_another() {
    for follow in [true, false] {
        let logs = Logs::new();
        logs.write("app.log.1.gz", gzip("1\n"));
        logs.write("app.log", "2\n");
        let inputs = vec![empty(&logs, logs.key("app.log.1.gz"))];
        let checkpoint = Checkpoint { inputs, ..Checkpoint::default() };
        let options = Options { follow, ..Options::default() };
        assert_eq!(logs.resume(&["app.log"], options, Some(&checkpoint)).lines(), "2\n", "{follow}");
    }
}

/// It came first, as the empty file would have.
#[test]
fn file_that_has_the_place_on_disk_of_an_empty_one_is_read_in_its_own_order() {
    for follow in [true, false] {
        let logs = Logs::new();
        logs.write("app.log", "1\n");
        let mut run = logs.follow(&["app.log"]);
        run.read();
        let mut checkpoint = run.checkpoint();
        logs.append("app.log", "2\n");
        for (content, last) in [("3\n", 0), ("4\n", 1)] {
            logs.rotate(last);
            logs.write("app.log", content);
        }
        checkpoint.inputs.insert(0, empty(&logs, logs.key("app.log.1")));
        let options = Options { follow, ..Options::default() };
        assert_eq!(logs.resume(&["app.log"], options, Some(&checkpoint)).lines(), "2\n3\n4\n", "{follow}");
    }
}

/// The new log was taken for the empty file where the system gives a place on disk again, and then the file behind that for one
/// that had appeared: what lay between was lost.
#[test]
fn new_log_that_has_the_place_on_disk_of_an_empty_file_is_followed_as_another() {
    let logs = Logs::new();
    logs.write("app.log", "1\n");
    let mut run = logs.follow(&["app.log"]);
    assert_eq!(run.lines(), "1\n");
    for content in ["", "2\n"] {
        logs.rotate(1);
        logs.write("app.log", content);
    }
    assert_eq!(run.lines(), "2\n");
    logs.rename("app.log.1", "empty");
    logs.rotate(0);
    logs.remove("empty");
    logs.write("app.log", "");
    assert_eq!(run.lines(), "");
    logs.append("app.log", "3\n");
    logs.rotate(1);
    logs.write("app.log", "4\n");
    assert_eq!(run.lines(), "3\n4\n");
}

/// It was taken for that one, and then read a second time as a file that had appeared.
#[test]
fn file_that_has_the_place_on_disk_of_one_that_is_gone_is_read_once() {
    let logs = Logs::new();
    logs.write("app.log", "1\n");
    let mut run = logs.follow(&["app.log"]);
    assert_eq!(run.lines(), "1\n");
    let mut checkpoint = run.checkpoint();
    for (content, last) in [("2\n", 0), ("3\n", 1)] {
        logs.rotate(last);
        logs.write("app.log", content);
    }
    let gone = Position {
        path: logs.path("gone.log"),
        key: Some(logs.key("app.log.1")),
        ..checkpoint.inputs[0].clone()
    };
    checkpoint.inputs.push(Position { tail: gone.head, head: Fingerprint::of_first_line(b"gone\n"), ..gone });
    let options = Options { follow: true, ..Options::default() };
    assert_eq!(logs.resume(&["app.log*"], options, Some(&checkpoint)).lines(), "2\n3\n");
}

/// The file that had got that place was passed over as one of the run's.
#[test]
fn file_that_is_read_in_its_copy_has_no_place_on_disk_but_that_of_the_copy() {
    let logs = Logs::new();
    logs.write("app.log", "1\n");
    let mut run = logs.follow(&["app.log"]);
    run.read();
    let position = run.checkpoint().inputs.remove(0);
    let mut table = Table::default();
    let key = logs.key("app.log");
    let index = table.push(Some(key), Entry::new(State::Waiting(Start::Behind(position))));
    assert_eq!(table.by_key(key), Some(index));
    logs.write("app.log.1.gz", gzip("1\n"));
    logs.remove("app.log");
    table.open(index, &Options::default().framing(), true, &Arc::default()).expect("its copy is there");
    assert_eq!(table.by_key(key), None);
    assert_eq!(table.by_key(logs.key("app.log.1.gz")), Some(index));
}

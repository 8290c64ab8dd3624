use std::os::unix::fs::symlink;

use insta::assert_snapshot;

use super::*;

struct Fixture {
    folder: tempfile::TempDir,
}

impl Fixture {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().expect("the tests need a folder to write to") }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn file(&self, name: &str, content: &str) -> PathBuf {
        fs::write(self.path(name), content).expect("the folder is ours");
        self.path(name)
    }

    fn open(
        &self,
        name: &str,
        existing: Existing,
        resume: Option<&OutputMark>,
    ) -> Result<Output, OutputError> {
        let inputs = self.path("*.in").display().to_string();
        Output::open(&Target::File(self.path(name)), existing, resume, &[inputs])
    }

    fn refusal(&self, name: &str, existing: Existing, resume: Option<&OutputMark>) -> String {
        let error = self.open(name, existing, resume).expect_err("this output is to be refused");
        error.to_string().replace(&self.folder.path().display().to_string(), "FOLDER")
    }

    /// The content of the file after `text` was written to it.
    fn written(&self, name: &str, existing: Existing, resume: Option<&OutputMark>, text: &str) -> String {
        let mut output = self.open(name, existing, resume).expect("this output can be used");
        output.write(text.as_bytes()).expect("there is room");
        output.flush(true).expect("there is room");
        let content = fs::read_to_string(self.path(name)).expect("it was just written");
        let mark = output.mark().expect("a file has a length");
        assert_eq!(mark.length, content.len() as u64);
        content
    }

    fn mark(&self, name: &str, length: u64) -> OutputMark {
        let metadata = fs::metadata(self.path(name)).expect("the file exists");
        OutputMark { path: self.path(name), key: FileKey::of(&metadata), length, ended: None }
    }
}

#[test]
fn outputs_that_would_harm_something_are_refused_and_left_alone() {
    let fixture = Fixture::new();
    fixture.file("full", "precious\n");
    let input = fixture.file("a.in", "a line\n");
    symlink("no/out", fixture.path("astray")).expect("the folder is ours");
    symlink(&input, fixture.path("link")).expect("the folder is ours");
    fs::hard_link(&input, fixture.path("hard")).expect("the folder is ours");
    let mark = fixture.mark("full", 100);
    let other = OutputMark { key: FileKey { device: 0, inode: 0 }, ..mark.clone() };
    let ended = OutputMark { ended: Some(4), ..fixture.mark("full", 4) };
    use Existing::{Append, Overwrite, Refuse};
    let said = [
        ("holds something", fixture.refusal("full", Refuse, None)),
        ("its folder is missing", fixture.refusal("no/out", Refuse, None)),
        ("its folder is missing behind a link", fixture.refusal("astray", Refuse, None)),
        ("is a folder", fixture.refusal("", Overwrite, None)),
        ("is an input", fixture.refusal("a.in", Append, None)),
        ("is an input through a link", fixture.refusal("link", Overwrite, None)),
        ("is an input through a hard link", fixture.refusal("hard", Overwrite, None)),
        ("would be an input once it exists", fixture.refusal("new.in", Refuse, None)),
        ("is shorter than the state says", fixture.refusal("full", Refuse, Some(&mark))),
        ("is another file than the state says", fixture.refusal("full", Overwrite, Some(&other))),
        ("is gone", fixture.refusal("gone", Refuse, Some(&mark))),
        ("was written to since the run ended", fixture.refusal("full", Refuse, Some(&ended))),
    ];
    let said: Vec<String> = said.iter().map(|(what, error)| format!("{what}:\n  {error}")).collect();
    assert_snapshot!(said.join("\n"), @r"
    holds something:
      output FOLDER/full holds 9 bytes already; use --append to write behind them, --overwrite to replace them, or another name
    its folder is missing:
      output FOLDER/no/out cannot be made: the folder FOLDER/no does not exist; make it first
    its folder is missing behind a link:
      output FOLDER/astray cannot be made: the folder FOLDER/no does not exist; make it first
    is a folder:
      output FOLDER/ is a folder; name a file in it
    is an input:
      output FOLDER/a.in is also an input, as FOLDER/a.in; write to another file
    is an input through a link:
      output FOLDER/link is also an input, as FOLDER/a.in; write to another file
    is an input through a hard link:
      output FOLDER/hard is also an input, as FOLDER/a.in; write to another file
    would be an input once it exists:
      output FOLDER/new.in is also an input, as FOLDER/new.in; write to another file
    is shorter than the state says:
      output FOLDER/full holds 9 bytes, and the state says that it holds 100; restore it, or remove the state and the output to start from the beginning
    is another file than the state says:
      output FOLDER/full is not the file that the state speaks of: it was replaced; put that file back, or remove the state to start from the beginning
    is gone:
      output FOLDER/gone is gone, and the state says that it holds 100 bytes; restore it, or remove the state to start from the beginning
    was written to since the run ended:
      output FOLDER/full holds 9 bytes, and the run before ended with 4: somebody else wrote to it; use --append to keep that and write behind it, or --overwrite to cut it off
    ");

    assert_eq!(fs::read_to_string(fixture.path("full")).expect("it is there"), "precious\n");
    assert_eq!(fs::read_to_string(input).expect("it is there"), "a line\n");
    assert!(!fixture.path("new.in").exists() && !fixture.path("gone").exists());
}

#[test]
fn append_overwrite_and_resume_begin_where_they_should() {
    let fixture = Fixture::new();
    fixture.file("out", "before\n");
    assert_eq!(fixture.written("out", Existing::Append, None, "new\n"), "before\nnew\n");
    assert_eq!(fixture.written("out", Existing::Overwrite, None, "new\n"), "new\n");
    assert_eq!(fixture.written("fresh", Existing::Refuse, None, "new\n"), "new\n");
    fixture.file("empty", "");
    assert_eq!(fixture.written("empty", Existing::Refuse, None, "new\n"), "new\n");
}

#[test]
fn link_without_a_file_leads_to_a_new_one() {
    let fixture = Fixture::new();
    symlink("target", fixture.path("link")).expect("the folder is ours");
    assert_eq!(fixture.written("link", Existing::Refuse, None, "new\n"), "new\n");
    assert_eq!(fs::read_to_string(fixture.path("target")).expect("it was made"), "new\n");
}

#[test]
fn opening_alone_changes_nothing() {
    let fixture = Fixture::new();
    let path = fixture.file("out", "precious\n");
    let mut output = fixture.open("out", Existing::Overwrite, None).expect("this output can be used");
    output.flush(true).expect("there is nothing to write");
    assert_eq!(fs::read_to_string(&path).expect("it is there"), "precious\n");
    assert_eq!(output.mark().map(|mark| mark.length), Some(0));
    output.cut().expect("the file is ours");
    assert_eq!(fs::read_to_string(&path).expect("it is there"), "");
}

#[test]
fn resume_cuts_what_was_not_settled() {
    let fixture = Fixture::new();
    fixture.file("out", "settled\nnot settl");
    let mark = fixture.mark("out", 8);
    assert_eq!(fixture.written("out", Existing::Refuse, Some(&mark), "again\n"), "settled\nagain\n");
}

#[test]
fn what_others_wrote_since_a_run_ended_is_kept_or_cut_as_told() {
    let fixture = Fixture::new();
    for (existing, content) in [(Existing::Append, "run\nothers\nnew\n"), (Existing::Overwrite, "run\nnew\n")]
    {
        fixture.file("out", "run\nothers\n");
        let mark = OutputMark { ended: Some(4), ..fixture.mark("out", 4) };
        assert_eq!(fixture.written("out", existing, Some(&mark), "new\n"), content);
        fixture.file("out", "run\nhalf a li");
        let mark = fixture.mark("out", 4);
        assert_eq!(fixture.written("out", existing, Some(&mark), "new\n"), "run\nnew\n", "its own lines");
    }
}

#[test]
fn small_writes_are_gathered_and_large_ones_are_not_copied() {
    let fixture = Fixture::new();
    let mut output = fixture.open("out", Existing::Refuse, None).expect("a new file can be used");
    output.write(b"small\n").expect("there is room");
    assert_eq!(output.written(), 0);
    output.write(&[b'x'; 2 * GATHER]).expect("there is room");
    assert_eq!(output.written(), 6 + 2 * GATHER as u64);
    assert_eq!(output.pending.len(), 0);
}

#[test]
fn full_disk_is_said_with_the_remedy() {
    let target = Target::File(PathBuf::from("/dev/full"));
    let mut output = Output::open(&target, Existing::Refuse, None, &[]).expect("the device can be opened");
    assert_eq!(output.mark(), None, "a device has no length to go back to");
    output.write(b"line\n").expect("it is gathered first");
    let error = output.flush(false).expect_err("this device is always full");
    assert_snapshot!(error.to_string(), @"output /dev/full has no more room: No space left on device (os error 28); make room and start again: with --state the run goes on where it was");
}

#[test]
fn reader_that_goes_away_is_told_from_a_failure() {
    let (reader, writer) = io::pipe().expect("the system gives pipes");
    let file = File::from(std::os::fd::OwnedFd::from(writer));
    let mut output = Output {
        name: "standard output".to_owned(),
        file,
        key: None,
        regular: None,
        pending: Vec::new(),
        written: 0,
    };
    drop(reader);
    output.write(b"line\n").expect("it is gathered first");
    assert!(matches!(output.flush(false), Err(OutputError::Closed)));
}

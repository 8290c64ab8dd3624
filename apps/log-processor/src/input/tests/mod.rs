//! Whole runs over real files, one step at a time: what a test changes on disk happens between two calls of `next`.

// Order, ends of lines, long lines, failures in between.
mod order;
// gzip: members, damage, resume.
mod compressed;
// Standard input's kind: named pipes.
mod streams;
// Growing files: rotation, truncation, copies, new and deleted files.
mod follow;
// Records of several lines: held, waited for, cut, gone on with.
mod records;
// Going on where another run left off.
mod resume;
// Files that get the place on disk of another one.
mod identity;
// Files that are renamed between two steps of a run.
mod renames;
// Runs that are killed while their logs are rotated and compressed.
mod killed;

use std::{
    fs::{self, OpenOptions},
    io::Write,
    path::PathBuf,
    sync::Arc,
    time::SystemTime,
};

use flate2::{Compression, write::GzEncoder};

use super::{FileKey, Inputs, Options, Phase, Position, Step};
use crate::{batch::Batch, checkpoint::Checkpoint};

/// A folder of logs.
struct Logs {
    folder: tempfile::TempDir,
}

/// A run, and what it brought so far.
struct Run {
    inputs: Inputs,
    prefix: String,
    /// The end of each input, as a checkpoint would save it.
    positions: Vec<Option<Arc<Position>>>,
}

impl Logs {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().expect("the tests need a folder to write to") }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        fs::write(self.path(name), content).expect("the folder is ours");
    }

    fn append(&self, name: &str, content: &str) {
        let file = OpenOptions::new().append(true).create(true).open(self.path(name));
        file.and_then(|mut file| file.write_all(content.as_bytes())).expect("the folder is ours");
    }

    fn rename(&self, from: &str, to: &str) {
        fs::rename(self.path(from), self.path(to)).expect("the folder is ours");
    }

    /// Renames `app.log` to `app.log.1`, and those that are there already, up to number `last`, to the next one.
    fn rotate(&self, last: u32) {
        for number in (1..=last).rev().filter(|number| self.path(&format!("app.log.{number}")).exists()) {
            self.rename(&format!("app.log.{number}"), &format!("app.log.{}", number + 1));
        }
        self.rename("app.log", "app.log.1");
    }

    fn key(&self, name: &str) -> FileKey {
        FileKey::of(&fs::metadata(self.path(name)).expect("the file exists"))
    }

    /// As if the file had last been written to long ago.
    fn age(&self, name: &str) {
        let file = OpenOptions::new().write(true).open(self.path(name)).expect("the file exists");
        file.set_modified(SystemTime::UNIX_EPOCH).expect("the folder is ours");
    }

    /// As `logrotate` with `copytruncate` does.
    fn copy_and_truncate(&self, from: &str, to: &str) {
        fs::copy(self.path(from), self.path(to)).expect("the folder is ours");
        self.truncate(from);
    }

    fn truncate(&self, name: &str) {
        let file = OpenOptions::new().write(true).open(self.path(name)).expect("the file exists");
        file.set_len(0).expect("the folder is ours");
    }

    fn remove(&self, name: &str) {
        fs::remove_file(self.path(name)).expect("the file exists");
    }

    fn run(&self, patterns: &[&str], options: Options) -> Run {
        self.resume(patterns, options, None)
    }

    fn follow(&self, patterns: &[&str]) -> Run {
        self.run(patterns, Options { follow: true, ..Options::default() })
    }

    fn resume(&self, patterns: &[&str], options: Options, checkpoint: Option<&Checkpoint>) -> Run {
        let patterns: Vec<String> =
            patterns.iter().map(|pattern| self.path(pattern).display().to_string()).collect();
        let inputs = Inputs::open(&patterns, checkpoint, options).expect("these inputs can be used");
        let positions = inputs.positions();
        Run { inputs, prefix: format!("{}/", self.folder.path().display()), positions }
    }

    /// A folder of the same content in which every file has another inode.
    fn replace(&self, name: &str) {
        let content = fs::read(self.path(name)).expect("the file exists");
        self.write("replacement", content);
        self.rename("replacement", name);
    }
}

fn gzip(content: &str) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(content.as_bytes()).expect("memory does not fail");
    encoder.finish().expect("memory does not fail")
}

impl Run {
    /// Reads until there is nothing more for now: lines as they are, what else is said in brackets.
    fn read(&mut self) -> String {
        let mut said = String::new();
        while let Some(part) = self.step() {
            said += &part;
        }
        said
    }

    /// The same without what else is said.
    fn lines(&mut self) -> String {
        let mut lines = String::new();
        loop {
            match self.inputs.next(Vec::new()) {
                Step::Batch(batch) => lines += &self.take(&batch),
                Step::Notice(_) | Step::Failed { .. } => {}
                Step::Idle | Step::End => return lines,
            }
        }
    }

    fn step(&mut self) -> Option<String> {
        match self.inputs.next(Vec::new()) {
            Step::Batch(batch) => Some(self.take(&batch)),
            Step::Notice(notice) => Some(format!("[{notice}]\n").replace(&self.prefix, "")),
            Step::Failed { error, .. } => Some(format!("[failed: {error}]\n").replace(&self.prefix, "")),
            Step::Idle | Step::End => None,
        }
    }

    /// The next lines, waited for; for a run of pipes.
    fn read_some(&mut self) -> String {
        loop {
            match self.step() {
                Some(said) => return said,
                None => drop(self.inputs.wait()),
            }
        }
    }

    fn take(&mut self, batch: &Batch) -> String {
        self.positions.resize(self.positions.len().max(batch.input + 1), None);
        self.positions[batch.input] = (batch.end.phase != Phase::Forgotten).then(|| Arc::clone(&batch.end));
        String::from_utf8_lossy(&batch.bytes).into_owned()
    }

    /// What a run that is killed now leaves behind, if everything it read was written.
    fn checkpoint(&self) -> Checkpoint {
        let inputs = self.positions.iter().flatten().map(|position| Position::clone(position)).collect();
        let checkpoint = Checkpoint { inputs, ..Checkpoint::default() };
        // Through text and back, as it would go.
        let text = serde_json::to_string(&checkpoint).expect("a checkpoint is plain data");
        serde_json::from_str(&text).expect("what was written can be read")
    }
}

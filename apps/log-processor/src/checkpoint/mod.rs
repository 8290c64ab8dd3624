//! What a run saves so that the next one goes on where it ended, however it ended.
//!
//! One file in a folder of its own, replaced as a whole: a reader finds the old state or the new one, never a
//! mixture. It says which version wrote it and what it should hash to; whatever is not exactly as it was written is
//! refused by name. A state that was guessed would lose lines or double them, and nobody would learn of it.

mod error;

use std::{
    collections::BTreeMap,
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, Write},
    path::{Path, PathBuf},
};

use forebay_program::fault;
use rustix::fs::{Access, access};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

pub use self::error::StateError;
use crate::input::{FileKey, Fingerprint, Phase, Position};

/// The state of a run at one moment: all of it is true together.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checkpoint {
    /// What makes this pipeline this pipeline, by name: inputs, filter, format, output. Another one is refused.
    pub settings: BTreeMap<String, String>,
    /// How much of the output belongs to what was read; none if the output cannot be cut, as a pipe.
    pub output: Option<OutputMark>,
    /// Where each file stands.
    pub inputs: Vec<Position>,
    /// What was counted so far.
    pub counts: BTreeMap<String, u64>,
}

/// An output file, and how much of it is settled.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutputMark {
    /// Its name.
    #[serde(with = "crate::input::any_path")]
    pub path: PathBuf,
    /// Its place on disk.
    pub key: FileKey,
    /// In bytes. What lies behind was written and not settled: it is cut off on resume.
    pub length: u64,
    /// Only if the run ended in order: how many bytes the output had then. Those behind `length` are last lines
    /// without a line end, which the next run takes back; what lies behind all of them is somebody else's.
    pub ended: Option<u64>,
}

/// The folder that holds a pipeline's state, locked for this run.
#[derive(Debug)]
pub struct StateDir {
    dir: PathBuf,
    sync: bool,
    /// Held, never read: the system unlocks it when the process ends, however it ends.
    _lock: File,
}

/// The layout of the state file: every change of it raises this number. Nothing older is taken up.
const VERSION: u64 = 2;

const FILE: &str = "checkpoint.json";
const NEW_FILE: &str = "checkpoint.json.new";
const LOCK: &str = "lock";

/// What is on disk: a checkpoint as it was written, and how to tell that it is still that.
#[derive(Serialize, Deserialize)]
struct Envelope<'a> {
    version: u64,
    /// Of the text of `checkpoint`, in hexadecimal: JSON has no room for every 64-bit number.
    hash: String,
    #[serde(borrow)]
    checkpoint: &'a RawValue,
}

/// Read on its own first: a later version may have another layout.
#[derive(Deserialize)]
struct Version {
    version: u64,
}

// === impl Checkpoint ===

impl Checkpoint {
    /// Takes back the last lines without a line end: they are cut off the output and read again.
    pub(crate) fn take_back(&mut self) {
        for position in &mut self.inputs {
            *position = position.clone().taken_back(Phase::Reading);
        }
    }

    /// Leaves such lines in the output, for good: the inputs go on behind them.
    pub(crate) fn leave(&mut self) {
        if let Some(OutputMark { length, ended: Some(ended), .. }) = &mut self.output {
            *length = *ended;
        }
        let is_last = |position: &Position| position.unended.is_some() && position.ends_output;
        let has_last = self.inputs.iter().any(is_last);
        for position in &mut self.inputs {
            // Others end what lies in front of such lines.
            position.ends_output &= !has_last || is_last(position);
            position.unended = None;
        }
    }
}

/// Whether files can be made in a folder, told without making one.
fn writable(folder: &Path) -> io::Result<()> {
    Ok(access(folder, Access::WRITE_OK)?)
}

// === impl StateDir ===

impl StateDir {
    /// Opens `dir`, making it if only its last part is missing, and locks it.
    ///
    /// With `sync`, what is saved survives a loss of power, not only the end of the process.
    ///
    /// # Errors
    ///
    /// When the folder cannot be made or used, or another run holds it.
    pub fn open(dir: &Path, sync: bool) -> Result<Self, StateError> {
        let failed = |action| move |source| StateError::Io { dir: dir.to_owned(), action, source };
        match fs::create_dir(dir) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let parent = dir.parent().unwrap_or(dir).to_owned();
                return Err(StateError::NoParent { dir: dir.to_owned(), parent });
            }
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                return Err(failed("be made")(error));
            }
            Ok(()) | Err(_) => {}
        }
        let lock = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(dir.join(LOCK))
            .map_err(failed("open its lock file"))?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { dir: dir.to_owned(), sync, _lock: lock }),
            Err(TryLockError::WouldBlock) => Err(StateError::InUse { dir: dir.to_owned() }),
            Err(TryLockError::Error(error)) => Err(failed("lock it")(error)),
        }
    }

    /// What [`open`](Self::open) and [`load`](Self::load) would come to, without making or changing anything.
    ///
    /// # Errors
    ///
    /// As both of them.
    pub fn check(dir: &Path, settings: &BTreeMap<String, String>) -> Result<Option<Checkpoint>, StateError> {
        let failed = |action| move |source| StateError::Io { dir: dir.to_owned(), action, source };
        if let Err(error) = fs::read_dir(dir) {
            let parent = dir.parent().filter(|parent| !parent.as_os_str().is_empty());
            return match parent {
                _ if error.kind() != io::ErrorKind::NotFound || fs::symlink_metadata(dir).is_ok() => {
                    Err(failed("open its lock file")(error))
                }
                Some(parent) if !parent.is_dir() => {
                    Err(StateError::NoParent { dir: dir.to_owned(), parent: parent.to_owned() })
                }
                parent => {
                    writable(parent.unwrap_or(Path::new("."))).map(|()| None).map_err(failed("be made"))
                }
            };
        }
        match OpenOptions::new().write(true).open(dir.join(LOCK)) {
            Ok(lock) if matches!(lock.try_lock(), Err(TryLockError::WouldBlock)) => {
                return Err(StateError::InUse { dir: dir.to_owned() });
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                writable(dir).map_err(failed("open its lock file"))?;
            }
            opened => drop(opened.map_err(failed("open its lock file"))?),
        }
        let saved = read(dir, settings)?;
        writable(dir).map_err(failed("write a new checkpoint"))?;
        Ok(saved)
    }

    /// What the run before saved; none if there was none.
    ///
    /// # Errors
    ///
    /// When the state is damaged, of another version, or of a pipeline with other `settings`.
    pub fn load(&self, settings: &BTreeMap<String, String>) -> Result<Option<Checkpoint>, StateError> {
        read(&self.dir, settings)
    }

    /// Replaces the saved state, as a whole or not at all.
    ///
    /// # Errors
    ///
    /// When it cannot be written: then the state before it is still there.
    pub fn save(&mut self, checkpoint: &Checkpoint) -> Result<(), StateError> {
        let text = encode(checkpoint);
        self.write_new(&text).map_err(|source| self.failed("write a new checkpoint", source))?;
        fault::point("after-save");
        // Renaming is the moment at which the new state holds: before it the old one does, and nothing is between.
        fault::room("full-rename")
            .and_then(|()| fs::rename(self.dir.join(NEW_FILE), self.dir.join(FILE)))
            .and_then(|()| if self.sync { File::open(&self.dir)?.sync_all() } else { Ok(()) })
            .map_err(|source| self.failed("put the new checkpoint in place", source))?;
        fault::point("after-rename");
        Ok(())
    }

    fn write_new(&self, text: &str) -> io::Result<()> {
        let mut file = File::create(self.dir.join(NEW_FILE))?;
        fault::room("full-state")?;
        file.write_all(text.as_bytes())?;
        // Else the name might reach the disk before the content does.
        if self.sync { file.sync_all() } else { Ok(()) }
    }

    fn failed(&self, action: &'static str, source: io::Error) -> StateError {
        StateError::Io { dir: self.dir.clone(), action, source }
    }
}

fn read(dir: &Path, settings: &BTreeMap<String, String>) -> Result<Option<Checkpoint>, StateError> {
    let path = dir.join(FILE);
    let text = match fs::read(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(source) => {
            let action = "read the checkpoint";
            return Err(StateError::Io { dir: dir.to_owned(), action, source });
        }
    };
    let checkpoint = decode(&text, &path)?;
    if let Some(setting) = first_difference(&checkpoint.settings, settings) {
        let (was, is) = (checkpoint.settings.get(&setting).cloned(), settings.get(&setting).cloned());
        return Err(StateError::Foreign { path, setting, was, is });
    }
    Ok(Some(checkpoint))
}

fn encode(checkpoint: &Checkpoint) -> String {
    let checkpoint = serde_json::value::to_raw_value(checkpoint).expect("a checkpoint is plain data");
    let hash = hash(checkpoint.get());
    let envelope = Envelope { version: VERSION, hash, checkpoint: &checkpoint };
    serde_json::to_string(&envelope).expect("an envelope is plain data") + "\n"
}

fn decode(text: &[u8], path: &Path) -> Result<Checkpoint, StateError> {
    let damaged = |reason: String| StateError::Damaged { path: path.to_owned(), reason };
    let unreadable = |error: serde_json::Error| damaged(error.to_string());
    if text.is_empty() {
        return Err(damaged("it is empty".to_owned()));
    }
    let Version { version } = serde_json::from_slice(text).map_err(unreadable)?;
    if version > VERSION {
        return Err(StateError::Newer { path: path.to_owned(), found: version });
    }
    let envelope: Envelope<'_> = serde_json::from_slice(text).map_err(unreadable)?;
    if (1..VERSION).contains(&version) {
        return Err(StateError::Older { path: path.to_owned(), found: version });
    }
    if version != VERSION || hash(envelope.checkpoint.get()) != envelope.hash {
        return Err(damaged("its content does not match its checksum".to_owned()));
    }
    serde_json::from_str(envelope.checkpoint.get()).map_err(unreadable)
}

fn hash(text: &str) -> String {
    format!("{:016x}", Fingerprint::hash(text.as_bytes()))
}

fn first_difference(was: &BTreeMap<String, String>, is: &BTreeMap<String, String>) -> Option<String> {
    was.keys().chain(is.keys()).find(|setting| was.get(*setting) != is.get(*setting)).cloned()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use insta::assert_snapshot;

    use super::*;

    fn settings(filter: &str) -> BTreeMap<String, String> {
        [("filter", filter), ("format", "raw")]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into()
    }

    fn checkpoint() -> Checkpoint {
        Checkpoint {
            settings: settings("level >= warn"),
            output: Some(OutputMark {
                path: PathBuf::from("out.log"),
                key: FileKey { device: 1, inode: 2 },
                length: 345,
                ended: None,
            }),
            inputs: Vec::new(),
            counts: [("lines".to_owned(), u64::MAX)].into(),
        }
    }

    struct Fixture {
        folder: tempfile::TempDir,
        state: StateDir,
    }

    impl Fixture {
        fn new() -> Self {
            let folder = tempfile::tempdir().expect("the tests need a folder to write to");
            let state = StateDir::open(folder.path(), false).expect("an empty folder can be used");
            Self { folder, state }
        }

        /// What a load says about a state file with that text.
        fn said_of(&self, text: impl AsRef<[u8]>) -> String {
            fs::write(self.folder.path().join(FILE), text).expect("the folder is ours");
            let error = self.state.load(&settings("level >= warn")).expect_err("this state is to be refused");
            self.without_folder(&error)
        }

        fn without_folder(&self, error: &StateError) -> String {
            error.to_string().replace(&self.folder.path().display().to_string(), "STATE")
        }
    }

    #[test]
    fn what_was_saved_last_is_loaded() {
        let mut fixture = Fixture::new();
        let settings = settings("level >= warn");
        assert_eq!(fixture.state.load(&settings).expect("no state is no error"), None);
        for length in [1, 2] {
            let mut checkpoint = checkpoint();
            checkpoint.output.as_mut().expect("it has one").length = length;
            fixture.state.save(&checkpoint).expect("the folder is ours");
            assert_eq!(fixture.state.load(&settings).expect("it was just saved"), Some(checkpoint));
        }
    }

    #[test]
    fn damaged_states_are_refused_by_name() {
        let fixture = Fixture::new();
        let good = encode(&checkpoint());
        let said = [
            ("empty", fixture.said_of("")),
            ("cut in the middle", fixture.said_of(&good[..good.len() / 2])),
            ("one digit changed", fixture.said_of(good.replace("345", "346"))),
            ("zeros, as after a loss of power", fixture.said_of([0; 100])),
            ("no state at all", fixture.said_of("[1, 2]")),
            ("a later version", fixture.said_of(r#"{"version":3,"layout":"unknown"}"#)),
            ("an earlier version", fixture.said_of(good.replace("\"version\":2", "\"version\":1"))),
            ("a version that never was", fixture.said_of(good.replace("\"version\":2", "\"version\":0"))),
        ];
        let said: Vec<String> = said.iter().map(|(what, error)| format!("{what}:\n  {error}")).collect();
        assert_snapshot!(said.join("\n"), @r"
        empty:
          state STATE/checkpoint.json is damaged: it is empty; restore it, or remove it and the output to start from the beginning
        cut in the middle:
          state STATE/checkpoint.json is damaged: EOF while parsing a string at line 1 column 121; restore it, or remove it and the output to start from the beginning
        one digit changed:
          state STATE/checkpoint.json is damaged: its content does not match its checksum; restore it, or remove it and the output to start from the beginning
        zeros, as after a loss of power:
          state STATE/checkpoint.json is damaged: expected value at line 1 column 1; restore it, or remove it and the output to start from the beginning
        no state at all:
          state STATE/checkpoint.json is damaged: trailing characters at line 1 column 5; restore it, or remove it and the output to start from the beginning
        a later version:
          state STATE/checkpoint.json is of version 3, this program knows 2; use the program that wrote it, or a later one
        an earlier version:
          state STATE/checkpoint.json is of version 1, this program writes 2 and cannot go on from there; finish with the program that wrote it, or remove the state and the output to start from the beginning
        a version that never was:
          state STATE/checkpoint.json is damaged: its content does not match its checksum; restore it, or remove it and the output to start from the beginning
        ");
    }

    #[test]
    fn every_single_changed_byte_is_noticed() {
        let good = encode(&checkpoint());
        for at in 0..good.len() {
            let mut text = good.clone().into_bytes();
            text[at] ^= 1;
            let decoded = decode(&text, Path::new("state"));
            // White space may change without the content changing.
            assert!(decoded.is_err() || decoded.is_ok_and(|decoded| decoded == checkpoint()), "byte {at}");
        }
    }

    #[test]
    fn state_of_another_pipeline_is_refused_by_the_setting_that_differs() {
        let mut fixture = Fixture::new();
        fixture.state.save(&checkpoint()).expect("the folder is ours");
        let mut more = settings("level >= warn");
        more.insert("sample".to_owned(), "10".to_owned());
        let said = [settings("level >= error"), more].map(|settings| {
            fixture.without_folder(&fixture.state.load(&settings).expect_err("the settings differ"))
        });
        assert_snapshot!(said.join("\n"), @r"
        state STATE/checkpoint.json belongs to another pipeline: filter was `level >= warn`, now it is `level >= error`; give this one a folder of its own
        state STATE/checkpoint.json belongs to another pipeline: sample was not given, now it is `10`; give this one a folder of its own
        ");
    }

    #[test]
    fn folders_that_cannot_be_used_are_said() {
        let fixture = Fixture::new();
        let file = fixture.folder.path().join("file");
        fs::write(&file, "").expect("the folder is ours");
        symlink("nowhere", fixture.folder.path().join("link")).expect("the folder is ours");
        symlink("round", fixture.folder.path().join("round")).expect("the folder is ours");
        let said = ["", "no/state", "file", "link", "round"].map(|name| {
            let dir = fixture.folder.path().join(name);
            let opened = StateDir::open(&dir, false).expect_err("this folder is to be refused");
            let checked = StateDir::check(&dir, &settings("")).expect_err("so it is by a check");
            assert_eq!(opened.to_string(), checked.to_string());
            fixture.without_folder(&opened)
        });
        assert_snapshot!(said.join("\n"), @r"
        state folder STATE/ is in use by another run; wait for its end, or give this one a folder of its own
        state folder STATE/no/state cannot be made: STATE/no does not exist; make that first
        state folder STATE/file: cannot open its lock file: Not a directory (os error 20); give a folder, or a name that is still free
        state folder STATE/link: cannot open its lock file: No such file or directory (os error 2); it was removed, or is a link that leads nowhere
        state folder STATE/round: cannot open its lock file: Too many levels of symbolic links (os error 40); check where its links lead
        ");
    }

    #[test]
    fn lock_ends_with_the_run() {
        let Fixture { folder, state } = Fixture::new();
        drop(state);
        StateDir::open(folder.path(), true).expect("nobody holds it any more");
    }

    #[test]
    fn leftover_of_a_crash_before_the_rename_is_ignored_and_replaced() {
        let mut fixture = Fixture::new();
        fixture.state.save(&checkpoint()).expect("the folder is ours");
        fs::write(fixture.folder.path().join(NEW_FILE), "half a checkp").expect("the folder is ours");
        let settings = settings("level >= warn");
        assert_eq!(fixture.state.load(&settings).expect("the old state holds"), Some(checkpoint()));
        fixture.state.save(&checkpoint()).expect("the folder is ours");
        assert_eq!(fixture.state.load(&settings).expect("it was just saved"), Some(checkpoint()));
    }

    #[test]
    fn save_that_fails_leaves_the_state_before_it() {
        let mut fixture = Fixture::new();
        fixture.state.save(&checkpoint()).expect("the folder is ours");
        // A folder in its place: nothing can be written under this name.
        fs::create_dir(fixture.folder.path().join(NEW_FILE)).expect("the folder is ours");
        let newer = Checkpoint { output: None, ..checkpoint() };
        fixture.state.save(&newer).expect_err("there is no place for it");
        let settings = settings("level >= warn");
        assert_eq!(fixture.state.load(&settings).expect("the old state holds"), Some(checkpoint()));
    }
}

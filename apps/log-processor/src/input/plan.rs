//! Which files a run reads, in which order, and from where.

use std::{
    collections::{HashMap, HashSet},
    fs::{self, File},
    io,
    path::{Path, PathBuf},
};

use super::{
    compressed::is_compressed_at,
    error::InputError,
    file,
    identity::FileKey,
    inputs::Step,
    locate::{Folders, is_copy, is_packed, is_rotation, origin, sort_by_age},
    notice::Notice,
    pattern::InputSpec,
    position::{Phase, Position},
    start::Start,
    table::{Entry, State},
};

/// The inputs that a run begins with.
#[derive(Debug, Default)]
pub(super) struct Plan {
    /// In the order in which they are read.
    pub(super) starts: Vec<Planned>,
    /// What there is to say about files of the run before.
    pub(super) said: Vec<Step>,
}

/// One of them.
#[derive(Debug)]
pub(super) struct Planned {
    pub(super) start: Start,
    pub(super) key: Option<FileKey>,
    /// Some pattern leads to it.
    pub(super) reached: bool,
    /// The run before finished it, and it does not grow: there is nothing to do but to remember that.
    pub(super) is_at_end: bool,
    /// It is not there (any more) and only remembered, in case it comes back.
    pub(super) is_absent: bool,
    /// At which path it stood, or would have, when it was not rotated yet.
    pub(super) home: PathBuf,
}

/// How many files that are not there a state remembers. Each takes some 400 bytes of every checkpoint.
const MOST_ABSENT: usize = 256;

// === impl Plan ===

impl Plan {
    /// First what the run before had begun, in its order, each followed by what was rotated after it; then the rest
    /// of `specs`. `except` is never read.
    pub(super) fn new(
        specs: &[InputSpec],
        positions: &[Position],
        except: Option<FileKey>,
        folders: &mut Folders,
    ) -> Self {
        let reached: HashSet<FileKey> = specs.iter().filter_map(key_of).collect();
        let mut plan = Self::default();
        let mut taken: HashSet<FileKey> = except.into_iter().collect();
        let found = found(positions, &mut taken, folders);
        let known = in_order(positions.iter().zip(found).collect());
        let between = rotated_between(&known, folders);
        for ((position, found), between) in known.into_iter().zip(between) {
            match found {
                Some(found) => plan.go_on(position, found, &reached),
                None => plan.give_up(position, &taken),
            }
            for path in between {
                plan.catch_up(path, position.home(), &reached, &mut taken);
            }
        }
        plan.forget_absent();
        for spec in specs {
            let (start, home) = match spec {
                InputSpec::Stdin => (Start::Stdin, PathBuf::new()),
                InputSpec::Stream(path) => (Start::Stream(path.clone()), path.clone()),
                InputSpec::File { path, key } if taken.insert(*key) => {
                    // Its lines come from the original, or came from it already.
                    let original = positions.iter().find(|position| {
                        is_rotation(&origin(&position.path), path) && is_copy(path, position)
                    });
                    if let Some(original) = original {
                        let (path, of) = (path.clone(), original.path.clone());
                        plan.said.push(Step::Notice(Notice::Copied { path, of }));
                        continue;
                    }
                    (Start::File(start(path, path, *key)), path.clone())
                }
                InputSpec::File { .. } => continue,
            };
            plan.starts.push(Planned {
                start,
                key: key_of(spec),
                reached: true,
                is_at_end: false,
                is_absent: false,
                home,
            });
        }
        plan
    }

    fn go_on(&mut self, position: &Position, (path, key): (PathBuf, FileKey), reached: &HashSet<FileKey>) {
        let is_reached = reached.contains(&key);
        let is_same = position.key == Some(key);
        let home = position.home().to_owned();
        if path != position.path || !is_same {
            self.said.push(Step::Notice(Notice::Found {
                was: position.path.clone(),
                is: path.clone(),
                offset: position.offset,
            }));
        }
        // To find the end of a compressed file, all of it would have to be decompressed. What has the place on disk of a plain
        // one is another file.
        let was_compressed = path == position.path || is_packed(&position.path);
        let is_at_end =
            position.phase == Phase::Finished && is_same && was_compressed && is_compressed_at(&path);
        let mut position = position.found(&path, key);
        if !is_same {
            // A copy may hold more than was read of the original, and this run may be killed before it has seen that.
            position.phase = Phase::Reading;
        }
        let start = Start::Behind(position);
        self.starts.push(Planned {
            start,
            key: Some(key),
            reached: is_reached,
            is_at_end,
            is_absent: false,
            home,
        });
    }

    fn catch_up(
        &mut self,
        path: PathBuf,
        home: &Path,
        reached: &HashSet<FileKey>,
        taken: &mut HashSet<FileKey>,
    ) {
        let Ok(metadata) = fs::metadata(&path) else { return };
        let key = FileKey::of(&metadata);
        if taken.insert(key) {
            self.said.push(Step::Notice(Notice::CaughtUp { path: path.clone() }));
            let start = Start::Behind(start(home, &path, key));
            let reached = reached.contains(&key);
            let home = home.to_owned();
            self.starts.push(Planned {
                start,
                key: Some(key),
                reached,
                is_at_end: false,
                is_absent: false,
                home,
            });
        }
    }

    fn give_up(&mut self, position: &Position, taken: &HashSet<FileKey>) {
        let (path, offset) = (position.path.clone(), position.offset);
        // It was empty, as far as anybody knows.
        if offset == 0 && !position.is_at_known_start() {
            return;
        }
        // One that is there and cannot be read is reported as that.
        let is_gone = fs::metadata(&path).is_ok()
            || File::open(&path).is_err_and(|error| error.kind() == io::ErrorKind::NotFound);
        if is_gone && !position.absent {
            self.said.push(match position.phase {
                Phase::Reading => Step::Failed { input: None, error: InputError::Lost { path, offset } },
                Phase::Finished | Phase::Forgotten => Step::Notice(Notice::Gone { path, offset }),
            });
        }
        let start = Start::Behind(Position { absent: is_gone, ..position.clone() });
        // What has its place on disk by now is another file, which comes first if it was rotated.
        let key = position.key.filter(|key| !taken.contains(key));
        let home = position.path.clone();
        self.starts.push(Planned { start, key, reached: false, is_at_end: true, is_absent: true, home });
    }

    /// Everything is still where it was found: else something else may have been taken for it, or was missed.
    pub(super) fn is_as_found(&self, specs: &[InputSpec], folders: &Folders) -> bool {
        let is_at =
            |path: &Path, key| fs::metadata(path).is_ok_and(|metadata| Some(FileKey::of(&metadata)) == key);
        let is_planned = self.starts.iter().filter(|planned| !planned.is_absent).all(|planned| {
            !matches!(&planned.start, Start::Behind(position) if !is_at(&position.path, planned.key))
        });
        let is_named = specs
            .iter()
            .all(|spec| !matches!(spec, InputSpec::File { path, key } if !is_at(path, Some(*key))));
        is_planned && is_named && folders.are_as_listed()
    }

    /// Of files that are not there, only so many are remembered, those that were read last: rotation deletes for ever.
    fn forget_absent(&mut self) {
        let absent = self.starts.iter().filter(|planned| planned.is_absent).count();
        let mut surplus = absent.saturating_sub(MOST_ABSENT);
        self.starts.retain(|planned| {
            let goes = planned.is_absent && surplus > 0;
            surplus -= usize::from(goes);
            !goes
        });
    }
}

// === impl Planned ===

impl Planned {
    /// The path of a file that nobody has read anything of, and that is no log that was rotated since.
    pub(super) fn unread(&self) -> Option<&Path> {
        match &self.start {
            Start::File(position) => Some(&position.path),
            Start::Behind(position) => {
                let is_unread = position.offset == 0 && position.phase == Phase::Reading;
                let is_no_log = self.home == position.path || is_packed(&self.home);
                (is_unread && is_no_log).then_some(&position.path)
            }
            Start::Stdin | Start::Stream(_) => None,
        }
    }

    /// The entry that it begins with.
    pub(super) fn entry(&self) -> Entry {
        let state = match &self.start {
            Start::Behind(position) if self.is_at_end => State::Closed(position.clone()),
            start => State::Waiting(start.clone()),
        };
        Entry { reached: self.reached, ..Entry::new(state) }
    }
}

/// The start of the file at `path`, which stood at `home`. How it begins is all by which it is known again, should it be compressed,
/// or copied and truncated, before anything of it was read.
fn start(home: &Path, path: &Path, key: FileKey) -> Position {
    let start = Position::start(home);
    let opened = || -> io::Result<Position> {
        let file = File::open(path)?;
        let metadata = file.metadata()?;
        Ok(start.opened(path, &metadata, file::head(&file)?))
    };
    opened().ok().filter(|opened| opened.key == Some(key)).unwrap_or_else(|| start.found(path, key))
}

/// Where the file of each of `positions` is now; adds it to `taken`.
fn found(
    positions: &[Position],
    taken: &mut HashSet<FileKey>,
    folders: &mut Folders,
) -> Vec<Option<(PathBuf, FileKey)>> {
    type Locate = fn(&mut Folders, &Position, &HashSet<FileKey>) -> Option<PathBuf>;
    let same: Locate = |folders, position, _| folders.locate_same(position);
    // What is another one's file is no copy. And one of which nothing is known but its place on disk is least certain.
    let ways: [(bool, Locate); 3] = [(false, same), (false, Folders::locate_any_copy), (true, same)];
    let mut found = vec![None; positions.len()];
    for (is_of_nothing, locate) in ways {
        let missing = positions.iter().zip(&mut found).filter(|(_, found)| found.is_none());
        for (position, found) in missing.filter(|(position, _)| position.is_of_nothing() == is_of_nothing) {
            *found = locate(folders, position, taken).and_then(|path| {
                let key = FileKey::of(&fs::metadata(&path).ok()?);
                taken.insert(key).then_some((path, key))
            });
        }
    }
    found
}

/// A file of the run before, and where it is now, if it was found.
type Known<'a> = (&'a Position, Option<(PathBuf, FileKey)>);

/// The files that stood at the same path, oldest first as far as their names tell. They are in that order already, but for those
/// whose place on disk the system gave to a younger one, of which no more was known than that.
fn in_order(mut known: Vec<Known<'_>>) -> Vec<Known<'_>> {
    let mut logs: HashMap<&Path, Vec<usize>> = HashMap::new();
    for (index, (position, _)) in known.iter().enumerate().filter(|(_, (_, found))| found.is_some()) {
        logs.entry(position.home()).or_default().push(index);
    }
    for (home, indexes) in logs {
        let mut files: Vec<Known<'_>> = indexes.iter().map(|index| known[*index].clone()).collect();
        sort_by_age(home, &mut files, |(_, found)| found.as_ref().map_or(home, |(path, _)| path));
        for (index, file) in indexes.into_iter().zip(files) {
            known[index] = file;
        }
    }
    known
}

/// For each file, what was rotated after it, oldest first; for one that was empty and is gone, what it may have become comes first.
/// What was rotated after several known files is named with the last of them; what lies between two may be a file of which
/// nothing was read.
fn rotated_between(known: &[Known<'_>], folders: &mut Folders) -> Vec<Vec<PathBuf>> {
    let mut named: HashSet<PathBuf> = HashSet::new();
    let mut between: Vec<Vec<PathBuf>> = known
        .iter()
        .rev()
        .map(|(position, found)| {
            let mut younger = match found {
                Some((path, _)) if path == position.home() => Vec::new(),
                Some((path, _)) => folders.rotated_after(position.home(), path),
                None => folders.changed_since_empty(position),
            };
            younger.retain(|path| named.insert(path.clone()));
            younger
        })
        .collect();
    between.reverse();
    between
}

fn key_of(spec: &InputSpec) -> Option<FileKey> {
    match spec {
        InputSpec::File { key, .. } => Some(*key),
        InputSpec::Stdin | InputSpec::Stream(_) => None,
    }
}

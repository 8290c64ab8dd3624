//! Files that grow, and what happens to them meanwhile: rotation, truncation, new files, files that go away.
//!
//! The system only says *that* something changed in a folder; what changed is found by looking at every path anew.
//! So an event that is lost or comes twice does no harm, and a test can take one step after another without any.
//!
//! | seen at a path | what it means | what is done |
//! | --- | --- | --- |
//! | nothing | between rename and create | the open file is read on |
//! | another file, empty | the writer has not turned to it yet | the open file is read on, or what was rotated after it and is not empty |
//! | another file, not empty | rotated, perhaps more than once | the open file is read to its end, then those that were rotated after it, then the other one |
//! | the same file, shorter, or with other bytes before the position | truncated | a copy beside it is finished, if there is one; then the file from its start |
//! | a file that no path led to before | appeared | it is read from its start |
//! | the same, named after an open file and with its bytes so far | being copied | it is passed over until the open file is truncated |
//!
//! An open file whose last name is deleted is read to its end and closed. One that was truncated and then moved to where nobody
//! looks, or deleted, is read from its start all the same: it is open. One that was read and compressed since is known as
//! the compressed file from then on.
//!
//! What stood at a path last is remembered, closed or not, until something else stands there: what was rotated away in
//! between is found by it (`catch_up.rs`).
//!
//! What is not seen: changes on file systems that do not tell of them, as those on a network, and in a folder that
//! was deleted and made again. Every file that is followed is held open, and what may not be open beside the others is looked at again
//! with each change.
//!
//! *The rule for rotation* is exact for one writer: it writes to the new file only after it stopped writing to the
//! old one, so once the new one holds something, the end of the old one is its end.

mod catch_up;

use std::{
    collections::{HashMap, HashSet, VecDeque},
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use super::{
    compressed::is_compressed_at,
    error::InputError,
    framing::Framing,
    identity::FileKey,
    inputs::{Options, Step},
    locate::{Folders, is_packed, is_same},
    notice::Notice,
    pattern::{STDIN, is_stored, reach, watched_folder},
    plan::Planned,
    position::Position,
    reader::Reader,
    signal::Signal,
    start::Start,
    table::{Entry, State, Table},
    watch::{Watch, is_refused},
};

/// What is known of the paths that a run follows.
#[derive(Debug)]
pub(super) struct Changes {
    patterns: Vec<String>,
    framing: Framing,
    except: Option<FileKey>,
    signal: Arc<Signal>,
    watch: Watch,
    /// The file that each path led to when it was last looked at.
    bindings: HashMap<PathBuf, usize>,
    /// What was said of a path, so that it is said once and not at every look.
    said: HashMap<PathBuf, Said>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Said {
    Missing,
    Unreadable,
    Unwatched,
    Compressed(FileKey),
    Copy(FileKey),
    Empty(FileKey),
}

// === impl Changes ===

impl Changes {
    /// Asks the system to call `signal` when anything changes in a folder that matters to `patterns`.
    pub(super) fn watch(
        patterns: &[String],
        options: &Options,
        signal: &Arc<Signal>,
    ) -> Result<Self, InputError> {
        let patterns: Vec<String> =
            patterns.iter().filter(|pattern| *pattern != STDIN).chain(&options.globs).cloned().collect();
        let mut changes = Self {
            framing: options.framing(),
            except: options.except,
            signal: Arc::clone(signal),
            watch: Watch::new(signal)?,
            bindings: HashMap::new(),
            said: HashMap::new(),
            patterns,
        };
        let mut watched = Ok(());
        for pattern in &changes.patterns {
            let (folder, below) = watched_folder(pattern);
            match changes.watch.folder(folder, below) {
                // The others are followed, and the looks name it.
                Err(error) if changes.patterns.len() > 1 && is_refused(&error) => watched = Err(error),
                watched => watched?,
            }
        }
        if changes.watch.is_empty() { watched.map(|()| changes) } else { Ok(changes) }
    }

    /// No path is followed.
    pub(super) fn is_of_nothing(&self) -> bool {
        self.patterns.is_empty()
    }

    /// Opens what the run begins with.
    ///
    /// A file of the run before is bound to the path where it stood, so what stands there now is found by the first
    /// look and treated as any rotation.
    pub(super) fn begin(&mut self, starts: &[Planned], table: &mut Table, outbox: &mut VecDeque<Step>) {
        // First what is passed over: else a log that is compressed by now would be taken for one that another entry reads.
        for (index, planned) in starts.iter().enumerate() {
            // One that is renamed just now is passed over under its next name.
            let is_compressed = |path: &Path| is_compressed_at(path) || is_packed(path) && !path.exists();
            if planned.reached && planned.unread().is_some_and(is_compressed) {
                table.get_mut(index).state = State::Gone;
            }
        }
        for (index, planned) in starts.iter().enumerate() {
            if planned.is_absent || table.is_gone(index) {
                continue;
            }
            let older = self.bindings.get(&planned.home).copied();
            let is_empty = || fs::metadata(&planned.home).is_ok_and(|metadata| metadata.len() == 0);
            let is_new = |it: &Position| it.path == planned.home && (it.is_of_nothing() || is_empty());
            if older.is_some() && matches!(&planned.start, Start::File(it) if is_new(it)) {
                // Rotated, and the writer had not turned to the new file: it is left to the looks.
                table.get_mut(index).state = State::Gone;
                continue;
            }
            table.get_mut(index).behind = table.last_open(older);
            match table.open(index, &self.framing, true, &self.signal) {
                Ok(news) => outbox.extend(news.map(Step::Batch)),
                Err(error) => {
                    outbox.push_back(Step::Failed { input: Some(index), error });
                    continue;
                }
            }
            if table.is_gone(index) {
                continue;
            }
            if older.is_some() && table.is_unread_another(index, planned.key, &planned.home) {
                // It was rotated since, and is found by the looks, before the one that has its name by now.
                table.get_mut(index).state = State::Gone;
                continue;
            }
            if let Some(older) = older {
                table.get_mut(older).retiring = true;
            }
            if planned.key.is_some() {
                self.bindings.insert(planned.home.clone(), index);
                self.watch_target(&planned.home, outbox);
            }
        }
    }

    /// Looks at every path, and puts what there is to say about it into `outbox`.
    pub(super) fn look(&mut self, table: &mut Table, outbox: &mut VecDeque<Step>) {
        let mut reached = HashSet::new();
        for path in self.paths(outbox) {
            match fs::metadata(&path) {
                Ok(metadata) if is_stored(&path, &metadata) => {
                    let key = FileKey::of(&metadata);
                    if Some(key) != self.except {
                        reached.extend(self.look_at(&path, key, metadata.len(), table, outbox));
                    }
                }
                // A glob leads to a folder only if it cannot look into it.
                Ok(metadata) if metadata.is_dir() => {
                    if let Err(source) = fs::read_dir(&path) {
                        self.fail(path, source, outbox);
                    }
                }
                // Streams were opened when the run began.
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    // What comes after one that is closed is found by it, also by the next run.
                    reached.extend(self.bindings.get(&path).filter(|index| !table.is_open(**index)));
                    // Between rename and create there is nothing to say.
                    let is_renamed = self.bindings.get(&path).is_some_and(|index| table.is_renamed(*index));
                    if !is_renamed && self.is_news(&path, Said::Missing) {
                        outbox.push_back(Step::Notice(Notice::Missing { path }));
                    }
                }
                Err(source) => self.fail(path, source, outbox),
            }
        }
        // Where a path led to last is remembered as long as nothing else stands there: what was rotated since is found by it.
        self.bindings.retain(|_, index| !table.is_gone(*index));
        let mut folders = Folders::default();
        for index in 0..table.len() {
            let entry = table.get_mut(index);
            entry.reached = reached.contains(&index);
            match &entry.state {
                State::Open(reader) if !entry.reached && reader.is_deleted() => {
                    self.retire_deleted(index, table, outbox);
                }
                State::Open(reader) if !entry.reached && reader.is_truncated() => {
                    self.restart_unreached(index, table, outbox);
                }
                _ if entry.is_unreached() => outbox.extend(table.miss(index, &mut folders).map(Step::Batch)),
                _ => entry.missed = false,
            }
        }
    }

    /// An open file was deleted: it is read to its end. Where no other has taken its place, what was rotated away in between
    /// has nobody but this one to be found by.
    fn retire_deleted(&mut self, index: usize, table: &mut Table, outbox: &mut VecDeque<Step>) {
        let Some(home) = table.home(index) else { return };
        table.get_mut(index).retiring = true;
        if self.bindings.get(&home) == Some(&index) {
            let last = self.catch_up(&home, None, index, table, outbox);
            self.bindings.insert(home, last);
        }
    }

    /// An open file was truncated and moved to where nobody looks. It stays open only if no other has taken its place.
    fn restart_unreached(&mut self, index: usize, table: &mut Table, outbox: &mut VecDeque<Step>) {
        let Some(home) = table.home(index) else { return };
        let is_retiring = table.get(index).retiring;
        let last = self.finish_truncated(&home, index, table, outbox);
        table.get_mut(last).retiring = is_retiring;
        if self.bindings.get(&home) == Some(&index) {
            self.bindings.insert(home, last);
        }
    }

    /// The file that `path` leads to, if it is one of the run's.
    pub(super) fn look_at(
        &mut self,
        path: &Path,
        key: FileKey,
        len: u64,
        table: &mut Table,
        outbox: &mut VecDeque<Step>,
    ) -> Option<usize> {
        if let Some(index) = table.by_key(key) {
            match self.look_at_known(path, key, index, len, table, outbox) {
                Ok(Some(index)) => {
                    self.said.remove(path);
                    self.bindings.insert(path.to_owned(), index);
                    return Some(index);
                }
                Ok(None) => {}
                // It may be what it was, so it must not be begun anew. If it was renamed just now, the next look sees that.
                Err(source) => {
                    if source.kind() != io::ErrorKind::NotFound {
                        self.fail(path.to_owned(), source, outbox);
                    }
                    return Some(index);
                }
            }
        }
        let bound = self.bindings.get(path).copied();
        let older = bound.filter(|index| table.is_open(*index));
        if let Some(older) = older.filter(|_| len == 0) {
            return Some(self.turn_to_written(path, key, older, table, outbox));
        }
        // Who compresses a file makes it empty first.
        if len == 0 && is_packed(path) {
            return None;
        }
        if is_compressed_at(path) {
            if self.is_news(path, Said::Compressed(key)) {
                outbox.push_back(Step::Notice(Notice::Compressed { path: path.to_owned() }));
            }
            return None;
        }
        if let Some(of) = table.copied_to(path) {
            if len > 0 && self.is_news(path, Said::Copy(key)) {
                outbox.push_back(Step::Notice(Notice::Copied { path: path.to_owned(), of }));
            }
            return None;
        }
        // Only then: what was a copy a moment ago is none any more once the file is truncated.
        if let Some(index) = self.rotated_meanwhile(path, key, table, outbox) {
            return Some(index);
        }
        // A glob leads to rotated files, too, and those stood elsewhere once.
        let home = bound.and_then(|bound| table.home(bound)).unwrap_or_else(|| path.to_owned());
        // While it is open, its place on disk is no other file's: who is rotated meanwhile is younger.
        let reader = self.open(path, key, &home, outbox)?;
        let behind = bound.map(|older| self.catch_up(&home, Some(&reader), older, table, outbox));
        let index = self.add(path, reader, behind, table, outbox);
        outbox.push_back(Step::Notice(match older {
            Some(_) => Notice::Rotated { path: path.to_owned() },
            None => Notice::Appeared { path: path.to_owned() },
        }));
        Some(index)
    }

    /// None if the place on disk is known, but from a file that is no more.
    fn look_at_known(
        &mut self,
        path: &Path,
        key: FileKey,
        index: usize,
        len: u64,
        table: &mut Table,
        outbox: &mut VecDeque<Step>,
    ) -> io::Result<Option<usize>> {
        Ok(match &table.get(index).state {
            State::Open(reader) if reader.is_truncated() => {
                let position = reader.peek().clone();
                self.restart(path, key, index, &position, table, outbox)
            }
            State::Open(_) | State::Waiting(_) => Some(index),
            // A compressed file was finished as a copy of one that was followed; it does not grow.
            State::Closed(position) if is_compressed_at(path) && is_same(path, position) => Some(index),
            // It was empty, and this may be another file, to which the system gave its place on disk.
            State::Closed(position) | State::Forgotten(position)
                if position.is_of_nothing() && (len > 0 || path == position.home()) =>
            {
                outbox.extend(table.pass_over(index).map(Step::Batch));
                None
            }
            State::Closed(position) | State::Forgotten(position) => {
                let reader = Reader::resume(path, position, &self.framing)?;
                let Some(reader) = reader.filter(|reader| reader.key() == position.key) else {
                    return Ok(None);
                };
                let offset = position.offset;
                outbox.extend(table.remember(index).map(Step::Batch));
                if len > offset {
                    // A late writer added lines behind the end that was seen.
                    table.get_mut(index).state = State::Open(Box::new(reader));
                }
                Some(index)
            }
            State::Gone => None,
        })
    }

    /// A truncated file begins anew, as another file. What was not read before it was cut may be in a copy.
    fn restart(
        &mut self,
        path: &Path,
        key: FileKey,
        index: usize,
        position: &Position,
        table: &mut Table,
        outbox: &mut VecDeque<Step>,
    ) -> Option<usize> {
        let offset = position.offset;
        let copy = self.copy_of(position);
        let is_compressed = is_compressed_at(path);
        if is_compressed && offset == 0 {
            // It was seen when only its first bytes were there.
            outbox.extend(table.pass_over(index).map(Step::Batch));
            return None;
        }
        // The file itself is another one from here on, and what became of this entry is reached by no path.
        table.get_mut(index).reached = false;
        let Some((reader, copy)) = copy else {
            outbox.push_back(Step::Notice(Notice::Truncated { path: path.to_owned(), offset }));
            // Not to be read on: what stands behind the position now belongs to the new content.
            outbox.extend(table.close(index).into_iter().map(Step::Batch));
            return if is_compressed { None } else { self.start(path, key, path, None, table, outbox) };
        };
        outbox.push_back(Step::Notice(Notice::CopiedAndTruncated { path: path.to_owned(), copy, offset }));
        if let Some(of_copy) = reader.key() {
            table.rekey(of_copy, index);
        }
        // The begin of a line that was kept back is in the copy too.
        table.get_mut(index).state = State::Open(Box::new(reader));
        let reader = self.open(path, key, path, outbox)?;
        let behind = self.catch_up(path, Some(&reader), index, table, outbox);
        Some(self.add(path, reader, Some(behind), table, outbox))
    }

    /// Starts the file at `path`, which stood at `home` once, to be read behind `older`.
    fn start(
        &mut self,
        path: &Path,
        seen: FileKey,
        home: &Path,
        older: Option<usize>,
        table: &mut Table,
        outbox: &mut VecDeque<Step>,
    ) -> Option<usize> {
        let reader = self.open(path, seen, home, outbox)?;
        Some(self.add(path, reader, older, table, outbox))
    }

    /// Opens the file at `path`, which stood at `home` once, at its start. If it is not the one that was seen there, renames
    /// are going on: the next look finds out more.
    fn open(
        &mut self,
        path: &Path,
        seen: FileKey,
        home: &Path,
        outbox: &mut VecDeque<Step>,
    ) -> Option<Reader> {
        let reader = match Reader::resume(path, &Position::start(home), &self.framing) {
            Ok(reader) => reader.expect("every file holds nothing at its start"),
            Err(source) => {
                // It may be gone again by now; then the next look sees that.
                if source.kind() != io::ErrorKind::NotFound {
                    self.fail(path.to_owned(), source, outbox);
                }
                return None;
            }
        };
        if reader.key() != Some(seen) {
            self.signal.look();
            return None;
        }
        Some(reader)
    }

    /// What `path` led to, and `reader` has opened, comes behind `older`.
    fn add(
        &mut self,
        path: &Path,
        reader: Reader,
        older: Option<usize>,
        table: &mut Table,
        outbox: &mut VecDeque<Step>,
    ) -> usize {
        let key = reader.key();
        let entry = Entry { behind: table.last_open(older), ..Entry::new(State::Open(Box::new(reader))) };
        let index = table.push(key, entry);
        if let Some(older) = older {
            table.get_mut(older).retiring = true;
        }
        // Before the news that the older one is finished: else a checkpoint in between would know neither.
        outbox.extend(table.begin(index).map(Step::Batch));
        self.said.remove(path);
        self.bindings.insert(path.to_owned(), index);
        self.watch_target(path, outbox);
        index
    }

    /// Everything that the patterns reach now, and paths that do not exist.
    fn paths(&mut self, outbox: &mut VecDeque<Step>) -> Vec<PathBuf> {
        let mut paths = Vec::new();
        for pattern in &self.patterns {
            match reach(pattern) {
                Ok(reached) => paths.extend(reached),
                Err(error) => outbox.push_back(Step::Failed { input: None, error }),
            }
        }
        paths
    }

    fn fail(&mut self, path: PathBuf, source: io::Error, outbox: &mut VecDeque<Step>) {
        if self.is_news(&path, Said::Unreadable) {
            let error = InputError::Unreadable { path, source };
            outbox.push_back(Step::Failed { input: None, error });
        }
    }

    fn is_news(&mut self, path: &Path, said: Said) -> bool {
        self.said.insert(path.to_owned(), said) != Some(said)
    }

    /// The file is read whether or not changes in its folder can be watched.
    fn watch_target(&mut self, path: &Path, outbox: &mut VecDeque<Step>) {
        if let Err((folder, error)) = self.watch.target(path)
            && self.is_news(&folder, Said::Unwatched)
        {
            outbox.push_back(Step::Failed { input: None, error: InputError::Watch { folder, error } });
        }
    }
}

/// A compressed file does not grow: one that was named is refused, one that a glob reaches is passed over.
pub(super) fn refuse_compressed(
    patterns: &[String],
    globs: &[String],
    starts: &[Planned],
) -> Result<(), InputError> {
    for planned in starts {
        if let Start::File(Position { path, .. }) = &planned.start
            && planned.reached
            && is_compressed_at(path)
            && patterns.iter().any(|pattern| Path::new(pattern) == path)
            && !globs.iter().any(|glob| reach(glob).is_ok_and(|reached| reached.contains(path)))
        {
            return Err(InputError::CompressedFollow { path: path.clone() });
        }
    }
    Ok(())
}

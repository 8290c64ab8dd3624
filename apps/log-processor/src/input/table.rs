//! All files of a run, each with its index and the state of its reading.
//!
//! ```text
//! Waiting ──its turn──▶ Open ──its end──▶ Closed ──no name leads to it──▶ Forgotten ──many others are──▶ Gone
//!                        ▲                  │ ▲                               │
//!                        └── it grew again ─┘ └─────── a name leads to it ────┘
//! ```
//!
//! No file is forgotten while an older one of its log is not: the next run takes what it does not know, and what is
//! younger than a file that it knows, for unread.

use std::{
    collections::{HashMap, VecDeque},
    fs::{self, File},
    path::{Path, PathBuf},
    sync::Arc,
    time::Instant,
};

use super::{
    compressed::{Format, is_compressed_at},
    error::InputError,
    file,
    framing::{Frame, Framing},
    identity::{FileKey, key_at},
    locate::{Folders, is_packed, is_packed_copy, is_rotation, is_same},
    position::{Phase, Position},
    reader::{Progress, Reader},
    signal::Signal,
    start::Start,
};
use crate::batch::Batch;

/// The files of a run.
#[derive(Debug, Default)]
pub(super) struct Table {
    files: Vec<Entry>,
    /// The youngest entry of each file, for those that have a place on disk.
    by_key: HashMap<FileKey, usize>,
    /// Those that are forgotten, the longest ago first.
    forgotten: VecDeque<usize>,
}

/// How many forgotten files a run knows again. Each takes some 400 bytes of memory.
const MOST_FORGOTTEN: usize = 256;

/// One file.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) state: State,
    /// The place on disk where it was found.
    pub(super) key: Option<FileKey>,
    /// The lines of that file come before those of this one, which is not read until that one is closed.
    pub(super) behind: Option<usize>,
    /// Another file has taken its place: it is closed at its end.
    pub(super) retiring: bool,
    /// Some pattern leads to it: it must be remembered, or it would be taken for a new one.
    pub(super) reached: bool,
    /// The last look found it under no name, though it is closed.
    pub(super) missed: bool,
    /// Only of one that waits and that is named as what another one is compressed to: which that is.
    pub(super) plain: Option<usize>,
    /// The other way round: the one that waits and is named as what this one is compressed to.
    pub(super) packed: Option<usize>,
}

/// How far the reading of a file has come.
#[derive(Debug)]
pub(super) enum State {
    /// Not opened yet.
    Waiting(Start),
    /// Being read.
    Open(Box<Reader>),
    /// Read to its end, or as far as it could be.
    Closed(Position),
    /// As that, and under no name: no checkpoint speaks of it, but it is not taken for a new one if it comes back.
    Forgotten(Position),
    /// Of no interest any more.
    Gone,
}

/// What becomes of an open file that was read to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum AtEnd {
    /// A plain file may grow: it stays open, unless another one takes its place.
    Stay,
    /// It is closed. A last line without a line end is handed on, and so is a last record.
    Close,
    /// It is closed. Such a line of a plain file, or such a record, is left for [`Table::read_unended`].
    LeaveLine,
}

/// What a call of [`Table::read`] came to.
#[derive(Debug)]
pub(super) enum Outcome {
    /// Lines.
    Batch(Batch),
    /// All is read; with the news of it, if it was closed and that is news.
    Ended(Option<Batch>),
    /// The same, and a last line or record of that length was left.
    Left(Option<Batch>, usize),
    /// A stream has nothing right now.
    Pending,
    /// It goes no further. What was kept back comes first.
    Failed(Vec<Batch>, InputError),
}

// === impl Table ===

impl Table {
    /// Adds a file and gives it the next index.
    pub(super) fn push(&mut self, key: Option<FileKey>, entry: Entry) -> usize {
        let index = self.files.len();
        self.files.push(Entry { key, ..entry });
        if let Some(key) = key {
            self.by_key.insert(key, index);
        }
        index
    }

    pub(super) fn len(&self) -> usize {
        self.files.len()
    }

    pub(super) fn get(&self, index: usize) -> &Entry {
        &self.files[index]
    }

    pub(super) fn get_mut(&mut self, index: usize) -> &mut Entry {
        &mut self.files[index]
    }

    /// The youngest entry of the file at that place on disk.
    pub(super) fn by_key(&self, key: FileKey) -> Option<usize> {
        self.by_key.get(&key).copied().filter(|index| self.files[*index].is_at(key))
    }

    /// Where each file stands, also one that was not begun: else nobody would know it again when it is rotated before
    /// the first of its lines is settled.
    pub(super) fn positions(&self) -> Vec<Option<Arc<Position>>> {
        self.files.iter().map(|entry| entry.position().map(Arc::new)).collect()
    }

    /// The news that a file was found, with nothing read of it yet.
    pub(super) fn begin(&mut self, index: usize) -> Option<Batch> {
        let end = self.files[index].position()?;
        Some(Self::batch(index, None, Vec::new(), end))
    }

    /// The path of each file that a pattern leads to and that was opened, or need not be, as nothing can be new in it.
    pub(super) fn opened(&self) -> Vec<Option<PathBuf>> {
        let path = |entry: &Entry| match &entry.state {
            State::Open(reader) => Some(reader.peek().path.clone()),
            State::Closed(position) => Some(position.path.clone()),
            State::Waiting(_) | State::Forgotten(_) | State::Gone => None,
        };
        self.files.iter().map(|entry| path(entry).filter(|_| entry.reached)).collect()
    }

    /// Makes `index` the entry of the file at that place on disk.
    pub(super) fn rekey(&mut self, key: FileKey, index: usize) {
        self.by_key.insert(key, index);
    }

    pub(super) fn is_open(&self, index: usize) -> bool {
        matches!(self.files[index].state, State::Open(_))
    }

    /// What was opened for `index` is another file at that path than the one with that `key`, and nothing was read of that one.
    pub(super) fn is_unread_another(&self, index: usize, key: Option<FileKey>, path: &Path) -> bool {
        matches!(&self.files[index].state, State::Open(reader)
            if !reader.has_begun() && reader.key() != key && reader.peek().path == path)
    }

    /// The file to wait for where `older` comes first: one that is closed waits for nothing, but others may come before it.
    pub(super) fn last_open(&self, mut older: Option<usize>) -> Option<usize> {
        while let Some(index) = older.filter(|index| !self.is_open(*index)) {
            older = self.files[index].behind;
        }
        older
    }

    /// Where a file stood before it was rotated.
    pub(super) fn home(&self, index: usize) -> Option<PathBuf> {
        match &self.files[index].state {
            State::Open(reader) => Some(reader.peek().home().to_owned()),
            State::Closed(position) | State::Forgotten(position) => Some(position.home().to_owned()),
            State::Waiting(_) | State::Gone => None,
        }
    }

    /// It is of no interest any more.
    pub(super) fn is_gone(&self, index: usize) -> bool {
        matches!(self.files[index].state, State::Gone)
    }

    /// It is open, and still has a name somewhere.
    pub(super) fn is_renamed(&self, index: usize) -> bool {
        matches!(&self.files[index].state, State::Open(reader) if !reader.is_deleted())
    }

    /// The path of the open file that is being copied to `path`, as before a truncation, if there is one.
    pub(super) fn copied_to(&self, path: &Path) -> Option<PathBuf> {
        self.files.iter().find_map(|entry| match &entry.state {
            State::Open(reader) => {
                let home = &reader.peek().path;
                (is_rotation(home, path) && reader.is_copied_to(path)).then(|| home.clone())
            }
            _ => None,
        })
    }

    /// It is open, and whatever comes before it is not any more.
    pub(super) fn is_readable(&self, index: usize) -> bool {
        self.is_open(index) && self.files[index].behind.is_none_or(|other| !self.is_open(other))
    }

    /// Opens what waits. A waiting file that is lost leaves an entry that is gone.
    /// So does a rotated one that was empty and is gone by now, but that is no error, only news.
    pub(super) fn open(
        &mut self,
        index: usize,
        framing: &Framing,
        follows: bool,
        signal: &Arc<Signal>,
    ) -> Result<Option<Batch>, InputError> {
        let entry = &self.files[index];
        let State::Waiting(start) = &entry.state else { return Ok(None) };
        let opened = start.open(framing, follows, signal).and_then(|reader| {
            let is_unread = start.position().offset == 0;
            if is_unread && self.is_of_another(index, &reader) { Err(start.missing()) } else { Ok(reader) }
        });
        let entry = &mut self.files[index];
        let State::Waiting(start) = &entry.state else { return Ok(None) };
        match opened {
            Ok(reader) => {
                let key = reader.key();
                entry.state = State::Open(Box::new(reader));
                if let Some(key) = key.filter(|key| Some(*key) != entry.key) {
                    self.rekey(key, index);
                }
                Ok(None)
            }
            Err(error) if start.is_empty_rotation() && error.is_of_a_missing_one() => {
                // Who compresses an empty file loses nothing.
                Ok(self.pass_over(index))
            }
            Err(error) => {
                // What an earlier run has handed on of it must not be forgotten.
                entry.state = match start {
                    Start::Behind(position) if !matches!(error, InputError::Lost { .. }) => {
                        State::Closed(position.clone())
                    }
                    _ => State::Gone,
                };
                Err(error)
            }
        }
    }

    /// Reads on in an open file; `buffer` is taken if it comes to a batch. Closes it if it ended for good.
    ///
    /// A file that is followed and begins as a compressed one was empty when it was opened. It is no log, and of no
    /// interest any more; nothing of it is handed on.
    pub(super) fn read(
        &mut self,
        index: usize,
        at_end: AtEnd,
        framing: &Framing,
        buffer: &mut Vec<u8>,
    ) -> Outcome {
        let may_become_compressed = at_end == AtEnd::Stay && self.is_plain(index);
        match self.read_on(index, at_end, framing, buffer) {
            Outcome::Batch(batch) | Outcome::Ended(Some(batch))
                if may_become_compressed && begins_compressed(&batch) =>
            {
                Outcome::Ended(Some(self.forget_all_of(index, Position::clone(&batch.end))))
            }
            outcome => outcome,
        }
    }

    /// An open file turned out to be no log: the news that it is of no interest any more.
    pub(super) fn pass_over(&mut self, index: usize) -> Option<Batch> {
        let end = self.files[index].position()?;
        Some(self.forget_all_of(index, end))
    }

    fn forget_all_of(&mut self, index: usize, end: Position) -> Batch {
        self.files[index].state = State::Gone;
        Self::batch(index, None, Vec::new(), Position { phase: Phase::Forgotten, ..end })
    }

    fn is_plain(&self, index: usize) -> bool {
        matches!(&self.files[index].state, State::Open(reader) if reader.may_grow())
    }

    fn read_on(&mut self, index: usize, at_end: AtEnd, framing: &Framing, buffer: &mut Vec<u8>) -> Outcome {
        let Entry { state: State::Open(reader), retiring, .. } = &mut self.files[index] else {
            // What an earlier run finished and nobody leads to, but not what is only out of reach.
            let is_over = at_end != AtEnd::Stay && self.files[index].is_unreached_packed();
            return Outcome::Ended(if is_over { self.forget_if_may_be(index) } else { None });
        };
        let stays = at_end == AtEnd::Stay && !*retiring && reader.may_grow();
        match reader.read(buffer) {
            Ok(Progress::Frame(frame)) if frame.is_last && !stays => {
                let closed = self.close_with(index, at_end, Some(frame), buffer);
                Outcome::Batch(closed.expect("a frame makes a batch"))
            }
            Ok(Progress::Frame(frame)) => {
                let end = reader.position(Phase::Reading);
                Outcome::Batch(Self::batch(index, Some(frame), std::mem::take(buffer), end))
            }
            Ok(Progress::Pending) => match self.flush_after(index, framing, buffer) {
                Some(batch) => Outcome::Batch(batch),
                None => Outcome::Pending,
            },
            Ok(Progress::Ended) if stays => match self.flush_after(index, framing, buffer) {
                Some(batch) => Outcome::Batch(batch),
                None => Outcome::Ended(None),
            },
            Ok(Progress::Ended) if at_end == AtEnd::LeaveLine && reader.ends_in_a_line() => {
                let length = reader.kept_back();
                let begun = reader.has_begun();
                let end = reader.position(Phase::Reading);
                self.files[index].state = State::Closed(end.clone());
                Outcome::Left(begun.then(|| Self::batch(index, None, Vec::new(), end)), length)
            }
            Ok(Progress::Ended) => {
                let frame = reader.finish(buffer);
                if let Some(frame) = frame.filter(|frame| !frame.is_last) {
                    let end = reader.position(Phase::Reading);
                    return Outcome::Batch(Self::batch(index, Some(frame), std::mem::take(buffer), end));
                }
                match at_end {
                    AtEnd::Stay => reader.end_record(),
                    AtEnd::Close | AtEnd::LeaveLine if frame.is_some() => reader.leave_open(),
                    AtEnd::Close | AtEnd::LeaveLine => {}
                }
                Outcome::Ended(self.close_with(index, at_end, frame, buffer))
            }
            Err(error) => {
                let mut rest = Vec::new();
                while let Some(frame) = reader.finish(buffer) {
                    let end = reader.position(Phase::Reading);
                    rest.push(Self::batch(index, Some(frame), std::mem::take(buffer), end));
                }
                self.files[index].state = State::Closed(reader.position(Phase::Reading));
                Outcome::Failed(rest, error)
            }
        }
    }

    /// The lines of an open file that are held in case that their record goes on, if they were for long enough.
    fn flush_after(&mut self, index: usize, framing: &Framing, buffer: &mut Vec<u8>) -> Option<Batch> {
        let wait = framing.multiline.as_ref()?.wait;
        let State::Open(reader) = &mut self.files[index].state else { return None };
        let frame = reader.flush_after(wait, buffer)?;
        let end = reader.position(Phase::Reading);
        Some(Self::batch(index, Some(frame), std::mem::take(buffer), end))
    }

    /// The same, however long they are held.
    pub(super) fn flush(&mut self, index: usize, buffer: &mut Vec<u8>) -> Option<Batch> {
        let State::Open(reader) = &mut self.files[index].state else { return None };
        let frame = reader.flush(buffer)?;
        let end = reader.position(Phase::Reading);
        Some(Self::batch(index, Some(frame), std::mem::take(buffer), end))
    }

    /// When the first of the held lines were held for long enough; none if there are none.
    pub(super) fn held_until(&self, framing: &Framing) -> Option<Instant> {
        let wait = framing.multiline.as_ref()?.wait;
        let since = |entry: &Entry| match &entry.state {
            State::Open(reader) => reader.held_since(),
            _ => None,
        };
        self.files.iter().filter_map(since).min()?.checked_add(wait)
    }

    /// After a stop: an open stream ends behind what was taken from it. False for everything else.
    pub(super) fn end_stream(&mut self, index: usize) -> bool {
        let State::Open(reader) = &mut self.files[index].state else { return false };
        reader.end_stream()
    }

    /// Closes an open file, of which nothing more can be read. What was kept back is a last line or record now; without
    /// one the batch is empty and only says that the file is finished. None if nothing was ever read of it, and it is remembered.
    pub(super) fn close(&mut self, index: usize) -> Vec<Batch> {
        let mut batches = Vec::new();
        loop {
            let State::Open(reader) = &mut self.files[index].state else { return batches };
            let mut buffer = Vec::new();
            let frame = reader.finish(&mut buffer);
            if let Some(frame) = frame.filter(|frame| !frame.is_last) {
                batches.push(Self::batch(index, Some(frame), buffer, reader.position(Phase::Reading)));
            } else {
                reader.end_record();
                batches.extend(self.close_with(index, AtEnd::Close, frame, &mut buffer));
            }
        }
    }

    /// A last line without a line end or a last record that was left, if it is still there: else the next run finds what
    /// became of it.
    pub(super) fn read_unended(
        &mut self,
        index: usize,
        length: usize,
        framing: &Framing,
        buffer: &mut Vec<u8>,
    ) -> Option<Batch> {
        let State::Closed(position) = &self.files[index].state else { return None };
        let end = position.read_unended(length, framing.multiline.is_some(), buffer).ok()??;
        self.files[index].state = State::Closed(end.clone());
        let frame = Frame { starts_inside: false, ends_inside: false, is_last: true };
        Some(Self::batch(index, Some(frame), std::mem::take(buffer), end))
    }

    /// The look that ends now found closed file `index` under no name. It is forgotten only when the next one does
    /// not either: a file that is renamed while the names are gone through is in none of them.
    ///
    /// If it was compressed since, the compressed file takes its place. `folders` are those of this look.
    pub(super) fn miss(&mut self, index: usize, folders: &mut Folders) -> Option<Batch> {
        if !std::mem::replace(&mut self.files[index].missed, true) {
            return None;
        }
        self.remember_packed(index, folders).or_else(|| self.forget_if_may_be(index))
    }

    /// Whether no name leads to it or not.
    fn must_be_remembered(&self, index: usize) -> bool {
        self.is_after_a_remembered(index) || self.is_before_an_empty(index)
    }

    /// What stands at the same path after it is empty, as far as anybody knows. When that is filled, rotated and compressed, only what
    /// came before it tells that it is a file to be read.
    fn is_before_an_empty(&self, index: usize) -> bool {
        let home = self.files[index].home();
        let mut younger = self.files[index + 1..].iter().filter(|other| other.home() == home).peekable();
        let is_empty = |other: &Entry| other.position().is_some_and(|position| position.is_of_nothing());
        home.is_some() && younger.peek().is_some() && younger.all(is_empty)
    }

    /// One that stood at the same path before it is still remembered. What is younger than a file that the next run knows,
    /// and that it does not know, has been read by nobody.
    fn is_after_a_remembered(&self, index: usize) -> bool {
        let home = self.files[index].home();
        home.is_some() && self.files[..index].iter().any(|older| older.home() == home)
    }

    /// Else the compressed file would be one that nobody has read.
    fn remember_packed(&mut self, index: usize, folders: &mut Folders) -> Option<Batch> {
        let State::Closed(position) = &self.files[index].state else { return None };
        let (path, key) = folders.locate_packed(position, |path, key| self.knows(path, key))?;
        let end = position.found(&path, key);
        if let Some(plain) = position.key.filter(|plain| self.by_key(*plain) == Some(index)) {
            self.by_key.remove(&plain);
        }
        self.rekey(key, index);
        let entry = &mut self.files[index];
        entry.state = State::Closed(end.clone());
        entry.missed = false;
        Some(Self::batch(index, None, Vec::new(), end))
    }

    /// There are closed files that some look is still to find, or to forget.
    pub(super) fn is_unsettled(&self) -> bool {
        self.files
            .iter()
            .enumerate()
            .any(|(index, entry)| entry.is_unreached() && !(entry.missed && self.must_be_remembered(index)))
    }

    /// `reader`, which was opened for `index`, reads the file of another entry: its own is gone, and that one has its name.
    fn is_of_another(&self, index: usize, reader: &Reader) -> bool {
        let other = reader.key().filter(|key| Some(*key) != self.files[index].key);
        other.is_some_and(|key| self.by_key(key) != Some(index) && self.knows(&reader.peek().path, key))
    }

    /// The file at `path`, with that key, is one of the run's.
    pub(super) fn knows(&self, path: &Path, key: FileKey) -> bool {
        self.by_key(key).is_some_and(|index| match &self.files[index].state {
            State::Waiting(_) | State::Open(_) => true,
            // Its place on disk may be another one's by now, which nothing but that may tell from one that was empty.
            State::Closed(position) | State::Forgotten(position) => {
                let is_empty = || fs::metadata(path).is_ok_and(|metadata| metadata.len() == 0);
                is_same(path, position) && (!position.is_of_nothing() || is_empty())
            }
            State::Gone => false,
        })
    }

    /// The file at `path` is what one of the run's was compressed to.
    pub(super) fn is_packed_of_known(&self, path: &Path) -> bool {
        let is_packed_of = |entry: &Entry| match &entry.state {
            State::Open(reader) => reader.is_packed_to(path),
            State::Closed(position) | State::Forgotten(position) => is_packed_copy(path, position),
            State::Waiting(_) | State::Gone => false,
        };
        is_compressed_at(path) && self.files.iter().any(is_packed_of)
    }

    /// Makes out which of those that wait are named as what others of the run are compressed to.
    pub(super) fn pair_packed(&mut self) {
        let path = |entry: &Entry| entry.position().map(|position| position.path);
        let by_path: HashMap<PathBuf, usize> =
            self.files.iter().zip(0..).filter_map(|(entry, index)| Some((path(entry)?, index))).collect();
        for index in 0..self.files.len() {
            let entry = &mut self.files[index];
            if let State::Waiting(Start::File(position) | Start::Behind(position)) = &entry.state
                && position.offset == 0
                && is_packed(&position.path)
                && let Some(plain) = by_path.get(&position.path.with_extension(""))
            {
                entry.plain = Some(*plain);
                self.files[*plain].packed = Some(index);
            }
        }
    }

    /// The path of the file that waiting `index` is, or is being, compressed to.
    pub(super) fn packed_from(&self, index: usize) -> Option<PathBuf> {
        let State::Waiting(start) = &self.files[index].state else { return None };
        let (packed, plain) = (start.position().path, self.files[self.files[index].plain?].position()?);
        // The plain one may be gone by now, and may have been read on in this one.
        let is_read = plain.key.is_some() && plain.key == key_at(&packed);
        (is_read
            || file::is_packed_begin(&packed, &plain.path)
                .unwrap_or_else(|_| is_packed_copy(&packed, &plain)))
        .then(|| packed.with_extension(""))
    }

    /// The path of the file that waiting `index`, which is not there any more, was compressed to, if nothing was read of it and that file
    /// is read, too.
    pub(super) fn packed_to(&self, index: usize) -> Option<PathBuf> {
        let State::Waiting(start) = &self.files[index].state else { return None };
        let (plain, packed) = (start.position(), self.files[self.files[index].packed?].position()?);
        let mut folders = Folders::default();
        if !plain.is_at_known_start() || folders.locate_same(&plain).is_some() {
            return None;
        }
        let packed = folders.locate_same(&packed)?;
        let begins_so = || file::begins_with(&File::open(&packed)?, plain.head);
        (is_compressed_at(&packed) && begins_so().unwrap_or(false)).then_some(packed)
    }

    fn forget_if_may_be(&mut self, index: usize) -> Option<Batch> {
        if self.must_be_remembered(index) { None } else { self.forget(index) }
    }

    fn forget(&mut self, index: usize) -> Option<Batch> {
        let State::Closed(position) = std::mem::replace(&mut self.files[index].state, State::Gone) else {
            return None;
        };
        let end = Position { phase: Phase::Forgotten, ..position.clone() };
        self.files[index].state = State::Forgotten(position);
        self.forgotten.push_back(index);
        if self.forgotten.len() > MOST_FORGOTTEN {
            self.remove_forgotten();
        }
        Some(Self::batch(index, None, Vec::new(), end))
    }

    fn remove_forgotten(&mut self) {
        let Some(index) = self.forgotten.pop_front() else { return };
        self.by_key.retain(|_, other| *other != index);
        self.files[index].state = State::Gone;
    }

    /// A name leads to a forgotten file again. With the news of it, if it was one.
    pub(super) fn remember(&mut self, index: usize) -> Option<Batch> {
        let entry = &mut self.files[index];
        let State::Forgotten(position) = &entry.state else { return None };
        let end = position.clone();
        entry.state = State::Closed(end.clone());
        self.forgotten.retain(|other| *other != index);
        Some(Self::batch(index, None, Vec::new(), end))
    }

    fn close_with(
        &mut self,
        index: usize,
        at_end: AtEnd,
        frame: Option<Frame>,
        buffer: &mut Vec<u8>,
    ) -> Option<Batch> {
        // Where looks go on, it is for them to say that no name leads to it: one look may have missed it.
        let is_remembered =
            self.files[index].reached || at_end == AtEnd::Stay || self.must_be_remembered(index);
        let entry = &mut self.files[index];
        let State::Open(reader) = &mut entry.state else { return None };
        let end = reader.position(if is_remembered { Phase::Finished } else { Phase::Forgotten });
        // The last piece of an overlong line promised more: the empty frame takes the promise back.
        let (begun, inside) = (reader.has_begun(), reader.is_inside());
        entry.state = if is_remembered { State::Closed(end.clone()) } else { State::Gone };
        if frame.is_none() {
            buffer.clear();
        }
        let frame =
            frame.or(begun.then_some(Frame { starts_inside: inside, ends_inside: false, is_last: true }));
        // A checkpoint must not go on to speak of what is forgotten: what is younger may be forgotten after it.
        (frame.is_some() || !is_remembered).then(|| Self::batch(index, frame, std::mem::take(buffer), end))
    }

    fn batch(input: usize, frame: Option<Frame>, bytes: Vec<u8>, end: Position) -> Batch {
        let (starts_inside, ends_inside) =
            frame.map_or((false, false), |frame| (frame.starts_inside, frame.ends_inside));
        Batch { input, bytes, starts_inside, ends_inside, end: Arc::new(end) }
    }
}

/// These are the first bytes of their input, and those of a compressed file.
fn begins_compressed(batch: &Batch) -> bool {
    batch.end.offset == batch.bytes.len() as u64 && Format::of(&batch.bytes).is_some()
}

// === impl Entry ===

impl Entry {
    /// A file that some pattern leads to.
    pub(super) fn new(state: State) -> Self {
        Self {
            state,
            key: None,
            behind: None,
            retiring: false,
            reached: true,
            missed: false,
            plain: None,
            packed: None,
        }
    }

    /// It is closed, and the last look did not find it.
    pub(super) fn is_unreached(&self) -> bool {
        matches!(&self.state, State::Closed(position) if !self.reached && !position.absent)
    }

    /// The same, and it is there and does not grow.
    fn is_unreached_packed(&self) -> bool {
        matches!(&self.state, State::Closed(position) if self.is_unreached() && is_compressed_at(&position.path))
    }

    /// Its file is at that place on disk; it may have been found in a copy since.
    fn is_at(&self, key: FileKey) -> bool {
        let own = match &self.state {
            State::Open(reader) => reader.key(),
            State::Closed(position) | State::Forgotten(position) => position.key,
            State::Waiting(_) | State::Gone => self.key,
        };
        own == Some(key)
    }

    /// At which path it stood before it was rotated, if a checkpoint speaks of it.
    fn home(&self) -> Option<&Path> {
        match &self.state {
            State::Waiting(Start::File(position) | Start::Behind(position)) | State::Closed(position)
                if !position.absent =>
            {
                Some(position.home())
            }
            State::Open(reader) if reader.key().is_some() => Some(reader.peek().home()),
            _ => None,
        }
    }

    /// Where it stands; none if it has no place on disk.
    fn position(&self) -> Option<Position> {
        match &self.state {
            State::Waiting(Start::File(position) | Start::Behind(position)) | State::Closed(position) => {
                Some(position.clone())
            }
            State::Open(reader) => Some(reader.peek().clone()).filter(|position| position.key.is_some()),
            State::Waiting(_) | State::Forgotten(_) | State::Gone => None,
        }
    }
}

//! What was rotated away while nobody looked: between the file that was read last and the one that stands at its path now.
//!
//! Nothing says how often a log was rotated between two looks, or between two runs. So whenever another file has taken a
//! path, what stood there in between is looked for by name and age, and read behind the one that was there last and in
//! front of the present one.

use std::{
    collections::VecDeque,
    fs,
    path::{Path, PathBuf},
};

use super::{
    super::{
        identity::{FileKey, key_at},
        inputs::Step,
        locate::{Folders, MOST_LISTINGS, is_copy, locate_copy, moved_home, origin, rotated_by_now},
        notice::Notice,
        pattern::folder_of,
        position::Position,
        reader::Reader,
        table::{State, Table},
    },
    Changes, Said,
};

impl Changes {
    /// The file at `path` is empty, but the writer may have turned from `older` to one that was rotated in between: then that is the
    /// one to be read on. This is found out once for each new file.
    pub(super) fn turn_to_written(
        &mut self,
        path: &Path,
        key: FileKey,
        older: usize,
        table: &mut Table,
        outbox: &mut VecDeque<Step>,
    ) -> usize {
        let State::Open(reader) = &table.get(older).state else { return older };
        let home = reader.peek().home().to_owned();
        let is_written = |(path, key): &(PathBuf, FileKey)| {
            !table.knows(path, *key) && fs::metadata(path).is_ok_and(|metadata| metadata.len() > 0)
        };
        let (metadata, name) = (reader.metadata(), reader.name_by_now());
        let between = || rotated_by_now(&home, reader.peek(), metadata.as_ref(), name.as_deref());
        if self.said.insert(path.to_owned(), Said::Empty(key)) == Some(Said::Empty(key))
            || !between().iter().any(is_written)
        {
            return older;
        }
        let last = self.catch_up(&home, None, older, table, outbox);
        self.bindings.insert(path.to_owned(), last);
        last
    }

    /// A glob leads to a file that was rotated since the look was at the path where it had stood, or to which that one was copied
    /// and then truncated: it comes behind the one that was found there, or is that one.
    pub(super) fn rotated_meanwhile(
        &mut self,
        path: &Path,
        key: FileKey,
        table: &mut Table,
        outbox: &mut VecDeque<Step>,
    ) -> Option<usize> {
        let home = origin(path);
        let bound = *self.bindings.get(&home).filter(|_| home != path)?;
        match key_at(&home).filter(|present| table.by_key(*present) == Some(bound)) {
            Some(present) => {
                let State::Open(reader) = &table.get(bound).state else { return None };
                let position = reader.peek().clone();
                if !reader.is_truncated() {
                    return None;
                }
                self.restart(&home, present, bound, &position, table, outbox);
            }
            None => {
                let last = self.catch_up(&home, None, bound, table, outbox);
                self.bindings.insert(home, last);
            }
        }
        table.by_key(key).filter(|index| table.is_open(*index))
    }

    /// The file that stood at `home` was truncated before it was rotated, and nobody looked in between: what was read of it goes
    /// on in its copy, or ends. Gives the last entry of what it was until then, behind which it is read anew.
    pub(super) fn finish_truncated(
        &mut self,
        home: &Path,
        index: usize,
        table: &mut Table,
        outbox: &mut VecDeque<Step>,
    ) -> usize {
        let State::Open(reader) = &table.get(index).state else { return index };
        if !reader.is_truncated() {
            return index;
        }
        let position = reader.peek().clone();
        let (path, offset) = (home.to_owned(), position.offset);
        if let Some((reader, copy)) = self.copy_of(&position) {
            outbox.push_back(Step::Notice(Notice::CopiedAndTruncated { path, copy, offset }));
            if let Some(of_copy) = reader.key() {
                table.rekey(of_copy, index);
            }
            table.get_mut(index).state = State::Open(Box::new(reader));
            return index;
        }
        outbox.push_back(Step::Notice(Notice::Truncated { path, offset }));
        let key = reader.key().expect("what can be truncated is a file");
        // Wherever it is by now, it is open.
        let rotated = Folders::default().locate_rotated(home, key);
        let by_now = rotated.or_else(|| reader.name_by_now()).unwrap_or(position.path);
        let again = reader.again(&by_now, home, &self.framing);
        outbox.extend(table.close(index).into_iter().map(Step::Batch));
        match again {
            Ok(again) => self.add(&by_now, again, Some(index), table, outbox),
            Err(source) => {
                self.fail(by_now, source, outbox);
                index
            }
        }
    }

    /// A copy of the file of `position`, which goes on where that ended.
    pub(super) fn copy_of(&self, position: &Position) -> Option<(Reader, PathBuf)> {
        let copy = locate_copy(position)?;
        Some((Reader::resume(&copy, position, &self.framing).ok()??, copy))
    }

    /// Starts what stood at `home` after `older` and was rotated away before anybody looked, oldest first, and gives
    /// the last of them: the present file comes behind that, if there is one.
    pub(super) fn catch_up(
        &mut self,
        home: &Path,
        present: Option<&Reader>,
        older: usize,
        table: &mut Table,
        outbox: &mut VecDeque<Step>,
    ) -> usize {
        let older = self.finish_truncated(home, older, table, outbox);
        let (position, metadata, name) = match &table.get(older).state {
            State::Open(reader) => (reader.peek().clone(), reader.metadata(), reader.name_by_now()),
            State::Closed(position) | State::Forgotten(position) => (position.clone(), None, None),
            State::Waiting(_) | State::Gone => return older,
        };
        // In its own folder every name is compared; one that is nowhere was deleted, and that is its owner's will.
        let is_lost_sight_of = present.is_some()
            && name.as_deref().is_some_and(|name| !is_beside(name, home) && moved_home(home, name).is_none());
        if is_lost_sight_of {
            outbox.push_back(Step::Notice(Notice::Moved {
                path: home.to_owned(),
                to: name.clone().unwrap_or_default(),
            }));
        }
        let mut last = older;
        // One that is renamed before it is opened is there in the next list.
        for _ in 0..MOST_LISTINGS {
            let between = rotated_by_now(home, &position, metadata.as_ref(), name.as_deref());
            let mut is_all = true;
            for (path, key) in between {
                // What came after that one is for the next look.
                if present.is_some_and(|present| {
                    present.key() == Some(key) || present.is_packed_to(&path) && key_at(home) != present.key()
                }) {
                    self.signal.look();
                    break;
                }
                // The older one itself may have been compressed meanwhile.
                if Some(key) == self.except
                    || table.knows(&path, key)
                    || is_copy(&path, &position)
                    || table.is_packed_of_known(&path)
                {
                    continue;
                }
                let Some(index) = self.start(&path, key, home, Some(last), table, outbox) else {
                    is_all = false;
                    break;
                };
                outbox.push_back(Step::Notice(Notice::CaughtUp { path }));
                last = index;
            }
            if is_all {
                break;
            }
        }
        last
    }
}

fn is_beside(path: &Path, other: &Path) -> bool {
    fs::canonicalize(folder_of(path)).ok() == fs::canonicalize(folder_of(other)).ok()
}

//! Being called when something changes in a folder.

use std::{
    collections::{HashMap, HashSet},
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use notify::{
    ErrorKind, EventKind, RecommendedWatcher, RecursiveMode, Watcher,
    event::{AccessKind, AccessMode},
};

use super::{error::InputError, pattern::folder_of, signal::Signal};

/// The folders in which the system tells of changes.
#[derive(Debug)]
pub(super) struct Watch {
    watcher: RecommendedWatcher,
    /// Each of them, and whether those below it are watched, too.
    folders: HashMap<PathBuf, bool>,
}

// === impl Watch ===

impl Watch {
    /// Calls `signal` at each change.
    pub(super) fn new(signal: &Arc<Signal>) -> Result<Self, InputError> {
        let called = Arc::clone(signal);
        let watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            // An error may hide a change.
            if event.is_ok_and(|event| !is_change(event.kind)) {
                return;
            }
            called.look();
        })
        .map_err(|error| InputError::Watch { folder: PathBuf::from("."), error })?;
        Ok(Self { watcher, folders: HashMap::new() })
    }

    /// Watches `folder`, with `below` also what is below it.
    pub(super) fn folder(&mut self, folder: PathBuf, below: bool) -> Result<(), InputError> {
        self.add(&folder, below).map_err(|error| InputError::Watch { folder, error })
    }

    /// Watches the folder of the file at `path`. A link is followed: its file changes in another folder than the one it was found in.
    ///
    /// # Errors
    ///
    /// With the folder that cannot be watched.
    pub(super) fn target(&mut self, path: &Path) -> Result<(), (PathBuf, notify::Error)> {
        let Ok(target) = fs::canonicalize(path) else { return Ok(()) };
        let folder = folder_of(&target);
        let is_below = |(root, below): (&PathBuf, &bool)| *below && folder.starts_with(root);
        let watched = if self.folders.iter().any(is_below) {
            // It is watched already if it may be; were it watched anew by itself, new folders in it would not be.
            fs::read_dir(&folder).map(drop).map_err(notify::Error::io)
        } else {
            self.add(&folder, false)
        };
        watched.map_err(|error| (folder, error))
    }

    /// Nothing can change that would be told.
    pub(super) fn is_empty(&self) -> bool {
        self.folders.is_empty()
    }

    fn add(&mut self, folder: &Path, below: bool) -> notify::Result<()> {
        let folder = fs::canonicalize(folder).unwrap_or_else(|_| folder.to_owned());
        if self.folders.get(&folder).is_some_and(|is_below| *is_below || !below) {
            return Ok(());
        }
        match below {
            true => self.add_below(&folder, &mut HashSet::new()),
            false => self.watcher.watch(&folder, RecursiveMode::NonRecursive),
        }?;
        self.folders.insert(folder, below);
        Ok(())
    }

    /// One below that may not be watched, or is gone by now, keeps no other from it: whether anything is missed there, the looks find out.
    fn add_below(&mut self, folder: &Path, seen: &mut HashSet<PathBuf>) -> notify::Result<()> {
        // Links may lead round in a circle.
        let folder = fs::canonicalize(folder).unwrap_or_else(|_| folder.to_owned());
        if !seen.insert(folder.clone()) {
            return Ok(());
        }
        match self.watcher.watch(&folder, RecursiveMode::Recursive) {
            // It ended there, and has watched this folder, but not all below it.
            Err(error) if is_of_one_folder(&error) && error.paths != [folder.as_path()] => {
                let below = fs::read_dir(&folder).into_iter().flatten().flatten().map(|entry| entry.path());
                for folder in below.filter(|path| path.is_dir()) {
                    match self.add_below(&folder, seen) {
                        Err(error) if !is_of_one_folder(&error) => return Err(error),
                        _ => {}
                    }
                }
                Ok(())
            }
            watched => watched,
        }
    }
}

/// Whether the folder may not be read.
pub(super) fn is_refused(error: &InputError) -> bool {
    let InputError::Watch { error, .. } = error else { return false };
    matches!(&error.kind, ErrorKind::Io(error) if error.kind() == io::ErrorKind::PermissionDenied)
}

/// Whether others can be watched all the same.
fn is_of_one_folder(error: &notify::Error) -> bool {
    match &error.kind {
        ErrorKind::PathNotFound => true,
        ErrorKind::Io(error) => {
            matches!(error.kind(), io::ErrorKind::PermissionDenied | io::ErrorKind::NotFound)
        }
        _ => false,
    }
}

/// Opening and reading are events too, and each look opens and reads: were they taken for changes, a look would call
/// for the next one, for ever.
fn is_change(event: EventKind) -> bool {
    match event {
        EventKind::Access(access) => access == AccessKind::Close(AccessMode::Write),
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use notify::event::{CreateKind, ModifyKind};

    use super::*;

    #[test]
    fn a_folder_below_one_that_is_watched_is_not_watched_by_itself() {
        // It was, by itself alone, and then nothing was heard of new folders in it.
        let place = tempfile::tempdir().expect("the tests need a folder to write to");
        let root = fs::canonicalize(place.path()).expect("it is there");
        let file = root.join("a/x.log");
        fs::create_dir(root.join("a")).expect("the folder is ours");
        fs::write(&file, "line\n").expect("the folder is ours");
        let mut watch = Watch::new(&Arc::default()).expect("the system tells of changes");
        watch.folder(root.clone(), true).expect("it can be watched");
        watch.target(&file).expect("it is watched already");
        assert_eq!(watch.folders, HashMap::from([(root, true)]));
    }

    #[test]
    fn looking_is_no_change() {
        for ours in [AccessKind::Open(AccessMode::Any), AccessKind::Read, AccessKind::Close(AccessMode::Read)]
        {
            assert!(!is_change(EventKind::Access(ours)));
        }
        let close = EventKind::Access(AccessKind::Close(AccessMode::Write));
        for theirs in [close, EventKind::Create(CreateKind::File), EventKind::Modify(ModifyKind::Any)] {
            assert!(is_change(theirs));
        }
    }
}

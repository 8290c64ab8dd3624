//! A folder, and what is below it.

use std::fs::{self, Metadata};
use std::path::{Path, PathBuf};

use super::{FileKey, Finder, InputError, Root};
use crate::name::is_picture;

/// Goes through a folder, in the order of names.
pub(super) struct Walk<'a, 'b> {
    pub(super) finder: &'a mut Finder<'b>,
    /// What the names of results are made of.
    pub(super) root: Root<'a>,
    /// The folders that this one lies in, from the first on, so that a link back into one of them is known.
    pub(super) above: Vec<(FileKey, PathBuf)>,
}

// === impl Walk ===

impl Walk<'_, '_> {
    pub(super) fn folder(&mut self, folder: &Path, metadata: &Metadata) {
        let key = FileKey::of(metadata);
        if self.finder.except == Some(key) {
            return;
        }
        if let Some((_, to)) = self.above.iter().find(|(above, _)| *above == key) {
            self.finder.found.failed.push((folder.to_owned(), InputError::Loop { to: to.clone() }));
            return;
        }
        let mut found = Vec::new();
        match fs::read_dir(folder) {
            Ok(entries) => {
                for entry in entries {
                    match entry {
                        Ok(entry) => {
                            found.push((entry.path(), entry.file_type().is_ok_and(|kind| kind.is_dir())));
                        }
                        Err(error) => self.failed(folder, error),
                    }
                }
            }
            Err(error) => self.failed(folder, error),
        }
        found.sort_unstable();
        self.above.push((key, folder.to_owned()));
        found.iter().for_each(|(path, is_folder)| self.entry(path, *is_folder));
        self.above.pop();
    }

    /// `is_folder` is what the folder above says of it, which is known also where it cannot be looked at.
    fn entry(&mut self, path: &Path, is_folder: bool) {
        let is_hidden = path.file_name().is_some_and(|name| name.as_encoded_bytes().first() == Some(&b'.'));
        if is_hidden {
            self.finder.found.ignored += 1;
            return;
        }
        match path.metadata() {
            Ok(metadata) if metadata.is_dir() => self.folder(path, &metadata),
            Err(error) if is_folder => self.failed(path, error),
            // Whoever does not call it a picture may have a pipe there.
            _ if !is_picture(path) => self.finder.found.ignored += 1,
            Ok(metadata) => self.finder.add_file(path, Some(self.root), &metadata),
            Err(error) => self.failed(path, error),
        }
    }

    fn failed(&mut self, path: &Path, error: std::io::Error) {
        self.finder.found.failed.push((path.to_owned(), error.into()));
    }
}

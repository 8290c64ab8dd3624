//! Globs, as a shell expands them.
//!
//! Names are matched here one by one, because those that are not UTF-8 make `glob::glob` panic, or are passed over.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::{fs, io};

use glob::{MatchOptions, Pattern};
use rustix::io::Errno;

pub use glob::PatternError;

/// A shell's rules: `*` does not reach hidden files, nor into folders.
pub const LIKE_A_SHELL: MatchOptions =
    MatchOptions { case_sensitive: true, require_literal_separator: true, require_literal_leading_dot: true };

/// What a pattern matches.
#[derive(Debug, Default)]
pub struct Matches {
    /// Files and folders, sorted.
    pub paths: Vec<PathBuf>,
    /// Folders and files that cannot be looked into or at, and why; they are not above, nor what is in them.
    pub unreadable: BTreeMap<PathBuf, io::Error>,
}

/// Whether there is a wildcard in it.
pub fn is_glob(pattern: &OsStr) -> bool {
    pattern.as_bytes().iter().any(|byte| b"*?[".contains(byte))
}

/// All that `pattern` matches. A byte that is not UTF-8 is one unknown letter, and hidden names are matched only where
/// the pattern has their dot. Through links go wildcards, but not `**`: they may lead round in a circle. Blocks.
///
/// # Errors
///
/// A pattern that makes no sense.
///
/// ```
/// use forebay_program::glob;
///
/// # let place = tempfile::tempdir()?;
/// std::fs::write(place.path().join("a.log"), "")?;
/// let matches = glob::expand(&place.path().join("*.log")).expect("it makes sense");
/// assert_eq!(matches.paths, [place.path().join("a.log")]);
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn expand(pattern: &Path) -> Result<Matches, PatternError> {
    let pattern = pattern.as_os_str();
    // A place in the whole is what a person can count to.
    Pattern::new(&pattern.to_string_lossy())?;
    let mut matches = Matches::default();
    let mut paths =
        BTreeSet::from([PathBuf::from(if pattern.as_bytes().first() == Some(&b'/') { "/" } else { "" })]);
    for part in pattern.as_bytes().split(|byte| *byte == b'/').filter(|part| !matches!(*part, b"" | b".")) {
        let part = OsStr::from_bytes(part);
        if part == "**" {
            paths = matches.with_folders_below(paths);
        } else if is_glob(part) {
            let part = Pattern::new(&part.to_string_lossy())?;
            let mut fitting = BTreeSet::new();
            for folder in paths {
                let names = matches.entries(&folder).into_iter().map(|entry| entry.file_name());
                let names = names.filter(|name| part.matches_with(&name.to_string_lossy(), LIKE_A_SHELL));
                fitting.extend(names.map(|name| folder.join(name)));
            }
            paths = fitting;
        } else {
            paths = paths.into_iter().map(|folder| folder.join(part)).collect();
            paths.retain(|path| matches.is_there(path));
        }
    }
    Ok(Matches { paths: paths.into_iter().collect(), ..matches })
}

// === impl Matches ===

impl Matches {
    /// `folders`, and all below them but the hidden ones.
    fn with_folders_below(&mut self, folders: BTreeSet<PathBuf>) -> BTreeSet<PathBuf> {
        let (mut left, mut found): (Vec<_>, _) = (folders.iter().cloned().collect(), folders);
        while let Some(folder) = left.pop() {
            for entry in self.entries(&folder) {
                let is_hidden = entry.file_name().as_bytes().first() == Some(&b'.');
                let is_folder = !is_hidden && entry.file_type().is_ok_and(|kind| kind.is_dir());
                let below = folder.join(entry.file_name());
                if is_folder && found.insert(below.clone()) {
                    left.push(below);
                }
            }
        }
        found
    }

    fn is_there(&mut self, path: &Path) -> bool {
        let looked = fs::symlink_metadata(path);
        looked.map_err(|error| self.cannot_look(path, error)).is_ok()
    }

    /// What is in `folder`; nothing, if it is no folder.
    fn entries(&mut self, folder: &Path) -> Vec<fs::DirEntry> {
        let listed = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
        let looked = fs::metadata(listed).and_then(|metadata| match metadata.is_dir() {
            true => fs::read_dir(listed)?.collect(),
            false => Ok(Vec::new()),
        });
        match looked {
            // A link that leads to itself is no folder.
            Err(error) if Errno::from_io_error(&error) == Some(Errno::LOOP) => Vec::new(),
            looked => looked.map_err(|error| self.cannot_look(listed, error)).unwrap_or_default(),
        }
    }

    /// What is not there, or below a file, can be looked at: there is nothing.
    fn cannot_look(&mut self, path: &Path, error: io::Error) {
        if !matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) {
            self.unreadable.insert(path.to_owned(), error);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    /// What `pattern` matches in a folder with these files.
    fn matched(files: &[&[u8]], pattern: &[u8]) -> Vec<Vec<u8>> {
        let place = tempfile::tempdir().expect("the tests need a folder to write to");
        for file in files {
            let path = place.path().join(OsStr::from_bytes(file));
            fs::create_dir_all(path.parent().expect("it is in a folder")).expect("the folder is ours");
            fs::write(path, "").expect("the folder is ours");
        }
        symlink("..", place.path().join("up")).expect("the folder is ours");
        let matches =
            expand(&place.path().join(OsStr::from_bytes(pattern))).expect("the pattern makes sense");
        assert!(matches.unreadable.is_empty(), "{matches:?}");
        let below =
            |path: &PathBuf| path.strip_prefix(place.path()).map(|path| path.as_os_str().as_bytes().to_vec());
        matches.paths.iter().map(|path| below(path).expect("it is below")).collect()
    }

    #[test]
    fn names_that_are_not_utf_8_are_matched_letter_by_letter() {
        let files: &[&[u8]] = &[b"\xfe/caf\xe9.jpg", b"\xfe/cafe.jpg"];
        for pattern in [b"*/*.jpg".as_slice(), b"**/caf?.jpg", b"\xfe/*.jpg"] {
            assert_eq!(matched(files, pattern), [b"\xfe/cafe.jpg".as_slice(), b"\xfe/caf\xe9.jpg"]);
        }
    }

    #[test]
    fn what_is_hidden_is_matched_by_its_dot_only() {
        let files: &[&[u8]] = &[b"a.jpg", b".b.jpg", b".c/d.jpg"];
        assert_eq!(matched(files, b"*.jpg"), [b"a.jpg"]);
        assert_eq!(matched(files, b"**/*.jpg"), [b"a.jpg"]);
        assert_eq!(matched(files, b".*.jpg"), [b".b.jpg"]);
        assert_eq!(matched(files, b".c/*.jpg"), [b".c/d.jpg"]);
    }

    #[test]
    fn what_cannot_be_looked_into_is_named_once() {
        let place = tempfile::tempdir().expect("the tests need a folder to write to");
        let (locked, listed) = (place.path().join("locked"), place.path().join("listed"));
        fs::create_dir_all(&locked).expect("the folder is ours");
        fs::create_dir_all(listed.join("below")).expect("the folder is ours");
        for (folder, mode) in [(&locked, 0o0), (&listed, 0o444)] {
            fs::set_permissions(folder, Permissions::from_mode(mode)).expect("the folder is ours");
        }
        // Whoever may do everything may look there, too.
        let is_root = fs::read_dir(&locked).is_ok();
        let matches = expand(&place.path().join("**/*.log")).expect("the pattern makes sense");
        for folder in [&locked, &listed] {
            fs::set_permissions(folder, Permissions::from_mode(0o755)).expect("the folder is ours");
        }
        assert!(matches.paths.is_empty(), "{matches:?}");
        let named: Vec<_> = matches.unreadable.into_keys().collect();
        assert_eq!(named, if is_root { vec![] } else { vec![listed.join("below"), locked] });
    }

    #[test]
    fn two_stars_do_not_go_through_links() {
        assert_eq!(matched(&[b"a/b/c.jpg"], b"**/c.jpg"), [b"a/b/c.jpg"]);
    }
}

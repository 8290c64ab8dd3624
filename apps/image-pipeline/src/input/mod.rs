//! The inputs: from what a person names to files, each with its name in the output.
//!
//! | named | taken | name in the output |
//! | --- | --- | --- |
//! | a file, also one of a list | it | its own |
//! | a folder | what is named as a picture in it and below | its path below the folder |
//! | a glob | what it matches | the path below the part without wildcards |
//! | anything, with a base | | its path below the base |
//!
//! In folders, what is hidden or not named as a picture is passed over and counted; globs match what is hidden only
//! where they have its dot. Links are followed, except back into a folder that they lie in.

mod error;
mod list;
mod read;
mod standard;
mod walk;

use std::collections::HashSet;
use std::fs::Metadata;
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Component, Path, PathBuf};
use std::time::SystemTime;

use forebay_program::glob;

pub use self::error::{FindError, InputError};
pub use self::list::read_list;
pub(crate) use self::read::Opened;
pub(crate) use self::standard::{Standard, piped};
use self::walk::Walk;
use crate::{Name, shown};

/// What to find.
#[derive(Debug, Clone, Default)]
pub struct Search {
    /// Files, folders and globs, in any order.
    pub inputs: Vec<PathBuf>,
    /// Files and folders that are never taken for globs.
    pub listed: Vec<PathBuf>,
    /// What names in the output are relative to.
    pub base: Option<PathBuf>,
    /// A folder that is not looked into, even if it lies in one of the inputs: the output.
    pub except: Option<FileKey>,
}

/// What was found.
#[derive(Debug, Default)]
pub struct Found {
    /// In the order of naming, and by name within a folder.
    pub files: Vec<File>,
    /// What cannot be read, and why, each once.
    pub failed: Vec<(PathBuf, InputError)>,
    /// Files in folders that are hidden or not named as pictures.
    pub ignored: u64,
    /// Inputs that are the excepted folder itself, as they were named.
    pub excepted: Vec<PathBuf>,
}

/// A file to process.
#[derive(Debug, Clone)]
pub struct File {
    /// Where it is.
    pub path: PathBuf,
    /// What it will be called, but for the ending.
    pub name: Name,
    /// How long it was when it was found.
    pub bytes: u64,
    /// When it was last written, where the system tells.
    pub modified: Option<SystemTime>,
    /// Which file it is.
    pub key: FileKey,
}

/// Which file or folder it is, by whatever name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct FileKey {
    device: u64,
    inode: u64,
}

/// Finds the files. Blocks.
///
/// # Errors
///
/// [`FindError::Pattern`] and [`FindError::NotBelow`]; what concerns single files is in [`Found::failed`].
pub fn find(search: &Search) -> Result<Found, FindError> {
    let mut finder = Finder { base: search.base.as_deref(), except: search.except, ..Finder::default() };
    for input in &search.inputs {
        finder.add(input)?;
    }
    for input in &search.listed {
        finder.add_named(input, None)?;
    }
    let mut found = finder.found;
    let mut told = HashSet::new();
    found.failed.retain(|(path, _)| told.insert(path.clone()));
    Ok(found)
}

/// Finds, input by input.
#[derive(Default)]
struct Finder<'a> {
    base: Option<&'a Path>,
    except: Option<FileKey>,
    found: Found,
    /// One file that is named twice is one input: by the same path,
    paths: HashSet<PathBuf>,
    /// or by another one, and for the same result.
    results: HashSet<(FileKey, Name)>,
}

/// What the names of results are made of: they begin with `under`, and then comes what a path has behind `from`.
#[derive(Clone, Copy)]
struct Root<'a> {
    from: &'a Path,
    under: &'a Path,
}

// === impl Finder ===

impl Finder<'_> {
    fn add(&mut self, input: &Path) -> Result<(), FindError> {
        // A file that is really called like that is meant.
        if glob::is_glob(input.as_os_str()) && input.symlink_metadata().is_err() {
            self.add_glob(input)
        } else {
            self.add_named(input, None)
        }
    }

    fn add_glob(&mut self, pattern: &Path) -> Result<(), FindError> {
        let matches =
            glob::expand(pattern).map_err(|source| FindError::Pattern { pattern: shown(pattern), source })?;
        let fixed = fixed_part(pattern);
        if matches.paths.is_empty() && matches.unreadable.is_empty() {
            self.found.failed.push((pattern.to_owned(), InputError::NoMatch));
        }
        for path in matches.paths {
            self.add_named(&path, Some(Root { from: &fixed, under: Path::new("") }))?;
        }
        let unreadable = matches.unreadable.into_iter();
        self.found.failed.extend(unreadable.map(|(path, error)| (path, error.into())));
        Ok(())
    }

    /// Adds a file, or what is in a folder, named by `root`, if it is given.
    fn add_named(&mut self, path: &Path, root: Option<Root<'_>>) -> Result<(), FindError> {
        let metadata = match path.metadata() {
            Ok(metadata) => metadata,
            Err(error) => {
                let is_missing = error.kind() == io::ErrorKind::NotFound && path.symlink_metadata().is_err();
                let error = if is_missing { InputError::Missing } else { error.into() };
                self.found.failed.push((path.to_owned(), error));
                return Ok(());
            }
        };
        let below_base;
        let root = match self.base {
            Some(base) => {
                below_base = below(path, base)
                    .ok_or_else(|| FindError::NotBelow { path: path.to_owned(), base: base.to_owned() })?;
                Some(Root { from: path, under: &below_base })
            }
            None => root,
        };
        if metadata.is_dir() {
            if self.except == Some(FileKey::of(&metadata)) {
                self.found.excepted.push(path.to_owned());
                return Ok(());
            }
            let root = root.unwrap_or(Root { from: path, under: Path::new("") });
            Walk { finder: self, root, above: Vec::new() }.folder(path, &metadata);
        } else {
            self.add_file(path, root, &metadata);
        }
        Ok(())
    }

    /// Adds a file. Without a `root` it has its own name only.
    fn add_file(&mut self, path: &Path, root: Option<Root<'_>>, metadata: &Metadata) {
        if let Some(kind) = not_a_file(metadata) {
            self.found.failed.push((path.to_owned(), InputError::NotAFile(kind)));
            return;
        }
        let below = root.and_then(|root| Some(root.under.join(path.strip_prefix(root.from).ok()?)));
        let below = below.or_else(|| path.file_name().map(PathBuf::from)).unwrap_or_else(|| path.to_owned());
        let name = match Name::new(below.components().collect::<PathBuf>()) {
            Ok(name) => name,
            Err(error) => {
                self.found.failed.push((path.to_owned(), error.into()));
                return;
            }
        };
        let key = FileKey::of(metadata);
        if self.paths.insert(path.to_owned()) && self.results.insert((key, name.clone())) {
            let (bytes, modified) = (metadata.len(), metadata.modified().ok());
            self.found.files.push(File { path: path.to_owned(), name, bytes, modified, key });
        }
    }
}

// === impl FileKey ===

impl FileKey {
    pub(crate) fn new(device: u64, inode: u64) -> Self {
        Self { device, inode }
    }

    /// Of what the metadata belong to.
    pub fn of(metadata: &Metadata) -> Self {
        Self { device: metadata.dev(), inode: metadata.ino() }
    }
}

/// What it is, if it is neither a file nor a folder.
fn not_a_file(metadata: &Metadata) -> Option<&'static str> {
    let kind = metadata.file_type();
    if kind.is_file() {
        None
    } else if kind.is_fifo() {
        Some("a named pipe")
    } else if kind.is_socket() {
        Some("a socket")
    } else if kind.is_dir() {
        Some("a folder")
    } else {
        Some("a device")
    }
}

/// The folders of a pattern in front of the first one with a wildcard, as its matches are spelled: without `.`.
fn fixed_part(pattern: &Path) -> PathBuf {
    let components = pattern.components().filter(|component| *component != Component::CurDir);
    components.take_while(|component| !glob::is_glob(component.as_os_str())).collect()
}

/// What `path` has behind `base`, however the two are spelled; `None` if it does not lie below it, or leads back out.
fn below(path: &Path, base: &Path) -> Option<PathBuf> {
    let (path, base) = (std::path::absolute(path).ok()?, std::path::absolute(base).ok()?);
    let below = path.strip_prefix(base).ok()?;
    let leads_back = below.components().any(|component| component == Component::ParentDir);
    (!leads_back).then(|| below.to_owned())
}

#[cfg(test)]
mod tests;

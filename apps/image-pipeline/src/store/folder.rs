//! A folder for results, which nothing leads out of, and in which nothing half-written has a result's name.
//!
//! **Inside.** Folders are opened one by one from the root on, and links are not followed: neither a name nor a link
//! that somebody puts there meanwhile leads anywhere else. The root itself may be a link: its owner named it.
//!
//! **As a whole.** A result is written to a file beside its place, `.image-pipeline-….part`, and renamed. If that
//! fails the file is removed.
//!
//! **Leftovers.** A run that is killed leaves such files, at most one for each uploader. The next run that writes into
//! their folders removes them. What another run is writing at the moment is locked, so that it is left alone, and a
//! writer whose file was removed before it was locked sees that it is nameless, and begins again.

use std::collections::{BTreeSet, HashSet};
use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io::{self, ErrorKind, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use forebay_program::fault;
use rustix::fs::{Access, AtFlags, Dir, FileType, Mode, OFlags, RenameFlags, Stat};
use rustix::io::Errno;

use super::{Present, StoreError, Stored};
use crate::Name;
use crate::input::FileKey;

/// A folder that results are written into.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
    root: OwnedFd,
    syncs: bool,
    /// Folders below, and `""` for the root, whose own names are known to survive a loss of power.
    synced: Mutex<HashSet<PathBuf>>,
}

/// A file that is not a result yet. Removed on drop, unless it became one.
struct Part<'a> {
    folder: &'a OwnedFd,
    name: OsString,
    file: File,
    is_done: bool,
}

const PART_BEGIN: &str = ".image-pipeline-";
const PART_END: &str = ".part";

const FOLDER: OFlags = OFlags::DIRECTORY.union(OFlags::NOFOLLOW).union(OFlags::RDONLY).union(OFlags::CLOEXEC);

/// How often to begin again with a file that was taken for a leftover, before that is taken for a fault.
const MOST_BEGINNINGS: usize = 100;

// === impl Folder ===

impl Folder {
    /// Opens the folder, and makes it if it is not there.
    ///
    /// # Errors
    ///
    /// [`StoreError::Folder`].
    pub fn create(path: &Path) -> Result<Self, StoreError> {
        fs::create_dir_all(path).and_then(|()| Self::open(path)).map_err(|source| at_root(path, source))
    }

    /// Makes results survive a loss of power too, and the folders that they are in, from the moment they count as
    /// written. Default: they survive the end of the process, and the system writes them to the disk when it sees fit.
    #[must_use]
    pub fn syncs(self, syncs: bool) -> Self {
        Self { syncs, ..self }
    }

    /// Where it is, as it was given.
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn open(path: &Path) -> io::Result<Self> {
        let root =
            rustix::fs::open(path, OFlags::DIRECTORY | OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?;
        Ok(Self { path: path.to_owned(), root, syncs: false, synced: Mutex::default() })
    }

    /// The folder if it is there, without making it.
    pub(crate) fn look(path: &Path) -> Result<Option<Self>, StoreError> {
        match Self::open(path) {
            Ok(folder) => Ok(Some(folder)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(source) => Err(at_root(path, source)),
        }
    }

    /// Whether results could be written there, and the folder be made if it is not there, as far as that can be told
    /// without doing it.
    pub(crate) fn could_be_written(path: &Path) -> Result<(), StoreError> {
        let above = path.ancestors().find(|above| above.symlink_metadata().is_ok());
        let access = Access::WRITE_OK | Access::EXEC_OK;
        match above {
            // A link that leads nowhere.
            Some(above) if above == path && !path.exists() => Err(Errno::EXIST),
            Some(above) => rustix::fs::access(above, access),
            None => rustix::fs::access(".", access),
        }
        .map_err(|errno| at_root(path, errno.into()))
    }

    /// Which folder it is.
    pub(crate) fn key(&self) -> Option<FileKey> {
        let root = File::from(self.root.try_clone().ok()?);
        root.metadata().ok().map(|metadata| FileKey::of(&metadata))
    }

    /// Whether there is something of this name, and of which file it is the name.
    pub(crate) fn look_for(&self, name: &Name) -> Result<Option<(Present, FileKey)>, StoreError> {
        Ok(self.stat(name)?.map(|(_, stat, key)| (present(&stat), key)))
    }

    /// Whether there is a result of this name, or another file in its place.
    pub(crate) fn present(&self, name: &Name) -> Result<Option<Present>, StoreError> {
        let Some((folder, stat, _)) = self.stat(name)? else { return Ok(None) };
        if FileType::from_raw_mode(stat.st_mode).is_symlink() {
            let (_, last) = split(name);
            let leads_to = rustix::fs::statat(&folder, last, AtFlags::empty());
            if matches!(leads_to, Err(Errno::NOENT | Errno::LOOP)) {
                return Err(StoreError::LeadsNowhere { path: name.as_path().to_owned() });
            }
        }
        Ok(Some(present(&stat)))
    }

    /// What is in the place of a result, in which folder, and which file it is; links are not followed.
    fn stat(&self, name: &Name) -> Result<Option<(OwnedFd, Stat, FileKey)>, StoreError> {
        let (parents, last) = split(name);
        let Some(folder) = self.folder(parents, false)? else { return Ok(None) };
        let stat = match rustix::fs::statat(&folder, last, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => stat,
            Err(Errno::NOENT) => return Ok(None),
            Err(errno) => return Err(failure(name.as_path(), errno.into())),
        };
        if FileType::from_raw_mode(stat.st_mode).is_dir() {
            return Err(StoreError::IsAFolder { path: name.as_path().to_owned() });
        }
        // Other systems count otherwise.
        let key = FileKey::new(stat.st_dev as u64, stat.st_ino as u64);
        Ok(Some((folder, stat, key)))
    }

    /// Writes a result. Blocks.
    pub(super) fn write(&self, name: &Name, bytes: &[u8], replaces: bool) -> Result<Stored, StoreError> {
        let (parents, last) = split(name);
        let folder = self.folder(parents, true)?.expect("it was made");
        self.write_into(&folder, last, bytes, replaces).map_err(|error| match error.kind() {
            ErrorKind::IsADirectory => StoreError::IsAFolder { path: name.as_path().to_owned() },
            _ => failure(name.as_path(), error),
        })
    }

    fn write_into(&self, folder: &OwnedFd, name: &OsStr, bytes: &[u8], replaces: bool) -> io::Result<Stored> {
        let mut part = Part::begin(folder)?;
        fault::room("full-output")?;
        part.file.write_all(bytes)?;
        fault::point("after-write");
        if self.syncs {
            fault::room("full-sync")?;
            part.file.sync_data()?;
        }
        let stored = if replaces {
            rustix::fs::renameat(folder, &part.name, folder, name)?;
            Stored::Written
        } else {
            part.rename_unless_there(name)?
        };
        part.is_done = stored == Stored::Written;
        fault::point("after-rename");
        if self.syncs {
            sync_folder(folder)?;
        }
        Ok(stored)
    }

    /// Removes what runs that were killed left in these folders, and says how many files that were. Blocks.
    ///
    /// What cannot be removed stays: it is in nobody's way.
    pub(crate) fn remove_leftovers(&self, names: impl IntoIterator<Item = Name>) -> u64 {
        let folders: BTreeSet<PathBuf> = names.into_iter().map(|name| split(&name).0.to_owned()).collect();
        let folders = folders.iter().filter_map(|folder| self.folder(folder, false).ok().flatten());
        folders.map(|folder| remove_leftovers(&folder)).sum()
    }

    /// Opens a folder below, step by step; `None` if it is not there and shall not be made.
    fn folder(&self, below: &Path, creates: bool) -> Result<Option<OwnedFd>, StoreError> {
        let mut folder =
            open_folder(&self.root, OsStr::new(".")).map_err(|errno| failure(&self.path, errno.into()))?;
        let mut path = PathBuf::new();
        if creates && self.is_to_be_synced(&path) {
            sync_above(&folder).map_err(|error| failure(&self.path, error))?;
            self.is_synced(&path);
        }
        for step in below {
            path.push(step);
            let mut opened = open_folder(&folder, step);
            if matches!(opened, Err(Errno::NOENT)) {
                if !creates {
                    return Ok(None);
                }
                match rustix::fs::mkdirat(&folder, step, Mode::from_raw_mode(0o777)) {
                    // Another uploader may have made it.
                    Ok(()) | Err(Errno::EXIST) => {}
                    Err(errno) => return Err(failure(&path, errno.into())),
                }
                opened = open_folder(&folder, step);
            }
            let above = folder;
            folder = match opened {
                Ok(opened) => opened,
                Err(Errno::NOTDIR | Errno::LOOP) => {
                    let stat = rustix::fs::statat(&above, step, AtFlags::SYMLINK_NOFOLLOW);
                    let is_link = stat.is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode).is_symlink());
                    let what = if is_link { "a link" } else { "a file" };
                    return Err(StoreError::NotAFolder { path, what });
                }
                Err(errno) => return Err(failure(&path, errno.into())),
            };
            // Whoever made it, this run or one that was killed: a result in it is there as long as it is.
            if creates && self.is_to_be_synced(&path) {
                sync_folder(&above).map_err(|error| failure(&path, error))?;
                self.is_synced(&path);
            }
        }
        Ok(Some(folder))
    }

    fn is_to_be_synced(&self, path: &Path) -> bool {
        self.syncs && !self.synced.lock().unwrap_or_else(PoisonError::into_inner).contains(path)
    }

    fn is_synced(&self, path: &Path) {
        self.synced.lock().unwrap_or_else(PoisonError::into_inner).insert(path.to_owned());
    }
}

// === impl Part ===

impl<'a> Part<'a> {
    fn begin(folder: &'a OwnedFd) -> io::Result<Self> {
        for _ in 0..MOST_BEGINNINGS {
            // Keys of its hasher are what the standard library has of random numbers.
            let number = RandomState::new().build_hasher().finish();
            let name = OsString::from(format!("{PART_BEGIN}{number:016x}{PART_END}"));
            let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let file = match rustix::fs::openat(folder, &name, flags, Mode::from_raw_mode(0o666)) {
                Ok(file) => File::from(file),
                Err(Errno::EXIST) => continue,
                Err(errno) => return Err(errno.into()),
            };
            let part = Self { folder, name, file, is_done: false };
            match part.file.lock() {
                // Where files cannot be locked nobody can tell whether it is a leftover, and it stays.
                Err(error) if error.kind() != ErrorKind::Unsupported => return Err(error),
                _ => {}
            }
            if rustix::fs::fstat(&part.file)?.st_nlink > 0 {
                return Ok(part);
            }
        }
        Err(io::Error::other("the file that is written is removed by somebody again and again"))
    }

    fn rename_unless_there(&self, name: &OsStr) -> io::Result<Stored> {
        let renamed =
            rustix::fs::renameat_with(self.folder, &self.name, self.folder, name, RenameFlags::NOREPLACE);
        match renamed {
            Ok(()) => Ok(Stored::Written),
            Err(Errno::EXIST) => Ok(Stored::WasThere),
            // Some file systems cannot do that. Between the look and the renaming somebody may come.
            Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => {
                match rustix::fs::statat(self.folder, name, AtFlags::SYMLINK_NOFOLLOW) {
                    Ok(_) => Ok(Stored::WasThere),
                    Err(_) => {
                        rustix::fs::renameat(self.folder, &self.name, self.folder, name)?;
                        Ok(Stored::Written)
                    }
                }
            }
            Err(errno) => Err(errno.into()),
        }
    }
}

impl Drop for Part<'_> {
    fn drop(&mut self) {
        if !self.is_done {
            // What cannot be removed is a leftover for the next run.
            let _ = rustix::fs::unlinkat(self.folder, &self.name, AtFlags::empty());
        }
    }
}

fn remove_leftovers(folder: &OwnedFd) -> u64 {
    let Ok(entries) = Dir::read_from(folder) else { return 0 };
    let names = entries.flatten().map(|entry| entry.file_name().to_owned());
    let parts = names.filter(|name| {
        let name = name.to_bytes();
        name.starts_with(PART_BEGIN.as_bytes()) && name.ends_with(PART_END.as_bytes())
    });
    let mut removed = 0;
    for part in parts.collect::<Vec<_>>() {
        let flags = OFlags::RDWR | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let Ok(file) = rustix::fs::openat(folder, &part, flags, Mode::empty()).map(File::from) else {
            continue;
        };
        // Held until it is removed: whoever is about to lock it then sees that it has no name.
        if file.try_lock().is_ok() && rustix::fs::unlinkat(folder, &part, AtFlags::empty()).is_ok() {
            removed += 1;
        }
    }
    removed
}

/// Makes the names in a folder survive a loss of power.
fn sync_folder(folder: &OwnedFd) -> io::Result<()> {
    fault::room("full-sync-folder")?;
    Ok(rustix::fs::fsync(folder)?)
}

/// Makes the name of a folder survive a loss of power, and of those that it lies in, some of which may have been made
/// with it; as far up as they are on the same file system, and may be opened.
fn sync_above(folder: &OwnedFd) -> io::Result<()> {
    let key = |folder: &OwnedFd| rustix::fs::fstat(folder).map(|stat| (stat.st_dev, stat.st_ino));
    let mut below = key(folder)?;
    let mut above = rustix::fs::openat(folder, "..", FOLDER, Mode::empty());
    while let Ok(folder) = above {
        let this = key(&folder)?;
        if this == below || this.0 != below.0 {
            break;
        }
        sync_folder(&folder)?;
        below = this;
        above = rustix::fs::openat(&folder, "..", FOLDER, Mode::empty());
    }
    Ok(())
}

fn open_folder(folder: &impl AsFd, step: &OsStr) -> Result<OwnedFd, Errno> {
    rustix::fs::openat(folder, step, FOLDER, Mode::empty())
}

/// The folders of a name, and the file.
fn split(name: &Name) -> (&Path, &OsStr) {
    let path = name.as_path();
    (path.parent().unwrap_or(Path::new("")), path.file_name().expect("a name ends in that of a file"))
}

fn present(stat: &Stat) -> Present {
    let seconds = u64::try_from(stat.st_mtime).ok();
    let nanos = u32::try_from(stat.st_mtime_nsec).unwrap_or_default();
    Present { modified: seconds.map(|seconds| SystemTime::UNIX_EPOCH + Duration::new(seconds, nanos)) }
}

fn at_root(path: &Path, source: io::Error) -> StoreError {
    StoreError::Folder { path: path.to_owned(), source }
}

fn failure(path: &Path, source: io::Error) -> StoreError {
    let path = path.to_owned();
    match source.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge => {
            StoreError::Full { path, source }
        }
        _ => StoreError::Write { path, source },
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn place() -> (tempfile::TempDir, Folder) {
        let place = tempfile::tempdir().unwrap();
        let folder = Folder::create(&place.path().join("out")).unwrap();
        (place, folder)
    }

    fn name(text: &str) -> Name {
        Name::new(text).unwrap()
    }

    /// Every name in a folder, sorted.
    fn names(path: &Path) -> Vec<String> {
        let entries = fs::read_dir(path).unwrap();
        let mut names: Vec<_> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn a_result_is_there_as_a_whole_and_nothing_beside_it() {
        let (_place, folder) = place();
        assert_eq!(folder.write(&name("a/b/c.jpg"), b"one", false).unwrap(), Stored::Written);
        assert_eq!(fs::read(folder.path().join("a/b/c.jpg")).unwrap(), b"one");
        assert_eq!(names(&folder.path().join("a/b")), ["c.jpg"]);
    }

    #[test]
    fn what_is_there_is_kept_unless_it_is_replaced() {
        let (_place, folder) = place();
        folder.write(&name("c.jpg"), b"one", false).unwrap();
        assert_eq!(folder.write(&name("c.jpg"), b"two", false).unwrap(), Stored::WasThere);
        assert_eq!(fs::read(folder.path().join("c.jpg")).unwrap(), b"one");
        assert_eq!(folder.write(&name("c.jpg"), b"two", true).unwrap(), Stored::Written);
        assert_eq!(fs::read(folder.path().join("c.jpg")).unwrap(), b"two");
        assert_eq!(names(folder.path()), ["c.jpg"]);
    }

    #[test]
    fn nothing_is_written_through_a_link() {
        let (place, folder) = place();
        let outside = place.path().join("outside");
        fs::create_dir(&outside).unwrap();
        fs::write(place.path().join("precious.jpg"), "precious").unwrap();
        symlink(&outside, folder.path().join("sub")).unwrap();
        symlink("../precious.jpg", folder.path().join("c.jpg")).unwrap();
        fs::write(folder.path().join("file"), "").unwrap();
        let error = folder.write(&name("sub/c.jpg"), b"one", true).unwrap_err().to_string();
        assert_eq!(error, "sub in the output is a link, not a folder; nothing is written through it");
        let error = folder.write(&name("file/c.jpg"), b"one", true).unwrap_err().to_string();
        assert_eq!(error, "file in the output is a file, not a folder; nothing is written through it");
        assert_eq!(names(&outside), [""; 0]);
        // A link in the place of the result is itself what is replaced.
        folder.write(&name("c.jpg"), b"one", true).unwrap();
        assert_eq!(fs::read(place.path().join("precious.jpg")).unwrap(), b"precious");
        assert!(folder.path().join("c.jpg").symlink_metadata().unwrap().is_file());
    }

    #[test]
    fn a_folder_in_the_place_of_a_result_stays() {
        let (_place, folder) = place();
        fs::create_dir(folder.path().join("c.jpg")).unwrap();
        assert!(matches!(folder.present(&name("c.jpg")), Err(StoreError::IsAFolder { .. })));
        assert!(matches!(folder.write(&name("c.jpg"), b"one", true), Err(StoreError::IsAFolder { .. })));
        assert_eq!(names(folder.path()), ["c.jpg"], "no part is left");
    }

    #[test]
    fn a_link_that_leads_nowhere_is_no_result() {
        let (_place, folder) = place();
        for to in ["nowhere.jpg", "c.jpg"] {
            symlink(to, folder.path().join("c.jpg")).unwrap();
            assert!(matches!(folder.present(&name("c.jpg")), Err(StoreError::LeadsNowhere { .. })), "{to}");
            fs::remove_file(folder.path().join("c.jpg")).unwrap();
        }
        fs::write(folder.path().join("b.jpg"), "one").unwrap();
        symlink("b.jpg", folder.path().join("c.jpg")).unwrap();
        assert!(folder.present(&name("c.jpg")).unwrap().is_some());
    }

    #[test]
    fn leftovers_are_removed_and_what_is_being_written_is_not() {
        let (_place, folder) = place();
        let sub = folder.path().join("sub");
        fs::create_dir(&sub).unwrap();
        for left in [".image-pipeline-0123456789abcdef.part", ".image-pipeline-x.jpg", "a.part"] {
            fs::write(sub.join(left), "half").unwrap();
        }
        let opened = folder.folder(Path::new("sub"), false).unwrap().unwrap();
        let part = Part::begin(&opened).unwrap();
        assert_eq!(folder.remove_leftovers([name("sub/c.jpg"), name("none/d.jpg")]), 1);
        let own = part.name.to_str().unwrap().to_owned();
        let mut left = vec![".image-pipeline-x.jpg".to_owned(), "a.part".to_owned(), own];
        left.sort();
        assert_eq!(names(&sub), left);
        drop(part);
        assert_eq!(names(&sub), [".image-pipeline-x.jpg", "a.part"]);
    }

    #[test]
    fn what_is_there_is_found_with_its_time() {
        let (_place, folder) = place();
        assert_eq!(folder.present(&name("none/c.jpg")).unwrap(), None);
        folder.write(&name("c.jpg"), b"one", false).unwrap();
        let modified = folder.present(&name("c.jpg")).unwrap().unwrap().modified;
        assert_eq!(modified, folder.path().join("c.jpg").metadata().unwrap().modified().ok());
    }
}

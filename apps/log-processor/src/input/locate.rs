//! Finding a file again: by who it is, not by what it is called.
//!
//! A position is looked for in this order, and the first that holds is taken:
//!
//! 1. the same file (device, inode, first line, bytes before the position) at its path;
//! 2. the same file under another name in the same folder: it was renamed, as by rotation;
//! 3. the same bytes in another file, at the path or under a name that begins with it (without what rotation put
//!    behind it: what was `app.log.1` is compressed to `app.log.2.gz`): it was replaced by a copy, copied and
//!    truncated, or compressed.
//!
//! Of a file that was empty there are no bytes to compare. If it is gone, it may be among the rotated files of its name that
//! were changed later, which are all taken to come from there.
//!
//! Nothing else is taken for it. In particular a file that merely stands at the path is not.

use std::{
    cmp::Reverse,
    collections::{HashMap, HashSet},
    fs::{self, File, Metadata},
    io::{self, Read},
    ops::RangeInclusive,
    path::{Path, PathBuf},
    time::SystemTime,
};

use super::{
    compressed::{Format, is_compressed_at},
    file,
    identity::FileKey,
    position::Position,
};

/// The files of each folder, listed when the first of them is asked for: a plan with thousands of files that are gone
/// must not list their folder thousands of times.
#[derive(Debug, Default)]
pub(super) struct Folders(HashMap<PathBuf, Folder>);

/// The regular files of one folder.
#[derive(Debug)]
struct Folder {
    /// Sorted by name.
    files: Vec<(PathBuf, Metadata)>,
    by_key: HashMap<FileKey, Vec<usize>>,
}

/// How often a folder is listed in the hope that nothing changes meanwhile.
pub(super) const MOST_LISTINGS: usize = 16;

/// When a file was rotated away, as far as its name and its last change tell.
struct Age {
    stamp: Option<Stamp>,
    changed: SystemTime,
}

/// What rotation puts behind a name. The oldest is the least.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Stamp {
    /// `.1`, which is younger than `.2`.
    Number(Reverse<u64>),
    /// `.20260131`, `-2026-01-31T12`: its digits.
    Date(String),
}

/// A number of more digits does not count rotations: it is a date, or the seconds since 1970.
const MOST_DIGITS: usize = 5;

/// A number alone that may be a year, of which the younger is the greater, does not tell which file is older.
const YEARS: RangeInclusive<u64> = 1970..=2199;

// === impl Folders ===

impl Folders {
    /// Where reading goes on behind `position`; none if neither the file nor a copy is there.
    pub(super) fn locate(&mut self, position: &Position) -> Option<PathBuf> {
        self.locate_same(position).or_else(|| self.locate_any_copy(position, &HashSet::new()))
    }

    /// The file itself, wherever it is by now.
    pub(super) fn locate_same(&mut self, position: &Position) -> Option<PathBuf> {
        if is_same(&position.path, position) {
            return Some(position.path.clone());
        }
        // Of a file of which nothing was read only the place on disk is known, which may be another one's by now.
        let home = origin(&position.path);
        let may_be = |path: &Path| position.offset > 0 || is_rotation(&home, path);
        self.beside(&position.path)
            .with_key(position.key?)
            .find(|path| may_be(path) && is_same(path, position))
            .map(Path::to_owned)
    }

    /// A copy, at its path or beside it, that is none of the files in `taken`.
    pub(super) fn locate_any_copy(
        &mut self,
        position: &Position,
        taken: &HashSet<FileKey>,
    ) -> Option<PathBuf> {
        let is_free =
            |path: &Path| fs::metadata(path).is_ok_and(|metadata| !taken.contains(&FileKey::of(&metadata)));
        (is_free(&position.path) && is_copy(&position.path, position))
            .then(|| position.path.clone())
            .or_else(|| self.locate_copy(position, taken))
    }

    fn locate_copy(&mut self, position: &Position, taken: &HashSet<FileKey>) -> Option<PathBuf> {
        self.beside(&position.path)
            .named_after(&origin(&position.path))
            .filter(|(path, metadata)| *path != position.path && !taken.contains(&FileKey::of(metadata)))
            .map(|(path, _)| path)
            .find(|path| is_copy(path, position) || is_copy_of_unread(path, position))
            .cloned()
    }

    /// What the file of `position`, which was read to its end, was compressed to; none of which `is_taken` is true.
    pub(super) fn locate_packed(
        &mut self,
        position: &Position,
        is_taken: impl Fn(&Path, FileKey) -> bool,
    ) -> Option<(PathBuf, FileKey)> {
        self.beside(&position.path)
            .named_after(&origin(&position.path))
            .map(|(path, metadata)| (path.clone(), FileKey::of(metadata)))
            .find(|(path, key)| is_packed_copy(path, position) && !is_taken(path, *key))
    }

    /// The files that once stood at `home` and were rotated away after the one that is at `found` now, oldest first.
    ///
    /// By number where both have one (`.1` is younger than `.2`, unless it was changed earlier: some count upwards), by date
    /// where both have one of the same form, else by time of the last change.
    pub(super) fn rotated_after(&mut self, home: &Path, found: &Path) -> Vec<PathBuf> {
        let Ok(last) = fs::metadata(found) else { return Vec::new() };
        self.younger(home, Some(FileKey::of(&last)), &Age::of(home, found, &last))
    }

    /// Where the file that stood at `home` and has that `key` was rotated to.
    pub(super) fn locate_rotated(&mut self, home: &Path, key: FileKey) -> Option<PathBuf> {
        self.beside(home).with_key(key).find(|path| is_rotation(home, path)).map(Path::to_owned)
    }

    /// The same for one that has no name in the folder any more: by time.
    pub(super) fn rotated_since(&mut self, home: &Path, last: &Metadata) -> Vec<PathBuf> {
        self.younger(home, Some(FileKey::of(last)), &Age::of(home, home, last))
    }

    /// The same for one that was empty, as far as anybody knows, and itself with them: it may have been filled and compressed.
    pub(super) fn changed_since_empty(&mut self, position: &Position) -> Vec<PathBuf> {
        let Some(changed) = position.changed.filter(|_| position.is_of_nothing()) else { return Vec::new() };
        self.younger(position.home(), None, &Age { stamp: None, changed })
    }

    fn younger(&mut self, home: &Path, last: Option<FileKey>, last_age: &Age) -> Vec<PathBuf> {
        let mut younger: Vec<(Age, &PathBuf)> = self
            .beside(home)
            .named_after(home)
            .filter(|(_, metadata)| Some(FileKey::of(metadata)) != last)
            .filter(|(path, _)| is_rotation(home, path))
            .map(|(path, metadata)| (Age::of(home, path, metadata), path))
            .filter(|(age, path)| age.is_younger_than(last_age) && !is_being_packed(path))
            .collect();
        sort_oldest_first(&mut younger);
        younger.into_iter().map(|(_, path)| path.clone()).collect()
    }

    /// The same files are at the same names as when each folder was listed.
    pub(super) fn are_as_listed(&self) -> bool {
        self.0.iter().all(|(folder, listed)| Folder::list(folder).has_the_files_of(listed))
    }

    /// The folder of `path`, as it was when it was first asked for.
    fn beside(&mut self, path: &Path) -> &Folder {
        // Named as the input was, so that paths can be compared: a bare name stays a bare name.
        let folder = path.parent().unwrap_or(Path::new("")).to_owned();
        self.0.entry(folder).or_insert_with_key(|folder| Folder::list(folder))
    }
}

// === impl Folder ===

impl Folder {
    /// A folder that cannot be listed has no files.
    fn list(folder: &Path) -> Self {
        let listed = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
        let entries = fs::read_dir(listed).into_iter().flatten();
        let mut files: Vec<(PathBuf, Metadata)> = entries
            .filter_map(|entry| {
                let path = folder.join(entry.ok()?.file_name());
                let metadata = fs::metadata(&path).ok()?;
                metadata.is_file().then_some((path, metadata))
            })
            .collect();
        files.sort_by(|(one, _), (other, _)| one.cmp(other));
        let mut by_key: HashMap<FileKey, Vec<usize>> = HashMap::new();
        for (index, (_, metadata)) in files.iter().enumerate() {
            by_key.entry(FileKey::of(metadata)).or_default().push(index);
        }
        Self { files, by_key }
    }

    fn has_the_files_of(&self, other: &Self) -> bool {
        let keys = |folder: &Self| -> Vec<FileKey> {
            folder.files.iter().map(|(_, metadata)| FileKey::of(metadata)).collect()
        };
        self.files.iter().map(|(path, _)| path).eq(other.files.iter().map(|(path, _)| path))
            && keys(self) == keys(other)
    }

    fn with_key(&self, key: FileKey) -> impl Iterator<Item = &Path> {
        self.by_key.get(&key).into_iter().flatten().map(|index| self.files[*index].0.as_path())
    }

    /// The files whose names begin with that of `home`.
    fn named_after(&self, home: &Path) -> impl Iterator<Item = &(PathBuf, Metadata)> {
        let base = name(home);
        let first = self.files.partition_point(|(path, _)| name(path) < base);
        self.files[first..].iter().take_while(move |(path, _)| name(path).starts_with(base))
    }
}

// === impl Age ===

impl Age {
    fn of(home: &Path, path: &Path, metadata: &Metadata) -> Self {
        Self { stamp: Stamp::of(home, path), changed: metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH) }
    }

    fn is_younger_than(&self, other: &Self) -> bool {
        match (&self.stamp, &other.stamp) {
            (Some(stamp @ Stamp::Number(_)), Some(other_stamp @ Stamp::Number(_))) => {
                stamp > other_stamp && self.changed >= other.changed
            }
            (Some(stamp), Some(other_stamp)) if stamp.is_like(other_stamp) => stamp > other_stamp,
            _ => self.changed > other.changed,
        }
    }

    /// Whether names alone tell which of the two is older.
    fn is_like(&self, other: &Self) -> bool {
        matches!((&self.stamp, &other.stamp), (Some(stamp), Some(other)) if stamp.is_like(other))
    }
}

// === impl Stamp ===

impl Stamp {
    /// What the name of `path` has behind that of `home`.
    fn of(home: &Path, path: &Path) -> Option<Self> {
        let suffix = suffix(home, path)?;
        let stamp = without_packing(&suffix);
        if let Some(number) = stamp.strip_prefix('.').filter(|number| number.len() <= MOST_DIGITS)
            && let Ok(number) = number.parse()
        {
            return (!YEARS.contains(&number)).then_some(Self::Number(Reverse(number)));
        }
        let digits: String = stamp.chars().filter(char::is_ascii_digit).collect();
        (is_rotation(home, path) && begins_with_a_month(&digits)).then_some(Self::Date(digits))
    }

    fn is_like(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Number(_), Self::Number(_)) => true,
            (Self::Date(date), Self::Date(other)) => date.len() == other.len(),
            _ => false,
        }
    }
}

/// Whether `digits` are those of a date from the year on, which can be compared as they are.
fn begins_with_a_month(digits: &str) -> bool {
    let is_within = |digits: Option<&str>, bounds: RangeInclusive<u64>| {
        digits.and_then(|digits| digits.parse().ok()).is_some_and(|number| bounds.contains(&number))
    };
    is_within(digits.get(..4), YEARS) && is_within(digits.get(4..6), 1..=12)
}

/// Whether the names of all alone tell in which order they are.
fn are_alike<T>(files: &[(Age, T)]) -> bool {
    files.iter().all(|(age, _)| files[0].0.is_like(age))
}

/// By what the names say if that can be compared, else by time of the last change.
fn sort_oldest_first<T>(files: &mut [(Age, T)]) {
    files.sort_by_key(|(age, _)| age.changed);
    if are_alike(files) {
        files.sort_by(|(one, _), (other, _)| one.stamp.cmp(&other.stamp));
    }
}

/// Puts `files`, at the paths that `path_of` gives, into the order in which they stood at `home`, oldest first, if all of
/// them have names that agree with when they were changed; the one that is there now comes last.
pub(super) fn sort_by_age<T>(home: &Path, files: &mut [T], path_of: impl Fn(&T) -> &Path) {
    let ages = |files: &[T]| -> Option<Vec<(Age, ())>> {
        let rotated = files.iter().map(&path_of).filter(|path| *path != home);
        rotated.map(|path| Some((Age::of(home, path, &fs::metadata(path).ok()?), ()))).collect()
    };
    let Some(mut ages) = ages(files) else { return };
    sort_oldest_first(&mut ages);
    if are_alike(&ages) && ages.is_sorted_by_key(|(age, ())| age.changed) {
        files.sort_by_key(|file| (path_of(file) == home, Stamp::of(home, path_of(file))));
    }
}

/// Whether each of `positions` can be gone on from.
pub(crate) fn all_found<'a>(mut positions: impl Iterator<Item = &'a Position>) -> bool {
    let mut folders = Folders::default();
    positions.all(|position| folders.locate(position).is_some())
}

/// The files that stood at `home` after that of `position` and were rotated away since, oldest first. If it is open, `metadata`
/// are those of its file, and `name` is its name by now, which may be in another folder.
pub(super) fn rotated_by_now(
    home: &Path,
    position: &Position,
    metadata: Option<&Metadata>,
    name: Option<&Path>,
) -> Vec<(PathBuf, FileKey)> {
    let list = || -> Vec<(PathBuf, FileKey)> {
        let mut folders = Folders::default();
        let located = match metadata {
            Some(_) => folders.locate_same(position),
            None => folders.locate(position),
        };
        let paths = match located {
            Some(found) => folders.rotated_after(home, &found),
            None => {
                let moved = name.and_then(|name| Some((moved_home(home, name)?, name)));
                let moved = moved.map(|(home, name)| folders.rotated_after(&home, name));
                let since = metadata.map(|metadata| folders.rotated_since(home, metadata));
                moved.into_iter().chain(since).flatten().collect()
            }
        };
        let with_key = |path: PathBuf| {
            let key = FileKey::of(&fs::metadata(&path).ok()?);
            Some((path, key))
        };
        paths.into_iter().filter_map(with_key).collect()
    };
    // A rotation that is going on hides files from one listing.
    let mut listed = list();
    for _ in 0..MOST_LISTINGS {
        let again = list();
        if again == listed {
            break;
        }
        listed = again;
    }
    listed
}

/// What `home` would be called in the folder of `name`, to which rotation moves what stood there; none if `name` is not
/// one that rotation gives: then nobody knows what came after it.
pub(super) fn moved_home(home: &Path, name: &Path) -> Option<PathBuf> {
    let home = name.with_file_name(home.file_name()?);
    is_rotation(&home, name).then_some(home)
}

/// Another file beside that of `position`, named after it, that holds what was read of it; in its folder as it is now.
pub(super) fn locate_copy(position: &Position) -> Option<PathBuf> {
    Folders::default().locate_copy(position, &HashSet::new())
}

/// Whether the file at `path` is that of `position`, and still holds what was read of it.
pub(super) fn is_same(path: &Path, position: &Position) -> bool {
    let same = || -> io::Result<bool> {
        let file = File::open(path)?;
        let metadata = file.metadata()?;
        if Some(FileKey::of(&metadata)) != position.key || !file::begins_with(&file, position.head)? {
            return Ok(false);
        }
        // The system gave its place on disk to another one. Not every system tells.
        if position.changed.is_some_and(|changed| metadata.created().is_ok_and(|created| created > changed)) {
            return Ok(false);
        }
        let is_compressed = Format::of_file(&file)?.is_some();
        // It was empty, and the system gave its place on disk to what another one was compressed to.
        if is_compressed && position.is_of_nothing() && !is_packed(&position.path) {
            return Ok(false);
        }
        // A compressed file would have to be decompressed for this. That happens when reading goes on, and a
        // difference is reported there.
        Ok(is_compressed || file::holds(&file, position.offset, position.tail)?)
    };
    same().unwrap_or(false)
}

/// Two files that agree in the first line and in the bytes before the position are taken for copies; without a byte
/// read there is nothing to compare.
pub(super) fn is_copy(path: &Path, position: &Position) -> bool {
    let copy = || -> io::Result<bool> {
        let file = File::open(path)?;
        if position.offset == 0
            || Some(FileKey::of(&file.metadata()?)) == position.key
            || !file::begins_with(&file, position.head)?
        {
            return Ok(false);
        }
        Ok(file::Body::of_file(file, position.offset, position.tail)?.is_some())
    };
    copy().unwrap_or(false)
}

/// Whether the file at `path` is compressed, named after the file of `position`, and holds what was read of it and no
/// more.
pub(super) fn is_packed_copy(path: &Path, position: &Position) -> bool {
    let ends_there = || -> io::Result<bool> {
        let body = file::Body::of_file(File::open(path)?, position.offset, position.tail)?;
        Ok(body.is_some_and(|mut body| matches!(body.read(&mut [0]), Ok(0))))
    };
    name(path).starts_with(name(&origin(&position.path)))
        && is_compressed_at(path)
        && is_copy(path, position)
        && ends_there().unwrap_or(false)
}

/// Whether the file at `path` is what the one beside it is being compressed to, as far as that has come.
fn is_being_packed(path: &Path) -> bool {
    let begins = |path: &Path| File::open(path).and_then(|file| file::first_bytes(&file));
    is_packed(path)
        && begins(&path.with_extension(""))
            .is_ok_and(|plain| plain.starts_with(&begins(path).unwrap_or_default()))
}

/// Whether `path` is named and begins as a copy of a file of which only the begin is known, because nothing of it was
/// handed on. Only for a file that is not there itself any more: a header begins many files.
fn is_copy_of_unread(path: &Path, position: &Position) -> bool {
    position.is_at_known_start()
        && is_rotation(&origin(position.home()), path)
        && File::open(path).and_then(|file| file::begins_with(&file, position.head)).unwrap_or(false)
}

fn name(path: &Path) -> &[u8] {
    path.file_name().unwrap_or_default().as_encoded_bytes()
}

/// What the name of `path` has behind that of `home`.
fn suffix(home: &Path, path: &Path) -> Option<String> {
    path.file_name()?.to_str()?.strip_prefix(home.file_name()?.to_str()?).map(str::to_owned)
}

/// Without what compressing puts behind a name.
fn without_packing(suffix: &str) -> &str {
    [".gz", ".zst"].iter().find_map(|packing| suffix.strip_suffix(packing)).unwrap_or(suffix)
}

/// Whether `path` is named as what is compressed.
pub(super) fn is_packed(path: &Path) -> bool {
    path.file_name().and_then(|name| name.to_str()).is_some_and(|name| without_packing(name) != name)
}

/// The path that a rotated file had first; the path itself if it is not named so.
pub(super) fn origin(path: &Path) -> PathBuf {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    name.match_indices(['.', '-', '_'])
        .filter(|(at, _)| *at > 0)
        .map(|(at, _)| path.with_file_name(&name[..at]))
        .find(|home| is_rotation(home, path))
        .unwrap_or_else(|| path.to_owned())
}

/// Whether `path` is named as rotation names what stood at `home`: `.1`, `-20260131`, `.2026-01-31T12.gz`.
pub(super) fn is_rotation(home: &Path, path: &Path) -> bool {
    suffix(home, path).is_some_and(|suffix| {
        let stamp = without_packing(&suffix);
        stamp.starts_with(['.', '-', '_'])
            && stamp.contains(|letter: char| letter.is_ascii_digit())
            && stamp
                .chars()
                .all(|letter| letter.is_ascii_digit() || matches!(letter, '.' | '-' | '_' | 'T' | ':'))
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn names_that_rotation_gives_are_known() {
        let is = |name: &str| is_rotation(Path::new("app.log"), Path::new(name));
        for name in
            ["app.log.1", "app.log.12.gz", "app.log.2.zst", "app.log-20260131", "app.log.2026-01-31T12:00.gz"]
        {
            assert!(is(name), "{name}");
        }
        for name in ["app.log", "app.log.bak", "app.log.gz", "app.logger", "other.log.1", "app.log1"] {
            assert!(!is(name), "{name}");
        }
    }

    #[test]
    fn rotated_files_have_an_origin() {
        for (name, home) in [
            ("l/app.log.1", "l/app.log"),
            ("app.log.12.gz", "app.log"),
            ("app-2026-01-31.gz", "app"),
            ("app.log", "app.log"),
            (".1", ".1"),
        ] {
            assert_eq!(origin(Path::new(name)), Path::new(home));
        }
    }

    #[test]
    fn file_of_which_nothing_was_read_is_found_under_its_next_name() {
        let folder = tempfile::tempdir().expect("the tests need a folder to write to");
        let path = |name: &str| folder.path().join(name);
        fs::write(path("app.log.2"), "line\n").expect("the folder is ours");
        let key = fs::metadata(path("app.log.2")).map(|metadata| FileKey::of(&metadata)).ok();
        let located =
            |name: &str| Folders::default().locate(&Position { key, ..Position::start(&path(name)) });
        assert_eq!(located("app.log.1"), Some(path("app.log.2")));
        assert_eq!(located("other.log"), None, "its place on disk is another one's now");
    }

    #[test]
    fn younger_rotations_come_oldest_first() {
        let folder = tempfile::tempdir().expect("the tests need a folder to write to");
        let path = |name: &str| folder.path().join(name);
        for name in ["app.log.bak", "app.log.10", "app.log.3", "app.log.2.gz", "app.log.1", "app.log"] {
            fs::write(path(name), name).expect("the folder is ours");
        }
        let after_3 = Folders::default().rotated_after(&path("app.log"), &path("app.log.3"));
        assert_eq!(after_3, [path("app.log.2.gz"), path("app.log.1")]);
        // Where numbers count upwards, those below are older.
        let last = File::options().write(true).open(path("app.log.1")).expect("it was just written");
        last.set_modified(SystemTime::UNIX_EPOCH).expect("the folder is ours");
        let after_3 = Folders::default().rotated_after(&path("app.log"), &path("app.log.3"));
        assert_eq!(after_3, [path("app.log.2.gz")]);
    }

    /// A date behind a dot was read as a number, so the youngest file was taken for the oldest.
    #[test]
    fn dated_rotations_come_oldest_first_by_their_dates() {
        for names in [
            ["app.log.20260130", "app.log.20260131.gz", "app.log.20260201"],
            ["app.log-20260130", "app.log-20260131", "app.log-20260201"],
            ["app.log.2026013023", "app.log.2026013100", "app.log.2026020100"],
            ["app.log.2026-01-30T23:59", "app.log.2026-01-31T00:00.gz", "app.log.2026-02-01T00:01"],
            ["app.log.202512", "app.log.202601", "app.log.202602"],
        ] {
            let folder = tempfile::tempdir().expect("the tests need a folder to write to");
            // The last one was compressed first: when they were changed tells nothing.
            for name in names.iter().rev() {
                fs::write(folder.path().join(name), name).expect("the folder is ours");
            }
            let paths = names.map(|name| folder.path().join(name));
            let after_first = Folders::default().rotated_after(&folder.path().join("app.log"), &paths[0]);
            assert_eq!(after_first, paths[1..]);
        }
    }

    #[test]
    fn rotations_with_numbers_and_dates_come_in_the_order_of_their_last_change() {
        let folder = tempfile::tempdir().expect("the tests need a folder to write to");
        let path = |name: &str| folder.path().join(name);
        let names = ["app.log.2", "app.log.1", "app.log.20260130", "app.log.20260131", "app.log.1769900000"];
        for (name, seconds) in names.into_iter().zip(1..) {
            fs::write(path(name), name).expect("the folder is ours");
            let file = File::options().write(true).open(path(name)).expect("it was just written");
            file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds))
                .expect("the folder is ours");
        }
        let after_2 = Folders::default().rotated_after(&path("app.log"), &path("app.log.2"));
        assert_eq!(after_2, names[1..].iter().map(|name| path(name)).collect::<Vec<_>>());
        let after_30 = Folders::default().rotated_after(&path("app.log"), &path("app.log.20260130"));
        assert_eq!(after_30, [path("app.log.20260131"), path("app.log.1769900000")]);
    }

    /// The year was read as a number, so the younger file was taken for the older one.
    #[test]
    fn rotations_that_may_be_of_a_year_or_a_number_come_in_the_order_of_their_last_change() {
        for names in [
            ["app.log.2024", "app.log.2025.gz", "app.log.2026"],
            ["app.log.2101", "app.log.2100", "app.log.2099"],
        ] {
            let folder = tempfile::tempdir().expect("the tests need a folder to write to");
            let paths = names.map(|name| folder.path().join(name));
            for (path, seconds) in paths.iter().zip(1..) {
                let file = File::create(path).expect("the folder is ours");
                file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds))
                    .expect("the folder is ours");
            }
            let after_first = Folders::default().rotated_after(&folder.path().join("app.log"), &paths[0]);
            assert_eq!(after_first, paths[1..]);
        }
    }

    #[test]
    fn folder_is_listed_once_for_all_positions() {
        let folder = tempfile::tempdir().expect("the tests need a folder to write to");
        let path = |name: &str| folder.path().join(name);
        fs::write(path("a.log.1"), "line\n").expect("the folder is ours");
        let mut folders = Folders::default();
        let lost = |name: &str| Position::start(&path(name));
        assert_eq!(folders.locate(&lost("gone.log")), None);
        fs::write(path("a.log.2"), "line\n").expect("the folder is ours");
        let names: Vec<&[u8]> =
            folders.beside(&path("a.log")).named_after(&path("a.log")).map(|(path, _)| name(path)).collect();
        assert_eq!(names, [b"a.log.1"]);
    }
}

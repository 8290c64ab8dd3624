//! Finding a file again: by who it is, not by what it is called.
//!
//! A position is looked for in this order, and the first that holds is taken:
//!
//! 1. the same file (device, inode, first line, bytes before the position) at its path;
//! 2. the same file under another name in the same folder: it was renamed, as by rotation;
//! 3. the same bytes in another file, at the path or under a name that begins with it: it was replaced by a copy,
//!    copied and truncated, or compressed.
//!
//! Nothing else is taken for it. In particular a file that merely stands at the path is not.

use std::{
    cmp::Reverse,
    fs::{self, File, Metadata},
    io,
    path::{Path, PathBuf},
    time::SystemTime,
};

use super::{file, gzip, identity::FileKey, pattern::folder_of, position::Position};

/// Where reading goes on behind `position`; none if neither the file nor a copy is there.
pub(super) fn locate(position: &Position) -> Option<PathBuf> {
    if is_same(&position.path, position) {
        return Some(position.path.clone());
    }
    files_beside(&position.path)
        .into_iter()
        .map(|(path, _)| path)
        .find(|path| is_same(path, position))
        .or_else(|| is_copy(&position.path, position).then(|| position.path.clone()))
        .or_else(|| locate_copy(position))
}

/// Another file beside that of `position`, named after it, that holds what was read of it.
pub(super) fn locate_copy(position: &Position) -> Option<PathBuf> {
    let base = position.path.file_name()?.as_encoded_bytes();
    files_beside(&position.path)
        .into_iter()
        .map(|(path, _)| path)
        .filter(|path| *path != position.path)
        .filter(|path| path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(base)))
        .find(|path| is_copy(path, position))
}

/// The files that once stood at `home` and were rotated away after the one that is at `found` now, oldest first.
///
/// By number where both have one (`.1` is younger than `.2`), else by time of the last change.
pub(super) fn rotated_after(home: &Path, found: &Path) -> Vec<PathBuf> {
    let Ok(last) = fs::metadata(found) else { return Vec::new() };
    let last_age = Age::of(home, found, &last);
    let mut younger: Vec<(Age, PathBuf)> = files_beside(home)
        .into_iter()
        .filter(|(path, metadata)| path != found && FileKey::of(metadata) != FileKey::of(&last))
        .filter(|(path, _)| is_rotation(home, path))
        .map(|(path, metadata)| (Age::of(home, &path, &metadata), path))
        .filter(|(age, _)| age.is_younger_than(&last_age))
        .collect();
    younger.sort_by_key(|(age, _)| age.oldest_first());
    younger.into_iter().map(|(_, path)| path).collect()
}

struct Age {
    number: Option<u64>,
    changed: SystemTime,
}

// === impl Age ===

impl Age {
    fn of(home: &Path, path: &Path, metadata: &Metadata) -> Self {
        let number = suffix(home, path)
            .and_then(|suffix| suffix.strip_suffix(".gz").unwrap_or(&suffix).strip_prefix('.')?.parse().ok());
        Self { number, changed: metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH) }
    }

    fn is_younger_than(&self, other: &Self) -> bool {
        match (self.number, other.number) {
            (Some(number), Some(other)) => number < other,
            _ => self.changed > other.changed,
        }
    }

    fn oldest_first(&self) -> (Option<Reverse<u64>>, SystemTime) {
        (self.number.map(Reverse), self.changed)
    }
}

fn is_same(path: &Path, position: &Position) -> bool {
    let same = || -> io::Result<bool> {
        let file = File::open(path)?;
        if Some(FileKey::of(&file.metadata()?)) != position.key || !file::begins_with(&file, position.head)? {
            return Ok(false);
        }
        // A compressed file would have to be decompressed for this. That happens when reading goes on, and a
        // difference is reported there.
        Ok(gzip::is_gzip(&file)? || file::holds(&file, position.offset, position.tail)?)
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

/// All regular files in the folder of `path`. A folder that cannot be listed has none.
fn files_beside(path: &Path) -> Vec<(PathBuf, Metadata)> {
    let Ok(entries) = fs::read_dir(folder_of(path)) else { return Vec::new() };
    let mut files: Vec<(PathBuf, Metadata)> = entries
        .filter_map(|entry| {
            // Named as the input was, so that paths can be compared: a bare name stays a bare name.
            let beside = path.with_file_name(entry.ok()?.file_name());
            let metadata = fs::metadata(&beside).ok()?;
            metadata.is_file().then_some((beside, metadata))
        })
        .collect();
    files.sort_by(|(one, _), (other, _)| one.cmp(other));
    files
}

/// What the name of `path` has behind that of `home`.
fn suffix(home: &Path, path: &Path) -> Option<String> {
    path.file_name()?.to_str()?.strip_prefix(home.file_name()?.to_str()?).map(str::to_owned)
}

/// Whether `path` is named as rotation names what stood at `home`: `.1`, `-20260131`, `.2026-01-31T12.gz`.
pub(super) fn is_rotation(home: &Path, path: &Path) -> bool {
    suffix(home, path).is_some_and(|suffix| {
        let stamp = suffix.strip_suffix(".gz").unwrap_or(&suffix);
        stamp.starts_with(['.', '-', '_'])
            && stamp.contains(|letter: char| letter.is_ascii_digit())
            && stamp
                .chars()
                .all(|letter| letter.is_ascii_digit() || matches!(letter, '.' | '-' | '_' | 'T' | ':'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_rotation_gives_are_known() {
        let is = |name: &str| is_rotation(Path::new("app.log"), Path::new(name));
        for name in ["app.log.1", "app.log.12.gz", "app.log-20260131", "app.log.2026-01-31T12:00.gz"] {
            assert!(is(name), "{name}");
        }
        for name in ["app.log", "app.log.bak", "app.log.gz", "app.logger", "other.log.1", "app.log1"] {
            assert!(!is(name), "{name}");
        }
    }

    #[test]
    fn younger_rotations_come_oldest_first() {
        let folder = tempfile::tempdir().expect("the tests need a folder to write to");
        let path = |name: &str| folder.path().join(name);
        for name in ["app.log", "app.log.1", "app.log.2.gz", "app.log.3", "app.log.10", "app.log.bak"] {
            fs::write(path(name), name).expect("the folder is ours");
        }
        let after_3 = rotated_after(&path("app.log"), &path("app.log.3"));
        assert_eq!(after_3, [path("app.log.2.gz"), path("app.log.1")]);
    }
}

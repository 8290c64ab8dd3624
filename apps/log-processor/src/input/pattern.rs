//! From what a person writes to the files that are meant.

use std::{
    collections::HashSet,
    fs::{self, File, Metadata},
    io,
    os::unix::fs::FileTypeExt,
    path::{Path, PathBuf, absolute},
};

use ::glob::Pattern;
use forebay_program::glob::{self, LIKE_A_SHELL};

use super::{error::InputError, identity::FileKey, locate::MOST_LISTINGS};

/// One input that exists now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum InputSpec {
    /// `-`: what standard input brings.
    Stdin,
    /// Something that is read once and waited for: a named pipe, a device, a file that the system makes up.
    Stream(PathBuf),
    /// A file, plain or compressed.
    File {
        /// As given, or as the pattern found it.
        path: PathBuf,
        /// Its place on disk when the pattern was expanded.
        key: FileKey,
    },
}

/// Where the system makes up files. Those that have a length can be read again.
const MADE_UP: [&str; 2] = ["/proc", "/sys"];

/// How standard input is named.
pub(super) const STDIN: &str = "-";

/// The inputs that `patterns` name: paths, globs and `-`, in the order given, each glob's files sorted by name.
///
/// A file that is reached twice, also through a link, is read once, under the first name that reached it.
/// A glob passes over folders, and over pipes, sockets and devices, which may block for ever. With `follow`, a path without a file is left out as long as its folder exists, and
/// so is a glob without files.
///
/// # Errors
///
/// A pattern that makes no sense or matches nothing, a file that is missing or may not be read, a folder.
pub fn expand(patterns: &[String], follow: bool) -> Result<Vec<InputSpec>, InputError> {
    let mut specs = Vec::new();
    let mut seen = HashSet::new();
    for pattern in patterns {
        if pattern == STDIN {
            if !specs.contains(&InputSpec::Stdin) {
                specs.push(InputSpec::Stdin);
            }
            continue;
        }
        let found = found(pattern, follow)?;
        let matched = !found.is_empty();
        for (path, metadata) in found {
            let key = FileKey::of(&metadata);
            if seen.insert(key) {
                specs.push(match is_stored(&path, &metadata) {
                    true => InputSpec::File { path, key },
                    false => InputSpec::Stream(path),
                });
            }
        }
        if !matched && !follow {
            return Err(InputError::NoMatch { pattern: pattern.clone() });
        }
    }
    Ok(specs)
}

/// Files, and what the system says of each.
type Found = Vec<(PathBuf, Metadata)>;

/// The files that `pattern` names.
fn found(pattern: &str, follow: bool) -> Result<Found, InputError> {
    let (mut found, mut missing) = found_now(pattern)?;
    for _ in 0..MOST_LISTINGS {
        // One that a glob matched may have been renamed since; a link that leads nowhere is missing again.
        if !is_glob(pattern) || missing.is_none() {
            break;
        }
        let before = missing;
        (found, missing) = found_now(pattern)?;
        if missing == before {
            break;
        }
    }
    match missing {
        Some(path) if !follow || !folder_of(&path).is_dir() => Err(InputError::Missing { path }),
        _ => Ok(found),
    }
}

/// Those that are there now, and the first of those that are not.
fn found_now(pattern: &str) -> Result<(Found, Option<PathBuf>), InputError> {
    let mut found = Vec::new();
    let mut missing = None;
    for (path, metadata) in reach_with_metadata(pattern)? {
        // Who may not read the file, or cannot read a socket, learns it now and not in the middle of the run.
        let is_opened = |it: &Metadata| it.is_file() || it.file_type().is_socket();
        let opened =
            metadata.and_then(|it| if is_opened(&it) { File::open(&path).map(|_| it) } else { Ok(it) });
        match opened {
            Ok(metadata) if metadata.is_dir() => {
                return Err(match fs::read_dir(&path) {
                    Ok(_) => InputError::Folder { path },
                    // A glob needs to look into it.
                    Err(source) => InputError::Unreadable { path, source },
                });
            }
            Ok(metadata) => found.push((path, metadata)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => missing = missing.or(Some(path)),
            Err(source) => return Err(InputError::Unreadable { path, source }),
        }
    }
    Ok((found, missing))
}

/// What `pattern` reaches now: the files that it matches if it is a glob, sorted; otherwise itself, whether it exists or not.
///
/// With them are files and folders on the way that cannot be looked at, or into.
///
/// A file whose name looks like a glob is meant as it is written.
pub(crate) fn reach(pattern: &str) -> Result<Vec<PathBuf>, InputError> {
    Ok(reach_with_metadata(pattern)?.into_iter().map(|(path, _)| path).collect())
}

/// The same, with what the system says of each.
pub(crate) fn reach_with_metadata(pattern: &str) -> Result<Vec<(PathBuf, io::Result<Metadata>)>, InputError> {
    let path = PathBuf::from(pattern);
    let with_metadata = |path: PathBuf| {
        let metadata = fs::metadata(&path);
        (path, metadata)
    };
    if !is_glob(pattern) || fs::symlink_metadata(&path).is_ok() {
        return Ok(vec![with_metadata(path)]);
    }
    let matches = glob::expand(&path).map_err(|error| InputError::BadPattern {
        pattern: pattern.to_owned(),
        column: error.pos + 1,
        reason: error.msg,
    })?;
    // Only a name that is written out may lead to a pipe, a socket or a device: nobody may be at its other end.
    let is_read = |metadata: &io::Result<Metadata>| metadata.as_ref().map_or(true, Metadata::is_file);
    let mut reached: Vec<_> = matches.paths.into_iter().map(with_metadata).collect();
    reached.retain(|(_, metadata)| is_read(metadata));
    // To be reported, and no reason to leave the others out.
    reached.extend(matches.unreadable.into_keys().map(with_metadata));
    reached.sort_by(|(one, _), (other, _)| one.cmp(other));
    Ok(reached)
}

/// Whether it is a file that lies somewhere. What the system makes up while it is read, as `/proc/kmsg` and `trace_pipe`, calls itself a
/// file, too; but it may make one wait, and what was read may be nowhere else any more.
pub(crate) fn is_stored(path: &Path, metadata: &Metadata) -> bool {
    let is_made_up =
        || fs::canonicalize(path).is_ok_and(|path| MADE_UP.iter().any(|it| path.starts_with(it)));
    metadata.is_file() && (metadata.len() > 0 || !is_made_up())
}

/// `pattern` from the root on, whatever the current folder is called. One that is no text leaves it as it is.
pub(crate) fn from_root(pattern: &str) -> String {
    if pattern == STDIN || pattern.starts_with('/') {
        return pattern.to_owned();
    }
    let folder = absolute(".").ok().and_then(|folder| folder.into_os_string().into_string().ok());
    match folder {
        // What looks like a glob in its name is meant as it is written.
        Some(folder) if is_glob(&folder) => format!("{}/{pattern}", Pattern::escape(&folder)),
        Some(folder) => format!("{}/{pattern}", folder.trim_end_matches('/')),
        None => pattern.to_owned(),
    }
}

/// Whether `pattern` will reach a file at `path` that is not there yet.
pub(crate) fn would_reach(pattern: &str, path: &Path) -> bool {
    let (Ok(pattern), Ok(path)) = (absolute(pattern), absolute(path)) else { return false };
    let compiled = pattern.to_str().and_then(|pattern| Pattern::new(pattern).ok());
    pattern == path || compiled.is_some_and(|it| it.matches_path_with(&path, LIKE_A_SHELL))
}

/// The folders in which files that `pattern` reaches may appear: one, with `true` if those below it count too.
pub(super) fn watched_folder(pattern: &str) -> (PathBuf, bool) {
    let path = Path::new(pattern);
    let literal: PathBuf =
        path.components().take_while(|part| !is_glob(&part.as_os_str().to_string_lossy())).collect();
    if literal == path {
        return (folder_of(path), false);
    }
    let below = path.components().count() - literal.components().count() > 1;
    let folder = if literal.as_os_str().is_empty() { PathBuf::from(".") } else { literal };
    (folder, below)
}

/// The folder that holds `path`; `.` for a bare name.
pub(crate) fn folder_of(path: &Path) -> PathBuf {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder.to_owned(),
        _ => PathBuf::from("."),
    }
}

fn is_glob(pattern: &str) -> bool {
    glob::is_glob(pattern.as_ref())
}

#[cfg(test)]
mod tests {
    use std::{
        ffi::OsStr,
        os::unix::{ffi::OsStrExt, fs::symlink, net::UnixListener},
    };

    use insta::assert_snapshot;

    use super::*;

    fn folder_with(names: &[&str]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().expect("the tests need a folder to write to");
        for name in names {
            fs::write(folder.path().join(name), "line\n").expect("the folder is ours");
        }
        folder
    }

    /// What `patterns` in `folder` expand to: names, or the error with the folder's own name taken out.
    fn expanded(folder: &Path, patterns: &[&str], follow: bool) -> String {
        let prefix = format!("{}/", folder.display());
        let patterns: Vec<String> = patterns
            .iter()
            .map(|pattern| if *pattern == STDIN { STDIN.to_owned() } else { format!("{prefix}{pattern}") })
            .collect();
        match expand(&patterns, follow) {
            Ok(specs) => specs
                .iter()
                .map(|spec| match spec {
                    InputSpec::Stdin => STDIN.to_owned(),
                    InputSpec::Stream(path) => format!("stream {}", path.display()).replace(&prefix, ""),
                    InputSpec::File { path, .. } => path.display().to_string().replace(&prefix, ""),
                })
                .collect::<Vec<_>>()
                .join(" "),
            Err(error) => error.to_string().replace(&prefix, ""),
        }
    }

    #[test]
    fn globs_are_sorted_and_keep_the_order_of_the_patterns() {
        let folder = folder_with(&["b.log", "a.log", "z.txt", ".hidden.log"]);
        assert_eq!(expanded(folder.path(), &["z.*", "-", "*.log", "-"], false), "z.txt - a.log b.log");
    }

    #[test]
    fn a_file_that_is_reached_twice_is_read_once() {
        let folder = folder_with(&["a.log", "b.log"]);
        symlink("a.log", folder.path().join("link.log")).expect("the folder is ours");
        fs::hard_link(folder.path().join("b.log"), folder.path().join("c.log")).expect("the folder is ours");
        assert_eq!(expanded(folder.path(), &["b.log", "*.log"], false), "b.log a.log");
    }

    #[test]
    fn a_name_that_looks_like_a_glob_is_meant_as_written() {
        let folder = folder_with(&["a[1].log", "a1.log"]);
        assert_eq!(expanded(folder.path(), &["a[1].log"], false), "a[1].log");
    }

    #[test]
    fn globs_pass_over_folders() {
        let folder = folder_with(&["a.log"]);
        fs::create_dir(folder.path().join("old.log")).expect("the folder is ours");
        assert_eq!(expanded(folder.path(), &["*.log"], false), "a.log");
    }

    #[test]
    fn globs_pass_over_what_may_block() {
        let folder = folder_with(&["a.log"]);
        let socket = UnixListener::bind(folder.path().join("b.log"));
        symlink("/dev/zero", folder.path().join("c.log")).expect("the folder is ours");
        assert_eq!(expanded(folder.path(), &["*.log"], false), "a.log");
        assert_eq!(expanded(folder.path(), &["*.log", "c.log"], false), "a.log stream c.log");
        drop(socket);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn what_the_system_makes_up_is_a_stream() {
        let named = expand(&["/proc/self/status".to_owned()], false).expect("it is there");
        assert_eq!(named, [InputSpec::Stream("/proc/self/status".into())]);
    }

    #[test]
    fn globs_reach_names_that_are_not_text() {
        let folder = folder_with(&[]);
        let below = folder.path().join(OsStr::from_bytes(b"\xfe"));
        fs::create_dir(&below).expect("the folder is ours");
        let path = below.join(OsStr::from_bytes(b"a\xff.log"));
        fs::write(&path, "line\n").expect("the folder is ours");
        for pattern in ["*/*.log", "**/*.log", "?/a?.log"] {
            let pattern = folder.path().join(pattern).display().to_string();
            assert_eq!(reach(&pattern).ok(), Some(vec![path.clone()]), "{pattern}");
        }
    }

    #[test]
    fn globs_reach_below_folders_but_not_through_links_or_hidden_ones() {
        let folder = folder_with(&["a.log"]);
        for name in ["b/c", ".hidden"] {
            fs::create_dir_all(folder.path().join(name)).expect("the folder is ours");
            fs::write(folder.path().join(name).join("d.log"), "line\n").expect("the folder is ours");
        }
        symlink("..", folder.path().join("b/up")).expect("the folder is ours");
        assert_eq!(expanded(folder.path(), &["**/*.log"], false), "a.log b/c/d.log");
        assert_eq!(expanded(folder.path(), &["./b/*/../c/*.log"], false), "b/c/../c/d.log");
    }

    #[test]
    fn what_cannot_be_used_is_said_with_a_remedy() {
        let folder = folder_with(&["a.log"]);
        fs::create_dir(folder.path().join("sub")).expect("the folder is ours");
        symlink("round", folder.path().join("round")).expect("the folder is ours");
        let _socket = UnixListener::bind(folder.path().join("socket")).expect("the folder is ours");
        let long = "long".repeat(64);
        let cases = ["nothing*.log", "missing.log", "sub", "sub/", "a.log/b", "round", "socket", &long];
        let mut said: Vec<String> =
            cases.iter().map(|case| expanded(folder.path(), &[case], false)).collect();
        said.extend(reach("a**b").err().map(|error| error.to_string()));
        assert_snapshot!(said.join("\n").replace(&long, "[too long]"), @r"
        input pattern `nothing*.log` matches no file; check the folder and the spelling
        input missing.log does not exist; check the spelling, or use --follow to wait for it
        input sub is a folder; name the files in it, for example `sub/*.log`
        input sub/ is a folder; name the files in it, for example `sub/*.log`
        input a.log/b cannot be opened: Not a directory (os error 20); check the spelling: a file has nothing below it
        input round cannot be opened: Too many levels of symbolic links (os error 40); check where its links lead
        input socket cannot be opened: No such device or address (os error 6); if it is a socket, read from it with another program, through a pipe
        input [too long] cannot be opened: File name too long (os error 36); check the spelling
        input pattern `a**b`: recursive wildcards must form a single path component at character 1; write `[*]` for a literal `*`, `[[]` for a literal `[`
        ");
    }

    #[test]
    fn following_waits_for_files_but_not_for_folders() {
        let folder = folder_with(&[]);
        assert_eq!(expanded(folder.path(), &["app.log", "*.log"], true), "");
        assert!(expanded(folder.path(), &["no/app.log"], true).contains("does not exist"));
    }

    #[test]
    fn the_folder_to_watch_is_the_part_without_wildcards() {
        let watched = |pattern| {
            let (folder, below) = watched_folder(pattern);
            (folder.display().to_string(), below)
        };
        assert_eq!(watched("/var/log/app.log"), ("/var/log".to_owned(), false));
        assert_eq!(watched("/var/log/*.log"), ("/var/log".to_owned(), false));
        assert_eq!(watched("/var/log/*/app.log"), ("/var/log".to_owned(), true));
        assert_eq!(watched("*.log"), (".".to_owned(), false));
        assert_eq!(watched("app.log"), (".".to_owned(), false));
    }
}

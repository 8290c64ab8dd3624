use std::fs;
use std::os::unix::fs::symlink;

use super::*;
use crate::shown;

/// A folder with files in it.
fn place(files: &[&str]) -> tempfile::TempDir {
    let place = tempfile::tempdir().unwrap();
    for file in files {
        let path = place.path().join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, file).unwrap();
    }
    place
}

/// What is found, as `name` and as `path: reason`, with paths below the place.
fn found(place: &Path, search: Search) -> (Vec<String>, Vec<String>, u64) {
    let found = find(&search).unwrap();
    let here = |path: &Path| shown(path.strip_prefix(place).unwrap_or(path));
    let files = found.files.iter().map(|file| format!("{} as {}", here(&file.path), file.name)).collect();
    let failed = found.failed.iter().map(|(path, error)| {
        format!("{}: {error}", here(path)).replace(&format!("{}/", place.display()), "")
    });
    (files, failed.collect(), found.ignored)
}

fn inputs(place: &Path, inputs: &[&str]) -> Search {
    Search { inputs: inputs.iter().map(|input| place.join(input)).collect(), ..Search::default() }
}

#[test]
fn a_folder_keeps_its_tree_and_a_file_its_name() {
    let place =
        place(&["photos/b.png", "photos/a/a.JPG", "photos/notes.md", "photos/.hidden.jpg", "x/y/z.bin"]);
    let (files, failed, ignored) = found(place.path(), inputs(place.path(), &["photos", "x/y/z.bin"]));
    assert_eq!(files, ["photos/a/a.JPG as a/a.JPG", "photos/b.png as b.png", "x/y/z.bin as z.bin"]);
    assert!(failed.is_empty(), "{failed:?}");
    assert_eq!(ignored, 2);
}

#[test]
fn a_glob_keeps_what_is_below_its_fixed_part() {
    let place = place(&["photos/a/1.jpg", "photos/b/1.jpg", "photos/b/c/2.png", "photos/[x].jpg"]);
    let (files, failed, _) =
        found(place.path(), inputs(place.path(), &["photos/*/*.jpg", "photos/b", "photos/[x].jpg"]));
    let expected = [
        "photos/a/1.jpg as a/1.jpg",
        "photos/b/1.jpg as b/1.jpg",
        "photos/b/c/2.png as c/2.png",
        "photos/[x].jpg as [x].jpg",
    ];
    assert_eq!(files, expected, "what is named twice is taken once, and a real name is no pattern");
    assert!(failed.is_empty(), "{failed:?}");
}

#[test]
fn a_glob_means_the_same_with_a_dot_in_front() {
    let place = place(&["photos/a/1.jpg", "photos/b/1.jpg"]);
    for pattern in ["photos/*/1.jpg", "./photos/*/1.jpg", "photos/./*/1.jpg", ".//photos/**/1.jpg"] {
        // Below a folder it would no longer be in front.
        assert_eq!(fixed_part(Path::new(pattern)), Path::new("photos"), "{pattern}");
        let (files, ..) = found(place.path(), inputs(place.path(), &[pattern]));
        assert_eq!(files, ["photos/a/1.jpg as a/1.jpg", "photos/b/1.jpg as b/1.jpg"], "{pattern}");
    }
    assert_eq!(fixed_part(Path::new("./*/1.jpg")), Path::new(""));
}

#[test]
fn with_a_base_every_name_is_below_it() {
    let place = place(&["photos/a/1.jpg", "photos/b/1.jpg"]);
    let base = Some(place.path().join("photos"));
    let listed = vec![place.path().join("photos/a/1.jpg"), place.path().join("photos/b/1.jpg")];
    let (files, ..) = found(place.path(), Search { listed: listed.clone(), base, ..Search::default() });
    assert_eq!(files, ["photos/a/1.jpg as a/1.jpg", "photos/b/1.jpg as b/1.jpg"]);
    let base = Some(place.path().join("photos/a"));
    let error = find(&Search { listed, base, ..Search::default() }).unwrap_err().to_string();
    assert!(error.contains("photos/b/1.jpg does not lie below the base"), "{error}");
}

#[test]
fn what_cannot_be_read_is_named_with_the_reason_and_the_rest_is_found() {
    let place = place(&["photos/a.jpg", "photos/sub/b.jpg"]);
    let path = |name: &str| place.path().join(name);
    symlink("../../photos", path("photos/sub/back")).unwrap();
    symlink("itself.jpg", path("photos/itself.jpg")).unwrap();
    symlink("nowhere.jpg", path("photos/dangling.jpg")).unwrap();
    symlink("a.jpg", path("photos/link.jpg")).unwrap();
    rustix::fs::mkfifoat(rustix::fs::CWD, path("photos/pipe.jpg"), rustix::fs::Mode::RWXU).unwrap();
    let (files, failed, _) = found(place.path(), inputs(place.path(), &["photos", "none.jpg", "*.gif"]));
    assert_eq!(
        files,
        ["photos/a.jpg as a.jpg", "photos/link.jpg as link.jpg", "photos/sub/b.jpg as sub/b.jpg"]
    );
    insta::assert_snapshot!(failed.join("\n"), @r"
    photos/dangling.jpg: cannot be read: No such file or directory (os error 2)
    photos/itself.jpg: cannot be read: Too many levels of symbolic links (os error 40)
    photos/pipe.jpg: is a named pipe, not a file; only files and folders are read
    photos/sub/back: is a link back to photos, in which it lies; not followed
    none.jpg: does not exist; check the name
    *.gif: matches no file; check the pattern
    ");
}

#[test]
fn a_folder_that_cannot_be_looked_at_is_named() {
    use rustix::fs::{Mode, OFlags, mkdirat, openat};

    let place = place(&["photos/a.jpg"]);
    let step = "d".repeat(250);
    let mut folder = fs::File::open(place.path().join("photos")).unwrap();
    // Longer than any path that the system takes.
    for _ in 0..20 {
        mkdirat(&folder, &step, Mode::RWXU).unwrap();
        folder = openat(&folder, &step, OFlags::DIRECTORY, Mode::empty()).unwrap().into();
    }
    let (files, failed, ignored) = found(place.path(), inputs(place.path(), &["photos"]));
    assert_eq!((files.len(), ignored), (1, 0));
    assert!(
        matches!(&failed[..], [said] if said.contains("cannot be read: File name too long")),
        "{failed:?}"
    );
}

/// A list of `find` without `-type f` has a folder, and all that is in it.
#[test]
fn what_is_named_twice_and_cannot_be_read_is_named_once() {
    let place = place(&["photos/a.jpg"]);
    symlink("nowhere.jpg", place.path().join("photos/b.jpg")).unwrap();
    let listed = ["photos", "photos/b.jpg", "photos/a.jpg", "none.jpg", "none.jpg"];
    let listed = listed.map(|name| place.path().join(name)).to_vec();
    let (files, failed, _) = found(place.path(), Search { listed, ..Search::default() });
    assert_eq!(files, ["photos/a.jpg as a.jpg"]);
    let failed: Vec<_> = failed.iter().filter_map(|said| said.split(": ").next()).collect();
    assert_eq!(failed, ["photos/b.jpg", "none.jpg"]);
}

#[test]
fn the_output_is_not_an_input() {
    let place = place(&["photos/a.jpg", "photos/small/a.jpg"]);
    let except = Some(FileKey::of(&place.path().join("photos/small").metadata().unwrap()));
    let (files, ..) = found(place.path(), Search { except, ..inputs(place.path(), &["photos"]) });
    assert_eq!(files, ["photos/a.jpg as a.jpg"]);
}

#[test]
fn a_file_that_is_read_is_as_long_as_it_was_when_it_was_opened() {
    let place = place(&["a.jpg"]);
    let path = place.path().join("a.jpg");
    assert_eq!(Opened::open(&path).unwrap().read().unwrap(), b"a.jpg");
    let opened = Opened::open(&path).unwrap();
    fs::write(&path, "longer than before").unwrap();
    assert!(matches!(opened.read(), Err(InputError::Changed)));
    let opened = Opened::open(&path).unwrap();
    fs::write(&path, "cut").unwrap();
    assert!(matches!(opened.read(), Err(InputError::Changed)));
    fs::remove_file(&path).unwrap();
    assert!(matches!(Opened::open(&path), Err(InputError::Missing)));
    assert!(matches!(Opened::open(place.path()), Err(InputError::NotAFile("a folder"))));
}

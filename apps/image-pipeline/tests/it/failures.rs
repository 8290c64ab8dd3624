//! Inputs that cannot be processed, beside others that can.

use std::ffi::OsStr;
use std::fs::{self, Permissions};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::{Command, Stdio};

use crate::place::{Place, Report as _, until};

#[test]
fn hostile_files_are_refused_by_name_and_reason_and_the_rest_is_processed() {
    let place = Place::new();
    let hostile = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/hostile");
    let mut count = 0;
    for entry in fs::read_dir(hostile).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        place.write(&format!("in/{name}/{name}"), fs::read(&path).unwrap());
        count += 1;
    }
    place.write("in/empty.jpg", "");
    place.copy("hopper.jpg", "in/good.jpg");
    let ended =
        place.run("run in in/negative_size.ppm/negative_size.ppm --output out --width 10 --report json");
    assert_eq!(ended.code(), Some(1), "{ended:#?}");
    let [written, kept, failed, not_started] = ended.counts();
    assert_eq!((kept, not_started, written + failed), (0, 0, count + 2));
    assert_eq!(place.files("out").len() as u64, written, "a refused file has no result");
    for bad in ["truncated_image.png", "html_named.jpg", "empty.jpg", "bomb_header_only_65500.png"] {
        let line = ended.stderr.lines().find(|line| line.contains(bad));
        assert!(line.is_some_and(|line| line.starts_with("error: in/")), "{bad}: {ended:#?}");
    }
    assert!(place.path("out/good.jpg").exists());
    assert!(ended.stderr.contains("in/empty.jpg: not a picture: the file is empty"), "{ended:#?}");
    assert!(!ended.stderr.contains("panic"), "{ended:#?}");
}

#[test]
fn odd_names_and_kinds_of_files_are_handled() {
    let place = Place::new();
    place.copy("hopper.jpg", "in/good.jpg");
    let odd = place.path("in").join(OsStr::from_bytes(b"caf\xe9\n.jpg"));
    fs::copy(place.path("in/good.jpg"), &odd).unwrap();
    symlink("..", place.path("in/loop")).unwrap();
    symlink("self.jpg", place.path("in/self.jpg")).unwrap();
    rustix::fs::mkfifoat(rustix::fs::CWD, place.path("in/pipe.jpg"), rustix::fs::Mode::RWXU).unwrap();
    place.copy("hopper.jpg", "in/secret.jpg");
    fs::set_permissions(place.path("in/secret.jpg"), Permissions::from_mode(0o0)).unwrap();
    // Whoever may do everything may read this, too.
    let is_root = fs::read(place.path("in/secret.jpg")).is_ok();
    let ended = place.run("run in none.jpg in/*.gif --output out --width 10 --report json");
    assert_eq!(ended.code(), Some(1), "{ended:#?}");
    let [written, _, failed, _] = ended.counts();
    assert_eq!((written, failed), if is_root { (3, 5) } else { (2, 6) }, "{ended:#?}");
    for said in [
        "none.jpg: does not exist",
        "in/*.gif: matches no file",
        "in/pipe.jpg: is a named pipe",
        "in/self.jpg: cannot be read: Too many levels",
        "in/loop/in: is a link back to in",
    ] {
        assert!(ended.stderr.contains(said), "{said}: {ended:#?}");
    }
    assert!(place.path("out").join(OsStr::from_bytes(b"caf\xe9\n.jpg")).exists());
}

#[test]
fn a_reason_spells_names_as_they_are() {
    // Two spaces became one in it.
    let place = Place::new();
    place.copy("hopper.jpg", "in/two  spaces.jpg");
    fs::create_dir_all(place.path("out/two  spaces.jpg")).unwrap();
    let ended = place.run("run in --output out");
    let said = "error: in/two  spaces.jpg: two  spaces.jpg in the output is a folder;";
    assert!(ended.stderr.contains(said), "{ended:#?}");
}

#[test]
fn what_a_glob_cannot_look_at_is_named() {
    let place = Place::new();
    place.copy("hopper.jpg", "in/a/x.jpg");
    symlink("loop", place.path("in/loop")).unwrap();
    let ended = place.run("run in/*/x.jpg --output out --width 10 --report json");
    assert_eq!((ended.code(), ended.counts()), (Some(1), [1, 0, 1, 0]), "{ended:#?}");
    assert!(ended.stderr.contains("in/loop/x.jpg: cannot be read: Too many levels"), "{ended:#?}");
}

#[test]
#[cfg(target_os = "linux")]
fn as_many_files_may_be_open_as_the_system_allows() {
    let place = Place::new();
    let program = place.command("run - --output out");
    let mut script = Command::new("sh");
    // What a shell gives, 256 workers and as many uploaders would use up.
    script.args(["-c", "ulimit -S -n 64; exec \"$@\"", "sh"]).arg(program.get_program());
    // The list has no end yet, so it waits.
    script.args(program.get_args()).current_dir(place.path("")).stdin(Stdio::piped()).stdout(Stdio::null());
    let mut child = script.spawn().unwrap();
    until("it may have more open", || {
        let of = |what: &str| fs::read_to_string(format!("/proc/{}/{what}", child.id())).unwrap();
        let (name, limits) = (of("comm"), of("limits"));
        let files = limits.lines().find_map(|line| line.strip_prefix("Max open files")).unwrap();
        let now: Vec<_> = files.split_whitespace().take(2).collect();
        // And no longer the shell.
        name == "image-pipeline\n" && now[0] == now[1]
    });
    drop(child.stdin.take());
    assert!(child.wait().unwrap().success());
}

#[cfg(feature = "fault-points")]
#[test]
fn a_panic_in_a_worker_is_a_failure_of_its_picture() {
    let place = Place::new();
    place.copy("hopper.jpg", "in/a.jpg");
    place.copy("hopper.jpg", "in/b.jpg");
    let mut command = place.command("run in --output out --width 10 --report json --workers 1");
    let ended: crate::place::Ended = command.env("FAULT_POINT", "panic-in-worker:1").output().unwrap().into();
    assert_eq!((ended.code(), ended.counts()), (Some(1), [1, 0, 1, 0]));
    assert!(ended.stderr.contains("this is a fault in image-pipeline"), "{ended:#?}");
}

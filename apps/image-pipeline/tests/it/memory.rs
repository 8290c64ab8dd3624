//! Peaks of the program itself, as Linux counts them.

use std::fs;
use std::process::Stdio;

use crate::place::{Place, Report as _, photos, until};

/// Runs the program over all photographs of the repository, and says what its peak was, in bytes.
#[track_caller]
fn peak(place: &Place, arguments: &str) -> u64 {
    let mut command = place.command(arguments);
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let status = format!("/proc/{}/status", child.id());
    let mut peak = 0;
    loop {
        // The number only grows, and is gone with the process: the last look before the end counts.
        let text = fs::read_to_string(&status).unwrap_or_default();
        if let Some(now) = text.lines().find_map(|line| line.strip_prefix("VmHWM:")) {
            peak = 1024 * now.trim().trim_end_matches(" kB").parse::<u64>().unwrap();
        }
        if let Some(code) = child.try_wait().unwrap() {
            assert_eq!(code.code(), Some(0), "{arguments}");
            return peak;
        }
        std::thread::yield_now();
    }
}

#[test]
fn the_memory_that_was_given_is_a_bound_on_the_process() {
    let place = Place::new();
    for entry in fs::read_dir(photos("")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        if !name.ends_with("avif") {
            place.copy(&name, &format!("in/{}/{name}", name.rsplit('.').next().unwrap()));
        }
    }
    // Large ones, several at once.
    (0..6).for_each(|n| place.copy("friends_by_Aitzol_Berasategi.jpg", &format!("in/large/{n}.jpg")));
    for (memory, more) in [
        (256_000_000, "--fit 400x400"),
        (256_000_000, "--format png --workers 4"),
        (100_000_000, "--workers 4"),
    ] {
        let peak = peak(&place, &format!("run in --output out --overwrite --memory {memory} {more}"));
        assert!(peak > 10_000_000 && peak < memory, "{peak} bytes of {memory}: {more}");
    }
}

#[test]
#[cfg(all(target_os = "linux", target_env = "gnu"))]
fn the_program_keeps_its_name_when_it_starts_itself_again() {
    let place = Place::new();
    let mut command = place.command("run - --output out");
    // The list has no end yet, so it waits.
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .env_remove("MALLOC_MMAP_THRESHOLD_")
        .spawn()
        .unwrap();
    let of = |what: &str| fs::read(format!("/proc/{}/{what}", child.id())).unwrap();
    until("it has started itself again", || {
        of("environ").windows(22).any(|bytes| bytes == b"MALLOC_MMAP_THRESHOLD_")
    });
    assert_eq!(String::from_utf8_lossy(&of("comm")), "image-pipeline\n");
    drop(child.stdin.take());
    assert!(child.wait().unwrap().success());
}

#[test]
fn one_that_is_too_heavy_is_decoded_smaller_or_refused_and_never_waits() {
    let place = Place::new();
    place.copy("friends_by_Aitzol_Berasategi.jpg", "in/a.jpg");
    let ended = place.done("run in --output out --memory 64MiB --format webp --report json");
    assert_eq!(ended.report()["reduced"], 1, "{ended:#?}");
    // A PNG cannot be decoded smaller.
    place.done("run in --output large --format png --memory 512MiB");
    let ended = place.run("run large --output other --format webp --memory 64MiB");
    assert_eq!(ended.code(), Some(1), "{ended:#?}");
    // The figures are those of --memory, and what is said to be enough is enough.
    let (_, said) = ended.stderr.split_once("large/a.png: needs ").unwrap();
    let (needs, said) = said.split_once(" MB of memory with the program, ").unwrap();
    assert!(said.starts_with("over the budget of 67.1 MB; raise the memory budget (memory)\n"), "{said}");
    let needs: u64 = needs.parse().unwrap();
    place.done(&format!("run large --output other --format webp --memory {needs}MB"));
    let less = place.run(&format!("run large --output less --format webp --memory {}MB", needs - 1));
    assert!(less.stderr.contains(&format!("needs {needs} MB of memory")), "{less:#?}");
    // A file that alone is more than there is, with a picture that needs its part besides.
    place.copy("camera.png", "long.png");
    let long = std::fs::File::options().write(true).open(place.path("long.png")).unwrap();
    long.set_len(50_000_000).unwrap();
    let ended = place.run("run long.png --output other --memory 64MiB");
    let (_, said) = ended.stderr.split_once("long.png: needs ").unwrap();
    let needs: u64 = said.split_once(" MB of memory").unwrap().0.parse().unwrap();
    assert!(needs > 92, "{ended:#?}");
    let less = place.run(&format!("run long.png --output other --memory {}MB", needs - 1));
    assert!(less.stderr.contains(&format!("needs {needs} MB of memory")), "{less:#?}");
    place.done(&format!("run long.png --output other --memory {needs}MB"));
    // A file whose beginning says nothing of a picture.
    std::fs::File::create(place.path("huge.jpg")).unwrap().set_len(50_000_000).unwrap();
    let ended = place.run("run huge.jpg --output other --memory 64MiB");
    assert!(ended.stderr.contains("huge.jpg: needs 92 MB of memory with the program, over"), "{ended:#?}");
}

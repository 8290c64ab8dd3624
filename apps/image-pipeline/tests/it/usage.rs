//! What `--help` says, and what usage and configuration errors look like.

use std::io::Write;
use std::process::{Command, Stdio};

use crate::place::{Ended, Place, Report as _};

#[test]
fn help_names_the_commands() {
    insta::assert_snapshot!(Place::new().done("--help").stdout);
}

#[test]
fn help_of_run_has_all_flags_examples_promises_and_exit_codes() {
    insta::assert_snapshot!(Place::new().done("run --help").stdout);
}

#[test]
fn the_version_names_the_codecs() {
    let version = Place::new().done("--version").stdout;
    assert!(version.starts_with("image-pipeline 0.1.0\n") && version.lines().count() > 3, "{version}");
}

#[test]
fn the_examples_of_the_help_are_valid() {
    let place = Place::new();
    place.copy("hopper.jpg", "photos/a/hopper.jpg");
    place.copy("pil123p.png", "beach.png");
    place.write("stamp", "");
    place.write("pipeline.toml", "input = 'photos'\noutput = 'out'\nfit = '10x10'\n");
    let help = place.done("run --help").stdout;
    let examples: Vec<_> = help
        .lines()
        .filter(|line| line.starts_with("    ") && line.contains("image-pipeline run"))
        .map(|line| line.trim())
        .collect();
    assert_eq!(examples.len(), 7, "{help}");
    for example in examples {
        // The same with `check` instead of `run`, as the shell splits it.
        let script = example.replace("image-pipeline run", "\"$0\" check");
        let mut shell = Command::new("sh");
        shell.args(["-c", &script, env!("CARGO_BIN_EXE_image-pipeline")]).current_dir(place.path(""));
        let checked: Ended = shell.output().unwrap().into();
        assert_eq!(checked.code(), Some(0), "{example}: {checked:#?}");
    }
    assert!(!place.path("small").exists() && !place.path("out").exists(), "check makes nothing");
}

/// The error of a configuration file, which must be exit code 2.
fn refused(config: &str) -> String {
    let place = Place::new();
    place.write("pipeline.toml", config);
    let ended = place.run("run -c pipeline.toml");
    assert_eq!(ended.code(), Some(2), "{ended:#?}");
    assert_eq!(ended.stdout, "");
    ended.stderr
}

#[test]
fn what_is_wrong_in_a_file_is_named_with_its_line_and_column() {
    let mut errors = String::new();
    for line in [
        "fitt = '10x10'",
        "fit = '10'",
        "fit = 10",
        "quality = 101",
        "quality = 300",
        "filter = ['sharpen', 'blurr:2']",
        "format = 'gif'",
        "memory = '1MB'",
        "max-pixels = 'many'",
        "if = 'older'",
        "fill = '1x1'\nwidth = 7",
        "region = 'here'",
        "workers = 0",
        "input = [",
    ] {
        let input = if line.starts_with("input") { "" } else { "input = 'in'\n" };
        errors += &refused(&format!("{input}output = 'out'\n{line}\n"));
    }
    insta::assert_snapshot!(errors);
}

#[test]
fn usage_errors_name_the_remedy() {
    let place = Place::new();
    place.copy("hopper.jpg", "in/hopper.jpg");
    place.write("empty/notes.txt", "no picture");
    let mut errors = String::new();
    for arguments in [
        "run --output out",
        "run in",
        "run in --output s3://",
        "run in --output gs://bucket/small",
        "run in --output - --overwrite",
        "run in --output - --sync",
        "run in in/hopper.jpg/none --output -",
        "run empty --output -",
        "run in none.jpg --output new/small.webp",
        "run in --output small.gif",
        "run in --output small.avif --format webp",
        "run in --output small.jpg --format webp",
        "run in --output in/hopper.jpg",
        "run in --output out --quality 500",
        "run in --output out --filter blur:0",
        "run in --output out --fit 10x10 --width 10",
        "run in --output out --width 10 --height 10",
        "run in --output out --height 0",
        "run in --output out --fit x",
        "run in --output out --fill 10x",
        "run in --output out -0",
        "run in --output out --base in/a",
        "run a**b --output out",
        "run -c none.toml",
    ] {
        let ended = place.run(arguments);
        assert_eq!(ended.code(), Some(2), "{arguments}: {ended:#?}");
        errors += &format!("$ image-pipeline {arguments}\n{}", ended.stderr);
    }
    insta::assert_snapshot!(errors);
    assert_eq!(place.files(""), ["empty/notes.txt", "in/hopper.jpg"]);
}

#[test]
fn check_shows_what_a_run_would_do() {
    let place = Place::new();
    place.copy("hopper.jpg", "in/a/hopper.jpg");
    place.copy("hopper.gif", "in/b.gif");
    for spelled in ["jpg", "JPEG"] {
        let checked = place.done(&format!("check in --output out --format {spelled}")).stdout;
        assert!(checked.contains("format jpeg"), "{checked}");
    }
    for (size, said) in [
        ("--fit 400x", "to a width of 400,"),
        ("--width 400", "to a width of 400,"),
        ("--fit x300", "to a height of 300,"),
        ("--height 300", "to a height of 300,"),
    ] {
        let checked = place.done(&format!("check in --output out {size}")).stdout;
        assert!(checked.contains(said), "{checked}");
    }
    let checked = place.done("check in --output out --fit 400x400 --format keep --workers 4");
    insta::assert_snapshot!(checked.stdout);
    assert!(!place.path("out").exists());
    assert_eq!(place.run("check in none.jpg --output out").code(), Some(1));
}

#[test]
fn check_fails_where_the_output_cannot_be_made() {
    let place = Place::new();
    place.copy("hopper.jpg", "in/hopper.jpg");
    std::os::unix::fs::symlink("nowhere", place.path("link")).unwrap();
    // Below a file, and in the place of a link that leads nowhere; what is read only is tested with full disks.
    for output in ["in/hopper.jpg/small", "link"] {
        let arguments = format!("in --output {output}");
        let (checked, run) =
            (place.run(&format!("check {arguments}")), place.run(&format!("run {arguments}")));
        assert_eq!((checked.code(), run.code()), (Some(2), Some(2)), "{checked:#?} {run:#?}");
        assert!(
            checked.stderr.contains(&format!("the output folder {output} cannot be used")),
            "{checked:#?}"
        );
        assert_eq!(checked.stdout, "");
    }
    place.done("check in --output new/small");
    assert!(!place.path("new").exists(), "check makes nothing");
}

#[test]
fn a_list_of_the_other_kind_is_an_error_with_the_remedy() {
    let place = Place::new();
    place.copy("hopper.jpg", "in/a.jpg");
    let mut command = place.command("run - --output out");
    let command = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(b"in/a.jpg\0").unwrap();
    let ended: Ended = child.wait_with_output().unwrap().into();
    assert_eq!(ended.code(), Some(2), "{ended:#?}");
    assert!(ended.stderr.contains("there is a NUL in it") && ended.stderr.contains("give -0"), "{ended:#?}");
}

#[test]
fn a_list_with_nul_takes_every_name() {
    let place = Place::new();
    place.copy("hopper.jpg", "in/a/two\nlines.jpg");
    place.copy("hopper.jpg", "in/b/two\nlines.jpg");
    let mut command = place.command("run - -0 --base in --output out --width 10 --report json");
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(b"in/a/two\nlines.jpg\0in/b/two\nlines.jpg\0").unwrap();
    let ended: Ended = child.wait_with_output().unwrap().into();
    assert_eq!(ended.counts(), [2, 0, 0, 0]);
    assert_eq!(place.files("out"), ["a/two\nlines.jpg", "b/two\nlines.jpg"]);
}

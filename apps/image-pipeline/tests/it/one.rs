//! One input and one output, as files and through pipes.

use std::fs::{self, File};
use std::io::Write;
use std::process::{Output, Stdio};

use image_pipeline::picture::{Format, Header, probe};

use crate::place::{Ended, Place, Report as _};

fn header(place: &Place, name: &str) -> Header {
    probe(&place.read(name)).unwrap()
}

/// Runs the program with these bytes on its standard input.
fn piped(place: &Place, arguments: &str, bytes: &[u8]) -> Output {
    let mut command = place.command(arguments);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    // One that has enough of it goes away.
    let _ = child.stdin.take().unwrap().write_all(bytes);
    child.wait_with_output().unwrap()
}

#[test]
fn one_picture_becomes_the_file_that_is_named_in_the_format_of_its_ending() {
    let place = Place::new();
    place.copy("retina.jpg", "in/a.jpg");
    for (output, format) in [
        ("b.webp", Format::WebP),
        ("new/sub/b.PNG", Format::Png),
        ("./b.jpeg", Format::Jpeg),
        ("in/b.jpg", Format::Jpeg),
    ] {
        let ended = place.done(&format!("run in/a.jpg --output {output} --width 50 --report json"));
        assert_eq!(ended.counts(), [1, 0, 0, 0], "{output}");
        let header = header(&place, output);
        assert_eq!((header.format, header.width), (format, 50), "{output}");
    }
    // Whatever input it is named by, as long as it is one, and as other results have it: no part is left.
    place.copy("hopper.gif", "gif/only.gif");
    place.done("run gif --output only.jpg --format jpg");
    assert_eq!(
        place.files(""),
        ["b.jpeg", "b.webp", "gif/only.gif", "in/a.jpg", "in/b.jpg", "new/sub/b.PNG", "only.jpg"]
    );
}

#[test]
fn a_file_that_is_there_is_kept_unless_told_and_an_input_is_never_replaced() {
    let place = Place::new();
    place.copy("hopper.jpg", "a.jpg");
    place.write("b.jpg", "precious");
    let run =
        |arguments: &str| place.run(&format!("run a.jpg --width 10 --report json --output {arguments}"));
    assert_eq!(run("b.jpg").counts(), [0, 1, 0, 0]);
    assert_eq!(place.read("b.jpg"), b"precious");
    assert_eq!(run("b.jpg --overwrite").counts(), [1, 0, 0, 0]);
    assert_eq!(header(&place, "b.jpg").width, 10);
    let before = place.read("a.jpg");
    for output in ["a.jpg", "./a.jpg --overwrite"] {
        let ended = run(output);
        assert_eq!(ended.code(), Some(2), "{ended:#?}");
        assert_eq!(
            ended.stderr,
            "error: the output a.jpg would replace the input a.jpg; write to another folder\n"
        );
    }
    assert_eq!(place.read("a.jpg"), before);
}

#[test]
fn a_folder_that_is_named_as_a_picture_stays_one() {
    let place = Place::new();
    place.copy("hopper.jpg", "in/a.jpg");
    fs::create_dir(place.path("there.webp")).unwrap();
    std::os::unix::fs::symlink("there.webp", place.path("link.png")).unwrap();
    place.done("run in --output there.webp --format jpg");
    place.done("run in --output link.png --format png");
    place.done("run in --output new.gif/");
    place.done("run in --output 2024.05");
    assert_eq!(
        place.files(""),
        ["2024.05/a.jpg", "in/a.jpg", "link.png", "new.gif/a.jpg", "there.webp/a.jpg", "there.webp/a.png"]
    );
}

#[test]
fn check_says_which_file_it_would_be() {
    let place = Place::new();
    place.copy("pil123p.png", "in/a.png");
    let said = place.done("check in/a.png --output small.webp --workers 2").stdout
        + &place.done("check in/a.png --output - --workers 2").stdout;
    insta::assert_snapshot!(said);
    assert_eq!(place.files(""), ["in/a.png"]);
}

#[test]
fn a_picture_goes_through_pipes_and_only_the_picture() {
    let place = Place::new();
    place.copy("retina.jpg", "a.jpg");
    let picture = place.read("a.jpg");
    place.done("run a.jpg --output b.webp --width 60");
    for arguments in ["run - -o - --format webp --width 60", "run a.jpg -o - --format webp --width 60"] {
        let output = piped(&place, arguments, &picture);
        assert!(output.stdout == place.read("b.webp"), "the same bytes as in a file: {arguments}");
        let ended = Ended::from(output);
        assert_eq!(ended.code(), Some(0));
        assert!(ended.stderr.starts_with("1 picture = written 1 + kept 0"), "{}", ended.stderr);
    }
    // As it is, without a format given.
    assert_eq!(probe(&piped(&place, "run - -o -", &picture).stdout).unwrap().format, Format::Jpeg);
    let ended = Ended::from(piped(&place, "run - -o c.png --width 60 --report json", &picture));
    assert_eq!((ended.code(), ended.counts()), (Some(0), [1, 0, 0, 0]), "{ended:#?}");
    assert_eq!(header(&place, "c.png").format, Format::Png);
}

#[test]
fn what_is_wrong_with_a_picture_in_a_pipe_is_said_and_nothing_is_written() {
    let place = Place::new();
    place.copy("retina.jpg", "a.jpg");
    place.copy("hopper.avif", "a.avif");
    let whole = place.read("a.jpg");
    let large = [whole.as_slice(), &vec![0; 7 << 20]].concat();
    let mut said = String::new();
    for (arguments, bytes, code) in [
        ("run - -o -", &whole[..20_000], 1),
        ("run - -o b.jpg", &place.read("a.avif"), 1),
        ("run - -o - --memory 64MiB", &large, 1),
        ("run - -o out", &whole, 2),
        ("run - a.jpg -o b.jpg", &whole, 2),
        ("run - -o -", b"", 2),
        // A list, as ever.
        ("run - -o -", b"a.jpg\na.avif\n", 2),
    ] {
        let output = piped(&place, arguments, bytes);
        assert_eq!(output.status.code(), Some(code), "{arguments}");
        // The report, if that has not gone the other way.
        assert!(output.stdout.is_empty() || !arguments.contains("-o -"), "{arguments}");
        let stderr = String::from_utf8(output.stderr).unwrap();
        let errors = stderr.lines().filter(|line| line.starts_with("error: "));
        said += &format!("$ image-pipeline {arguments}\n{}\n", errors.collect::<Vec<_>>().join("\n"));
    }
    insta::assert_snapshot!(said);
    assert_eq!(place.files(""), ["a.avif", "a.jpg"]);
}

#[test]
fn a_file_that_is_standard_input_is_not_replaced() {
    let place = Place::new();
    place.copy("hopper.jpg", "a.jpg");
    let mut command = place.command("run - --output a.jpg --overwrite --width 10");
    let ended: Ended = command.stdin(File::open(place.path("a.jpg")).unwrap()).output().unwrap().into();
    assert_eq!(ended.code(), Some(2), "{ended:#?}");
    assert!(ended.stderr.contains("the output a.jpg would replace the input -"), "{ended:#?}");
}

#[test]
fn a_terminal_is_not_sent_a_picture() {
    let place = Place::new();
    place.copy("hopper.jpg", "a.jpg");
    let (ended, shown) = place.run_all_in_terminal("run a.jpg --output -");
    assert_eq!(ended.code(), Some(2));
    assert_eq!(
        shown,
        "error: a terminal cannot show a picture: send standard output to a file or another program, or name a file with \
         --output\r\n"
    );
}

#[test]
fn a_reader_that_goes_away_is_a_failure() {
    let place = Place::new();
    place.copy("retina.jpg", "a.jpg");
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut command = place.command("run a.jpg --output -");
    let ended: Ended = command.stdout(writer).stderr(Stdio::piped()).output().unwrap().into();
    assert_eq!(ended.code(), Some(1), "{ended:#?}");
    assert!(
        ended.stderr.contains("the result cannot be written to standard output: Broken pipe"),
        "{ended:#?}"
    );
}

//! Names, what is there already, and the report.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::time::{Duration, SystemTime};

use crate::place::{Place, Report as _, photos};

/// All photographs in the repository but the one that no build reads.
fn all() -> Place {
    let place = Place::new();
    for entry in fs::read_dir(photos("")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        if !name.ends_with("avif") {
            // Some differ in their ending only.
            place.copy(&name, &format!("in/{}/{name}", name.rsplit('.').next().unwrap()));
        }
    }
    place
}

#[test]
fn the_tree_is_kept_and_the_same_input_and_settings_give_the_same_bytes() {
    let place = all();
    place.done("run in --output out --fit 200x200 --format webp");
    place.done("run in --output again --fit 200x200 --format webp --workers 4 --memory 64MiB");
    let files = place.files("out");
    assert_eq!(files.len(), place.files("in").len());
    assert!(files.contains(&"jpg/retina.webp".to_owned()), "{files:?}");
    assert_eq!(files, place.files("again"));
    for file in files {
        assert!(place.read(&format!("out/{file}")) == place.read(&format!("again/{file}")), "{file}");
    }
}

#[test]
fn the_report_adds_up_and_says_what_was_done() {
    let place = Place::new();
    place.copy("retina.jpg", "in/a.jpg");
    place.copy("camera.png", "in/b/c.png");
    place.write("in/notes.txt", "not a picture");
    place.write("in/broken.jpg", "nor is this");
    let ended = place.run("run in none.jpg --output out --fit 100x100 --workers 2");
    assert_eq!(ended.code(), Some(1));
    insta::with_settings!({filters => vec![
        (r"\d+\.\d+ s: [0-9.]+ pictures/s, [0-9.]+ megapixels/s; [0-9.]+ .B in, [0-9.]+ .B out", "[time, rates, sizes]"),
        (r"\d+ %", "[share]"),
        (r"limited by   .*", "limited by   [what]"),
        (r"[0-9.]+ .B in flight", "[size] in flight"),
        (r"codecs       .*", "codecs       [codecs]"),
    ]}, {
        insta::assert_snapshot!(format!("{}\n{}", ended.stdout, ended.stderr));
    });
    let ended = place.run("run in --output out --report json");
    assert_eq!(ended.counts(), [0, 2, 1, 0]);
    let report = ended.report();
    assert_eq!(report["failures"][0]["input"], "in/broken.jpg");
    assert_eq!(report["ignored"], 1);
    for key in ["codecs", "spent", "limited_by", "seconds", "peak_in_flight"] {
        assert!(report.get(key).is_some(), "no {key} in {report}");
    }
}

#[test]
fn what_is_there_is_kept_unless_told() {
    let place = Place::new();
    place.copy("hopper.jpg", "in/a.jpg");
    place.copy("hopper.jpg", "in/b.jpg");
    place.write("out/a.jpg", "precious");
    let run =
        |more: &str| place.done(&format!("run in --output out --width 10 --report json {more}")).counts();
    assert_eq!(run(""), [1, 1, 0, 0]);
    assert_eq!(run("--if missing"), [0, 2, 0, 0]);
    assert_eq!(place.read("out/a.jpg"), b"precious");
    // Both results are newer than their inputs, until one of these is changed.
    assert_eq!(run("--if newer"), [0, 2, 0, 0]);
    let later = SystemTime::now() + Duration::from_secs(60);
    File::options().append(true).open(place.path("in/b.jpg")).unwrap().set_modified(later).unwrap();
    assert_eq!(run("--if newer"), [1, 1, 0, 0]);
    assert_eq!(place.read("out/a.jpg"), b"precious");
    assert_eq!(run("--overwrite"), [2, 0, 0, 0]);
    assert_ne!(place.read("out/a.jpg"), b"precious");
}

#[test]
fn check_says_what_would_be_kept() {
    let place = Place::new();
    for name in ["a", "b", "c"] {
        place.copy("hopper.jpg", &format!("in/{name}.jpg"));
    }
    place.done("run in/a.jpg in/b.jpg --output out --width 10");
    let later = SystemTime::now() + Duration::from_secs(60);
    File::options().append(true).open(place.path("in/b.jpg")).unwrap().set_modified(later).unwrap();
    let mut said = String::new();
    for more in ["", "--if newer", "--overwrite", "--format webp"] {
        let checked = place.done(&format!("check in --output out {more}"));
        said += &format!("$ image-pipeline check in --output out {more}\n");
        said.extend(
            checked.stdout.lines().skip(2).map(|line| line.replace(" 2 at once", " [] at once") + "\n"),
        );
    }
    said += place.done("check in/a.jpg --output out/b.jpg").stdout.lines().last().unwrap();
    insta::assert_snapshot!(said);
}

#[test]
fn a_link_that_leads_nowhere_is_named_and_not_taken_for_a_result() {
    let place = Place::new();
    place.copy("hopper.jpg", "in/a.jpg");
    place.copy("hopper.jpg", "in/b.jpg");
    place.copy("hopper.jpg", "elsewhere.jpg");
    fs::create_dir(place.path("out")).unwrap();
    symlink("nowhere.jpg", place.path("out/a.jpg")).unwrap();
    symlink("../elsewhere.jpg", place.path("out/b.jpg")).unwrap();
    let checked = place.done("check in --output out");
    assert!(
        checked.stdout.ends_with("in/a.jpg -> a.jpg\n  in/b.jpg -> b.jpg, which is there and kept\n"),
        "{checked:#?}"
    );
    for more in ["", "--if newer"] {
        let ended = place.run(&format!("run in/a.jpg --output out --width 10 --report json {more}"));
        assert_eq!((ended.code(), ended.counts()), (Some(1), [0, 0, 1, 0]), "{ended:#?}");
        assert!(
            ended.stderr.contains(
                "in/a.jpg: a.jpg in the output is a link that leads nowhere, and no result; remove it, or have it replaced \
                 (overwrite)"
            ),
            "{ended:#?}"
        );
    }
    assert_eq!(place.done("run in --output out --width 10 --report json --overwrite").counts(), [2, 0, 0, 0]);
    assert!(!place.path("nowhere.jpg").exists() && !place.path("out/nowhere.jpg").exists());
    assert!(place.path("out/a.jpg").symlink_metadata().unwrap().is_file());
}

#[test]
fn two_inputs_for_one_output_are_an_error_before_work_starts() {
    let place = Place::new();
    place.copy("hopper.jpg", "in/a.jpg");
    place.copy("hopper.gif", "in/a.gif");
    let ended = place.run("run in --output out --format webp");
    assert_eq!(ended.code(), Some(2));
    let mut said = ended.stderr;
    place.copy("hopper.jpg", "in/b.jpg");
    place.copy("hopper.jpg", "in/c/b.jpg");
    place.copy("hopper.jpg", "in/c/a.jpg");
    said += &place.run("run in/b.jpg in/c/b.jpg in/a.jpg in/c/a.jpg --output out").stderr;
    insta::assert_snapshot!(said);
    assert!(!place.path("out").exists());
    // Only the content says that these two become one: the second is refused.
    place.copy("hopper.jpg", "odd/b.png");
    place.copy("hopper.jpg", "odd/b.jpg");
    let ended = place.run("run odd --output out --report json --workers 1");
    assert_eq!((ended.code(), ended.counts()), (Some(1), [1, 0, 1, 0]));
    assert!(ended.stderr.contains("odd/b.png: would be b.jpg, which odd/b.jpg has become"), "{ended:#?}");
}

#[test]
fn one_file_that_is_named_twice_is_one_input() {
    let place = Place::new();
    place.copy("hopper.jpg", "in/a.jpg");
    let absolute = place.path("in/a.jpg").display().to_string();
    let ended = place.done(&format!("run in/a.jpg ./in/a.jpg in {absolute} -o out --width 10 --report json"));
    assert_eq!(ended.counts(), [1, 0, 0, 0]);
}

#[test]
fn a_base_holds_what_lies_below_it_however_the_two_are_spelled() {
    let place = Place::new();
    place.copy("hopper.jpg", "in/sub/a.jpg");
    let here = place.path("").display().to_string();
    for (input, base, output) in [
        ("in", ".", "in/sub/a.jpg"),
        ("./in/sub", "in", "sub/a.jpg"),
        ("in/sub/a.jpg", "./in/", "sub/a.jpg"),
        ("in/sub/*.jpg", &here, "in/sub/a.jpg"),
        ("in/../in/sub", "in/../in", "sub/a.jpg"),
        ("in/sub/a.jpg", "in/sub/../..", ""),
        ("in/sub/../sub/a.jpg", "in/sub", ""),
        ("in", "in/sub", ""),
    ] {
        let folder = format!("out/{}", input.len() * 100 + base.len());
        let ended = place.run(&format!("run {input} --base {base} --output {folder} --width 10"));
        let files = place.files(&folder);
        if output.is_empty() {
            assert_eq!((ended.code(), files.len()), (Some(2), 0), "{input} below {base}: {ended:#?}");
            assert!(ended.stderr.contains("does not lie below the base"), "{ended:#?}");
        } else {
            assert_eq!((ended.code(), files), (Some(0), vec![output.to_owned()]), "{input} below {base}");
        }
    }
}

#[test]
fn an_input_is_never_replaced() {
    let place = Place::new();
    place.copy("hopper.jpg", "in/a.jpg");
    let before = place.read("in/a.jpg");
    symlink("in", place.path("same")).unwrap();
    for output in ["in", "same", "./in/../in"] {
        let ended = place.run(&format!("run in/a.jpg --output {output} --overwrite --width 10"));
        assert_eq!(ended.code(), Some(2), "{ended:#?}");
        assert!(ended.stderr.contains("would replace the input in/a.jpg"), "{ended:#?}");
    }
    // The content is that of a JPEG, which only turns out when it is read.
    place.copy("hopper.jpg", "in/a.png");
    let ended = place.run("run in/a.png in/a.jpg --output in --overwrite --width 10");
    assert_eq!(ended.code(), Some(2), "{ended:#?}");
    assert!(place.read("in/a.jpg") == before);
}

#[test]
fn an_output_inside_of_the_input_is_not_read() {
    let place = Place::new();
    place.copy("hopper.jpg", "in/a.jpg");
    place.done("run in --output in/small --width 10");
    assert_eq!(place.done("run in --output in/small --width 10 --report json").counts(), [0, 1, 0, 0]);
    assert_eq!(place.files("in"), ["a.jpg", "small/a.jpg"]);
}

#[test]
fn nothing_is_written_outside_of_the_output() {
    let place = Place::new();
    place.copy("hopper.jpg", "in/sub/a.jpg");
    fs::create_dir_all(place.path("outside")).unwrap();
    fs::create_dir_all(place.path("out")).unwrap();
    symlink("../outside", place.path("out/sub")).unwrap();
    let ended = place.run("run in --output out --width 10");
    assert_eq!(ended.code(), Some(1));
    assert!(ended.stderr.contains("sub in the output is a link, not a folder"), "{ended:#?}");
    assert_eq!(place.files("outside"), [""; 0]);
    // From a list of names, too.
    let ended = place.run("run in/sub/../../in/sub/a.jpg --output flat --width 10");
    assert_eq!((ended.code(), place.files("flat")), (Some(0), vec!["a.jpg".to_owned()]));
}

#[test]
fn a_glob_takes_names_that_are_not_utf_8_and_hidden_ones_only_by_their_dot() {
    let place = Place::new();
    for name in [&b"in/caf\xe9.jpg"[..], b"in/.hidden.jpg", b"in/.dir/a.jpg", b"in/a.jpg"] {
        let path = place.path("").join(OsStr::from_bytes(name));
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::copy(photos("hopper.jpg"), path).unwrap();
    }
    let written = |input: &str, output: &str| {
        let ended = place.done(&format!("run {input} --output {output} --width 10 --report json"));
        (ended.counts()[0], place.path(output))
    };
    let (count, output) = written("in/*.jpg", "plain");
    assert_eq!((count, output.join(OsStr::from_bytes(b"caf\xe9.jpg")).exists()), (2, true));
    assert_eq!(written("in/*", "folders").0, 2, "a folder that is hidden is not named by a star");
    for (input, output) in [("in/.*.jpg", "dot"), ("in/.hidden.jpg", "file"), ("in/.dir", "folder")] {
        assert_eq!(written(input, output).0, 1, "{input} asks for it");
    }
}

#[test]
fn a_glob_keeps_the_tree_below_it_however_it_is_spelled() {
    let place = Place::new();
    place.copy("hopper.jpg", "in/a/1.jpg");
    place.copy("hopper.jpg", "in/b/1.jpg");
    for (pattern, files) in [
        ("./in/*/1.jpg", ["a/1.jpg", "b/1.jpg"]),
        ("./*/*/1.jpg", ["in/a/1.jpg", "in/b/1.jpg"]),
        ("./i*", ["in/a/1.jpg", "in/b/1.jpg"]),
    ] {
        let output = format!("out/{}", pattern.len());
        place.done(&format!("run {pattern} --output {output} --width 10"));
        assert_eq!(place.files(&output), files, "{pattern}");
    }
}

#[test]
fn a_folder_that_is_input_and_output_is_an_error_and_works_by_pattern_where_names_differ() {
    let place = Place::new();
    place.copy("hopper.jpg", "in/a.jpg");
    for command in ["run", "check"] {
        let ended = place.run(&format!("{command} in --output ./in/../in --format webp"));
        assert_eq!((ended.code(), ended.stdout.as_str()), (Some(2), ""), "{ended:#?}");
        assert_eq!(
            ended.stderr,
            "error: in is both input and output, and the output is not looked into; write to another folder, or name the \
             pictures (a pattern such as in/*.jpg), if their results are called otherwise\n"
        );
    }
    let ended = place.done("run in/*.jpg --output in --format webp --report json");
    assert_eq!(ended.counts(), [1, 0, 0, 0]);
    assert_eq!(place.files("in"), ["a.jpg", "a.webp"]);
    // As a shell expands a star in the folder of both.
    let ended = place.done("run in --output out --report json");
    assert_eq!(ended.counts(), [2, 0, 0, 0]);
    let ended = place.done("run in out --output out --report json");
    assert_eq!(ended.counts(), [0, 2, 0, 0]);
    assert_eq!(ended.stderr, "note: out is the output, and is not looked into\n");
}

#[test]
fn what_cannot_be_read_by_its_ending_takes_no_name_from_another() {
    let place = Place::new();
    place.copy("hopper.jpg", "in/IMG_1.jpg");
    place.copy("hopper.avif", "in/IMG_1.HEIC");
    // Some that are called so are something else.
    place.copy("pil123p.png", "in/IMG_2.heic");
    place.copy("hopper.jpg", "in/IMG_3.heic");
    place.copy("hopper.jpg", "in/IMG_3.jpg");
    let ended = place.run("run in --output out --format webp --report json");
    assert_eq!((ended.code(), ended.counts()), (Some(1), [3, 0, 2, 0]), "{ended:#?}");
    assert_eq!(place.files("out"), ["IMG_1.webp", "IMG_2.webp", "IMG_3.webp"]);
    assert!(ended.stderr.contains("in/IMG_1.HEIC: AVIF is not supported"), "{ended:#?}");
    let taken = "in/IMG_3.heic: would be IMG_3.webp, which in/IMG_3.jpg has become; rename one of them";
    assert!(ended.stderr.contains(taken), "{ended:#?}");
    let checked = place.done("check in --output out --format webp");
    assert!(checked.stdout.contains("in/IMG_1.HEIC -> nothing: "), "{checked:#?}");
}

#[test]
fn a_name_without_an_ending_is_not_that_of_its_result() {
    let place = Place::new();
    place.copy("hopper.jpg", "one");
    place.write("out/one", "something else");
    let checked = place.done("check one --output out");
    assert!(checked.stdout.contains("  one -> one, with the ending of its format\n"), "{checked:#?}");
    for output in ["out", "."] {
        let arguments = format!("run one --output {output} --width 10 --report json");
        assert_eq!(place.done(&arguments).counts(), [1, 0, 0, 0], "{output}");
        assert_eq!(place.done(&arguments).counts(), [0, 1, 0, 0], "{output}");
    }
    assert_eq!(place.files("out"), ["one", "one.jpg"]);
}

#[test]
fn animations_and_pages_of_which_one_is_taken_are_in_the_report() {
    let place = Place::new();
    place.copy("dispose_none_load_end.gif", "in/several.gif");
    place.copy("hopper.gif", "in/one.gif");
    place.copy("frozenpond.mpo", "in/camera.mpo");
    let ended = place.done("run in --output out --width 20");
    insta::assert_snapshot!(
        ended
            .stdout
            .lines()
            .filter(|line| line.contains("first") || line.contains(".gif"))
            .collect::<Vec<_>>()
            .join("\n")
    );
    let report = place.done("run in --output again --width 20 --report json").report();
    assert_eq!(
        (&report["first_of_several"], &report["first_of_several_inputs"][0]),
        (&1.into(), &"in/several.gif".into())
    );
}

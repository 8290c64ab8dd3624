//! What `--help` says, and what usage and configuration errors look like.

use std::fs::File;
use std::os::unix::net::UnixListener;

use crate::place::{Ended, Place};

#[test]
fn help_names_the_commands() {
    insta::assert_snapshot!(Place::new().done("--help").stdout);
}

#[test]
fn help_of_run_has_all_flags_examples_promises_and_exit_codes() {
    insta::assert_snapshot!(Place::new().done("run --help").stdout);
}

#[test]
fn check_shows_the_pipeline_and_runs_nothing() {
    let place = Place::new();
    place.write("logs/app.log", "one\n");
    place.write(
        "pipeline.toml",
        r#"
        input = ["logs/*.log", "old.log"]
        output = "errors.json"
        parse = "auto"
        filter = 'level >= warn and not message contains "health"'
        format = "json"
        since = "2026-11-29T14:00:00+01:00"
        fields = "time, message,request.method"
        state = "state"
        follow = true
        workers = 2
        max-line = "64KiB"
        "#,
    );
    insta::assert_snapshot!(place.done("check -c pipeline.toml").stdout);
    assert!(!place.path("errors.json").exists());
    assert!(!place.path("state").exists());
}

#[test]
fn check_shows_how_lines_are_joined() {
    let place = Place::new();
    place.write("in", "one\n");
    let shown = |how: &str| {
        let picture = place.done(&format!("check -i in -o - {how}")).stdout;
        let lines: Vec<_> = picture.lines().filter(|line| line.contains("record")).collect();
        lines.join("\n")
    };
    insta::assert_snapshot!(
        ["time", "indent --multiline-wait 500ms", "^x|y"]
            .map(|how| shown(&format!("--multiline {how}")))
            .join("\n\n")
    );
    place.write("pipeline.toml", "input = 'in'\noutput = '-'\nmultiline = '^x'\nmultiline-wait = 3\n");
    insta::assert_snapshot!(shown("-c pipeline.toml"));
}

#[test]
fn a_way_to_join_lines_without_sense_is_shown() {
    let place = Place::new();
    place.write("pipeline.toml", "input = 'in'\noutput = '-'\nmultiline = 'times'\n");
    let said = [
        "-c pipeline.toml",
        "-i in -o - --multiline ^(",
        "-i in -o - --multiline-wait 1s",
        "-i in -o - --multiline-wait soon",
    ]
    .map(|arguments| place.run(&format!("run {arguments}")).stderr);
    insta::assert_snapshot!(said.join("\n"));
}

#[test]
fn a_pipeline_that_cannot_be_shown_is_a_failure() {
    let place = Place::new();
    place.write("in", "one\n");
    let full = File::options().write(true).open("/dev/full").unwrap();
    let ended: Ended = place.command("check -i in -o out").stdout(full).output().unwrap().into();
    assert_eq!(ended.code(), Some(1), "{ended:#?}");
    assert_eq!(
        ended.stderr,
        "error: the picture cannot be written to standard output: No space left on device (os error 28)\n"
    );
}

#[test]
fn flags_win_over_the_file() {
    let place = Place::new();
    place.write("pipeline.toml", "input = ['a.log']\noutput = 'out'\nformat = 'json'\nworkers = 2\n");
    place.write("b.log", "one\n");
    insta::assert_snapshot!(
        place.done("check -c pipeline.toml --format raw -o new --overwrite -i b.log -").stdout
    );
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
fn an_unknown_key_is_named_with_its_line_and_the_valid_keys() {
    insta::assert_snapshot!(refused("input = ['a.log']\nfliter = 'level >= warn'\n"));
}

#[test]
fn a_wrong_value_is_named_with_its_line_and_the_valid_values() {
    insta::assert_snapshot!(refused("input = ['a.log']\nformat = 'xml'\n"));
}

#[test]
fn a_value_of_the_wrong_type_is_named_with_its_line() {
    insta::assert_snapshot!(refused("input = 7\n"));
}

#[test]
fn values_of_the_wrong_type_are_told_in_plain_words() {
    let mut errors = String::new();
    for line in [
        "output = 3",
        "workers = 1.5",
        "workers = -1",
        "follow = 'yes'",
        "input = ['a', 3]",
        "max-line = 1.5",
    ] {
        errors += &refused(&format!("{line}\n"));
    }
    insta::assert_snapshot!(errors);
}

#[test]
fn what_is_not_toml_is_shown() {
    insta::assert_snapshot!(refused("input = ['a.log'\noutput = 'out'\n"));
}

#[test]
fn a_size_without_sense_is_shown() {
    insta::assert_snapshot!(refused("input = ['a.log']\nmax-line = 'huge'\n"));
}

#[test]
fn a_filter_in_a_file_is_shown_with_its_line_and_column() {
    insta::assert_snapshot!(refused("input = ['a.log']\noutput = 'out'\nfilter = 'level >= '\n"));
}

#[test]
fn a_value_that_makes_no_sense_is_named_with_its_line_and_column() {
    let mut errors = String::new();
    for line in [
        "max-line = '9MiB'",
        "checkpoint-every = 0",
        "workers = 65",
        "sync = true",
        "append = true\noverwrite = true",
        "input = []",
        "output = ''",
        "state = ''",
    ] {
        // Of two lines with one key the file would be no TOML.
        let rest = ["input = ['a.log']", "output = 'out'"];
        let rest: Vec<_> = rest.into_iter().filter(|other| !line.starts_with(&other[..5])).collect();
        errors += &refused(&format!("{}\n{line}\n", rest.join("\n")));
    }
    insta::assert_snapshot!(errors);
}

#[test]
fn a_place_in_the_file_is_named_for_what_comes_from_there() {
    let place = Place::new();
    place.write("a.log", "one\n");
    place.write(
        "pipeline.toml",
        "input = 'a.log'\noutput = 'out'\nworkers = 99\nsync = true\nfilter = 'level >'\n",
    );
    let said = |flags: &str| {
        let ended = place.run(&format!("check -c pipeline.toml {flags}"));
        (ended.code(), ended.stderr)
    };
    let (code, error) = said("--state state -f exists(level) --workers 98");
    assert_eq!(code, Some(2));
    assert!(!error.contains("pipeline.toml"), "the flag is at fault: {error}");
    let (code, error) = said("--state state --workers 2 -f exists(level)");
    assert_eq!((code, error.as_str()), (Some(0), ""), "what a flag replaces does not matter");
    let (code, error) = said("--workers 2 -f exists(level)");
    assert_eq!(code, Some(2));
    assert!(error.starts_with("error: pipeline.toml:4:8: "), "{error}");
}

#[test]
fn a_filter_on_the_command_line_is_shown_with_its_column() {
    let place = Place::new();
    let mut command = place.command("run -i a.log -o out -f");
    let ended = place.start_command({
        command.arg("level >= warn and and");
        command
    });
    let ended = ended.wait();
    assert_eq!(ended.code(), Some(2));
    insta::assert_snapshot!(ended.stderr);
}

#[test]
fn fields_that_cannot_be_are_shown_with_their_place_and_the_remedy() {
    let place = Place::new();
    place.write("a.log", "one\n");
    let mut errors = String::new();
    for fields in ["level,,message", "", "request.", "level,user name"] {
        let mut command = place.command("run -i a.log -o out --format json --fields");
        command.arg(fields);
        let ended = place.start_command(command).wait();
        assert_eq!(ended.code(), Some(2), "{ended:#?}");
        errors += &ended.stderr;
    }
    for flags in ["--fields level", "--fields level --format raw"] {
        errors += &place.run(&format!("check -i a.log -o out {flags}")).stderr;
    }
    for line in ["format = 'json'\nfields = ['level', '']", "fields = 'level'", "fields = 7"] {
        errors += &refused(&format!("input = 'a.log'\noutput = 'out'\n{line}\n"));
    }
    insta::assert_snapshot!(errors);
}

#[test]
fn times_that_are_none_are_shown_with_their_place_and_the_remedy() {
    let place = Place::new();
    place.write("a.log", "one\n");
    let mut errors = String::new();
    for (key, time) in
        [("since", "yesterdya"), ("until", "2026-02-30"), ("since", ""), ("until", "-1 fortnight")]
    {
        let mut command = place.command(&format!("run -i a.log -o out --{key}"));
        command.arg(time);
        let ended = place.start_command(command).wait();
        assert_eq!(ended.code(), Some(2), "{ended:#?}");
        errors += &ended.stderr;
    }
    let flags = "--since 2026-11-29T14:00:00Z --until 2026-11-29T15:00:00+01:00";
    errors += &place.run(&format!("check -i a.log -o out {flags}")).stderr;
    for line in [
        "since = 'soon'",
        "since = 2026-11-29",
        "until = '2026-11-29T14:00:00Z'\nsince = '2026-11-29T14:00:00Z'",
    ] {
        errors += &refused(&format!("input = 'a.log'\noutput = 'out'\n{line}\n"));
    }
    insta::assert_snapshot!(errors);
    // A minus in front is not taken for a flag.
    place.done("check -i a.log -o out --since -1h --until -30m");
}

#[test]
fn a_missing_configuration_file_is_named() {
    let ended = Place::new().run("run -c pipeline.toml");
    assert_eq!(ended.code(), Some(2));
    insta::assert_snapshot!(ended.stderr);
}

#[test]
fn input_and_output_are_asked_for() {
    let place = Place::new();
    let without_input = place.run("run -o out");
    let without_output = place.run("run -i a.log");
    assert_eq!([without_input.code(), without_output.code()], [Some(2); 2]);
    insta::assert_snapshot!(without_input.stderr + &without_output.stderr);
}

/// It was refused without a word of how a file is named.
#[test]
fn a_bare_path_is_refused_with_the_flag_that_it_needs() {
    let place = Place::new();
    let refused = ["app.log", "run app.log -o -", "run -i a.log -o out b.log", "rnu", "run --inptu a.log"]
        .map(|line| place.run(line));
    assert_eq!(refused.each_ref().map(|ended| ended.code()), [Some(2); 5]);
    insta::assert_snapshot!(refused.map(|ended| ended.stderr).concat());
}

#[test]
fn contradictions_are_refused() {
    let place = Place::new();
    let two_answers = place.run("run -i a.log -o out --append --overwrite");
    let nothing_to_sync = place.run("run -i a.log -o out --sync");
    let nothing_to_save = place.run("run -i a.log -o out --checkpoint-every 1MiB");
    let nothing_to_replace = place.run("run -i a.log -o - --overwrite");
    let refused = [two_answers, nothing_to_sync, nothing_to_save, nothing_to_replace];
    assert_eq!(refused.each_ref().map(|ended| ended.code()), [Some(2); 4]);
    insta::assert_snapshot!(refused.map(|ended| ended.stderr).concat());
}

#[test]
fn the_examples_of_the_help_are_valid() {
    let place = Place::new();
    place.write("pipeline.toml", "input = ['a.log']\noutput = 'out'\n");
    for name in ["a.log", "logs/app.log", "old.log.gz"] {
        place.write(name, "one\n");
    }
    let help = place.done("run --help").stdout;
    let examples = help.lines().filter(|line| line.starts_with("    ") && line.contains("log-processor run"));
    let examples: Vec<_> =
        examples.map(|line| line[line.find("log-processor").unwrap()..].to_owned()).collect();
    assert_eq!(examples.len(), 4, "{help}");
    for example in examples {
        // The same with `check` instead of `run`, as the shell splits it.
        let script = example.replacen("log-processor run", "\"$0\" check", 1);
        let mut shell = std::process::Command::new("sh");
        shell.args(["-c", &script, env!("CARGO_BIN_EXE_log-processor")]).current_dir(place.path(""));
        let checked: Ended = shell.output().unwrap().into();
        assert_eq!(checked.code(), Some(0), "{example}: {checked:#?}");
    }
}

#[test]
fn check_says_what_a_run_would_fail_with_and_makes_nothing() {
    for (arguments, code, said) in [
        ("-i missing -o out", 1, "input missing does not exist"),
        ("-i no*.log -o out", 1, "matches no file"),
        ("-i folder -o out", 1, "is a folder"),
        ("-i socket -o out", 1, "input socket cannot be opened"),
        ("-i a[ -o out", 2, "invalid range pattern"),
        ("-i in missing -o out", 1, "input missing does not exist"),
        ("-i in -o in --append", 2, "is also an input"),
        ("-i *.log -i in -o new.log", 2, "output new.log is also an input"),
        ("-i in -o full", 2, "holds 9 bytes already"),
        ("-i in -o folder", 2, "is a folder"),
        ("-i in -o new/", 2, "is a folder"),
        ("-i in -o socket", 2, "output socket cannot be opened"),
        ("-i in -o no/such/out", 2, "the folder no/such does not exist"),
        ("-i in -o out --state no/such/state", 2, "no/such does not exist"),
        ("-i in -o out --state in", 2, "state folder in"),
        ("-i - -o out --state state", 2, "is a pipe or the like"),
        ("-i in.gz -o out --follow", 2, "is compressed"),
        ("-i in -o done --state done.state --format json", 2, "belongs to another pipeline"),
        ("-i in -o done --state done.state", 0, ""),
        ("-i in -o out --state state", 0, ""),
        ("-i later -o out --follow", 0, ""),
    ] {
        let place = Place::new();
        place.write("in", "one\n");
        place.write("a.log", "one\n");
        place.write("full", "precious\n");
        place.write("folder/file", "");
        place.write_gz("in.gz", "one\n");
        let _socket = UnixListener::bind(place.path("socket")).unwrap();
        place.done("run -i in -o done --state done.state");
        let names = || {
            let mut names: Vec<_> =
                std::fs::read_dir(place.path("")).unwrap().map(|it| it.unwrap().file_name()).collect();
            names.sort();
            names
        };
        let before = names();
        let checked = place.run(&format!("check {arguments}"));
        assert_eq!(checked.code(), Some(code), "{arguments}: {checked:#?}");
        assert!(checked.stderr.contains(said), "{arguments}: {checked:#?}");
        assert_eq!(names(), before, "{arguments}");
        if code == 2 {
            let ran = place.run(&format!("run {arguments}"));
            assert_eq!(
                (ran.code(), ran.stderr),
                (Some(code), checked.stderr),
                "{arguments}: the same as a run"
            );
        }
    }
}

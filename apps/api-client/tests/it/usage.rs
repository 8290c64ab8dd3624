//! What `--help` says, and what usage and configuration errors look like.

use crate::place::{Place, Report as _};

#[test]
fn help_names_the_command() {
    insta::assert_snapshot!(Place::new().done("--help").stdout);
}

#[test]
fn help_of_fetch_has_all_flags_examples_promises_and_exit_codes() {
    insta::assert_snapshot!(Place::new().done("fetch --help").stdout);
}

#[cfg(feature = "fault-points")]
#[test]
fn a_fault_of_the_program_is_not_taken_for_one_of_usage() {
    let place = Place::with_items("http://127.0.0.1:1", 1);
    let mut command = place.command("fetch --urls urls --jsonl results");
    let ended: crate::place::Ended = command.env("FAULT_POINT", "panic-in-run:1").output().unwrap().into();
    assert_eq!(ended.code(), Some(101), "{ended:#?}");
    assert!(ended.stderr.ends_with("error: this is a fault in api-client, please report it\n"), "{ended:#?}");
}

/// The error of a configuration file, which must be exit code 2.
fn refused(config: &str) -> String {
    let place = Place::new();
    place.write("fetch.toml", config);
    let ended = place.run("fetch -c fetch.toml");
    assert_eq!(ended.code(), Some(2), "{ended:#?}");
    assert_eq!(ended.stdout, "");
    ended.stderr
}

#[test]
fn what_is_wrong_in_a_file_is_named_with_its_line_and_column() {
    let errors: String = [
        "urrls = 'urls'",
        "rate = 50",
        "rate = '50/d'",
        "burst = 0\nrate = '5/s'",
        "burst = 7",
        "concurrency = 'many'",
        "timeout = '30 s'",
        "timeout = 0",
        "refused-when = [99999]",
        "header = ['Accept']",
        "max-body = 'huge'",
        "report = 'xml'",
        "journal = 'urls'",
        "retries = -1",
        "out = [",
    ]
    .iter()
    .map(|line| refused(&format!("urls = 'urls'\n{line}\n")))
    .collect();
    insta::assert_snapshot!(errors);
}

#[test]
fn usage_errors_name_the_remedy() {
    let place = Place::new();
    place.write("urls", "");
    place.write("foreign", "precious\n");
    let mut errors = String::new();
    for arguments in [
        "fetch",
        "fetch --urls none",
        "fetch --urls .",
        "fetch --urls urls --burst 5",
        "fetch --urls urls --rate fast",
        "fetch --urls urls --timeout soon",
        "fetch --urls urls --journal foreign",
        "fetch --urls urls --journal -",
        "fetch --urls urls --jsonl urls",
        "fetch --urls urls --out urls",
        "fetch --urls urls --out -",
        "fetch --urls urls -H Accept",
        "fetch --urls urls --classes a,a --class-field class",
        "fetch --urls urls --classes high,low",
        "fetch --urls urls --class-field url",
        "fetch -c none.toml",
    ] {
        let ended = place.run(arguments);
        assert_eq!(ended.code(), Some(2), "{arguments}: {ended:#?}");
        errors += &format!("$ api-client {arguments}\n{}", ended.stderr);
    }
    insta::assert_snapshot!(errors);
    assert_eq!(place.text("foreign"), "precious\n");
}

#[test]
fn flags_win_over_the_file() {
    let place = Place::new();
    place.write("urls", "");
    place.write("fetch.toml", "urls = 'none'\nout = 'out'\nrate = '5/m'\nrefused-when = [403, '500']\n");
    let report = place.done("fetch -c fetch.toml --urls urls --report json").report();
    assert_eq!(report["requests"], 0);
}

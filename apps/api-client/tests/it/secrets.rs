//! Who gets credentials, and where secrets do not appear.

use std::process::Command;

use crate::place::{Ended, Place};
use crate::server::Server;

/// As a shell would pass it, with a space in it.
fn with_header(place: &Place, arguments: &str, headers: &[&str]) -> Ended {
    let mut command: Command = place.command(arguments);
    for header in headers {
        command.arg("-H").arg(header);
    }
    command.output().unwrap().into()
}

#[test]
fn a_credential_goes_to_the_host_of_the_first_request_only() {
    let (one, other) = (Server::free(), Server::free());
    let place = Place::new();
    place.write(
        "urls",
        format!("{0}/item/1\n{1}/item/2\n{0}/to/{1}/item/3\n{0}/to/{0}/item/4\n", one.url(), other.url()),
    );
    let ended =
        with_header(&place, "fetch --urls urls --jsonl results --concurrency 1", &["Authorization: s3cret"]);
    assert_eq!(ended.code(), Some(0), "{ended:#?}");
    let (one, other) = (one.counts().authorizations, other.counts().authorizations);
    assert_eq!(one["/item/1"].as_deref(), Some("s3cret"));
    assert_eq!(one["/item/4"].as_deref(), Some("s3cret"), "a redirect to the same host keeps it");
    assert_eq!(
        (&other["/item/2"], &other["/item/3"]),
        (&None, &None),
        "neither the list nor a redirect gives it away"
    );
    assert!(
        ended.stderr.contains("credentials of --header go to the first request's host only"),
        "{ended:#?}"
    );
}

#[test]
fn the_first_request_of_a_list_is_the_first_of_each_run_over_it() {
    let (one, other) = (Server::free(), Server::free());
    let place = Place::new();
    place.write("urls", format!("{}/item/1\n{}/held/2\n", one.url(), other.url()));
    let arguments = "fetch --urls urls --jsonl results --journal journal --timeout 200ms --retries 0";
    let headers = ["Authorization: s3cret"];
    assert_eq!(with_header(&place, arguments, &headers).code(), Some(1), "the other does not answer in time");
    other.release(2);
    let ended = with_header(&place, arguments, &headers);
    assert_eq!(ended.code(), Some(0), "{ended:#?}");
    assert_eq!(other.counts().authorizations["/held/2"], None, "the answered one is still the first");
}

#[test]
fn a_header_for_a_host_that_is_not_asked_is_told() {
    let (server, place) = (Server::free(), Place::new());
    place.write("urls", format!("{}/item/1\n", server.url()));
    let ended = with_header(&place, "fetch --urls urls --jsonl results", &["X-Key@127.0.0.1:1: s3cret"]);
    assert_eq!(ended.code(), Some(0), "{ended:#?}");
    assert!(ended.stderr.contains("--header x-key@127.0.0.1:1 was not sent"), "{ended:#?}");
}

#[test]
fn a_header_that_cannot_be_sent_is_not_shown() {
    let place = Place::new();
    place.write("urls", "http://127.0.0.1:1/\n");
    place.write("keys.toml", "urls = \"urls\"\nheader = [\"Accept: a\", \"Authorization Bearer s3cret\"]\n");
    let flag = with_header(&place, "fetch --urls urls", &["Authorization Bearer s3cret"]);
    let file = place.run("fetch -c keys.toml");
    for (ended, number) in [(flag, 1), (file, 2)] {
        assert_eq!(ended.code(), Some(2), "{ended:#?}");
        assert!(!ended.stderr.contains("s3cret"), "{ended:#?}");
        assert!(
            ended.stderr.contains(&format!("header {number} of those given cannot be sent")),
            "{ended:#?}"
        );
    }
}

#[test]
fn a_line_of_a_configuration_that_has_a_credential_is_not_shown() {
    let place = Place::new();
    let shown = [
        "header = \"Authorization: Bearer s3cret\"",
        "header = [\"X-Api-Key: s3cret\"",
        "header = [\n  \"Cookie: s3cret\" 5\n]",
        "header = Authorization: Bearer s3cret",
        "headers = ['Authorization: Bearer s3cret']",
    ]
    .map(|lines| {
        place.write("keys.toml", lines);
        let ended = place.run("fetch -c keys.toml");
        assert_eq!(ended.code(), Some(2), "{ended:#?}");
        ended.stderr
    });
    assert!(!shown.concat().contains("s3cret"), "{}", shown.concat());
    insta::assert_snapshot!(shown.concat());
}

#[test]
fn a_credential_goes_to_the_host_that_it_names() {
    let (one, other) = (Server::free(), Server::free());
    let place = Place::new();
    place.write("urls", format!("{}/item/1\n{}/item/2\n", one.url(), other.url()));
    let host = other.url().replace("http://", "");
    let header = format!("Authorization@{host}: s3cret");
    let ended = with_header(&place, "fetch --urls urls --jsonl results", &[&header]);
    assert_eq!(ended.code(), Some(0), "{ended:#?}");
    assert_eq!(one.counts().authorizations["/item/1"], None);
    assert_eq!(other.counts().authorizations["/item/2"].as_deref(), Some("s3cret"));
    assert!(!ended.stderr.contains("note:"), "{ended:#?}");
}

#[test]
fn secrets_appear_nowhere_but_in_the_results_of_whoever_gave_them() {
    let server = Server::free();
    let place = Place::new();
    place.write(
        "urls",
        format!(
            "{0}/item/1?api_key=s3cret\nhttp://user:s3cret@127.0.0.1:1/?token=s3cret\n{{\"url\": \"{0}/broken/1?password=s3cret\", \"headers\": {{\"x-token\": \"s3cret\"}}}}\nftp://s3cret@h/?token=s3cret\n{{\"url\": \"http://h/\", \"headers\": {{\"x-token\": \"s3cret\\n\"}}}}\n",
            server.url()
        ),
    );
    for (journal, more) in [("one", "--out out"), ("other", "--jsonl results")] {
        let arguments = format!("fetch --urls urls --journal {journal} --retries 0 --report json {more}");
        let ended = with_header(&place, &arguments, &["Authorization: s3cret"]);
        assert_eq!(ended.code(), Some(1), "{ended:#?}");
        assert!(!ended.stderr.contains("s3cret"), "{}", ended.stderr);
        assert!(!ended.stdout.contains("s3cret"), "{}", ended.stdout);
        assert!(!place.text(journal).contains("s3cret"), "{}", place.text(journal));
        assert!(place.files("out").iter().all(|name| !name.contains("s3cret")), "{:?}", place.files("out"));
    }
}

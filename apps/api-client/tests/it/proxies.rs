//! Which proxy is used, if there is one.

use crate::place::{Ended, Place, Report as _};
use crate::server::Server;

/// Nobody has that name, so only the proxy can have answered.
const URL: &str = "http://nobody.invalid/item/1\n";

fn run(place: &Place, arguments: &str, variables: &[(&str, &str)]) -> Ended {
    let mut command = place.command(arguments);
    command.envs(variables.iter().copied()).output().unwrap().into()
}

#[test]
fn requests_go_by_the_proxy_that_is_told_or_that_the_environment_names() {
    let (server, place) = (Server::free(), Place::new());
    let (proxy, nowhere) = (server.url(), "http://127.0.0.1:1");
    place.write("urls", URL);
    let told = format!("fetch --urls urls --proxy {proxy}");
    for (arguments, variables) in [
        (&*told, &[("HTTP_PROXY", nowhere)][..]),
        ("fetch --urls urls", &[("http_proxy", &proxy)]),
        ("fetch --urls urls", &[("ALL_PROXY", &proxy), ("NO_PROXY", "other.invalid")]),
    ] {
        let ended = run(&place, arguments, variables);
        assert_eq!(ended.code(), Some(0), "{variables:?}: {ended:#?}");
        assert!(ended.stdout.contains("item 1"), "{ended:#?}");
    }
    assert_eq!(server.counts().answered, 3);
}

#[test]
fn what_no_proxy_names_is_asked_itself() {
    let (server, place) = (Server::free(), Place::new());
    place.write("urls", format!("{}/item/1\n", server.url()));
    let direct = ("NO_PROXY", "127.0.0.1");
    for arguments in ["fetch --urls urls", "fetch --urls urls --proxy http://127.0.0.1:1"] {
        let ended = run(&place, arguments, &[("HTTP_PROXY", "http://127.0.0.1:1"), direct]);
        assert_eq!(ended.code(), Some(0), "{ended:#?}");
    }
}

#[test]
fn a_proxy_that_is_not_there_is_named_and_its_password_is_not_shown() {
    let place = Place::new();
    place.write("urls", URL);
    let proxy = "fetch --urls urls --retries 0 --report json --proxy http://ann:hidden@proxy.invalid:3128";
    let ended = place.run(proxy);
    assert_eq!(ended.report()["by_reason"]["no_host"], 1, "{ended:#?}");
    assert!(ended.stderr.contains("there is no host proxy.invalid"), "{ended:#?}");
    place.write("fetch.toml", "urls = 'urls'\nproxy = 'ftp://ann:hidden@proxy.invalid'\n");
    for arguments in ["fetch -c fetch.toml", "fetch --urls urls --proxy ftp://ann:hidden@proxy.invalid"] {
        let refused = place.run(arguments);
        assert_eq!(refused.code(), Some(2), "{refused:#?}");
        assert!(
            refused.stderr.starts_with("error: the proxy cannot be used: it is http://HOST:PORT"),
            "{refused:#?}"
        );
        assert!(!refused.stderr.contains("hidden") && !ended.stderr.contains("hidden"), "{refused:#?}");
    }
}

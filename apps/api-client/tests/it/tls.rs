//! TLS with nginx: whose certificates are trusted, and that HTTP/2 is agreed upon.

use std::collections::HashSet;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, date_time_ymd};

use crate::nginx::Nginx;
use crate::place::{Place, Report as _};

/// An authority that nobody knows.
struct Authority(CertifiedIssuer<'static, KeyPair>);

// === impl Authority ===

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(rcgen::DnType::CommonName, "an authority of a test");
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    /// nginx with a certificate for that name.
    fn nginx(&self, name: &str, change: impl FnOnce(&mut CertificateParams)) -> Nginx {
        let mut params = CertificateParams::new([name.to_owned()]).unwrap();
        change(&mut params);
        let key = KeyPair::generate().unwrap();
        Nginx::encrypted(&params.signed_by(&key, &self.0).unwrap().pem(), &key.serialize_pem())
    }
}

#[test]
fn an_authority_that_is_named_is_trusted_and_http_2_is_agreed_upon() {
    let authority = Authority::new();
    let nginx = authority.nginx("127.0.0.1", |_| {});
    let place = Place::with_items(&nginx.url(), 50);
    place.write("authority.pem", authority.0.pem());
    let arguments = "fetch --urls urls --jsonl results --cacert authority.pem --rate 1000/s --report json";
    assert_eq!(place.done(arguments).report()["answered"], 50);
    let log = nginx.log();
    assert!(log.lines().all(|line| line.starts_with("200 HTTP/2.0 ")), "{log}");
    let connections: HashSet<_> = log.lines().map(|line| line.rsplit(' ').next()).collect();
    // Each connection takes many, but the first few requests may begin one each before anything is agreed upon.
    assert!(connections.len() < 20, "{log}");
    let bodies = place.results("results");
    assert!(bodies.iter().all(|result| result["body"] == "a page\n"));
}

/// What is said of a server whose certificate is not trusted, which is not asked again.
#[track_caller]
fn refused(nginx: &Nginx, url: &str, more: &str) -> String {
    let place = Place::with_items(url, 1);
    if let Some(pem) = more.strip_prefix("PEM") {
        place.write("authority.pem", pem);
    }
    let more = if more.is_empty() { "" } else { "--cacert authority.pem" };
    let ended = place.run(&format!("fetch --urls urls --jsonl results --report json {more}"));
    assert_eq!(ended.code(), Some(1), "{ended:#?}");
    assert_eq!(ended.report()["by_reason"]["certificate"], 1, "{ended:#?}");
    assert_eq!((&place.results("results")[0]["attempts"], nginx.log().as_str()), (&1.into(), ""));
    ended.stderr.lines().next().unwrap().replace(url, "URL")
}

#[test]
fn who_is_not_trusted_is_named_with_the_reason_and_the_remedy() {
    let authority = Authority::new();
    let named = format!("PEM{}", authority.0.pem());
    let stranger = authority.nginx("127.0.0.1", |_| {});
    let other = authority.nginx("other.example", |_| {});
    let expired = authority.nginx("127.0.0.1", |params| params.not_after = date_time_ymd(2020, 1, 1));
    let early = authority.nginx("127.0.0.1", |params| params.not_before = date_time_ymd(2200, 1, 1));
    // As `openssl req -x509` makes them: the server's own is one of an authority.
    let own = authority.nginx("127.0.0.1", |params| {
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    });
    // Made anew, with another key.
    let namesake = format!("PEM{}", Authority::new().0.pem());
    let errors = [
        refused(&stranger, &stranger.url(), ""),
        refused(&other, &other.url(), &named),
        refused(&expired, &expired.url(), &named),
        refused(&early, &early.url(), &named),
        refused(&own, &own.url(), &named),
        refused(&stranger, &stranger.url(), &namesake),
    ];
    insta::assert_snapshot!(errors.join("\n"));
}

#[test]
fn certificates_that_are_none_are_named() {
    let place = Place::with_items("https://127.0.0.1:1", 1);
    place.write("empty.pem", "");
    place.write("other.pem", "not a certificate\n");
    place.write("broken.pem", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
    place.write("cut.pem", "-----BEGIN CERTIFICATE-----\nAA!AA\n");
    let mut errors = String::new();
    for name in ["none.pem", "empty.pem", "other.pem", "broken.pem", "cut.pem"] {
        let ended =
            place.run(&format!("fetch --urls urls --jsonl results --journal journal --cacert {name}"));
        assert_eq!(ended.code(), Some(2), "{ended:#?}");
        errors += &ended.stderr;
    }
    insta::assert_snapshot!(errors);
}

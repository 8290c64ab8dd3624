//! Values as people write them, which flags and files share.

use bytesize::ByteSize;
use clap::ValueEnum;
use clap::builder::PossibleValue;
use http::StatusCode;
use http::header::{HeaderName, HeaderValue};
use reqwest::{NoProxy, Proxy, Url};

use super::ReportFormat;
use crate::{BuildError, Classes, ConcurrencyChoice, RateChoice};

/// A header for all requests.
///
/// `K: V`, or `K@HOST: V` for the requests to one host only, at the usual port of `http` or `https` unless it says another.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Header {
    /// Its name.
    pub name: HeaderName,
    /// Its value; marked as sensitive if the name says that it is a secret.
    pub value: HeaderValue,
    /// The host, with its port if that is not the usual one, that alone gets it.
    pub host: Option<String>,
}

// === impl Header ===

impl Header {
    /// Whether it names the host of that.
    pub(crate) fn is_for(&self, url: &Url) -> bool {
        self.host.as_deref().is_some_and(|host| {
            let (name, port) = (url.host_str().unwrap_or_default(), url.port_or_known_default());
            match host.strip_prefix(name) {
                Some("") => url.port().is_none(),
                Some(rest) => rest.strip_prefix(':').is_some_and(|rest| rest.parse().ok() == port),
                None => false,
            }
        })
    }

    /// Whether its value must not be shown, and goes to one host only.
    pub fn is_secret(&self) -> bool {
        self.value.is_sensitive()
    }
}

impl std::fmt::Debug for Header {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The value may be a secret whatever its name is.
        f.debug_struct("Header").field("name", &self.name).field("host", &self.host).finish_non_exhaustive()
    }
}

/// Whether a header is a credential by its name: such a one is for one host only, and never shown.
pub(crate) fn is_secret(name: &HeaderName) -> bool {
    name != "idempotency-key" && has_secret_name(name.as_str())
}

/// Whether there is the name of a credential in a text in lower case, or one like that.
pub(super) fn has_secret_name(text: &str) -> bool {
    const PARTS: [&str; 14] = [
        "auth",
        "cookie",
        "credential",
        "jwt",
        "key",
        "passcode",
        "passphrase",
        "passwd",
        "password",
        "pwd",
        "secret",
        "session",
        "signature",
        "token",
    ];
    PARTS.iter().any(|part| text.contains(part))
}

/// What is wrong is told without what was given, which may hold a secret anywhere.
pub(super) fn parse_header(text: &str) -> Result<Header, String> {
    const FORM: &str = "a header is K: V, or K@HOST: V for one host only";
    let end = text.find([':', '@']).ok_or(FORM)?;
    let (name, rest) = text.split_at(end);
    let (host, value) = match rest.strip_prefix('@') {
        None => (None, &rest[1..]),
        Some(rest) => {
            let (host, port, value) = split_host(rest).ok_or(FORM)?;
            let host = host_as_in_urls(host).ok_or("what is behind the @ is no host")?;
            (Some(port.map_or(host.clone(), |port| format!("{host}:{port}"))), value)
        }
    };
    let name: HeaderName = name.trim().parse().map_err(|_| "its name is no name of a header")?;
    let mut value =
        HeaderValue::from_str(value.trim()).map_err(|_| format!("the value of {name} cannot be sent"))?;
    value.set_sensitive(is_secret(&name));
    Ok(Header { name, value, host })
}

/// What is wrong is told without what was given, which may hold a password.
pub(super) fn parse_proxy(text: &str) -> Result<Proxy, String> {
    const FORM: &str = "it is http://HOST:PORT, or the same with https, socks5 or socks5h";
    let is_known = |scheme| ["http", "https", "socks5", "socks5h"].contains(&scheme);
    text.split_once("://").filter(|(scheme, _)| is_known(*scheme)).ok_or(FORM)?;
    let proxy = Proxy::all(text).map_err(|_| FORM)?;
    Ok(proxy.no_proxy(NoProxy::from_env()))
}

/// Host, port and value of `HOST: V` or `HOST:80: V`. An address of IPv6 has colons of its own.
fn split_host(text: &str) -> Option<(&str, Option<u16>, &str)> {
    let address_ends = if text.starts_with('[') { text.find(']')? } else { 0 };
    let colon = address_ends + text[address_ends..].find(':')?;
    let (host, value) = (&text[..colon], &text[colon + 1..]);
    match value.split_once(':').map(|(port, rest)| (port.parse(), rest)) {
        Some((Ok(port), rest)) => Some((host, Some(port), rest)),
        _ => Some((host, None, value)),
    }
}

/// In lower case, and what is of another alphabet in ASCII, as a URL has it.
fn host_as_in_urls(host: &str) -> Option<String> {
    let url = Url::parse(&format!("http://{host}/")).ok()?;
    let is_bare = url.path() == "/" && url.port().is_none() && url.username().is_empty();
    url.host_str().filter(|_| is_bare && !host.contains(['?', '#', '/'])).map(ToOwned::to_owned)
}

pub(super) fn parse_rate(text: &str) -> Result<RateChoice, String> {
    text.parse().map_err(|_| format!("{text:?} is no rate: write 50/s, 600/m, 1000/h or auto"))
}

pub(super) fn parse_concurrency(text: &str) -> Result<ConcurrencyChoice, String> {
    if text == "auto" {
        return Ok(ConcurrencyChoice::Auto);
    }
    text.parse().map(ConcurrencyChoice::Fixed).map_err(|_| format!("{text:?} is no number, and not auto"))
}

pub(super) fn parse_classes(text: &str) -> Result<Classes, String> {
    text.parse().map_err(|error: BuildError| error.to_string())
}

pub(super) fn parse_status(text: &str) -> Result<StatusCode, String> {
    text.parse().map_err(|_| format!("{text:?} is no status: write a number from 100 to 999"))
}

pub(super) fn parse_size(text: &str) -> Result<ByteSize, String> {
    text.parse().map_err(|_| format!("{text:?} is no size: write 65536, 64MB or 64MiB"))
}

impl ValueEnum for ReportFormat {
    fn value_variants<'a>() -> &'a [Self] {
        &[Self::Text, Self::Json]
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(match self {
            Self::Text => PossibleValue::new("text").help("for people"),
            Self::Json => PossibleValue::new("json").help("one object on one line"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_may_be_for_one_host() {
        let parsed = |text: &str| {
            let header = parse_header(text).unwrap();
            (header.name.to_string(), header.value.to_str().unwrap().to_owned(), header.host)
        };
        let of = |name: &str, value: &str, host: Option<&str>| {
            (name.to_owned(), value.to_owned(), host.map(ToOwned::to_owned))
        };
        assert_eq!(parsed("Accept: text/html"), of("accept", "text/html", None));
        assert_eq!(parsed("X-At:a@b: c"), of("x-at", "a@b: c", None));
        assert_eq!(parsed("X-Key@API.example: a:b"), of("x-key", "a:b", Some("api.example")));
        assert_eq!(parsed("X-Key@h:8080: v"), of("x-key", "v", Some("h:8080")));
        assert_eq!(parsed("X-Key@[::1]:8080: v"), of("x-key", "v", Some("[::1]:8080")));
        assert_eq!(parsed("X-Key@[::1]: 8080"), of("x-key", "8080", Some("[::1]")));
        for wrong in
            ["s3cret", "a s3cret: c", "X@: s3cret", ": s3cret", "X: s3cret\u{1}", "X@s3cret", "X@/h: s3cret"]
        {
            let error = parse_header(wrong).unwrap_err();
            assert!(!error.contains("s3cret"), "{wrong:?}: {error}");
        }
    }

    #[test]
    fn credentials_are_known_by_their_names_and_never_shown() {
        for (text, secret) in [
            ("Authorization: hidden", true),
            ("Cookie: hidden", true),
            ("X-Api-Key: hidden", true),
            ("PRIVATE-TOKEN: hidden", true),
            ("X-Passwd: hidden", true),
            ("X-Bypass-Cache: hidden", false),
            ("Idempotency-Key: hidden", false),
            ("Accept-Encoding: hidden", false),
        ] {
            let header = parse_header(text).unwrap();
            assert_eq!(header.is_secret(), secret, "{text}");
            assert!(!format!("{header:?}").contains("hidden"));
        }
    }
}

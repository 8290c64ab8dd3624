//! Values as people write them, which flags and files share.

use bytesize::ByteSize;
use clap::ValueEnum;
use clap::builder::PossibleValue;
use http::StatusCode;
use http::header::{HeaderName, HeaderValue};

use super::ReportFormat;
use crate::{BuildError, Classes, ConcurrencyChoice, RateChoice};

/// A header for all requests.
///
/// `K: V`, or `K@HOST: V` for the requests to one host only.
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
    const PARTS: [&str; 9] =
        ["auth", "cookie", "credential", "key", "password", "secret", "session", "signature", "token"];
    name != "idempotency-key" && PARTS.iter().any(|part| name.as_str().contains(part))
}

pub(super) fn parse_header(text: &str) -> Result<Header, String> {
    let (name, value) =
        text.split_once(':').ok_or("a header is K: V, or K@HOST: V for one host only".to_owned())?;
    // A port has a colon, too: `K@HOST:80: V`.
    let (name, host, value) = match name.split_once('@') {
        None => (name, None, value),
        Some((name, host)) => match value.split_once(':') {
            Some((port, rest)) if !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()) => {
                (name, Some(format!("{host}:{port}")), rest)
            }
            _ => (name, Some(host.to_owned()), value),
        },
    };
    if host.as_deref().is_some_and(str::is_empty) {
        return Err("there is no host behind the @".to_owned());
    }
    let name: HeaderName = name.trim().parse().map_err(|_| format!("{name:?} is no name of a header"))?;
    let mut value =
        HeaderValue::from_str(value.trim()).map_err(|_| format!("the value of {name} cannot be sent"))?;
    value.set_sensitive(is_secret(&name));
    Ok(Header { name, value, host: host.map(|host| host.to_ascii_lowercase()) })
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
        for wrong in ["Accept", "a b: c", "X@: v", ": v", "X: a\nb"] {
            assert!(parse_header(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn credentials_are_known_by_their_names_and_never_shown() {
        for (text, secret) in [
            ("Authorization: hidden", true),
            ("Cookie: hidden", true),
            ("X-Api-Key: hidden", true),
            ("PRIVATE-TOKEN: hidden", true),
            ("Idempotency-Key: hidden", false),
            ("Accept-Encoding: hidden", false),
        ] {
            let header = parse_header(text).unwrap();
            assert_eq!(header.is_secret(), secret, "{text}");
            assert!(!format!("{header:?}").contains("hidden"));
        }
    }
}

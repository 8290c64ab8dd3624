//! Why there was no answer at all, from what the layers below say.
//!
//! What is to be told apart is what will be the same at the next attempt: a name that nobody has, a certificate that nobody known has
//! signed, a server that speaks something else, or says more than is read.

use std::error::Error;
use std::io;

use reqwest::Url;

use crate::address::{NotFound, PrivateAddress};
use crate::{Reason, RedirectRefused};

/// There was no head of an answer from there.
pub(crate) fn reason(error: reqwest::Error, url: &Url) -> Reason {
    let host = || url.host_str().unwrap_or_default().to_owned();
    if find::<PrivateAddress>(&error).is_some() {
        return Reason::Redirect { to: crate::redacted(url), why: RedirectRefused::Private };
    }
    match find::<rustls::Error>(&error) {
        Some(rustls::Error::InvalidCertificate(why)) => {
            return Reason::Certificate {
                host: host(),
                why: in_words(why),
                is_unknown: *why == rustls::CertificateError::UnknownIssuer,
            };
        }
        Some(rustls::Error::InvalidMessage(_)) => {
            return Reason::Tls { host: host(), why: "what it sends is not TLS".to_owned() };
        }
        Some(why @ rustls::Error::PeerIncompatible(_)) => {
            return Reason::Tls { host: host(), why: why.to_string() };
        }
        _ => {}
    }
    // Without its URL, which may hold a secret.
    let error = error.without_url();
    match () {
        () if error.is_builder() => Reason::Url { why: error.to_string() },
        () if error.is_dns() && is_nobodys(&error) => {
            let asked = find::<NotFound>(&error).map(|unknown| unknown.name.clone());
            Reason::NoHost { host: asked.unwrap_or_else(host) }
        }
        () if error.is_connect() => Reason::Connect(error.into()),
        () if is_head_too_large(&error) => Reason::HeadTooLarge,
        () => Reason::Broken(error.into()),
    }
}

/// The first cause of that type. An `io::Error` does not count what it wraps among its causes, so that is looked at, too.
fn find<'e, E: Error + 'static>(error: &'e (dyn Error + 'static)) -> Option<&'e E> {
    let mut next = Some(error);
    while let Some(error) = next {
        if error.is::<E>() {
            return error.downcast_ref();
        }
        let wrapped = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        next = match wrapped {
            Some(wrapped) => Some(wrapped),
            None => error.source(),
        };
    }
    None
}

/// The name is known to have no address, for now and for long; a server for names that cannot be asked says something else. The
/// system's number does not get through to here, so it is its words that tell: those of glibc, musl and macOS.
fn is_nobodys(error: &(dyn Error + 'static)) -> bool {
    const WORDS: [&str; 4] = [
        "Name or service not known",
        "No address associated with",
        "Name does not resolve",
        "nodename nor servname provided",
    ];
    find::<io::Error>(error).is_some_and(|error| {
        let error = error.to_string();
        WORDS.iter().any(|words| error.contains(words))
    })
}

/// More headers, or longer ones, than are read. The library's type does not get through to here, so it is its words that tell.
fn is_head_too_large(error: &reqwest::Error) -> bool {
    std::iter::successors(error.source(), |&cause| cause.source())
        .any(|cause| cause.to_string() == "message head is too large")
}

fn in_words(why: &rustls::CertificateError) -> String {
    use rustls::CertificateError::{
        BadSignature, Expired, ExpiredContext, NotValidForName, NotValidForNameContext, NotValidYet,
        NotValidYetContext, Other, UnknownIssuer,
    };
    match why {
        UnknownIssuer => "nobody who is trusted has signed it".to_owned(),
        Expired | ExpiredContext { .. } => "it has expired".to_owned(),
        NotValidYet | NotValidYetContext { .. } => "it is not valid yet; is the clock right?".to_owned(),
        NotValidForName | NotValidForNameContext { .. } => "it is for another name".to_owned(),
        BadSignature => {
            "somebody of that name is trusted, and has not signed it with the key that is known".to_owned()
        }
        // The library that checks has a type of its own for these, which does not get through to here.
        Other(why) if why.to_string() == "CaUsedAsEndEntity" => {
            "it is an authority's, and may not be a server's own; have one made with CA:FALSE".to_owned()
        }
        Other(why) => why.to_string(),
        why => why.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cause_is_found_within_what_wraps_it() {
        let wrapped = io::Error::other(io::Error::new(
            io::ErrorKind::InvalidData,
            rustls::Error::InvalidCertificate(rustls::CertificateError::UnknownIssuer),
        ));
        assert!(matches!(find::<rustls::Error>(&wrapped), Some(rustls::Error::InvalidCertificate(_))));
        assert!(find::<PrivateAddress>(&wrapped).is_none());
    }

    #[test]
    fn only_a_name_that_is_known_to_be_nobodys_is_given_up() {
        let error = |words: &str| io::Error::other(format!("failed to lookup address information: {words}"));
        assert!(is_nobodys(&error("Name or service not known")));
        assert!(is_nobodys(&error("Name does not resolve")));
        assert!(!is_nobodys(&error("Temporary failure in name resolution")));
        assert!(!is_nobodys(&error("System error")));
    }
}

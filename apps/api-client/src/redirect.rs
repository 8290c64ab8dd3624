//! One step of a request: where it goes, with what; and where a redirect leads it.
//!
//! Redirects are followed here and not by the HTTP client, since each step is a request to a host of its own, with that one's line and
//! rate, and since what was given for one host must not reach another.

use std::net::IpAddr;
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, Method, StatusCode, header};
use reqwest::Url;

use crate::address::Places;
use crate::exchange::Order;
use crate::redacted::HIDDEN;
use crate::request::wrong_length;
use crate::{Class, Reason, RedirectRefused, Request, config};

/// A request to one host.
#[derive(Debug, Clone)]
pub(crate) struct Step {
    pub(crate) method: Method,
    /// Without credentials, which are a header.
    pub(crate) url: Url,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    /// A public server has led here, so the address must be public, too.
    pub(crate) guarded: bool,
    /// How many redirects have led here.
    redirects: usize,
}

/// Which redirects are followed.
#[derive(Debug, Clone)]
pub(crate) struct Redirects {
    pub(crate) most: usize,
    pub(crate) allow_private: bool,
}

/// Headers that are about a body.
const ABOUT_A_BODY: [HeaderName; 5] = [
    header::CONTENT_TYPE,
    header::CONTENT_LENGTH,
    header::CONTENT_ENCODING,
    header::CONTENT_LANGUAGE,
    header::TRANSFER_ENCODING,
];

// === impl Step ===

impl Step {
    /// The first step: what was asked for. `http` knows how credentials in a URL are sent.
    pub(crate) fn first(request: Request, http: &reqwest::Client) -> Result<Self, Reason> {
        let wrong = |why: String| Reason::Url { why };
        if let Some(why) = request.wrong {
            return Err(wrong(why));
        }
        let parsed = request.parsed.map_or_else(|| Url::parse(&request.url), Ok);
        let url = parsed.map_err(|error| wrong(error.to_string()))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(wrong(format!("{} is not http or https", url.scheme())));
        }
        let mut headers = request.headers;
        if let Some(key) = &request.idempotency_key {
            let key = key.parse().map_err(|_| wrong("the idempotency key is no header".to_owned()))?;
            headers.insert(IDEMPOTENCY_KEY, key);
        }
        let (method, body) = (request.method, request.body);
        if let Some((told, is)) = wrong_length(&headers, &body) {
            return Err(Reason::Length { told, is });
        }
        let mut step = Self { method, url, headers, body, guarded: false, redirects: 0 };
        step.credentials_to_header(http);
        Ok(step)
    }

    /// A redirect has led here.
    pub(crate) const fn is_redirected(&self) -> bool {
        self.redirects > 0
    }

    /// As the stack has it.
    pub(crate) fn request(&self, order: Order, class: Option<Class>) -> Result<http::Request<Bytes>, Reason> {
        let uri =
            http::Uri::try_from(self.url.as_str()).map_err(|error| Reason::Url { why: error.to_string() })?;
        let mut request = http::Request::new(self.body.clone());
        *request.method_mut() = self.method.clone();
        *request.uri_mut() = uri;
        *request.headers_mut() = self.headers.clone();
        request.extensions_mut().insert(Arc::new(order));
        if let Some(class) = class {
            request.extensions_mut().insert(class);
        }
        Ok(request)
    }

    /// The next step, if the answer is a redirect that is followed; none if it is an answer. `from` is the address that gave it.
    pub(crate) fn next(
        &self,
        status: StatusCode,
        headers: &HeaderMap,
        from: Option<IpAddr>,
        rules: &Redirects,
        places: &Places,
    ) -> Result<Option<Self>, Reason> {
        let Some(location) = location(status, headers, rules) else { return Ok(None) };
        let refuse = |to: &str, why| Err(Reason::Redirect { to: to.to_owned(), why });
        // Many servers send what is not ASCII as it is, and everybody follows it.
        let text = str::from_utf8(location.as_bytes()).ok();
        let Some(url) = text.and_then(|location| self.url.join(location).ok()) else {
            // In what is no URL nobody can tell what is a secret.
            return refuse(HIDDEN, RedirectRefused::Url);
        };
        let mut next = self.clone();
        next.url = url;
        next.forget_credentials_in_url();
        let to = crate::redacted(&next.url);
        if self.redirects >= rules.most {
            return refuse(&to, RedirectRefused::TooMany);
        }
        match (self.url.scheme(), next.url.scheme()) {
            ("https", "http") => return refuse(&to, RedirectRefused::Unencrypted),
            (_, "http" | "https") => {}
            _ => return refuse(&to, RedirectRefused::Scheme),
        }
        // Who is at an address that nobody knows may be anybody.
        let is_public = from.is_none_or(|from| places.is_public(from));
        next.guarded = !rules.allow_private && (self.guarded || is_public);
        if next.guarded && literal(&next.url).is_some_and(|address| !places.is_public(address)) {
            return refuse(&to, RedirectRefused::Private);
        }
        next.redirects += 1;
        if next.url.origin() != self.url.origin() {
            next.forget_what_was_for_one_host();
        }
        if becomes_get(status, &self.method) {
            next.method = Method::GET;
            next.body = Bytes::new();
            for name in ABOUT_A_BODY {
                next.headers.remove(name);
            }
        }
        Ok(Some(next))
    }

    fn forget_what_was_for_one_host(&mut self) {
        let is_kept = |(name, value): &(&HeaderName, &http::HeaderValue)| {
            !value.is_sensitive() && !config::is_secret(name) && *name != header::HOST
        };
        self.headers =
            self.headers.iter().filter(is_kept).map(|(name, value)| (name.clone(), value.clone())).collect();
    }

    /// `user:password@` in a URL is a header like any other secret, and nothing that is shown.
    fn credentials_to_header(&mut self, http: &reqwest::Client) {
        if self.url.username().is_empty() && self.url.password().is_none() {
            return;
        }
        let built = http.get(self.url.clone()).build();
        if let Some(value) = built.ok().and_then(|built| built.headers().get(header::AUTHORIZATION).cloned())
        {
            self.headers.entry(header::AUTHORIZATION).or_insert(value);
        }
        self.forget_credentials_in_url();
    }

    fn forget_credentials_in_url(&mut self) {
        // Both fail only for URLs without a host, which are not followed.
        let _ = (self.url.set_username(""), self.url.set_password(None));
    }
}

/// The header that makes a request one that may be sent again.
pub(crate) const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// Where an answer leads, if it is a redirect to be followed.
pub(crate) fn location<'h>(
    status: StatusCode,
    headers: &'h HeaderMap,
    rules: &Redirects,
) -> Option<&'h http::HeaderValue> {
    let leads = rules.most > 0 && matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308);
    headers.get(header::LOCATION).filter(|_| leads)
}

/// As browsers do it: 303 asks for something else, and 301 and 302 do for a POST.
fn becomes_get(status: StatusCode, method: &Method) -> bool {
    match status {
        StatusCode::SEE_OTHER => *method != Method::HEAD,
        StatusCode::MOVED_PERMANENTLY | StatusCode::FOUND => *method == Method::POST,
        _ => false,
    }
}

/// The address, if the URL names one instead of a name.
fn literal(url: &Url) -> Option<IpAddr> {
    let host = url.host_str()?;
    host.trim_start_matches('[').trim_end_matches(']').parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn next(from: &str, to: &str) -> Result<Option<Step>, Reason> {
        let headers = [(header::LOCATION, to.parse().expect("it is a header"))].into_iter().collect();
        let step = Step {
            method: Method::GET,
            url: Url::parse(from).expect("it is a url"),
            headers: [(header::AUTHORIZATION, "secret".parse().expect("it is a header"))]
                .into_iter()
                .collect(),
            body: Bytes::new(),
            guarded: false,
            redirects: 0,
        };
        let rules = Redirects { most: 10, allow_private: false };
        let public = Some([1, 1, 1, 1].into());
        step.next(StatusCode::FOUND, &headers, public, &rules, &Places::default())
    }

    #[test]
    fn what_is_encrypted_stays_so() {
        let refused = next("https://example.com/", "http://example.com/").expect_err("it is not followed");
        assert!(matches!(refused, Reason::Redirect { why: RedirectRefused::Unencrypted, .. }));
        assert!(next("https://example.com/", "//example.org/").expect("it is followed").is_some());
    }

    #[test]
    fn another_host_is_another_scheme_name_or_port() {
        let keeps = |from, to| {
            let step = next(from, to).expect("it is followed").expect("it is a redirect");
            step.headers.contains_key(header::AUTHORIZATION)
        };
        assert!(keeps("https://example.com/", "https://example.com:443/there"));
        assert!(!keeps("http://example.com/", "https://example.com/"));
        assert!(!keeps("https://example.com/", "https://www.example.com/"));
        assert!(!keeps("https://example.com/", "https://example.com:8443/"));
    }

    #[test]
    fn credentials_that_a_redirect_brings_are_not_used() {
        let step =
            next("https://example.com/", "https://name:word@example.org/").expect("followed").expect("one");
        assert_eq!(step.url.as_str(), "https://example.org/");
        assert!(step.headers.is_empty());
    }
}

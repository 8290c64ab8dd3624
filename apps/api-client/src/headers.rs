//! Which of the headers for all requests go with which request.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use reqwest::Url;

use crate::Request;
use crate::config::{self, Header};
use crate::input::Job;

/// Headers for all requests. A credential among them that names no host is for the host of the first request only: a list
/// of URLs may lead anywhere, and who gave it had one server in mind.
#[derive(Debug)]
pub(crate) struct Headers {
    /// Each with whether a request to its host was met.
    headers: Vec<(Header, AtomicBool)>,
    /// Scheme, host and port of the first request.
    first: OnceLock<String>,
}

// === impl Headers ===

impl Headers {
    pub(crate) fn new(headers: Vec<Header>) -> Self {
        let headers = headers.into_iter().map(|header| (header, AtomicBool::new(false))).collect();
        Self { headers, first: OnceLock::new() }
    }

    /// There is this request, whether or not it is sent: the first of a list is the first in each run over it.
    pub(crate) fn meet(&self, job: &Job) {
        self.first.get_or_init(|| origin(&job.url));
        for (header, is_met) in &self.headers {
            if header.is_for(&job.url) {
                is_met.store(true, Ordering::Relaxed);
            }
        }
    }

    /// Those that name a host to which there was no request, as `K@HOST`.
    pub(crate) fn unmet(&self) -> impl Iterator<Item = String> {
        let unmet = self.headers.iter().filter(|(_, is_met)| !is_met.load(Ordering::Relaxed));
        unmet.filter_map(|(Header { name, host, .. }, _)| Some(format!("{name}@{}", host.as_ref()?)))
    }

    /// The request that `job` asks for, which was [met](Self::meet), and whether a credential was held back from its host.
    pub(crate) fn request(&self, job: &Job) -> (Request, bool) {
        let mut request = Request::new(job.method.clone(), job.url.as_str());
        request.parsed = Some(job.url.clone());
        let mut held_back = false;
        for (header, _) in &self.headers {
            let is_meant = match &header.host {
                Some(_) => header.is_for(&job.url),
                None => {
                    !header.is_secret() || self.first.get().is_some_and(|first| *first == origin(&job.url))
                }
            };
            held_back |= !is_meant && header.host.is_none();
            // What the line says of itself wins.
            if is_meant && !job.headers.contains_key(&header.name) {
                request.headers.append(header.name.clone(), header.value.clone());
            }
        }
        for (name, value) in &job.headers {
            let mut value = value.clone();
            value.set_sensitive(config::is_secret(name));
            if name == "idempotency-key"
                && let Ok(key) = value.to_str()
            {
                request.idempotency_key = Some(key.to_owned());
            } else {
                request.headers.append(name.clone(), value);
            }
        }
        request.body = job.body.clone().unwrap_or_default();
        request.deadline = job.deadline;
        request.class = job.class.clone();
        (request, held_back)
    }
}

fn origin(url: &Url) -> String {
    url.origin().ascii_serialization()
}

/// The host, with its port if that is not the usual one.
pub(crate) fn host_of(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Config, Settings};
    use crate::input::parse;

    fn headers(given: &[&str]) -> Headers {
        let list = toml::Value::from(given.to_vec());
        let settings: Settings = toml::from_str(&format!("urls = 'u'\nheader = {list}")).unwrap();
        Headers::new(Config::new(settings).unwrap().headers)
    }

    fn sent(headers: &Headers, line: &str) -> (Vec<String>, bool) {
        let job = parse(1, line.as_bytes(), None).unwrap().unwrap();
        headers.meet(&job);
        let (request, held_back) = headers.request(&job);
        let mut sent: Vec<_> = request
            .headers
            .iter()
            .map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()))
            .collect();
        sent.sort();
        (sent, held_back)
    }

    #[test]
    fn a_credential_goes_to_the_host_of_the_first_request_only() {
        let headers = headers(&["Authorization: a", "Accept: b"]);
        let both = vec!["accept: b".to_owned(), "authorization: a".to_owned()];
        assert_eq!(sent(&headers, "https://one/1"), (both.clone(), false));
        assert_eq!(sent(&headers, "https://one/2"), (both, false));
        for other in ["https://two/", "http://one/", "https://one:8443/", "https://one.two/"] {
            assert_eq!(sent(&headers, other), (vec!["accept: b".to_owned()], true), "{other}");
        }
    }

    #[test]
    fn one_that_names_its_host_goes_there() {
        let headers = headers(&["X-Key@two: k", "X-Key@three:81: l"]);
        assert_eq!(sent(&headers, "https://one/"), (vec![], false));
        assert_eq!(sent(&headers, "https://two/"), (vec!["x-key: k".to_owned()], false));
        assert_eq!(sent(&headers, "http://three:81/"), (vec!["x-key: l".to_owned()], false));
        assert_eq!(sent(&headers, "http://three/"), (vec![], false));
    }

    #[test]
    fn a_host_is_known_however_it_is_spelt() {
        let to = |host: &str| {
            let given = format!("X-Key@{host}: a:b");
            let headers = headers(&[&given]);
            let urls = ["https://h/", "http://h/", "http://[::1]:8080/", "https://xn--bcher-kva.example/"];
            let sent_to = urls.map(|url| sent(&headers, url).0 == ["x-key: a:b"]);
            (sent_to, headers.unmet().count())
        };
        assert_eq!(to("H"), ([true, true, false, false], 0));
        assert_eq!(to("h:443"), ([true, false, false, false], 0));
        assert_eq!(to("h:80"), ([false, true, false, false], 0));
        assert_eq!(to("[::1]:8080"), ([false, false, true, false], 0));
        assert_eq!(to("bücher.example"), ([false, false, false, true], 0));
        assert_eq!(to("other"), ([false; 4], 1));
    }

    #[test]
    fn what_a_line_says_wins() {
        let headers = headers(&["Accept: a", "X: x"]);
        let line = r#"{"url": "https://h/", "headers": {"accept": "b", "Idempotency-Key": "i"}}"#;
        assert_eq!(sent(&headers, line).0, ["accept: b", "x: x"]);
        let (request, _) = headers.request(&parse(1, line.as_bytes(), None).unwrap().unwrap());
        assert_eq!(request.idempotency_key.as_deref(), Some("i"));
    }
}

//! What the file of a result is called.

use http::{Method, StatusCode};

use crate::identity::Key;
use crate::input::Job;
use crate::redacted;

/// Most file systems take 255 bytes.
const LONGEST: usize = 200;

/// The name of the file for the answer to `job`: its id, or its URL if it has none.
///
/// Letters, digits and `- . = , +` stay, `/` of a URL becomes `_`, everything else `%` and two digits; so does a dot at the beginning. So
/// no id is called like a URL, the name is one of a visible file in the folder, whatever the id or the URL is, and two that differ have different names.
/// `http` is told from `https` by `http~` in front. A URL does not say all of a request that has a method, headers or a body
/// of its own, or a secret that is not shown: these names end in `~` and 16 digits of the request's [`Key`], and so do names that
/// would be too long.
///
/// An answer that is no success has its status behind a `~`, so it is never taken for what was wanted.
///
/// Only requests with the same id, or that are the same in all, have the same name: there the later answer replaces the
/// earlier, and the report counts and names it.
pub fn file_name(job: &Job, status: StatusCode) -> String {
    let mut name = of_success(job);
    if !status.is_success() {
        name += &format!("~{}", status.as_u16());
    }
    name
}

/// Whether some answer to `job` would have the file of that name.
pub(super) fn may_be_called(job: &Job, name: &str) -> bool {
    let status = name.strip_prefix(&of_success(job));
    status.is_some_and(|status| {
        status.is_empty()
            || status
                .strip_prefix('~')
                .is_some_and(|status| StatusCode::from_bytes(status.as_bytes()).is_ok())
    })
}

fn of_success(job: &Job) -> String {
    match &job.id {
        Some(id) => named("", id, "%2F", job.key(), false),
        None => {
            let shown = redacted(&job.url);
            let is_whole = shown == job.url.as_str()
                && job.method == Method::GET
                && job.headers.is_empty()
                && job.body.is_none();
            match shown.strip_prefix("https://") {
                Some(rest) => named("", rest, "_", job.key(), !is_whole),
                None => named("http~", shown.trim_start_matches("http://"), "_", job.key(), !is_whole),
            }
        }
    }
}

fn named(prefix: &str, text: &str, slash: &str, key: Key, with_key: bool) -> String {
    let mut name = prefix.to_owned();
    for byte in text.bytes() {
        match byte {
            b'.' if name.is_empty() => name += "%2E",
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'=' | b',' | b'+' => {
                name.push(byte.into())
            }
            b'/' => name += slash,
            _ => name += &format!("%{byte:02X}"),
        }
    }
    if with_key || name.len() > LONGEST {
        // All of it is ASCII.
        name.truncate(LONGEST);
        name += &format!("~{}", &key.to_string()[..16]);
    }
    name
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::input::parse;

    fn name(line: &str) -> String {
        file_name(&parse(1, line.as_bytes(), None).unwrap().unwrap(), StatusCode::OK)
    }

    #[test]
    fn a_name_is_the_id_or_the_url() {
        assert_eq!(name(r#"{"url": "http://h/", "id": "item-17"}"#), "item-17");
        assert_eq!(name("https://api.example/v1/items?page=2"), "api.example_v1_items%3Fpage=2");
        assert_eq!(name("http://127.0.0.1:8080/a"), "http~127.0.0.1%3A8080_a");
        let job = parse(1, b"https://h/a", None).unwrap().unwrap();
        assert_eq!(file_name(&job, StatusCode::NOT_FOUND), "h_a~404");
    }

    #[test]
    fn no_name_leads_out_of_the_folder() {
        for id in [
            "..",
            ".",
            "../../etc/passwd",
            "/etc/passwd",
            ".hidden",
            "a\0b",
            "a\nb",
            "con\\..\\x",
            "é",
            "~root",
        ] {
            let line = serde_json::json!({ "url": "https://h/", "id": id }).to_string();
            let name = name(&line);
            assert!(
                !name.contains(['/', '\0', '\n', '\\']) && !name.starts_with('.') && !name.is_empty(),
                "{name}"
            );
        }
        assert_eq!(name("https://h/../../etc/%2e%2e/passwd"), "h_passwd");
        assert_eq!(name("https://h/..%2f..%2fpasswd"), "h_..%252f..%252fpasswd");
    }

    #[test]
    fn requests_that_differ_have_names_that_differ() {
        let long = "x".repeat(5000);
        let lines = [
            "https://h/a/b".to_owned(),
            "https://h/a_b".to_owned(),
            "https://h/a%2Fb".to_owned(),
            "http://h/a/b".to_owned(),
            "https://http+h/a/b".to_owned(),
            r#"{"url": "https://h/a/b", "method": "DELETE"}"#.to_owned(),
            r#"{"url": "https://h/a/b", "body": "1"}"#.to_owned(),
            r#"{"url": "https://h/a/b", "body": "2"}"#.to_owned(),
            r#"{"url": "https://h/a/b", "headers": {"accept": "x"}}"#.to_owned(),
            "https://h/?token=1".to_owned(),
            "https://h/?token=2".to_owned(),
            "https://h/?token=***".to_owned(),
            format!("https://h/{long}1"),
            format!("https://h/{long}2"),
            // It was the file of the first line, and its answer replaced that one's.
            r#"{"url": "https://h/", "id": "h/a/b"}"#.to_owned(),
            r#"{"url": "https://h/", "id": "a/b"}"#.to_owned(),
            r#"{"url": "https://h/", "id": "a_b"}"#.to_owned(),
            r#"{"url": "https://h/", "id": "a%5Fb"}"#.to_owned(),
        ];
        let names: HashSet<_> = lines.iter().map(|line| name(line)).collect();
        assert_eq!(names.len(), lines.len(), "{names:#?}");
        assert!(names.iter().all(|name| name.len() < 230));
        assert!(!name("https://h/?token=hidden").contains("hidden"));
    }
}

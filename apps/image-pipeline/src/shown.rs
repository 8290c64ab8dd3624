//! File names as a line of text may show them.

use std::fmt::Write as _;
use std::path::Path;

/// A name for people: as it is, or in quotes with what cannot be shown escaped.
///
/// A name may hold line ends, which would break a report, escape sequences, which would change a terminal, and
/// bytes that are no UTF-8.
///
/// ```
/// use std::path::Path;
/// use image_pipeline::shown;
///
/// assert_eq!(shown(Path::new("Bergfest 2024/küche.jpg")), "Bergfest 2024/küche.jpg");
/// assert_eq!(shown(Path::new("two\nlines.jpg")), r#""two\nlines.jpg""#);
/// ```
pub fn shown(path: &Path) -> String {
    if let Some(plain) = path.to_str().filter(|text| !text.is_empty() && !text.chars().any(char::is_control))
    {
        return plain.to_owned();
    }
    let mut quoted = String::from("\"");
    for chunk in path.as_os_str().as_encoded_bytes().utf8_chunks() {
        for char in chunk.valid().chars() {
            match char {
                '"' | '\\' => quoted.extend(['\\', char]),
                char if char.is_control() => quoted.extend(char.escape_default()),
                char => quoted.push(char),
            }
        }
        for byte in chunk.invalid() {
            write!(quoted, "\\x{byte:02x}").expect("writing to a string does not fail");
        }
    }
    quoted + "\""
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(unix)]
    fn what_cannot_be_shown_is_escaped() {
        use std::{ffi::OsStr, os::unix::ffi::OsStrExt};

        let of = |bytes: &[u8]| shown(Path::new(OsStr::from_bytes(bytes)));
        assert_eq!(of(b"caf\xe9.jpg"), r#""caf\xe9.jpg""#);
        assert_eq!(of(b"\x1b[31m\"red\".jpg"), r#""\u{1b}[31m\"red\".jpg""#);
        assert_eq!(of(b"a\\b.jpg"), r"a\b.jpg", "plain enough");
        assert_eq!(of(b""), r#""""#);
    }
}

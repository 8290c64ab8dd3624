//! Backslash escapes between double quotes, as logfmt writers and access logs use them.

use std::borrow::Cow;

/// Decodes what stood between double quotes.
///
/// Takes Go's `%q` (logrus and friends), Apache's and nginx's escapes: `\n \r \t \b \f \v \0`, `\xHH` for a
/// byte, `\uHHHH` and `\UHHHHHHHH` for a character; a backslash before punctuation gives the punctuation.
/// Whatever else follows a backslash is kept as written. Bytes that are no UTF-8 become U+FFFD.
pub(crate) fn decode(inner: &str) -> Cow<'_, str> {
    let Some(first) = memchr::memchr(b'\\', inner.as_bytes()) else {
        return Cow::Borrowed(inner);
    };
    let mut decoded = inner.as_bytes()[..first].to_vec();
    let mut rest = &inner[first..];
    while let Some(escaped) = rest.strip_prefix('\\') {
        rest = decode_one(escaped, &mut decoded);
        let plain = memchr::memchr(b'\\', rest.as_bytes()).unwrap_or(rest.len());
        decoded.extend_from_slice(&rest.as_bytes()[..plain]);
        rest = &rest[plain..];
    }
    Cow::Owned(match String::from_utf8_lossy(&decoded) {
        Cow::Owned(replaced) => replaced,
        Cow::Borrowed(_) => String::from_utf8(decoded).expect("just found to be UTF-8"),
    })
}

/// Decodes the escape behind a backslash and returns what follows it.
fn decode_one<'a>(escaped: &'a str, decoded: &mut Vec<u8>) -> &'a str {
    let mut chars = escaped.chars();
    let simple = match chars.next() {
        Some('n') => b'\n',
        Some('r') => b'\r',
        Some('t') => b'\t',
        Some('b') => 0x08,
        Some('f') => 0x0c,
        Some('v') => 0x0b,
        Some('0') => 0,
        Some(kind @ ('x' | 'u' | 'U')) => {
            let width = match kind {
                'x' => 2,
                'u' => 4,
                _ => 8,
            };
            let digits = chars.as_str().get(..width).filter(|d| d.bytes().all(|b| b.is_ascii_hexdigit()));
            let code = digits.and_then(|digits| u32::from_str_radix(digits, 16).ok());
            match (code, kind) {
                (Some(byte), 'x') => decoded.push(byte as u8),
                (Some(code), _) => {
                    let char = char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER);
                    decoded.extend_from_slice(char.encode_utf8(&mut [0; 4]).as_bytes());
                }
                (None, _) => {
                    decoded.push(b'\\');
                    return escaped;
                }
            }
            return &chars.as_str()[width..];
        }
        Some(punctuation) if punctuation.is_ascii_punctuation() => punctuation as u8,
        _ => {
            decoded.push(b'\\');
            return escaped;
        }
    };
    decoded.push(simple);
    chars.as_str()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_without_escapes_is_borrowed() {
        assert!(matches!(decode("plain"), Cow::Borrowed("plain")));
    }

    #[test]
    fn escapes_are_decoded() {
        assert_eq!(decode(r#"say \"hi\"\n\tC:\\x"#), "say \"hi\"\n\tC:\\x");
        assert_eq!(decode(r"\x16\x03caf\xc3\xa9"), "\u{16}\u{3}café");
        assert_eq!(decode(r"\u00e9\U0001F600"), "é😀");
    }

    #[test]
    fn what_is_no_escape_is_kept_or_replaced() {
        assert_eq!(decode(r"C:\Users\q"), r"C:\Users\q");
        assert_eq!(decode(r"\xZZ \u12 \é \"), r"\xZZ \u12 \é \");
        assert_eq!(decode(r"\xff\ud800"), "\u{fffd}\u{fffd}");
    }
}

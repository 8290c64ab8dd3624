//! A list of names, as `find` prints it.

use std::ffi::OsString;
use std::io::{self, Read};
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

/// Reads names to the end: one a line, or with `is_null` one before each NUL, which alone can take every name there is.
/// Empty ones are passed over. Blocks.
///
/// # Errors
///
/// Those of the reader, and a NUL in a list of lines: it is one of the other kind, or no list.
///
/// ```
/// use std::path::Path;
/// use image_pipeline::input::read_list;
///
/// assert_eq!(read_list(&b"a.jpg\nb b.jpg\n"[..], false)?, [Path::new("a.jpg"), Path::new("b b.jpg")]);
/// assert_eq!(read_list(&b"two\nlines.jpg\0"[..], true)?, [Path::new("two\nlines.jpg")]);
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn read_list(mut list: impl Read, is_null: bool) -> io::Result<Vec<PathBuf>> {
    let mut bytes = Vec::new();
    list.read_to_end(&mut bytes)?;
    if !is_null && bytes.contains(&0) {
        let reason = "there is a NUL in it, which no name has; where names end with one, as those of find -print0, give -0";
        return Err(io::Error::new(io::ErrorKind::InvalidData, reason));
    }
    let end = if is_null { 0 } else { b'\n' };
    let names = bytes.split(|&byte| byte == end).filter(|name| !name.is_empty());
    Ok(names.map(|name| PathBuf::from(OsString::from_vec(name.to_vec()))).collect())
}

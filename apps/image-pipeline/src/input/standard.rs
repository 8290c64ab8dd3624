//! Standard input: a list of names, or one picture.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::AsFd;
use std::path::PathBuf;

use bytes::Bytes;

use super::{FileKey, read_list};
use crate::Name;
use crate::picture::{Refused, probe};

/// What stands on standard input.
#[derive(Debug)]
pub(crate) enum Standard {
    /// A list, of files and folders.
    Names(Vec<PathBuf>),
    /// A picture.
    Picture(Bytes),
    /// A picture that is longer than it may be.
    TooLong,
}

/// A picture begins with bytes that name its format, and has a NUL among the first of them.
const BEGIN: u64 = 32;

// === impl Standard ===

impl Standard {
    /// Reads to the end: a list of names, of which each ends with NUL if `is_null`; or if there is a picture in the place
    /// of a list of lines, that, up to `most` bytes. No list of lines is taken for a picture: there is no NUL in one.
    pub(crate) fn read(mut reader: impl Read, is_null: bool, most: u64) -> io::Result<Self> {
        let mut begin = Vec::new();
        reader.by_ref().take(BEGIN).read_to_end(&mut begin)?;
        if is_null || !begin.contains(&0) || probe(&begin) == Err(Refused::NotAPicture) {
            return read_list(begin.chain(reader), is_null).map(Self::Names);
        }
        let mut bytes = begin;
        reader.take(most.saturating_sub(BEGIN) + 1).read_to_end(&mut bytes)?;
        if bytes.len() as u64 > most {
            return Ok(Self::TooLong);
        }
        bytes.shrink_to_fit();
        Ok(Self::Picture(bytes.into()))
    }
}

/// The picture on standard input as one of the inputs: the file that it comes from, as far as that is one.
pub(crate) fn piped(length: u64) -> io::Result<super::File> {
    let metadata = File::from(io::stdin().as_fd().try_clone_to_owned()?).metadata()?;
    let modified = if metadata.is_file() { metadata.modified().ok() } else { None };
    let name = Name::new("-").expect("it is a plain name");
    Ok(super::File { path: PathBuf::from("-"), name, bytes: length, modified, key: FileKey::of(&metadata) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8], most: u64) -> Standard {
        Standard::read(bytes, false, most).unwrap()
    }

    #[test]
    fn names_that_begin_as_pictures_do_are_names() {
        for list in ["GIF89a.gif\nb.jpg\n", "BM.bmp", "RIFF1234WEBPVP8.webp\n"] {
            assert!(
                matches!(read(list.as_bytes(), 9), Standard::Names(names) if !names.is_empty()),
                "{list}"
            );
        }
    }

    #[test]
    fn a_picture_is_read_up_to_a_bound() {
        let picture = [b"\xFF\xD8\xFF\xE0\0\x10JFIF\0", [1; 100].as_slice()].concat();
        let length = picture.len() as u64;
        assert!(matches!(read(&picture, length), Standard::Picture(bytes) if bytes == picture));
        assert!(matches!(read(&picture, length - 1), Standard::TooLong));
        assert!(
            Standard::read(&picture[..], true, length).is_ok_and(|read| matches!(read, Standard::Names(_)))
        );
    }
}

//! A file on its way into memory, whose length is known first.

use std::fs::{self, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use super::{InputError, not_a_file};

/// An open file.
#[derive(Debug)]
pub(crate) struct Opened {
    file: fs::File,
    length: u64,
}

// === impl Opened ===

impl Opened {
    /// Opens a file; what is not a file is refused, and never waited for.
    pub(crate) fn open(path: &Path) -> Result<Self, InputError> {
        // A named pipe may stand there since the file was found, and would be waited for.
        let flags = i32::try_from(rustix::fs::OFlags::NONBLOCK.bits()).expect("a flag of open fits");
        let file = OpenOptions::new().read(true).custom_flags(flags).open(path).map_err(|error| {
            if error.kind() == io::ErrorKind::NotFound { InputError::Missing } else { error.into() }
        })?;
        let metadata = file.metadata()?;
        match not_a_file(&metadata) {
            Some(kind) => Err(InputError::NotAFile(kind)),
            None => Ok(Self { file, length: metadata.len() }),
        }
    }

    /// In bytes, when it was opened.
    pub(crate) fn length(&self) -> u64 {
        self.length
    }

    /// Reads at most so many bytes from its beginning.
    pub(crate) fn beginning(self, most: u64) -> Result<Vec<u8>, InputError> {
        let mut bytes = Vec::new();
        self.file.take(most).read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    /// Reads all of it, which must be as long as it was: more would not be counted, and less is not the picture.
    pub(crate) fn read(mut self) -> Result<Vec<u8>, InputError> {
        let length = usize::try_from(self.length).map_err(|_| InputError::Changed)?;
        let mut bytes = vec![0; length];
        match self.file.read_exact(&mut bytes) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Err(InputError::Changed),
            read => read?,
        }
        match self.file.read(&mut [0])? {
            0 => Ok(bytes),
            _ => Err(InputError::Changed),
        }
    }
}

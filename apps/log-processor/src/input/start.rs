//! Opening what waits for its turn, wherever it is by then.

use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use super::{
    error::InputError,
    framing::Framing,
    identity::key_at,
    locate::{Folders, MOST_LISTINGS, is_packed, origin},
    pattern::STDIN,
    position::Position,
    reader::Reader,
    signal::Signal,
};

/// Where to begin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Start {
    /// At the start of a file, of which it is known how it begins.
    File(Position),
    /// Behind what the run before handed on.
    Behind(Position),
    /// Standard input.
    Stdin,
    /// A named pipe or device.
    Stream(PathBuf),
}

// === impl Start ===

impl Start {
    /// Opens what was found. It may have been rotated since, if its turn came late: then it is read
    /// where it is by now, and what stands at its path is another file.
    pub(super) fn open(
        &self,
        framing: &Framing,
        follows: bool,
        signal: &Arc<Signal>,
    ) -> Result<Reader, InputError> {
        let opened = match self {
            Self::Stdin => return self.named(Reader::stdin(Arc::clone(signal), framing)),
            Self::Stream(path) => {
                return self.named(Reader::stream(path, follows, Arc::clone(signal), framing));
            }
            Self::File(position) | Self::Behind(position) => {
                Reader::resume(&position.path, position, framing)
            }
        };
        let position = self.position();
        let is_elsewhere = match &opened {
            // Logs may all begin with the same line, so the file itself is looked for first.
            Ok(Some(reader)) => reader.key() != position.key && position.offset == 0,
            Ok(None) => true,
            Err(error) => error.kind() == io::ErrorKind::NotFound,
        };
        if is_elsewhere && let Some(reader) = reopened(&position, framing) {
            return Ok(reader);
        }
        match opened {
            // Something else has the name of a rotated file, of which nothing is known but that.
            Ok(Some(_)) if is_elsewhere && position.home() != position.path => Err(lost(&position)),
            Ok(Some(reader)) => Ok(reader),
            Ok(None) if matches!(self, Self::File(_)) => self.named(Reader::open(&position.path, framing)),
            Ok(None) => Err(lost(&position)),
            Err(error) => self.named(Err(error)),
        }
    }

    /// Where it was found.
    pub(super) fn position(&self) -> Position {
        match self {
            Self::File(position) | Self::Behind(position) => position.clone(),
            Self::Stream(path) => Position::start(path),
            Self::Stdin => Position::start(Path::new(STDIN)),
        }
    }

    /// It was rotated, and nothing is known to have ever been in it.
    pub(super) fn is_empty_rotation(&self) -> bool {
        let (Self::File(position) | Self::Behind(position)) = self else { return false };
        let is_rotated = position.home() != position.path || origin(&position.path) != position.path;
        is_rotated && position.is_of_nothing()
    }

    /// It is not there, nor anywhere that it could have been renamed to.
    pub(super) fn missing(&self) -> InputError {
        InputError::Unreadable { path: self.position().path, source: io::ErrorKind::NotFound.into() }
    }

    fn named(&self, opened: io::Result<Reader>) -> Result<Reader, InputError> {
        opened.map_err(|source| InputError::Unreadable { path: self.position().path, source })
    }
}

/// Whether `reader`, which begins with what is known of the file of `position`, is of that one. Where nothing is known only its
/// place on disk tells.
fn is_of(reader: &Reader, position: &Position) -> bool {
    reader.key() == position.key || position.offset > 0 || position.is_at_known_start()
}

fn lost(position: &Position) -> InputError {
    InputError::Lost { path: position.path.clone(), offset: position.offset }
}

/// Opens the file of `position`, or a copy of it, wherever it is by now.
fn reopened(position: &Position, framing: &Framing) -> Option<Reader> {
    // One that is renamed while the folder is listed, or before it is opened, is there in the next list.
    let mut is_missed = false;
    for _ in 0..MOST_LISTINGS {
        let Some(path) = Folders::default().locate(position) else {
            if std::mem::replace(&mut is_missed, true) {
                return filled_and_packed(position, framing);
            }
            continue;
        };
        if let Ok(Some(reader)) = Reader::resume(&path, position, framing)
            && is_of(&reader, position)
        {
            return Some(reader);
        }
    }
    None
}

/// The same for a file that was empty, as far as anybody knows, and is not there any more: what it was compressed to, which only the
/// time of its last change tells.
fn filled_and_packed(position: &Position, framing: &Framing) -> Option<Reader> {
    let oldest = || Folders::default().changed_since_empty(position).into_iter().find(|path| is_packed(path));
    for _ in 0..MOST_LISTINGS {
        let path = oldest()?;
        // It may have been renamed before it was opened, and another one may have its name.
        if let Ok(Some(reader)) = Reader::resume(&path, position, framing)
            && oldest().and_then(|path| key_at(&path)) == reader.key()
        {
            return Some(reader);
        }
    }
    None
}

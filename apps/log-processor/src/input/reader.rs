//! One input while it is read: its bytes, its frames, its position.

use std::{
    fs::{self, File, Metadata},
    io,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use forebay_program::open_files;
use rustix::io::Errno;

use super::{
    error::InputError,
    file::{self, Body},
    framing::{Frame, Framed, Framer, Framing},
    identity::{FileKey, Fingerprint, read_at},
    locate::is_packed_copy,
    pattern::STDIN,
    position::{Phase, Position},
    signal::Signal,
    stream::Stream,
    unpacked::Unpacked,
};

/// An open input.
#[derive(Debug)]
pub(super) struct Reader {
    body: Body,
    framer: Framer,
    /// Where it stands, behind the last frame that was handed on.
    position: Position,
    /// Lines that were kept back in case that their record goes on: how many bytes there are, and since when.
    held: Option<(usize, Instant)>,
}

/// What a call of [`Reader::read`] came to.
#[derive(Debug)]
pub(super) enum Progress {
    /// The buffer holds a frame.
    Frame(Frame),
    /// Nothing right now.
    Pending,
    /// The end, perhaps for now; the begin of a line may be kept back.
    Ended,
}

// === impl Reader ===

impl Reader {
    /// Opens a file at its start.
    pub(super) fn open(path: &Path, framing: &Framing) -> io::Result<Self> {
        let opened = Self::resume(path, &Position::start(path), framing)?;
        Ok(opened.expect("every file holds nothing at its start"))
    }

    /// Opens the file at `path` behind `position`; none if it does not hold what was read up to there.
    pub(super) fn resume(path: &Path, position: &Position, framing: &Framing) -> io::Result<Option<Self>> {
        let file = File::open(path)?;
        if open_files::is_among_the_last(&file) {
            return Err(Errno::MFILE.into());
        }
        let metadata = file.metadata()?;
        let first = file::first_bytes(&file)?;
        if !position.head.begins(&first) {
            return Ok(None);
        }
        let head = file::grown(position.head, &first).unwrap_or(position.head);
        let Some(body) = Body::of_file(file, position.offset, position.tail)? else { return Ok(None) };
        let position = position.opened(path, &metadata, head);
        Ok(Some(Self::new(body, position, framing)))
    }

    /// The open file from its start, as what it holds by now. It stood at `home` once, and its name is `path` by now, if it has any:
    /// it need not be opened by that.
    pub(super) fn again(&self, path: &Path, home: &Path, framing: &Framing) -> io::Result<Self> {
        let plain = self.body.plain().ok_or(io::ErrorKind::Unsupported)?;
        let position = Position::start(home).opened(path, &plain.metadata()?, file::head(plain)?);
        let body = Body::of_file(plain.try_clone()?, 0, Fingerprint::EMPTY)?;
        Ok(Self::new(body.expect("every file holds nothing at its start"), position, framing))
    }

    /// Standard input.
    pub(super) fn stdin(signal: Arc<Signal>, framing: &Framing) -> io::Result<Self> {
        Ok(Self::of_stream(Stream::stdin(signal)?, Path::new(STDIN), framing))
    }

    /// A named pipe or a device; a pipe is opened `again` for its next writer.
    pub(super) fn stream(
        path: &Path,
        again: bool,
        signal: Arc<Signal>,
        framing: &Framing,
    ) -> io::Result<Self> {
        Ok(Self::of_stream(Stream::open(path.to_owned(), again, signal)?, path, framing))
    }

    fn of_stream(stream: Stream, path: &Path, framing: &Framing) -> Self {
        Self::new(Body::Stream(Unpacked::new(stream)), Position::start(path), framing)
    }

    fn new(body: Body, position: Position, framing: &Framing) -> Self {
        Self {
            body,
            framer: Framer::new(framing, position.inside_line, position.inside_record),
            position,
            held: None,
        }
    }

    /// Fills `buffer` with the next frame.
    pub(super) fn read(&mut self, buffer: &mut Vec<u8>) -> Result<Progress, InputError> {
        match self.framer.read(&mut self.body, buffer) {
            Ok(Framed::Frame(frame)) => {
                self.advance(buffer, frame);
                Ok(Progress::Frame(frame))
            }
            Ok(Framed::Pending) => Ok(Progress::Pending),
            Ok(Framed::Ended) => Ok(Progress::Ended),
            Err(source) => Err(self.failure(source)),
        }
    }

    /// Hands on in `buffer` what was kept back, a last line without a line end or a last record: until the frame is the
    /// last.
    pub(super) fn finish(&mut self, buffer: &mut Vec<u8>) -> Option<Frame> {
        let frame = self.framer.finish(buffer)?;
        self.advance(buffer, frame);
        Some(frame)
    }

    /// Hands on in `buffer` the whole lines that were kept back in case that their record goes on.
    pub(super) fn flush(&mut self, buffer: &mut Vec<u8>) -> Option<Frame> {
        let frame = self.framer.flush(buffer)?;
        self.advance(buffer, frame);
        Some(frame)
    }

    /// The same once nothing has come for as long as `wait`. To be called when there is nothing to read.
    pub(super) fn flush_after(&mut self, wait: Duration, buffer: &mut Vec<u8>) -> Option<Frame> {
        self.framer.held()?;
        let (now, kept_back) = (Instant::now(), self.kept_back());
        let since = match self.held {
            Some((bytes, since)) if bytes == kept_back => since,
            _ => now,
        };
        self.held = Some((kept_back, since));
        if now.duration_since(since) >= wait { self.flush(buffer) } else { None }
    }

    /// Since when lines are held for their record.
    pub(super) fn held_since(&self) -> Option<Instant> {
        self.held.map(|(_, since)| since)
    }

    /// The end is that of a file to which a later run may find more lines added, and those may belong to the last
    /// record.
    pub(super) fn leave_open(&mut self) {
        self.position.inside_record = self.framer.joins_lines() && self.may_grow();
    }

    /// Whatever is added to the file by now begins a record.
    pub(super) fn end_record(&mut self) {
        self.position.inside_record = false;
    }

    /// Where the input stands, and in which `phase`.
    pub(super) fn position(&mut self, phase: Phase) -> Position {
        self.position.phase = phase;
        // The first line may have been growing when the file was opened; what is known of it grows along.
        if let Some(file) = self.body.plain()
            && let Ok(Some(head)) = file::grown_head(file, self.position.head)
        {
            self.position.head = head;
            self.position.changed = None;
        }
        self.position.clone()
    }

    /// Where the input stands.
    pub(super) fn peek(&self) -> &Position {
        &self.position
    }

    /// Something was handed on, or was by the run before.
    pub(super) fn has_begun(&self) -> bool {
        self.position.offset > 0
    }

    /// The position is within a line that a frame began.
    pub(super) fn is_inside(&self) -> bool {
        self.framer.is_inside()
    }

    /// After a stop: a stream ends behind what was taken from it. False for a file, which keeps what is not read.
    pub(super) fn end_stream(&mut self) -> bool {
        let Body::Stream(stream) = &mut self.body else { return false };
        stream.end();
        true
    }

    /// It is a plain file, read to its end, and that is the begin of a line, or a record that may go on. The last piece of
    /// an overlong one, of which others were handed on, is no begin.
    pub(super) fn ends_in_a_line(&self) -> bool {
        self.body.plain().is_some() && self.kept_back() > 0 && !self.is_inside() && self.framer.fits()
    }

    /// How many bytes were read and not handed on.
    pub(super) fn kept_back(&self) -> usize {
        self.framer.kept_back()
    }

    /// The file's place on disk, if it is a file.
    pub(super) fn key(&self) -> Option<FileKey> {
        self.position.key
    }

    /// The source may have more after its end was seen.
    pub(super) fn may_grow(&self) -> bool {
        self.body.may_grow()
    }

    /// The file was deleted: nobody can open it any more.
    pub(super) fn is_deleted(&self) -> bool {
        use std::os::unix::fs::MetadataExt;
        self.metadata().is_some_and(|metadata| metadata.nlink() == 0)
    }

    /// Under which name the file is by now, as far as the system tells (Linux does); none if that is another file's.
    pub(super) fn name_by_now(&self) -> Option<PathBuf> {
        use std::os::fd::AsRawFd;
        let path = fs::read_link(format!("/proc/self/fd/{}", self.body.plain()?.as_raw_fd())).ok()?;
        let key = fs::metadata(&path).ok().map(|metadata| FileKey::of(&metadata));
        (key.is_some() && key == self.key()).then_some(path)
    }

    /// The file holds less than was read of it, or something else just before the position.
    ///
    /// The second finds a file that was truncated and grew past the position before anyone looked; at its start, that
    /// is another first line.
    pub(super) fn is_truncated(&self) -> bool {
        let Some(file) = self.body.plain() else { return false };
        let read = self.position.offset + self.kept_back() as u64;
        let shorter = file.metadata().is_ok_and(|metadata| metadata.len() < read);
        let holds = if self.position.is_at_known_start() {
            file::begins_with(file, self.position.head)
        } else {
            file::holds(file, self.position.offset, self.position.tail)
        };
        shorter || holds.is_ok_and(|holds| !holds)
    }

    /// What the system says of the file, if it is a plain one.
    pub(super) fn metadata(&self) -> Option<Metadata> {
        self.body.plain()?.metadata().ok()
    }

    /// The file at `path` is what its plain file was compressed to.
    pub(super) fn is_packed_to(&self, path: &Path) -> bool {
        self.at_end().is_some_and(|end| is_packed_copy(path, &end))
    }

    /// The end that its plain file has now, whatever was read of it.
    fn at_end(&self) -> Option<Position> {
        let plain = self.body.plain()?;
        let end = || -> io::Result<Position> {
            let offset = plain.metadata()?.len();
            let mut last = [0; Fingerprint::LIMIT];
            let read = read_at(plain, &mut last, offset.saturating_sub(Fingerprint::LIMIT as u64))?;
            let (head, tail) = (file::head(plain)?, Fingerprint::of_last_bytes(&last[..read]));
            Ok(Position { head, offset, tail, ..self.position.clone() })
        };
        end().ok()
    }

    /// The file at `path` holds what this one does, as far as it goes: perhaps it is still being copied.
    ///
    /// Of an empty file that cannot be told yet, so it counts as one.
    pub(super) fn is_copied_to(&self, path: &Path) -> bool {
        let Some(original) = self.body.plain() else { return false };
        let copied = || -> io::Result<bool> {
            let copy = File::open(path)?;
            let (of_copy, of_original) = (copy.metadata()?, original.metadata()?);
            let len = of_copy.len();
            // It may have been renamed to that path just now.
            if len > of_original.len() || FileKey::of(&of_copy) == FileKey::of(&of_original) {
                return Ok(false);
            }
            let last = len.saturating_sub(Fingerprint::LIMIT as u64);
            Ok(file::agree(&copy, original, 0, len)? && file::agree(&copy, original, last, len)?)
        };
        copied().unwrap_or(false)
    }

    fn advance(&mut self, bytes: &[u8], frame: Frame) {
        self.held = None;
        self.position.changed = None;
        self.position.offset += bytes.len() as u64;
        self.position.tail = Fingerprint::of_last_bytes(bytes);
        self.position.inside_line = bytes.last() != Some(&b'\n');
        self.position.inside_record = frame.ends_inside && self.framer.joins_lines();
    }

    fn failure(&self, source: io::Error) -> InputError {
        let path = self.position.path.clone();
        let offset = self.position.offset + self.framer.kept_back() as u64;
        match self.body.format() {
            // The stream below may fail by itself.
            Some(format)
                if source.kind() != io::ErrorKind::OutOfMemory && source.raw_os_error().is_none() =>
            {
                InputError::Damaged { path, format: format.to_string(), offset, source }
            }
            _ => InputError::Read { path, offset, source },
        }
    }
}

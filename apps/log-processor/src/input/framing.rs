//! From bytes to runs of whole lines or records, without a look at the lines between.
//!
//! ```text
//!   buffer   carry┃ just read ...................... \n ┃ begin of a line
//!            ◀─────────────── a frame ────────────────▶ ┃◀─ next carry ─▶
//! ```
//!
//! The buffer is filled, the last line end in it is looked for, and what lies behind is carried to the front of the
//! next buffer. Only a line that does not fit makes the buffer grow, up to `max_line`; one that does not fit then
//! leaves in pieces. So memory is bounded whatever the input holds.
//!
//! **Records of several lines** are cut in the same way, where the last of them begins: lines are asked, from the last
//! whole one back, whether they begin a record, and mostly one or a few are. That one may go on, so all of it is
//! carried. A line is told by so many bytes ([`FirstLine::look`]), which are read beside `max_line`: so it never depends
//! on how the bytes came which records there are, and which of them do not fit. One that does not leaves in pieces, as
//! a line does. So does one that was waited for long enough ([`Framer::flush`]): what is read behind it belongs to it
//! until another record begins.

use std::{
    io::{self, ErrorKind, Read},
    mem,
};

use super::BATCH_BYTES;
use crate::multiline::{FirstLine, Multiline};

/// How inputs are cut.
#[derive(Debug, Clone)]
pub(super) struct Framing {
    /// The longest line or record that travels whole, in bytes.
    pub(super) max_line: usize,
    /// None if each line is a record.
    pub(super) multiline: Option<Multiline>,
}

/// Cuts one input into frames.
#[derive(Debug)]
pub(super) struct Framer {
    /// Of a record, if records may have several lines.
    max_line: usize,
    /// None if each line is a record.
    first_line: Option<FirstLine>,
    /// So much is read at once.
    reach: usize,
    /// What was read and not handed on: the begin of a line, or, behind an overlong line, whole lines too.
    carry: Vec<u8>,
    /// The last frame ended within a line, or in a record that may go on.
    inside: bool,
    /// Only then: it ended behind a line, and whether the next one goes on with the record has not been seen.
    at_line: bool,
    /// Only of records: no line that begins in so many bytes of the carry, but for the first of all, begins one.
    judged: usize,
    /// A failure that came with lines in hand: it is reported once they are handed on.
    failed: Option<io::Error>,
}

/// What a call of [`Framer::read`] came to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Framed {
    /// The buffer holds a frame.
    Frame(Frame),
    /// The source has nothing right now; the buffer holds nothing of use.
    Pending,
    /// The source ended, perhaps for now; the begin of a line may be kept back.
    Ended,
}

/// What is to be known about the bytes of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Frame {
    /// The first byte continues the line or record of the frame before.
    pub(super) starts_inside: bool,
    /// The last line goes on in the next frame, or its record may.
    pub(super) ends_inside: bool,
    /// The source ended, and nothing is kept back.
    pub(super) is_last: bool,
}

/// So much is read at first: most files are short, and what is not read into need not be made ready for it.
const FIRST: usize = 16 * 1024;

enum Stop {
    Full,
    Pending,
    Ended,
    Failed(io::Error),
}

// === impl Framer ===

impl Framer {
    /// Begins at a line and a record, or `inside_line`, or behind a line `inside_record`, the begin of which was handed
    /// on before.
    pub(super) fn new(framing: &Framing, inside_line: bool, inside_record: bool) -> Self {
        let first_line = framing.multiline.as_ref().map(|multiline| multiline.first_line.clone());
        let at_line = first_line.is_some() && inside_record && !inside_line;
        Self {
            max_line: framing.max_line.max(1),
            first_line,
            reach: FIRST,
            carry: Vec::new(),
            inside: inside_line || at_line,
            at_line,
            judged: 0,
            failed: None,
        }
    }

    /// Fills `buffer` with the next frame. Its former content does not matter; its capacity is used again.
    ///
    /// A source that would block says so by [`ErrorKind::WouldBlock`]: then what is there is handed on.
    pub(super) fn read(&mut self, source: &mut impl Read, buffer: &mut Vec<u8>) -> io::Result<Framed> {
        if let Some(error) = self.failed.take() {
            return Err(error);
        }
        let mut filled = self.carry.len();
        let reach = mem::replace(&mut self.reach, BATCH_BYTES);
        // A frame ends within the limit; what tells the line behind it may lie beyond.
        let (mut limit, look) = (self.max_line.min(reach.max(filled)), self.look());
        grow(buffer, limit + look);
        buffer[..filled].copy_from_slice(&self.carry);
        self.carry.clear();
        loop {
            let stop = fill(source, &mut buffer[..limit + look], &mut filled);
            if let Some(end) = self.frame_end(&buffer[..filled], limit, false) {
                self.carry.extend_from_slice(&buffer[end..filled]);
                buffer.truncate(end);
                let starts_inside = mem::take(&mut self.inside);
                let is_last = matches!(stop, Stop::Ended) && self.carry.is_empty();
                if let Stop::Failed(error) = stop {
                    self.failed = Some(error);
                }
                return Ok(Framed::Frame(Frame { starts_inside, ends_inside: false, is_last }));
            }
            match stop {
                // The rest of an overlong line need not be gathered: it leaves in pieces anyway.
                Stop::Full if limit < self.max_line && !self.inside => {
                    limit = limit.saturating_mul(2).min(self.max_line);
                    grow(buffer, limit + look);
                }
                Stop::Full => {
                    let end = self.cut(&buffer[..filled], limit);
                    self.carry.extend_from_slice(&buffer[end..filled]);
                    buffer.truncate(end);
                    let starts_inside = mem::replace(&mut self.inside, true);
                    return Ok(Framed::Frame(Frame { starts_inside, ends_inside: true, is_last: false }));
                }
                Stop::Pending => {
                    self.carry.extend_from_slice(&buffer[..filled]);
                    return Ok(Framed::Pending);
                }
                Stop::Ended => {
                    self.carry.extend_from_slice(&buffer[..filled]);
                    return Ok(Framed::Ended);
                }
                Stop::Failed(error) => {
                    self.carry.extend_from_slice(&buffer[..filled]);
                    return Err(error);
                }
            }
        }
    }

    /// There will be no more: hands on what was kept back, a last line without a line end or a last record, in `buffer`.
    ///
    /// None if nothing was kept back. To be called when [`read`](Self::read) has ended or failed, until the frame is
    /// the last: behind a last record there may be a line without a line end that begins another one.
    pub(super) fn finish(&mut self, buffer: &mut Vec<u8>) -> Option<Frame> {
        if self.carry.is_empty() {
            return None;
        }
        buffer.clear();
        buffer.append(&mut self.carry);
        let mut ends_inside = false;
        if self.first_line.is_some() {
            let end = self.frame_end(buffer, self.max_line, true).unwrap_or_else(|| {
                ends_inside = buffer.len() > self.max_line;
                if ends_inside { self.cut(buffer, self.max_line) } else { buffer.len() }
            });
            self.carry.extend_from_slice(&buffer[end..]);
            buffer.truncate(end);
        }
        let starts_inside = mem::replace(&mut self.inside, ends_inside);
        Some(Frame { starts_inside, ends_inside, is_last: self.carry.is_empty() })
    }

    /// Hands on in `buffer` the whole lines of a record that was kept back in case that it goes on, which it still may.
    /// None if there are none.
    pub(super) fn flush(&mut self, buffer: &mut Vec<u8>) -> Option<Frame> {
        let end = self.held()?;
        buffer.clear();
        buffer.extend(self.carry.drain(..end));
        (self.at_line, self.judged) = (true, 0);
        let starts_inside = mem::replace(&mut self.inside, true);
        Some(Frame { starts_inside, ends_inside: true, is_last: false })
    }

    /// How many bytes whole lines have that were kept back, in case that their record goes on.
    pub(super) fn held(&self) -> Option<usize> {
        self.first_line.as_ref()?;
        let within = &self.carry[..self.carry.len().min(self.max_line)];
        memchr::memrchr(b'\n', within).map(|newline| newline + 1)
    }

    /// How many bytes were read and not handed on.
    pub(super) fn kept_back(&self) -> usize {
        self.carry.len()
    }

    /// Whether what was kept back is no more than may travel whole.
    pub(super) fn fits(&self) -> bool {
        self.carry.len() <= self.max_line
    }

    /// Whether the last frame ended within a line, or in a record that may go on.
    pub(super) fn is_inside(&self) -> bool {
        self.inside
    }

    /// Whether records may have several lines.
    pub(super) fn joins_lines(&self) -> bool {
        self.first_line.is_some()
    }

    /// How many bytes it takes to tell whether a line begins a record.
    fn look(&self) -> usize {
        self.first_line.as_ref().map_or(0, FirstLine::look)
    }

    /// Behind which byte a frame can end, of records within `limit`. The end of an overlong line or record is a frame
    /// of its own, so that whoever handles pieces never meets one glued to whole ones.
    fn frame_end(&mut self, bytes: &[u8], limit: usize, is_all: bool) -> Option<usize> {
        match self.first_line.take() {
            None if self.inside => memchr::memchr(b'\n', bytes).map(|newline| newline + 1),
            None => memchr::memrchr(b'\n', bytes).map(|newline| newline + 1),
            Some(first_line) => {
                let end = self.record_end(&first_line, bytes, limit, is_all);
                self.first_line = Some(first_line);
                end
            }
        }
    }

    /// Where in `bytes` a record begins behind another one. A line without a line end is judged as it is only if these
    /// are all the bytes there are.
    fn record_end(
        &mut self,
        first_line: &FirstLine,
        bytes: &[u8],
        limit: usize,
        is_all: bool,
    ) -> Option<usize> {
        let begins = |start: usize| {
            let line = bytes.get(start..).filter(|line| !line.is_empty())?;
            match memchr::memchr(b'\n', &line[..line.len().min(first_line.look())]) {
                Some(end) => Some(first_line.begins(&line[..end])),
                None if is_all || line.len() >= first_line.look() => Some(first_line.begins(line)),
                None => None,
            }
        };
        if self.inside && self.at_line {
            let is_over = begins(0)?;
            // Else it is a line of that record, as if it had been begun.
            (self.inside, self.at_line) = (!is_over, false);
        }
        let from = mem::take(&mut self.judged);
        let within = &bytes[..bytes.len().min(limit)];
        let mut judged = within.len();
        let behind = |newline: usize| {
            let start = from + newline + 1;
            let begins = begins(start);
            if begins.is_none() {
                judged = start - 1;
            }
            (begins == Some(true)).then_some(start)
        };
        let unseen = within.get(from..).unwrap_or_default();
        let end = if self.inside {
            memchr::memchr_iter(b'\n', unseen).find_map(behind)
        } else {
            memchr::memrchr_iter(b'\n', unseen).find_map(behind)
        };
        self.judged = match end {
            // The first that begins one, so those behind it are to be looked at.
            Some(_) if self.inside => 0,
            Some(end) => judged.saturating_sub(end),
            None => judged,
        };
        end
    }

    /// Behind which byte what does not fit is cut. Of a record it is within a line, if only it holds anything else
    /// than line ends: so what was cut can be told from what was waited for long enough.
    fn cut(&mut self, bytes: &[u8], limit: usize) -> usize {
        if self.first_line.is_none() {
            return bytes.len();
        }
        let within = &bytes[..limit];
        let end = within.iter().rposition(|byte| *byte != b'\n').map_or(limit, |last| last + 1);
        self.at_line = within[end - 1] == b'\n';
        self.judged = self.judged.saturating_sub(end);
        end
    }
}

/// Reads until `buffer` is full or the source pauses.
fn fill(source: &mut impl Read, buffer: &mut [u8], filled: &mut usize) -> Stop {
    while *filled < buffer.len() {
        match source.read(&mut buffer[*filled..]) {
            Ok(0) => return Stop::Ended,
            Ok(read) => *filled += read,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Stop::Pending,
            Err(error) => return Stop::Failed(error),
        }
    }
    Stop::Full
}

/// Makes `buffer` at least `len` long. A recycled one mostly is already, and then nothing is zeroed.
fn grow(buffer: &mut Vec<u8>, len: usize) {
    // A buffer that once held an overlong line is not kept at that size for ever.
    if buffer.capacity() > len.max(2 * BATCH_BYTES) {
        *buffer = Vec::new();
    }
    if buffer.len() < len {
        buffer.resize(len, 0);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    /// Gives its bytes in portions of the sizes given; a size of 0 is a pause.
    struct Portions<'a> {
        bytes: &'a [u8],
        sizes: std::iter::Cycle<std::slice::Iter<'a, usize>>,
    }

    impl Read for Portions<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let size = *self.sizes.next().expect("a cycle does not end");
            if size == 0 && !self.bytes.is_empty() {
                return Err(ErrorKind::WouldBlock.into());
            }
            let read = self.bytes.len().min(size.max(1)).min(buffer.len());
            buffer[..read].copy_from_slice(&self.bytes[..read]);
            self.bytes = &self.bytes[read..];
            Ok(read)
        }
    }

    fn framer(max_line: usize, first_line: Option<FirstLine>) -> Framer {
        let multiline = first_line.map(|first_line| Multiline { first_line, wait: Duration::MAX });
        Framer::new(&Framing { max_line, multiline }, false, false)
    }

    fn frames(bytes: &[u8], sizes: &[usize], max_line: usize) -> Vec<(Vec<u8>, Frame)> {
        frames_of(framer(max_line, None), bytes, sizes, |_| false)
    }

    /// `gives_up` says at a pause whether to wait no longer.
    fn frames_of(
        mut framer: Framer,
        bytes: &[u8],
        sizes: &[usize],
        mut gives_up: impl FnMut(&[u8]) -> bool,
    ) -> Vec<(Vec<u8>, Frame)> {
        let mut source = Portions { bytes, sizes: sizes.iter().cycle() };
        let mut frames = Vec::new();
        // What a recycled buffer holds must never show.
        let mut buffer = vec![b'?'; 7];
        loop {
            match framer.read(&mut source, &mut buffer).expect("this source does not fail") {
                Framed::Frame(frame) => frames.push((buffer.clone(), frame)),
                Framed::Pending if gives_up(source.bytes) => {
                    frames.extend(framer.flush(&mut buffer).map(|frame| (buffer.clone(), frame)));
                }
                Framed::Pending => {}
                Framed::Ended => break,
            }
        }
        while let Some(frame) = framer.finish(&mut buffer) {
            frames.push((buffer.clone(), frame));
        }
        frames
    }

    /// The records of `bytes`, found by looking at all of them at once.
    fn records(bytes: &[u8], first_line: &FirstLine) -> Vec<Vec<u8>> {
        let mut records: Vec<Vec<u8>> = Vec::new();
        for line in bytes.split_inclusive(|byte| *byte == b'\n') {
            match records.last_mut() {
                Some(last) if !first_line.begins(line.strip_suffix(b"\n").unwrap_or(line)) => {
                    last.extend(line)
                }
                _ => records.push(line.to_vec()),
            }
        }
        records
    }

    /// Text of short lines, of which some begin a record in the one or other way.
    fn some_lines() -> impl Strategy<Value = Vec<u8>> {
        let part = prop::sample::select(vec![
            "\n", "\n", "\n\n", "\r\n", " at", "\t", "x", "12", "12:", "\u{e9}", ".",
        ]);
        prop::collection::vec(part, 0..60).prop_map(|parts| parts.concat().into_bytes())
    }

    fn some_first_line() -> impl Strategy<Value = FirstLine> {
        prop::sample::select(vec!["indent", "^12:", "x$", "^$"])
            .prop_map(|text| text.parse().expect("these are valid"))
    }

    fn read_all(bytes: &[u8], max_line: usize) -> Vec<Vec<u8>> {
        frames(bytes, &[usize::MAX], max_line).into_iter().map(|(bytes, _)| bytes).collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(500))]

        #[test]
        fn frames_are_the_input_cut_at_line_ends(
            bytes in prop::collection::vec(prop_oneof![Just(b'\n'), Just(b'\r'), Just(0), any::<u8>()], 0..200),
            sizes in prop::collection::vec(0_usize..20, 1..6).prop_filter("some must be read", |s| s.iter().any(|n| *n > 0)),
            max_line in 1_usize..30,
        ) {
            let frames = frames(&bytes, &sizes, max_line);
            let joined: Vec<u8> = frames.iter().flat_map(|(bytes, _)| bytes.iter().copied()).collect();
            prop_assert_eq!(&joined, &bytes);

            let mut inside = false;
            for (index, (bytes, frame)) in frames.iter().enumerate() {
                let is_last = index + 1 == frames.len();
                prop_assert!(!bytes.is_empty() && bytes.len() <= max_line);
                prop_assert_eq!(frame.starts_inside, inside);
                inside = frame.ends_inside;
                if frame.ends_inside {
                    prop_assert!(!bytes.contains(&b'\n'));
                } else if !is_last {
                    prop_assert_eq!(bytes.last(), Some(&b'\n'));
                }
                if frame.starts_inside {
                    let line_ends = bytes.iter().filter(|byte| **byte == b'\n').count();
                    prop_assert!(line_ends <= 1, "the end of an overlong line is a frame of its own");
                }
            }
            // Exactly the lines that do not fit are in pieces.
            let overlong = bytes.split_inclusive(|byte| *byte == b'\n').filter(|line| {
                line.len() > max_line || line.len() == max_line && line.last() != Some(&b'\n')
            });
            let begun = frames.iter().filter(|(_, frame)| frame.ends_inside && !frame.starts_inside);
            prop_assert_eq!(begun.count(), overlong.count());
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        #[test]
        fn records_are_the_same_however_their_bytes_come(
            bytes in some_lines(),
            first_line in some_first_line(),
            sizes in prop::collection::vec(0_usize..20, 1..6).prop_filter("some must be read", |s| s.iter().any(|n| *n > 0)),
            max_line in 1_usize..40,
        ) {
            let frames = frames_of(framer(max_line, Some(first_line.clone())), &bytes, &sizes, |_| false);
            let mut gathered: Vec<Vec<u8>> = Vec::new();
            let mut pieces: Vec<usize> = Vec::new();
            let mut inside = false;
            for (bytes, frame) in &frames {
                prop_assert!(!bytes.is_empty() && bytes.len() <= max_line);
                // That another record begins instead takes a promise back.
                prop_assert!(!frame.starts_inside || inside);
                inside = frame.ends_inside;
                if frame.starts_inside {
                    gathered.last_mut().expect("it began").extend(bytes);
                    *pieces.last_mut().expect("it began") += 1;
                } else if frame.ends_inside {
                    // What does not fit is a frame of its own.
                    gathered.push(bytes.clone());
                    pieces.push(1);
                } else {
                    let records = records(bytes, &first_line);
                    pieces.extend(records.iter().map(|_| 1));
                    gathered.extend(records);
                }
            }
            prop_assert!(!inside, "nothing is promised at the end");
            let whole = records(&bytes, &first_line);
            prop_assert_eq!(&gathered, &whole);
            for (record, pieces) in whole.iter().zip(pieces) {
                prop_assert_eq!(record.len() > max_line, pieces > 1, "exactly those that do not fit are in pieces");
            }
        }

        #[test]
        fn what_is_not_waited_for_any_more_goes_on_until_another_record_begins(
            bytes in some_lines(),
            first_line in some_first_line(),
            sizes in prop::collection::vec(0_usize..20, 1..6).prop_filter("some must be read", |s| s.iter().any(|n| *n > 0)),
        ) {
            let mut pauses = 0;
            let gives_up = |_: &[u8]| { pauses += 1; pauses % 2 == 0 };
            let frames = frames_of(framer(1000, Some(first_line.clone())), &bytes, &sizes, gives_up);
            let mut gathered: Vec<Vec<u8>> = Vec::new();
            for (bytes, frame) in &frames {
                if frame.starts_inside {
                    gathered.last_mut().expect("it began").extend(bytes);
                } else {
                    gathered.extend(records(bytes, &first_line));
                }
                prop_assert!(!frame.ends_inside || bytes.last() == Some(&b'\n'), "it ends behind a line");
            }
            prop_assert_eq!(&gathered, &records(&bytes, &first_line));
        }
    }

    #[test]
    fn lines_of_a_record_that_is_held_are_judged_once() {
        let mut framer = framer(100, Some("^x".parse().expect("it is valid")));
        let mut buffer = Vec::new();
        for (read, judged) in [("x\n y\n", 0), (" z\n", 4), ("", 7)] {
            assert_eq!(framer.judged, judged);
            let framed = framer.read(&mut read.as_bytes(), &mut buffer).expect("a slice does not fail");
            assert_eq!(framed, Framed::Ended);
        }
        framer.read(&mut &b"x\n"[..], &mut buffer).expect("a slice does not fail");
        assert_eq!(buffer, b"x\n y\n z\n");
    }

    #[test]
    fn line_longer_than_a_batch_travels_whole_up_to_max_line() {
        let mut line = vec![b'x'; 3 * BATCH_BYTES];
        line.push(b'\n');
        let input = [b"short\n", &line[..], b"short\n"].concat();
        assert_eq!(read_all(&input, 4 * BATCH_BYTES).concat(), input);
        assert!(read_all(&input, 4 * BATCH_BYTES).iter().any(|bytes| bytes.starts_with(&line)));
        let pieces = read_all(&input, 2 * BATCH_BYTES);
        assert_eq!(pieces.concat(), input);
        assert!(pieces.iter().all(|bytes| bytes.len() <= 2 * BATCH_BYTES));
    }

    #[test]
    fn ordinary_lines_make_batches_of_nearly_full_size_but_for_the_first() {
        let input = b"an ordinary line\n".repeat(100_000);
        let frames = read_all(&input, super::super::MAX_LINE);
        assert_eq!(frames.concat(), input);
        assert!((FIRST - 17..=FIRST).contains(&frames[0].len()), "a short file need not pay for a long one");
        assert_eq!(frames.len(), 1 + (input.len() - frames[0].len()).div_ceil(BATCH_BYTES - 17));
    }

    #[test]
    fn failure_waits_for_the_lines_in_hand_and_keeps_the_begun_one() {
        struct Fails;
        impl Read for Fails {
            fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                Err(io::Error::other("the disk is on fire"))
            }
        }
        let mut source = (&b"whole\nbegun"[..]).chain(Fails);
        let (mut framer, mut buffer) = (framer(100, None), Vec::new());
        assert!(matches!(framer.read(&mut source, &mut buffer), Ok(Framed::Frame(_))));
        assert_eq!(buffer, b"whole\n");
        assert!(framer.read(&mut source, &mut buffer).is_err());
        assert!(framer.finish(&mut buffer).is_some());
        assert_eq!(buffer, b"begun");
    }

    #[test]
    fn buffer_of_an_overlong_line_is_not_kept() {
        let mut framer = framer(8 * BATCH_BYTES, None);
        let mut buffer = vec![0; 8 * BATCH_BYTES];
        framer.read(&mut &b"line\n"[..], &mut buffer).expect("a slice does not fail");
        assert!(buffer.capacity() <= 2 * BATCH_BYTES);
    }
}

//! From bytes to runs of whole lines, without a look at the lines between.
//!
//! ```text
//!   buffer   carry┃ just read ...................... \n ┃ begin of a line
//!            ◀─────────────── a frame ────────────────▶ ┃◀─ next carry ─▶
//! ```
//!
//! The buffer is filled, the last line end in it is looked for, and what lies behind is carried to the front of the
//! next buffer. Only a line that does not fit makes the buffer grow, up to `max_line`; one that does not fit then
//! leaves in pieces. So memory is bounded whatever the input holds.

use std::{
    io::{self, ErrorKind, Read},
    mem,
};

use super::BATCH_BYTES;

/// Cuts one input into frames.
#[derive(Debug)]
pub(super) struct Framer {
    max_line: usize,
    /// So much is read at once.
    reach: usize,
    /// What was read and not handed on: the begin of a line, or, behind an overlong line, whole lines too.
    carry: Vec<u8>,
    /// The last frame ended within a line.
    inside: bool,
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
    /// The first byte continues the line of the frame before.
    pub(super) starts_inside: bool,
    /// The last line goes on in the next frame.
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
    /// Begins at a line, or `inside` one whose begin was handed on before.
    pub(super) fn new(max_line: usize, inside: bool) -> Self {
        Self { max_line: max_line.max(1), reach: FIRST, carry: Vec::new(), inside, failed: None }
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
        let mut limit = self.max_line.min(reach).max(filled);
        grow(buffer, limit);
        buffer[..filled].copy_from_slice(&self.carry);
        self.carry.clear();
        loop {
            let stop = fill(source, &mut buffer[..limit], &mut filled);
            if let Some(end) = self.last_line_end(&buffer[..filled]) {
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
                    grow(buffer, limit);
                }
                Stop::Full => {
                    buffer.truncate(filled);
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

    /// There will be no more: hands on what was kept back, a last line without a line end, in `buffer`.
    ///
    /// None if nothing was kept back. To be called when [`read`](Self::read) has ended or failed.
    pub(super) fn finish(&mut self, buffer: &mut Vec<u8>) -> Option<Frame> {
        if self.carry.is_empty() {
            return None;
        }
        buffer.clear();
        buffer.append(&mut self.carry);
        let starts_inside = mem::take(&mut self.inside);
        Some(Frame { starts_inside, ends_inside: false, is_last: true })
    }

    /// How many bytes were read and not handed on.
    pub(super) fn kept_back(&self) -> usize {
        self.carry.len()
    }

    /// Whether the last frame ended within a line.
    pub(super) fn is_inside(&self) -> bool {
        self.inside
    }

    /// Behind which byte a frame can end. The end of an overlong line is a frame of its own, so that whoever
    /// handles pieces never meets one glued to whole lines.
    fn last_line_end(&self, bytes: &[u8]) -> Option<usize> {
        let newline = if self.inside { memchr::memchr(b'\n', bytes) } else { memchr::memrchr(b'\n', bytes) };
        newline.map(|newline| newline + 1)
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

    fn frames(bytes: &[u8], sizes: &[usize], max_line: usize) -> Vec<(Vec<u8>, Frame)> {
        let mut framer = Framer::new(max_line, false);
        let mut source = Portions { bytes, sizes: sizes.iter().cycle() };
        let mut frames = Vec::new();
        // What a recycled buffer holds must never show.
        let mut buffer = vec![b'?'; 7];
        loop {
            match framer.read(&mut source, &mut buffer).expect("this source does not fail") {
                Framed::Frame(frame) => frames.push((buffer.clone(), frame)),
                Framed::Pending => {}
                Framed::Ended => break,
            }
        }
        frames.extend(framer.finish(&mut buffer).map(|frame| (buffer, frame)));
        frames
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
        let (mut framer, mut buffer) = (Framer::new(100, false), Vec::new());
        assert!(matches!(framer.read(&mut source, &mut buffer), Ok(Framed::Frame(_))));
        assert_eq!(buffer, b"whole\n");
        assert!(framer.read(&mut source, &mut buffer).is_err());
        assert!(framer.finish(&mut buffer).is_some());
        assert_eq!(buffer, b"begun");
    }

    #[test]
    fn buffer_of_an_overlong_line_is_not_kept() {
        let mut framer = Framer::new(8 * BATCH_BYTES, false);
        let mut buffer = vec![0; 8 * BATCH_BYTES];
        framer.read(&mut &b"line\n"[..], &mut buffer).expect("a slice does not fail");
        assert!(buffer.capacity() <= 2 * BATCH_BYTES);
    }
}

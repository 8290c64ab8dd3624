//! Cutting a batch into lines, or into records of several.

use std::ops::Range;

use super::Edges;
use crate::multiline::FirstLine;
use crate::render::Piece;

/// One line or record, or the piece of one.
pub(super) struct Line<'a> {
    /// Where it lies in the batch, line end included.
    pub(super) whole: Range<usize>,
    /// The line without its line end, `\n` or `\r\n`; of several without that of the last.
    pub(super) content: &'a [u8],
    pub(super) piece: Piece,
    /// It goes on in the next batch, or may.
    pub(super) goes_on: bool,
}

// === impl Line ===

impl Line<'_> {
    /// More than one line; a later piece is none of its own.
    pub(super) fn has_several(&self) -> bool {
        match self.piece {
            Piece::Whole | Piece::Later => false,
            Piece::Several => true,
            Piece::First => memchr::memchr(b'\n', self.content).is_some(),
        }
    }
}

/// The lines of a batch, in order.
pub(super) fn lines(bytes: &[u8], edges: Edges) -> impl Iterator<Item = Line<'_>> {
    let mut start = 0;
    std::iter::from_fn(move || {
        let rest = bytes.get(start..).filter(|rest| !rest.is_empty())?;
        let newline = memchr::memchr(b'\n', rest);
        let (content, len) = match newline {
            Some(end) => (rest[..end].strip_suffix(b"\r").unwrap_or(&rest[..end]), end + 1),
            None => (rest, rest.len()),
        };
        let piece = match newline {
            _ if start == 0 && edges.starts_inside => Piece::Later,
            None if edges.ends_inside => Piece::First,
            _ => Piece::Whole,
        };
        let whole = start..start + len;
        start = whole.end;
        Some(Line { whole, content, piece, goes_on: piece == Piece::First })
    })
}

/// The records of a batch, in order: a line that is no `first_line` belongs to the record before it.
pub(super) fn records<'a>(
    bytes: &'a [u8],
    edges: Edges,
    first_line: &FirstLine,
) -> impl Iterator<Item = Line<'a>> {
    let mut start = 0;
    std::iter::from_fn(move || {
        let rest = bytes.get(start..).filter(|rest| !rest.is_empty())?;
        // The reader sees to it that such a batch holds nothing else. Its last line may be cut, and must not be judged.
        let is_piece = edges.starts_inside || edges.ends_inside;
        let begins = |at: usize| {
            let line = &rest[at..];
            !line.is_empty()
                && first_line.begins(memchr::memchr(b'\n', line).map_or(line, |end| &line[..end]))
        };
        let ends = memchr::memchr_iter(b'\n', rest).map(|newline| newline + 1);
        let end = if is_piece { None } else { ends.into_iter().find(|end| begins(*end)) };
        let record = &rest[..end.unwrap_or(rest.len())];
        let content =
            record.strip_suffix(b"\n").map_or(record, |text| text.strip_suffix(b"\r").unwrap_or(text));
        let goes_on = edges.ends_inside && !edges.starts_inside;
        let piece = if edges.starts_inside {
            Piece::Later
        } else if goes_on && record.last() != Some(&b'\n') {
            // One that is only not waited for any more ends behind a line.
            Piece::First
        } else if memchr::memchr(b'\n', content).is_some() {
            Piece::Several
        } else {
            Piece::Whole
        };
        let whole = start..start + record.len();
        start = whole.end;
        Some(Line { whole, content, piece, goes_on })
    })
}

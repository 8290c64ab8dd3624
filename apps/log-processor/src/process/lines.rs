//! Cutting a batch into lines.

use std::ops::Range;

use super::Edges;
use crate::render::Piece;

/// One line, or the piece of one.
pub(super) struct Line<'a> {
    /// Where it lies in the batch, line end included.
    pub(super) whole: Range<usize>,
    /// The line without its line end, `\n` or `\r\n`.
    pub(super) content: &'a [u8],
    pub(super) piece: Piece,
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
        Some(Line { whole, content, piece })
    })
}

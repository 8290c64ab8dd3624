//! What a batch, an input or a whole run came to.

use std::ops::AddAssign;

use crate::parse::{Format, ParseMode};

/// Lines by what happened to them. An over-long line counts once, with its first piece.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Bytes taken in, line ends included.
    pub bytes: u64,
    /// Lines taken in: `kept + dropped`.
    pub lines: u64,
    /// Lines that had the format asked for; under [`ParseMode::Auto`], any format but plain text. Blank
    /// lines are plain text.
    pub parsed: u64,
    /// Lines that passed the filter, and lie in the period if there is one.
    pub kept: u64,
    /// Lines that the filter or the period refused.
    pub dropped: u64,
    /// Those of the dropped lines that have no time that can be read, so that no period has them.
    pub untimed: u64,
    /// Lines that were cut into pieces, of which the first was parsed and filtered.
    pub long: u64,
    /// Lines of each format.
    pub formats: FormatCounts,
}

/// Lines of each format; all zero until something was processed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct FormatCounts([u64; Format::ALL.len()]);

/// Whether a line is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Kept,
    Refused,
    /// Refused as it has no time.
    Untimed,
}

// === impl Counts ===

impl Counts {
    /// Lines that did not have the format asked for and were taken as plain text.
    pub fn unparsed(&self) -> u64 {
        self.lines - self.parsed
    }

    /// Plain lines, all kept.
    pub(super) fn all_kept(bytes: u64, lines: u64) -> Self {
        let mut formats = FormatCounts::default();
        formats.0[Format::Plain as usize] = lines;
        Self { bytes, lines, parsed: lines, kept: lines, dropped: 0, untimed: 0, long: 0, formats }
    }

    pub(super) fn add(&mut self, format: Format, mode: ParseMode, verdict: Verdict) {
        self.lines += 1;
        self.parsed += u64::from(mode.expects(format));
        self.kept += u64::from(verdict == Verdict::Kept);
        self.dropped += u64::from(verdict != Verdict::Kept);
        self.untimed += u64::from(verdict == Verdict::Untimed);
        self.formats.0[format as usize] += 1;
    }
}

impl AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.bytes += other.bytes;
        self.lines += other.lines;
        self.parsed += other.parsed;
        self.kept += other.kept;
        self.dropped += other.dropped;
        self.untimed += other.untimed;
        self.long += other.long;
        for (mine, theirs) in self.formats.0.iter_mut().zip(other.formats.0) {
            *mine += theirs;
        }
    }
}

// === impl FormatCounts ===

impl FormatCounts {
    /// Lines of one format.
    pub fn get(&self, format: Format) -> u64 {
        self.0[format as usize]
    }

    /// The formats that were seen, each with its lines, most lines first.
    pub fn found(&self) -> Vec<(Format, u64)> {
        let mut found: Vec<_> =
            Format::ALL.iter().map(|&format| (format, self.get(format))).filter(|&(_, n)| n > 0).collect();
        found.sort_by_key(|&(_, lines)| std::cmp::Reverse(lines));
        found
    }
}

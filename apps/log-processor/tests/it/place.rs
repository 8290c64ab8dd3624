//! A folder for each test, and the program in it.

use std::fs::{self, File};
use std::io::Write as _;
use std::ops::Deref;
use std::path::{Path, PathBuf};

pub(crate) use forebay_program_testkit::{Ended, until};
use serde_json::Value;

/// A folder of its own for one test.
pub(crate) struct Place(forebay_program_testkit::Place);

/// What a report says.
pub(crate) trait Report {
    fn report(&self) -> Value;

    /// Lines read, written, filtered, not written: checked to add up.
    fn totals(&self) -> [u64; 4];
}

// === impl Place ===

impl Place {
    pub(crate) fn new() -> Self {
        Self(forebay_program_testkit::Place::new(env!("CARGO_BIN_EXE_log-processor")))
    }

    /// Adds to a file with a single write.
    pub(crate) fn append(&self, name: &str, content: impl AsRef<[u8]>) {
        File::options().append(true).open(self.path(name)).unwrap().write_all(content.as_ref()).unwrap();
    }

    pub(crate) fn write_gz(&self, name: &str, content: impl AsRef<[u8]>) {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(content.as_ref()).unwrap();
        self.write(name, encoder.finish().unwrap());
    }

    /// Bytes in a file; 0 if it is not there.
    pub(crate) fn len(&self, name: &str) -> u64 {
        fs::metadata(self.path(name)).map_or(0, |metadata| metadata.len())
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

    fn totals(&self) -> [u64; 4] {
        let report = self.report();
        let totals = ["read", "written", "filtered", "not_written"]
            .map(|name| report["totals"][name].as_u64().unwrap_or_else(|| panic!("no {name} in {report}")));
        assert_eq!(totals[0], totals[1] + totals[2] + totals[3], "{report}");
        totals
    }
}

/// The real logs in the repository.
pub(crate) fn logs(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/data/logs").join(name)
}

/// A snapshot of what people read, with times, rates and sizes made equal on every machine.
#[macro_export]
macro_rules! assert_reads {
    ($text:expr) => {
        insta::with_settings!({filters => vec![
            (r"in \d+\.\d+ s: \d+ lines/s, [0-9.]+ \w+/s", "in [seconds] s: [rate] lines/s, [rate]/s"),
            (r#""seconds":[0-9.e-]+"#, r#""seconds":"[seconds]""#),
            (r#"_per_second":\d+"#, r#"_per_second":"[rate]""#),
        ]}, {
            insta::assert_snapshot!($text)
        })
    };
}

//! The test support, tested: other crates' tests are only as good as this.

/// Polling by hand and counting wakes.
mod driver;
/// The contract of a source, the script, and the record.
mod source;

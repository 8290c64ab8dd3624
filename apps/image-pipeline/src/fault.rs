//! Points at which a crash test may end the process.
//!
//! With the feature `fault-points`, `IMAGE_PIPELINE_FAULT=after-write:3` ends the process at the third passing of the
//! point `after-write`, as abruptly as `kill -9`: no destructor runs, no buffer is flushed. A point whose name begins
//! with `panic` panics instead, and at one that begins with `full` the disk is full from that passing on. Without the
//! feature a point is nothing.

use std::io;

/// A point that a test may name.
#[cfg(not(feature = "fault-points"))]
#[inline(always)]
pub(crate) fn point(_name: &str) {}

/// A point that a test may name: whether there is room for what is written next.
#[cfg(not(feature = "fault-points"))]
#[inline(always)]
pub(crate) fn room(_name: &str) -> io::Result<()> {
    Ok(())
}

/// A point that a test may name.
#[cfg(feature = "fault-points")]
pub(crate) fn point(name: &str) {
    if wanted::passings(name).is_some_and(|(passed, count)| passed == count) {
        assert!(!name.starts_with("panic"), "at the fault point {name}");
        std::process::abort();
    }
}

/// A point that a test may name: whether there is room for what is written next.
#[cfg(feature = "fault-points")]
pub(crate) fn room(name: &str) -> io::Result<()> {
    const NO_SPACE_LEFT: i32 = 28;
    let is_full = wanted::passings(name).is_some_and(|(passed, count)| passed >= count);
    if is_full { Err(io::Error::from_raw_os_error(NO_SPACE_LEFT)) } else { Ok(()) }
}

#[cfg(feature = "fault-points")]
mod wanted {
    use std::sync::{
        LazyLock,
        atomic::{AtomicU64, Ordering::Relaxed},
    };

    static WANTED: LazyLock<Option<(String, u64)>> = LazyLock::new(|| {
        let wanted = std::env::var("IMAGE_PIPELINE_FAULT").ok()?;
        let (name, count) = wanted.split_once(':').expect("IMAGE_PIPELINE_FAULT is name:count");
        Some((name.to_owned(), count.parse().expect("IMAGE_PIPELINE_FAULT ends in a number")))
    });
    static PASSED: AtomicU64 = AtomicU64::new(0);

    /// How often the point was passed, this time too, and at which passing it matters; none if it is not wanted.
    pub(super) fn passings(name: &str) -> Option<(u64, u64)> {
        let (wanted, count) = WANTED.as_ref()?;
        (wanted == name).then(|| (PASSED.fetch_add(1, Relaxed) + 1, *count))
    }
}

//! Points at which a crash test may end the process.
//!
//! With the feature `fault-points`, the variable `FAULT_POINT=after-write:3` ends the process at the third passing of the
//! point `after-write`, as abruptly as `kill -9`: no destructor runs, no buffer is flushed. A point whose name begins
//! with `panic` panics instead, and at one that begins with `full` the disk is full from that passing on. Without the
//! feature a point is nothing.

use std::io;

/// A point that a test may name.
#[cfg(not(feature = "fault-points"))]
#[inline(always)]
pub fn point(_name: &str) {}

/// A point that a test may name: whether there is room for what is written next.
///
/// # Errors
///
/// That the disk is full, from the passing on that the test named.
#[cfg(not(feature = "fault-points"))]
#[inline(always)]
pub fn room(_name: &str) -> io::Result<()> {
    Ok(())
}

/// A point that a test may name.
///
/// # Panics
///
/// Where the test wants it to.
#[cfg(feature = "fault-points")]
pub fn point(name: &str) {
    if wanted::passings(name).is_some_and(|(passed, count)| passed == count) {
        assert!(!name.starts_with("panic"), "at the fault point {name}");
        std::process::abort();
    }
}

/// A point that a test may name: whether there is room for what is written next.
///
/// # Errors
///
/// That the disk is full, from the passing on that the test named.
#[cfg(feature = "fault-points")]
pub fn room(name: &str) -> io::Result<()> {
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
        let wanted = std::env::var("FAULT_POINT").ok()?;
        let (name, count) = wanted.split_once(':').expect("FAULT_POINT is name:count");
        Some((name.to_owned(), count.parse().expect("FAULT_POINT ends in a number")))
    });
    static PASSED: AtomicU64 = AtomicU64::new(0);

    /// How often the point was passed, this time too, and at which passing it matters; none if it is not wanted.
    pub(super) fn passings(name: &str) -> Option<(u64, u64)> {
        let (wanted, count) = WANTED.as_ref()?;
        (wanted == name).then(|| (PASSED.fetch_add(1, Relaxed) + 1, *count))
    }
}

//! Points at which a crash test may end the process.
//!
//! With the feature `fault-points`, `LOG_PROCESSOR_FAULT=after-save:3` ends the process at the third passing of the
//! point `after-save`, as abruptly as `kill -9`: no destructor runs, no buffer is flushed. A point whose name begins
//! with `panic` panics instead. Without the feature a point is nothing.

/// A point that a test may name.
#[cfg(not(feature = "fault-points"))]
#[inline(always)]
pub(crate) fn point(_name: &str) {}

/// A point that a test may name.
#[cfg(feature = "fault-points")]
pub(crate) fn point(name: &str) {
    use std::sync::{
        LazyLock,
        atomic::{AtomicU64, Ordering::Relaxed},
    };

    static WANTED: LazyLock<Option<(String, u64)>> = LazyLock::new(|| {
        let wanted = std::env::var("LOG_PROCESSOR_FAULT").ok()?;
        let (name, count) = wanted.split_once(':').expect("LOG_PROCESSOR_FAULT is name:count");
        Some((name.to_owned(), count.parse().expect("LOG_PROCESSOR_FAULT ends in a number")))
    });
    static PASSED: AtomicU64 = AtomicU64::new(0);

    if let Some((wanted, count)) = &*WANTED
        && wanted == name
        && PASSED.fetch_add(1, Relaxed) + 1 == *count
    {
        assert!(!name.starts_with("panic"), "at the fault point {name}");
        std::process::abort();
    }
}

//! How far the two cores are from each other.
//!
//! On a virtual machine the same two cores are at times near (60 ns a round trip) and at times far
//! (320 ns). Every two-thread number hangs on that, so it is measured beside them.

use std::hint;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::thread;
use std::time::Instant;

const ROUND_TRIPS: u64 = 100_000;

/// A word that no other value shares a cache line with.
#[derive(Default)]
#[repr(align(128))]
struct Word(AtomicU64);

#[derive(Debug, serde::Serialize)]
pub(crate) struct RoundTrip {
    nanoseconds: f64,
}

pub(crate) fn measure() -> RoundTrip {
    let (ping, pong) = (Word::default(), Word::default());
    let elapsed = thread::scope(|scope| {
        scope.spawn(|| {
            for trip in 1..=ROUND_TRIPS {
                wait_for(&ping, trip);
                pong.0.store(trip, Relaxed);
            }
        });
        // The other thread must run before the clock does; nothing but the word travels, so
        // relaxed accesses are enough.
        ping.0.store(1, Relaxed);
        wait_for(&pong, 1);
        let start = Instant::now();
        for trip in 2..=ROUND_TRIPS {
            ping.0.store(trip, Relaxed);
            wait_for(&pong, trip);
        }
        start.elapsed()
    });
    RoundTrip { nanoseconds: elapsed.as_nanos() as f64 / (ROUND_TRIPS - 1) as f64 }
}

fn wait_for(word: &Word, value: u64) {
    while word.0.load(Relaxed) != value {
        hint::spin_loop();
    }
}

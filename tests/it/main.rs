//! What no crate can test alone.
#![expect(clippy::unwrap_used, reason = "in a test a panic that names its line is the report")]

/// A pool over several sources.
mod merge;
/// A pool that takes from sources of different kinds.
mod mixture;
/// Pools and queues together: nothing is lost between them.
mod pipeline;
/// What the documents say a program prints is what it prints.
mod transcripts;

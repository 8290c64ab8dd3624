//! Whole pipelines, real servers, real data; and the documents, whose programs and transcripts are tests.
//!
//! The tests are in `it/`; `data/` holds real logs with their sources.

/// The programs in the README, compiled and run.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
#[derive(Debug)]
pub struct Readme;

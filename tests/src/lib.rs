//! Whole pipelines, real servers, real data; and the documents, whose programs and transcripts are tests.
//!
//! The tests are in `it/`; `data/` holds real logs with their sources.

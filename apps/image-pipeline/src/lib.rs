//! Resizes, converts and uploads photographs: the library under the program `image-pipeline`.
//!
//! [`picture`] is one picture at a time, from bytes to bytes: pure, synchronous, without a runtime.

// One picture.
pub mod picture;

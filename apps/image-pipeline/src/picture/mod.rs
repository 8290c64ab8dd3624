//! One picture, from bytes to bytes: pure, synchronous, without a runtime, a file or a clock of its own
//! (but for the times it reports).
//!
//! ```text
//! bytes ─ probe ─▶ Header ─ plan ─▶ Plan ─ reduce? ─▶ Plan ─ render ─▶ Picture
//!                                                        = decode, resize, encode
//! ```
//!
//! What a file may cost is decided from its header, before anything is allocated: [`plan`] knows the
//! [weight](Plan::weight) of what [`render`] will do, and [`reduce`] makes it lighter.

mod header;
mod plan;
mod refused;
mod render;
mod settings;

mod codec;
mod colour;
mod container;
mod exif;
mod filter;
mod orient;
mod pixels;
mod resample;

pub use header::{Colour, Format, Header, Orientation, probe};
pub use pixels::Pixels;
pub use plan::{Plan, plan, reduce};
pub use refused::Refused;
pub use render::{Picture, Stage, Times, codecs, decode, encode, render, resize};
pub use settings::{Filter, Limits, Settings, Size, Target};

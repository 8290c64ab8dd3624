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
//!
//! # What a file may cost
//!
//! With the default [`Limits`] no file, however hostile, takes more than 512 MiB beside its own bytes, and
//! the worst known, 64 scans over 100 megapixels, takes some 4 seconds of one core.
//! Lengths that a file claims are never allocated, text and profiles that inflate without end are not
//! inflated, and what is cut off is refused as [truncated](Refused::Truncated): half a picture is none.
//! A file that only lacks its end marker counts as cut off.
//! What cannot be told is a JPEG that was cut off and then given an end: its decoder fills up with gray.
//!
//! # What becomes of colours
//!
//! Results have 8 bits a channel and are sRGB: profiles are converted, inks too, by their profile or as
//! ideal ones. Alpha is kept in PNG and WebP, and laid on white in JPEG. An alpha that hides nothing is left
//! out.

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

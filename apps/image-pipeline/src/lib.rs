//! Resizes, converts and uploads photographs: the library under the program `image-pipeline`.
//!
//! ```text
//! add_image ─▶ queue ─▶ process ─▶ queue ─▶ upload ─▶ results
//!              (10)     on threads  (10)    tasks (2)
//!                       (the cores)
//! ```
//!
//! [`ImagePipeline`] is this picture; start reading at its builder's `start` in `pipeline.rs`. [`run::run`] feeds it from
//! files and folders for the program: a [`config::Config`] goes in, a [`report::Report`] comes out. [`picture`] is one
//! picture at a time, from bytes to bytes: pure, synchronous, without a runtime.
//!
//! - **Memory** is bounded by what is in flight: a picture waits until there is room for its file and for what decoding
//!   takes according to its header. One that needs more than the total is decoded smaller, or refused.
//! - **Every picture ends once**, as an [`Outcome`]: written, kept, failed or not begun.
//! - **Results appear as a whole or not at all**, under a [`Name`] that cannot lead out of the output.
//!
//! The library does not print, and reads neither the environment nor the command line; it uses standard input and output
//! only where these are named as input and output. It blocks only on threads of its own.

// What a run is told, and what it tells.
pub mod config;
pub mod report;
pub mod run;

// The pipeline and its stages.
mod outcome;
mod pipeline;
mod process;
mod totals;

// Around one picture: where it comes from, what it is called, the memory it takes, where its result goes.
mod budget;
pub mod input;
mod name;
mod output;
mod shown;
pub mod store;

// One picture.
pub mod picture;

pub use name::{Name, NameError};
pub use outcome::{End, Failure, Outcome, Spent, Written};
pub use output::OutputError;
pub use pipeline::{AddError, Builder, ImagePipeline, Input, LEAST_MEMORY, Stopper};
pub use shown::shown;
pub use totals::{Limit, Steps, Totals};

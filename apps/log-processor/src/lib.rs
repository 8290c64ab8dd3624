//! Reads, parses, filters and rewrites logs: the library under the program `log-processor`.
//!
//! ```text
//!            thread              Pool: n workers                 thread
//!          ┌────────┐ batches  ┌───────────────────┐ in order  ┌────────┐ commits
//!  files ─▶│ reader │─────────▶│ parse, filter,    │──────────▶│ writer │─────────▶ output, state
//!          └────────┘          │ format            │           └────────┘
//!              ▲               └───────────────────┘               │
//!              └──────────────── spare buffers ◀───────────────────┘
//! ```
//!
//! [`pipeline::run`] is this picture as one function; start reading there. A [`config::Config`] goes in,
//! a [`report::Report`] comes out.
//!
//! - **Batches travel**, not lines: a quarter of a megabyte of whole lines each, so that the cost of passing a batch
//!   through queues and threads vanishes beside the work on its lines.
//! - **Memory** is a fixed number of buffers, whatever the size of the input.
//! - **Order** is that of reading.
//! - **After `kill -9`** a run with a state resumes at its last checkpoint: positions in the inputs and the
//!   length of the output are one file, replaced as a whole ([`commit`]).
//! - **A program that writes logs** need not wait for them: [`logger`] writes the most urgent lines first and sheds the
//!   least urgent.
//! - **Nothing is lost silently**: lines read = written + filtered + not written, in every report.
//!
//! The library does not print, and reads neither the environment nor the command line, except for the time zone where
//! a run has a [`period`]. It blocks only on threads of its own.
//!
//! # Example
//!
//! ```
//! use std::future;
//! use std::sync::Arc;
//!
//! use log_processor::config::{Config, Settings};
//! use log_processor::pipeline::{self, Silent};
//! use log_processor::process::OutputFormat;
//!
//! # let folder = tempfile::tempdir()?;
//! # let folder = folder.path();
//! std::fs::write(folder.join("app.log"), "level=info msg=started\nlevel=error msg=\"disk full\"\n")?;
//! let config = Config::new(Settings {
//!     input: vec![folder.join("*.log").display().to_string()],
//!     output: Some(folder.join("errors.json")),
//!     filter: Some("level >= error".to_owned()),
//!     format: Some(OutputFormat::Json),
//!     ..Settings::default()
//! })?;
//!
//! let runtime = tokio::runtime::Runtime::new()?;
//! let report = runtime.block_on(pipeline::run(&config, future::pending(), Arc::new(Silent)))?;
//!
//! assert_eq!((report.totals.read, report.totals.written), (2, 1));
//! let errors = std::fs::read_to_string(folder.join("errors.json"))?;
//! assert_eq!(errors, "{\"level\":\"error\",\"msg\":\"disk full\"}\n");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

// What a run is told, and what it tells.
pub mod config;
pub mod picture;
pub mod report;

// The pipeline and its two ends.
pub mod pipeline;
mod reader;
mod writer;

// From files to batches, and from lines to output, with a checkpoint over both.
pub mod batch;
pub mod checkpoint;
pub mod commit;
pub mod input;
pub mod output;

// What happens to a batch of lines.
mod escape;
pub mod filter;
pub mod level;
pub mod multiline;
pub mod number;
pub mod parse;
pub mod period;
pub mod process;
pub mod record;
mod render;

// For programs that log themselves: the levels as classes of a queue.
pub mod logger;

//! The program as a person or a shell meets it: every test starts the real binary.

#![expect(clippy::unwrap_used, reason = "a helper that cannot do its part has failed the test")]

// The harness: a folder for each test, the program started in it, conditions awaited.
mod place;

// What --help says, and what usage and configuration errors look like.
mod usage;
// Names, what is there already, and the report.
mod outputs;
// One input and one output, as files and through pipes.
mod one;
// The progress that a terminal shows.
mod terminal;
// The README shows what the program prints.
mod readme;
// Inputs that cannot be processed, beside others that can.
mod failures;
// Signals: drain, list, report; the second one aborts. And kill -9.
mod signals;
// Peaks of memory.
mod memory;
// What the program needs of the system.
mod native;
// A full disk.
mod full_disk;
// The library, from Rust.
mod library;
// A real S3 server, and one that fails half of the time.
mod object_storage;

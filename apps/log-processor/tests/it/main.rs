//! The program as a person or a shell meets it: every test starts the real binary.

#![expect(clippy::unwrap_used, reason = "a helper that cannot do its part has failed the test")]

// The harness: a folder for each test, the program started in it, conditions awaited.
mod place;

// What --help says, and what usage and configuration errors look like.
mod usage;
// Records by format: real logs of each kind, parsed, filtered, rewritten.
mod records;
// Raw output is the input byte for byte, whatever the bytes.
mod bytes;
// Records of several lines: kept, dropped, held and gone on with as a whole.
mod multiline;
// Standard input and output, and a reader that goes away.
mod streams;
// Records, a progress bar and the report on a terminal.
mod terminal;
// Which outputs are refused, appended to, replaced.
mod outputs;
// Inputs that cannot be read, beside others that can.
mod failures;
// Following: growth, rotation, truncation.
mod follow;
// Signals: drain, checkpoint, report; the second one aborts.
mod signals;
// Checkpoints that are taken up again, and those that are refused.
mod state;
// Last lines without a line end, which the next run may find longer.
mod last_line;
// Peaks of memory over inputs of any size and content.
mod memory;
// Killed at random moments and at each fault point: nothing lost, nothing doubled.
mod crash;
// A worker that panics: an error, never a gap.
#[cfg(feature = "fault-points")]
mod panics;
// A full disk, at random moments and at each fault point: stops with a remedy, goes on when there is room.
mod full_disk;

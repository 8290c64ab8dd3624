//! The program as a person or a shell meets it: every test starts the real binary, against real servers.

#![expect(clippy::unwrap_used, reason = "a helper that cannot do its part has failed the test")]

// The harness: a folder for each test, the program started in it, conditions awaited.
mod place;
// nginx with `limit_req`, or with TLS, unpacked under target/tools.
mod nginx;
// A server for what nginx lacks.
mod server;

// What --help says, and what usage and configuration errors look like.
mod usage;
// Lines of the input: good ones, bad ones, and endless ones.
mod inputs;
// Files and lines of results.
mod outputs;
// Limits: told, found, changed; and answers that break off.
mod limits;
// kill -9 and what the next run does.
mod journal;
// Signals: drain, count, report; the second one aborts.
mod signals;
// Who gets credentials, and where secrets do not appear.
mod secrets;
// Proxies, told or named by the environment.
mod proxies;
// Certificates and HTTP/2.
mod tls;
// The progress that a terminal shows.
mod terminal;
// Peaks of memory.
mod memory;
// The README's transcript.
mod readme;

//! What our programs share on the user's side: a configuration file whose errors name their place, errors and reports on
//! the standard streams, globs, the first and the second signal, how many files may be open, and points at which a test
//! may end the process.

pub mod config_file;
pub mod fault;
pub mod glob;
pub mod open_files;
pub mod signals;
pub mod streams;

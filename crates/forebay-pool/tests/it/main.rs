//! The pool through its public face. One module for each behaviour.

/// Runs to the end of its source, and what the handle does meanwhile.
mod running;

//! Output and checkpoint move together: the order of steps that makes a crash harmless.
//!
//! 1. Lines are written to the output, and the position behind them is noted.
//! 2. A commit flushes the output (with `sync` to the disk), and only then
//! 3. saves the positions together with the length that the output has now.
//!
//! A crash before 3 leaves the old checkpoint and an output that is longer than it says: the next run cuts the
//! output back and reads the same lines again. A crash after 3 leaves both at the new place.

use std::{collections::BTreeMap, sync::Arc};

use crate::{
    checkpoint::{StateDir, StateError},
    input::Position,
    output::{Output, OutputError},
};

/// Writes lines and settles them.
#[derive(Debug)]
pub struct Committer {}

/// Why lines could not be written or settled.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CommitError {
    /// The output.
    #[error(transparent)]
    Output(#[from] OutputError),
    /// The state.
    #[error(transparent)]
    State(#[from] StateError),
}

// === impl Committer ===

impl Committer {
    /// Joins an output to a state, if there is one, and saves the first checkpoint, so that whatever is written
    /// from here on can be told from what was there before.
    ///
    /// `positions` are those of [`Inputs::positions`](crate::input::Inputs::positions).
    ///
    /// # Errors
    ///
    /// When that checkpoint cannot be saved.
    pub fn begin(
        output: Output,
        state: Option<StateDir>,
        settings: BTreeMap<String, String>,
        positions: Vec<Option<Arc<Position>>>,
        sync: bool,
    ) -> Result<Self, CommitError> {
        let _ = (output, state, settings, positions, sync);
        todo!()
    }

    /// Writes what became of a batch of `input`, and notes where the input stands behind it.
    ///
    /// # Errors
    ///
    /// After a failed write nothing can be committed any more: the state stays at the last commit.
    pub fn write(&mut self, input: usize, end: &Arc<Position>, bytes: &[u8]) -> Result<(), CommitError> {
        let _ = (input, end, bytes);
        todo!()
    }

    /// Settles everything written so far. Without a state it only flushes.
    ///
    /// `counts` are saved with it.
    ///
    /// # Errors
    ///
    /// The state stays at the last commit that succeeded.
    pub fn commit(&mut self, counts: &BTreeMap<String, u64>) -> Result<(), CommitError> {
        let _ = counts;
        todo!()
    }

    /// The output, for what it counted.
    pub fn output(&self) -> &Output {
        todo!()
    }
}

//! Output and checkpoint move together: the order of steps that makes a crash harmless.
//!
//! 1. Lines are written to the output, and the position behind them is noted.
//! 2. A commit flushes the output (with `sync` to the disk), and only then
//! 3. saves the positions together with the length that the output has now.
//!
//! A crash before 3 leaves the old checkpoint and an output that is longer than it says: the next run cuts the
//! output back and reads the same lines again. A crash after 3 leaves both at the new place. The other way round,
//! a checkpoint could speak of lines that never reached the file, and they would be lost.

use std::{collections::BTreeMap, sync::Arc};

use crate::{
    checkpoint::{Checkpoint, StateDir, StateError},
    fault,
    input::{Phase, Position},
    output::{Output, OutputError},
};

/// Writes lines and settles them.
#[derive(Debug)]
pub struct Committer {
    output: Output,
    state: Option<StateDir>,
    settings: BTreeMap<String, String>,
    /// Behind what was written, for each input that was begun.
    positions: Vec<Option<Arc<Position>>>,
    sync: bool,
    /// Something was written since the last commit.
    is_dirty: bool,
    /// A write failed, so the output ends somewhere within a batch, and its length is good for nothing.
    is_broken: bool,
}

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
    /// The output failed before.
    #[error("the output failed before: nothing more is settled")]
    Broken,
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
        let mut committer =
            Self { output, state, settings, positions, sync, is_dirty: true, is_broken: false };
        committer.commit(&BTreeMap::new())?;
        Ok(committer)
    }

    /// Writes what became of a batch of `input`, and notes where the input stands behind it.
    ///
    /// # Errors
    ///
    /// After a failed write nothing can be committed any more: the state stays at the last commit.
    pub fn write(&mut self, input: usize, end: &Arc<Position>, bytes: &[u8]) -> Result<(), CommitError> {
        if self.is_broken {
            return Err(CommitError::Broken);
        }
        self.is_dirty = true;
        if let Err(error) = self.output.write(bytes) {
            self.is_broken = true;
            return Err(error.into());
        }
        if self.positions.len() <= input {
            self.positions.resize(input + 1, None);
        }
        self.positions[input] = (end.phase != Phase::Forgotten).then(|| Arc::clone(end));
        Ok(())
    }

    /// Settles everything written so far. Without a state it only flushes; with nothing new it does nothing.
    ///
    /// `counts` are saved with it.
    ///
    /// # Errors
    ///
    /// The state stays at the last commit that succeeded.
    pub fn commit(&mut self, counts: &BTreeMap<String, u64>) -> Result<(), CommitError> {
        if self.is_broken {
            return Err(CommitError::Broken);
        }
        if !self.is_dirty {
            return Ok(());
        }
        if let Err(error) = self.output.flush(self.sync) {
            self.is_broken = true;
            return Err(error.into());
        }
        fault::point("after-flush");
        if let Some(state) = &mut self.state {
            state.save(&Checkpoint {
                settings: self.settings.clone(),
                output: self.output.mark(),
                inputs: self.positions.iter().flatten().map(|position| Position::clone(position)).collect(),
                counts: counts.clone(),
            })?;
        }
        self.is_dirty = false;
        Ok(())
    }

    /// The output, for what it counted.
    pub fn output(&self) -> &Output {
        &self.output
    }
}

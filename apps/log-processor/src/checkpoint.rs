//! What a run saves so that the next one goes on where it ended, however it ended.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use crate::input::{FileKey, Position};

/// The state of a run at one moment: all of it is true together.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checkpoint {
    /// What makes this pipeline this pipeline, by name: inputs, filter, format, output. Another one is refused.
    pub settings: BTreeMap<String, String>,
    /// How much of the output belongs to what was read; none if the output cannot be cut, as a pipe.
    pub output: Option<OutputMark>,
    /// Where each file stands.
    pub inputs: Vec<Position>,
    /// What was counted so far.
    pub counts: BTreeMap<String, u64>,
}

/// An output file, and how much of it is settled.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutputMark {
    /// Its name.
    pub path: PathBuf,
    /// Its place on disk.
    pub key: FileKey,
    /// In bytes. What lies behind was written and not settled: it is cut off on resume.
    pub length: u64,
}

/// The folder that holds a pipeline's state, locked for this run.
#[derive(Debug)]
pub struct StateDir {}

/// Why a state cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StateError {}

// === impl StateDir ===

impl StateDir {
    /// Opens `dir`, making it if only its last part is missing, and locks it.
    ///
    /// With `sync`, what is saved survives a loss of power, not only the end of the process.
    ///
    /// # Errors
    ///
    /// When the folder cannot be made or used, or another run holds it.
    pub fn open(dir: &Path, sync: bool) -> Result<Self, StateError> {
        let _ = (dir, sync);
        todo!()
    }

    /// What the run before saved; none if there was none.
    ///
    /// # Errors
    ///
    /// When the state is damaged, of a newer version, or of a pipeline with other `settings`.
    pub fn load(&self, settings: &BTreeMap<String, String>) -> Result<Option<Checkpoint>, StateError> {
        let _ = settings;
        todo!()
    }

    /// Replaces the saved state, as a whole or not at all.
    ///
    /// # Errors
    ///
    /// When it cannot be written: then the state before it is still there.
    pub fn save(&mut self, checkpoint: &Checkpoint) -> Result<(), StateError> {
        let _ = checkpoint;
        todo!()
    }
}

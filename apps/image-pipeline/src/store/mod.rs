//! Where results go: a folder, a bucket in object storage, or standard output.
//!
//! A result appears as a whole or not at all, under a name that cannot lead out of the output. For a folder that is our
//! own doing (`folder.rs`); `object_store` has a local store too, but one that follows links, and whose leftovers
//! nobody removes. Standard output is given a result when all of it is there, and may be cut off by who reads it.

mod bucket;
mod error;
mod folder;

use std::io::{self, Write};
use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;
use tokio::task;

pub use self::bucket::{Bucket, BucketOptions};
pub use self::error::StoreError;
pub use self::folder::Folder;
use crate::Name;
use crate::picture::Format;

/// Where results go. Clones are handles of the same.
///
/// ```
/// use image_pipeline::store::{Folder, Store};
///
/// # let place = tempfile::tempdir()?;
/// let store: Store = Folder::create(&place.path().join("small"))?.into();
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Store {
    /// A folder.
    Folder(Arc<Folder>),
    /// A bucket, and a prefix in it.
    Bucket(Arc<Bucket>),
    /// Standard output, which is for one result: several would stand there one behind the other, without their names.
    Stdout,
}

/// What to do with a result that is there already.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Existing {
    /// Keep it, and do not process its input.
    #[default]
    Keep,
    /// Replace it if its input was changed since. An input whose time is not known counts as changed.
    Newer,
    /// Replace it.
    Replace,
}

/// A result that is there already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Present {
    pub(crate) modified: Option<SystemTime>,
}

/// What became of a result that was to be stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stored {
    Written,
    /// Somebody else has made it meanwhile, and it was to be kept.
    WasThere,
}

// === impl Store ===

impl Store {
    /// Whether there is something under this name.
    pub(crate) async fn present(&self, name: &Name) -> Result<Option<Present>, StoreError> {
        match self {
            // A look at a name takes microseconds, less than the way to a thread for it.
            Self::Folder(folder) => folder.present(name),
            Self::Bucket(bucket) => bucket.present(name).await,
            Self::Stdout => Ok(None),
        }
    }

    /// Stores a result, which is there as a whole then, or not at all.
    ///
    /// # Cancel safety
    ///
    /// Dropped, the result may be there or not, and nothing else is; of standard output a part may be written.
    pub(crate) async fn put(
        &self,
        name: &Name,
        bytes: Bytes,
        format: Format,
        replaces: bool,
    ) -> Result<Stored, StoreError> {
        match self {
            Self::Folder(folder) => {
                let (folder, name) = (Arc::clone(folder), name.clone());
                let write = move || folder.write(&name, &bytes, replaces);
                task::spawn_blocking(write)
                    .await
                    .expect("writing does not panic, and the runtime waits for it")
            }
            Self::Bucket(bucket) => bucket.put(name, bytes, format).await.map(|()| Stored::Written),
            Self::Stdout => {
                let write = move || {
                    let mut stdout = io::stdout().lock();
                    stdout.write_all(&bytes).and_then(|()| stdout.flush())
                };
                let written = task::spawn_blocking(write).await.expect("writing does not panic");
                written.map(|()| Stored::Written).map_err(StoreError::Stdout)
            }
        }
    }
}

impl From<Folder> for Store {
    fn from(folder: Folder) -> Self {
        Self::Folder(Arc::new(folder))
    }
}

impl From<Bucket> for Store {
    fn from(bucket: Bucket) -> Self {
        Self::Bucket(Arc::new(bucket))
    }
}

// === impl Existing ===

impl Existing {
    /// Whether what is there stays, given when its input was changed.
    pub(crate) fn keeps(self, present: Present, input: Option<SystemTime>) -> bool {
        match (self, present.modified, input) {
            (Self::Keep, ..) => true,
            (Self::Replace, ..) | (Self::Newer, None, _) | (Self::Newer, _, None) => false,
            (Self::Newer, Some(output), Some(input)) => output >= input,
        }
    }
}

//! Where bodies go: into memory or into a file, within a bound.

use std::io;
use std::panic::resume_unwind;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use reqwest::Response;
use tempfile::TempPath;
use tokio::fs::File;
use tokio::io::AsyncWriteExt as _;
use tokio::runtime::Handle;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};

use crate::exchange::Order;
use crate::room::Part;
use crate::{Body, Reason};

/// A body that nobody owns yet: a file vanishes with it.
#[derive(Debug)]
pub(crate) enum Stored {
    Memory(Bytes),
    File(TempPath, u64),
}

/// A body on its way into memory.
struct InMemory {
    answer: Response,
    body: BytesMut,
    most: u64,
    order: Arc<Order>,
    part: Part,
}

/// A body on its way into a file.
struct InFile {
    answer: Response,
    file: File,
    path: TempPath,
    written: u64,
    most: u64,
}

/// What is longer takes a processor a while, above all to decompress it, and goes on elsewhere, where there is such a place.
const SHORT: u64 = 64 << 10;

// === impl Stored ===

impl Stored {
    /// Hands it over.
    pub(crate) fn keep(self) -> Result<Body, Reason> {
        match self {
            Self::Memory(bytes) => Ok(Body::Memory(bytes)),
            Self::File(path, bytes) => {
                let path = path.keep().map_err(|error| Reason::Store(error.error))?;
                Ok(Body::File { path, bytes })
            }
        }
    }
}

// === impl InMemory ===

impl InMemory {
    /// Goes on until there is so much of it, or all; says whether it is all.
    async fn gather(&mut self, enough: u64) -> Result<bool, Reason> {
        while (self.body.len() as u64) < enough {
            let Some(chunk) = chunk(&mut self.answer).await? else { return Ok(true) };
            within(self.body.len() as u64 + chunk.len() as u64, self.most)?;
            if let Some(room) = &self.order.room
                && !room.try_more(&mut self.part, chunk.len())
            {
                self.order.tally.waits(room.more(&mut self.part, chunk.len())).await;
            }
            self.body.extend_from_slice(&chunk);
        }
        Ok(false)
    }

    fn keep(self) -> Bytes {
        let body = self.body.freeze();
        if self.order.room.is_some() { self.part.keep(body) } else { body }
    }
}

// === impl InFile ===

impl InFile {
    /// As [`InMemory::gather`].
    async fn write(&mut self, enough: u64) -> Result<bool, Reason> {
        while self.written < enough {
            let Some(chunk) = chunk(&mut self.answer).await? else { return Ok(true) };
            self.written = within(self.written + chunk.len() as u64, self.most)?;
            self.file.write_all(&chunk).await.map_err(Reason::Store)?;
        }
        Ok(false)
    }
}

/// All of it, at most that many bytes, and within the room that it shares, for which it waits.
pub(crate) async fn to_memory(
    answer: Response,
    most: u64,
    order: &Arc<Order>,
    workers: Option<&Handle>,
) -> Result<Stored, Reason> {
    let expected = expected(&answer, most)?;
    // What a server says is no reason to reserve all of it.
    let body = BytesMut::with_capacity(usize::try_from(expected.min(SHORT)).unwrap_or_default());
    let mut coming = InMemory { answer, body, most, order: Arc::clone(order), part: Part::default() };
    if !coming.gather(SHORT).await? {
        coming = elsewhere(workers, async move { coming.gather(u64::MAX).await.map(|_| coming) }).await?;
    }
    Ok(Stored::Memory(coming.keep()))
}

/// All of it into a new file, at most that many bytes.
pub(crate) async fn to_file(
    answer: Response,
    folder: &Path,
    most: u64,
    workers: Option<&Handle>,
) -> Result<Stored, Reason> {
    expected(&answer, most)?;
    let (file, path) = create(folder).await.map_err(Reason::Store)?;
    let mut coming = InFile { answer, file, path, written: 0, most };
    if !coming.write(SHORT).await? {
        coming = elsewhere(workers, async move { coming.write(u64::MAX).await.map(|_| coming) }).await?;
    }
    coming.file.flush().await.map_err(Reason::Store)?;
    Ok(Stored::File(coming.path, coming.written))
}

/// What there is of it, up to a bound in bytes and in time; a body that nobody wants may break off.
pub(crate) async fn some(mut answer: Response, most: u64, within: Duration) -> Stored {
    let until = Instant::now() + within;
    let mut body = BytesMut::new();
    while let Ok(Ok(Some(chunk))) = timeout_at(until, answer.chunk()).await {
        if body.len() as u64 + chunk.len() as u64 > most {
            break;
        }
        body.extend_from_slice(&chunk);
    }
    Stored::Memory(body.freeze())
}

/// Does it as a task of the workers, if there are any. Dropped, the task ends.
async fn elsewhere<T: Send + 'static>(
    workers: Option<&Handle>,
    work: impl Future<Output = Result<T, Reason>> + Send + 'static,
) -> Result<T, Reason> {
    let Some(workers) = workers else { return work.await };
    let mut task = JoinSet::new();
    task.spawn_on(work, workers);
    match task.join_next().await.expect("it was spawned") {
        Ok(done) => done,
        // Their runtime has ended, or else it has panicked, which is its request's affair.
        Err(error) => error.try_into_panic().map_or(Err(Reason::Closed), |panic| resume_unwind(panic)),
    }
}

async fn chunk(answer: &mut Response) -> Result<Option<Bytes>, Reason> {
    answer.chunk().await.map_err(|error| Reason::Broken(error.without_url().into()))
}

/// How long it says to be, if that is allowed.
fn expected(answer: &Response, most: u64) -> Result<u64, Reason> {
    within(answer.content_length().unwrap_or_default(), most)
}

fn within(bytes: u64, limit: u64) -> Result<u64, Reason> {
    if bytes > limit { Err(Reason::TooLarge { limit }) } else { Ok(bytes) }
}

/// A new file with a name that is nobody's, and with the usual permissions.
async fn create(folder: &Path) -> io::Result<(File, TempPath)> {
    let folder = folder.to_owned();
    let created = tokio::task::spawn_blocking(move || {
        let mut builder = tempfile::Builder::new();
        builder.prefix(".api-client-").suffix(".part");
        #[cfg(unix)]
        builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
        builder.tempfile_in(folder)
    });
    let (file, path) = created.await.map_err(io::Error::other)??.into_parts();
    Ok((File::from_std(file), path))
}

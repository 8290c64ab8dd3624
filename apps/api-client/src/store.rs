//! Where bodies go: into memory or into a file, within a bound.

use std::io;
use std::path::Path;

use bytes::{Bytes, BytesMut};
use reqwest::Response;
use tempfile::TempPath;
use tokio::fs::File;
use tokio::io::AsyncWriteExt as _;

use crate::exchange::Order;
use crate::room::Part;
use crate::{Body, Reason};

/// A body that nobody owns yet: a file vanishes with it.
#[derive(Debug)]
pub(crate) enum Stored {
    Memory(Bytes),
    File(TempPath, u64),
}

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

/// All of it, at most that many bytes, and within the room that it shares, for which it waits.
pub(crate) async fn to_memory(mut answer: Response, most: u64, order: &Order) -> Result<Stored, Reason> {
    let expected = expected(&answer, most)?;
    let mut part = Part::default();
    // What a server says is no reason to reserve all of it.
    let mut body = BytesMut::with_capacity(usize::try_from(expected.min(64 << 10)).unwrap_or_default());
    while let Some(chunk) = chunk(&mut answer).await? {
        within(body.len() as u64 + chunk.len() as u64, most)?;
        if let Some(room) = &order.room
            && !room.try_more(&mut part, chunk.len())
        {
            order.tally.waits(room.more(&mut part, chunk.len())).await;
        }
        body.extend_from_slice(&chunk);
    }
    let body = body.freeze();
    Ok(Stored::Memory(if order.room.is_some() { part.keep(body) } else { body }))
}

/// All of it into a new file, at most that many bytes.
pub(crate) async fn to_file(mut answer: Response, folder: &Path, most: u64) -> Result<Stored, Reason> {
    expected(&answer, most)?;
    let (mut file, path) = create(folder).await.map_err(Reason::Store)?;
    let mut written = 0;
    while let Some(chunk) = chunk(&mut answer).await? {
        written = within(written + chunk.len() as u64, most)?;
        file.write_all(&chunk).await.map_err(Reason::Store)?;
    }
    file.flush().await.map_err(Reason::Store)?;
    Ok(Stored::File(path, written))
}

/// What there is of it, up to a bound; a body that nobody wants may break off.
pub(crate) async fn some(mut answer: Response, most: u64) -> Stored {
    let mut body = BytesMut::new();
    while let Ok(Some(chunk)) = answer.chunk().await {
        if body.len() as u64 + chunk.len() as u64 > most {
            break;
        }
        body.extend_from_slice(&chunk);
    }
    Stored::Memory(body.freeze())
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

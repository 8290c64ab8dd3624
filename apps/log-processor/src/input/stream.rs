//! Inputs that can only be read once and may make one wait: standard input, named pipes, devices.
//!
//! A read from a pipe cannot be called off. So a thread of its own does it, and hands over what it gets: the
//! reader waits for that or for the word to stop, whichever is first. When a run is stopped while the thread sits
//! in its read, the thread ends with the process or with the next byte.

use std::{
    fs::File,
    io::{self, Read},
    path::PathBuf,
    sync::{
        Arc,
        mpsc::{Receiver, SyncSender, TryRecvError, sync_channel},
    },
    thread,
};

use super::signal::Signal;

/// What Linux gives at most in one read of a pipe.
const CHUNK: usize = 64 * 1024;

/// How many chunks may wait: enough to keep both threads busy, little enough to be nothing beside the batches.
const CHUNKS: usize = 4;

/// Reads what the thread got. Never blocks: [`io::ErrorKind::WouldBlock`] until there is more.
#[derive(Debug)]
pub(super) struct Stream {
    chunks: Receiver<io::Result<Vec<u8>>>,
    current: io::Cursor<Vec<u8>>,
}

// === impl Stream ===

impl Stream {
    /// Standard input.
    pub(super) fn stdin(signal: Arc<Signal>) -> io::Result<Self> {
        Self::spawn(signal, || Ok(io::stdin()))
    }

    /// A named pipe or device. Opening waits for a writer, so that happens on the thread too.
    pub(super) fn open(path: PathBuf, signal: Arc<Signal>) -> io::Result<Self> {
        Self::spawn(signal, || File::open(path))
    }

    fn spawn<R: Read>(
        signal: Arc<Signal>,
        open: impl FnOnce() -> io::Result<R> + Send + 'static,
    ) -> io::Result<Self> {
        let (tx, chunks) = sync_channel(CHUNKS);
        thread::Builder::new().name("input-stream".to_owned()).spawn(move || {
            if let Err(error) = open().and_then(|source| forward(source, &tx, &signal)) {
                // Whoever went away has no use for the error either.
                let _ = tx.send(Err(error));
            }
            // The end is seen by the channel's end, so that comes before the call.
            drop(tx);
            signal.look();
        })?;
        Ok(Self { chunks, current: io::Cursor::default() })
    }
}

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let read = self.current.read(buffer)?;
            if read > 0 || buffer.is_empty() {
                return Ok(read);
            }
            self.current = match self.chunks.try_recv() {
                Ok(chunk) => io::Cursor::new(chunk?),
                Err(TryRecvError::Empty) => return Err(io::ErrorKind::WouldBlock.into()),
                Err(TryRecvError::Disconnected) => return Ok(0),
            };
        }
    }
}

fn forward(mut source: impl Read, tx: &SyncSender<io::Result<Vec<u8>>>, signal: &Signal) -> io::Result<()> {
    loop {
        let mut chunk = vec![0; CHUNK];
        match source.read(&mut chunk) {
            Ok(0) => return Ok(()),
            Ok(read) => chunk.truncate(read),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        }
        if tx.send(Ok(chunk)).is_err() {
            return Ok(());
        }
        signal.look();
    }
}

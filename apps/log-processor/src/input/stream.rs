//! Inputs that can only be read once and may make one wait: standard input, named pipes, devices, `/proc/kmsg`.
//!
//! A read from a pipe cannot be called off. So a thread of its own does it, and hands over what it gets: the
//! reader waits for that or for the word to stop, whichever is first. When a run is stopped while the thread waits
//! for more, the thread ends with the process or with the next byte.

use std::{
    fs::{self, File},
    io::{self, BufRead, Read},
    os::{fd::AsFd, unix::fs::FileTypeExt},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::SeqCst},
        mpsc::{Receiver, SyncSender, TryRecvError, sync_channel},
    },
    thread,
    time::Duration,
};

use rustix::{
    event::{PollFd, PollFlags, poll},
    io::Errno,
};

use super::signal::Signal;

/// What Linux gives at most in one read of a pipe.
const CHUNK: usize = 64 * 1024;

/// How many chunks may wait: enough to keep both threads busy, little enough to be nothing beside the batches.
const CHUNKS: usize = 4;

/// To take what is there takes no time; this is for a machine that is very busy.
const PATIENCE: Duration = Duration::from_secs(1);

/// Reads what the thread got. Never blocks: [`io::ErrorKind::WouldBlock`] until there is more.
///
/// # What a stop leaves
///
/// What was taken out of a pipe is nowhere else any more, so behind [`end`](Stream::end) it is still handed on:
///
/// 1. The thread waits until there is something, without taking it.
/// 2. It promises a chunk, and only then looks for a stop: after one it takes nothing, and ends.
/// 3. It takes what is there and puts it into the channel, as the promise said.
///
/// So after a stop, whoever has received as many chunks as were promised has all of them, and whoever has not may wait
/// for the next: it comes, or the thread ends. Unless somebody else took what was there, or a device said so and it is not: that chunk does
/// not come, has not been taken, and is waited for no longer than [`PATIENCE`]. Where a read says so at once, as from a pipe that does not
/// block, the promise is taken back and the thread waits again.
#[derive(Debug)]
pub(super) struct Stream {
    chunks: Receiver<io::Result<Vec<u8>>>,
    current: io::Cursor<Vec<u8>>,
    /// How many chunks the thread has promised so far, which it writes and this side reads.
    promised: Arc<AtomicU64>,
    /// How many of them came.
    received: u64,
    /// The run was stopped: what the thread has taken is all there is.
    is_ending: bool,
}

// === impl Stream ===

impl Stream {
    /// Standard input.
    pub(super) fn stdin(signal: Arc<Signal>) -> io::Result<Self> {
        Self::spawn(signal, |tx, signal, promised| forward(io::stdin(), tx, signal, promised).map(drop))
    }

    /// A named pipe or device. Opening waits for a writer, so that happens on the thread too. One that is followed is opened `again` when
    /// the last writer of a pipe has gone: the next one goes on in the same line.
    pub(super) fn open(path: PathBuf, again: bool, signal: Arc<Signal>) -> io::Result<Self> {
        // One without a name, as of `<(command)`, has no next writer: its path leads nowhere, or by now to what another one has in hand.
        let is_pipe = |path: &Path| {
            let named = fs::canonicalize(path).and_then(fs::metadata);
            named.is_ok_and(|metadata| metadata.file_type().is_fifo())
        };
        Self::spawn(signal, move |tx, signal, promised| {
            while forward(File::open(&path)?, tx, signal, promised)? && again && is_pipe(&path) {
                // That was the end of what a writer had.
                promised.fetch_sub(1, SeqCst);
            }
            Ok(())
        })
    }

    fn spawn(
        signal: Arc<Signal>,
        work: impl FnOnce(&SyncSender<io::Result<Vec<u8>>>, &Signal, &AtomicU64) -> io::Result<()>
        + Send
        + 'static,
    ) -> io::Result<Self> {
        let (tx, chunks) = sync_channel(CHUNKS);
        let promised = Arc::new(AtomicU64::new(0));
        let promises = Arc::clone(&promised);
        thread::Builder::new().name("input-stream".to_owned()).spawn(move || {
            if let Err(error) = work(&tx, &signal, &promises) {
                // Whoever went away has no use for the error either.
                let _ = tx.send(Err(error));
            }
            // The end is seen by the channel's end, so that comes before the call.
            drop(tx);
            signal.look();
        })?;
        Ok(Self { chunks, current: io::Cursor::default(), promised, received: 0, is_ending: false })
    }

    /// What it begins with, none of which is taken: as many bytes as it takes until no more are `wanted`, or all that there are.
    pub(super) fn begin(&mut self, wanted: impl Fn(&[u8]) -> bool) -> io::Result<&[u8]> {
        while wanted(self.current.get_ref()) {
            let Some(chunk) = self.next()? else { break };
            self.current.get_mut().extend(chunk);
        }
        Ok(self.current.get_ref())
    }

    /// After a stop: what the thread has taken is all there is, and behind it comes the end.
    pub(super) fn end(&mut self) {
        self.is_ending = true;
    }

    /// The next chunk; none at the end.
    fn next(&mut self) -> io::Result<Option<Vec<u8>>> {
        let chunk = match self.chunks.try_recv() {
            Ok(chunk) => Some(chunk),
            Err(TryRecvError::Disconnected) => None,
            Err(TryRecvError::Empty) if !self.is_ending => return Err(io::ErrorKind::WouldBlock.into()),
            Err(TryRecvError::Empty) if self.promised.load(SeqCst) > self.received => {
                self.chunks.recv_timeout(PATIENCE).ok()
            }
            Err(TryRecvError::Empty) => None,
        };
        self.received += u64::from(chunk.is_some());
        chunk.transpose()
    }
}

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        let read = self.fill_buf()?.read(buffer)?;
        self.consume(read);
        Ok(read)
    }
}

impl BufRead for Stream {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        while self.current.fill_buf()?.is_empty()
            && let Some(chunk) = self.next()?
        {
            self.current = io::Cursor::new(chunk);
        }
        self.current.fill_buf()
    }

    fn consume(&mut self, bytes: usize) {
        self.current.consume(bytes);
    }
}

/// Says whether the source has ended; else the run has.
fn forward(
    mut source: impl Read + AsFd,
    tx: &SyncSender<io::Result<Vec<u8>>>,
    signal: &Signal,
    promised: &AtomicU64,
) -> io::Result<bool> {
    loop {
        match poll(&mut [PollFd::new(&source, PollFlags::IN)], None) {
            Err(Errno::INTR) => continue,
            waited => waited?,
        };
        promised.fetch_add(1, SeqCst);
        if signal.is_stopped() {
            return Ok(false);
        }
        let mut chunk = vec![0; CHUNK];
        let read = match source.read(&mut chunk) {
            Err(error) if matches!(error.kind(), io::ErrorKind::Interrupted | io::ErrorKind::WouldBlock) => {
                // Somebody else took what was there: nothing is promised any more.
                promised.fetch_sub(1, SeqCst);
                continue;
            }
            read => read?,
        };
        chunk.truncate(read);
        if read == 0 || tx.send(Ok(chunk)).is_err() {
            return Ok(read == 0);
        }
        signal.look();
    }
}

#[cfg(test)]
impl Stream {
    /// What comes through `chunks`, as if a thread had read it.
    pub(super) fn of(chunks: Receiver<io::Result<Vec<u8>>>) -> Self {
        Self {
            chunks,
            current: io::Cursor::default(),
            promised: Arc::default(),
            received: 0,
            is_ending: false,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        io::Write,
        mem,
        os::fd::{AsRawFd, BorrowedFd},
        time::Instant,
    };

    use super::*;

    #[test]
    fn what_somebody_else_took_is_waited_for_again() {
        /// A pipe that does not block, with another reader that is sooner the first time.
        struct Shared(io::PipeReader, bool);
        impl Read for Shared {
            fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
                if mem::replace(&mut self.1, false) {
                    return Err(io::ErrorKind::WouldBlock.into());
                }
                self.0.read(buffer)
            }
        }
        impl AsFd for Shared {
            fn as_fd(&self) -> BorrowedFd<'_> {
                self.0.as_fd()
            }
        }
        let (reader, mut writer) = io::pipe().expect("the system has pipes");
        writer.write_all(b"line\n").expect("the reader is there");
        drop(writer);
        let (tx, chunks) = sync_channel(CHUNKS);
        let promised = AtomicU64::new(0);
        forward(Shared(reader, true), &tx, &Signal::default(), &promised).expect("it is no failure");
        drop(tx);
        let read: Vec<u8> = chunks.into_iter().flat_map(|chunk| chunk.expect("it is no failure")).collect();
        assert_eq!(read, b"line\n");
        assert_eq!(promised.into_inner(), 2, "one for the line and one for the end");
    }

    /// It was opened again and again for as long as the run went on, and took what came through another pipe once that had
    /// got its number.
    #[test]
    fn pipe_without_a_name_is_not_opened_again() {
        let (reader, mut writer) = io::pipe().expect("the system has pipes");
        let signal = Arc::new(Signal::default());
        let path = format!("/dev/fd/{}", reader.as_raw_fd()).into();
        let mut stream = Stream::open(path, true, Arc::clone(&signal)).expect("there are threads");
        writer.write_all(b"line\n").expect("the reader is there");
        drop(writer);
        let end = Instant::now() + 20 * PATIENCE;
        let mut content = Vec::new();
        while let Err(error) = stream.read_to_end(&mut content) {
            assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
            assert!(Instant::now() < end, "it ends with its writer");
            signal.wait(Some(end));
        }
        assert_eq!(content, b"line\n");
    }

    #[test]
    fn what_does_not_come_as_promised_is_not_waited_for_without_end() {
        let (_tx, chunks) = sync_channel(CHUNKS);
        let (current, promised) = (io::Cursor::default(), Arc::new(AtomicU64::new(1)));
        let mut stream = Stream { chunks, current, promised, received: 0, is_ending: false };
        stream.end();
        let (done, ended) = sync_channel(1);
        thread::spawn(move || done.send(stream.read(&mut [0]).ok()));
        assert_eq!(ended.recv_timeout(20 * PATIENCE), Ok(Some(0)));
    }

    #[test]
    fn end_waits_for_what_was_promised_and_for_nothing_else() {
        // Which of the two is first is not in our hands: often enough it is the reader.
        for _ in 0..1000 {
            let (tx, chunks) = sync_channel(CHUNKS);
            let (current, promised) = (io::Cursor::default(), Arc::new(AtomicU64::new(1)));
            let mut stream = Stream { chunks, current, promised, received: 0, is_ending: false };
            stream.end();
            let thread = thread::spawn(move || {
                tx.send(Ok(b"in hand".to_vec())).expect("the stream is there");
                // The channel stays, as that of a thread that waits for more.
                tx
            });
            let mut read = String::new();
            stream.read_to_string(&mut read).expect("a chunk is no failure");
            assert_eq!(read, "in hand");
            thread.join().expect("the thread does not panic");
        }
    }
}

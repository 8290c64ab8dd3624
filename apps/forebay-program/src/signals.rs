//! The first signal asks the run to end, a later one ends the process. A file that may not grow is an error, not the end.

use std::io;
use std::process;
use std::time::{Duration, Instant};

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::oneshot;
use tokio::{select, task};

/// SIGINT (Ctrl-C) and SIGTERM (what service managers send), from the moment this was made.
struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

/// Signals that come closer together than this are one request: `timeout` and others send theirs to the process and
/// to its group, so that it comes twice. Nobody asks again so soon.
const ONE_REQUEST: Duration = Duration::from_millis(500);

/// Listens from now on; the future completes with the first signal, and says the exit code that a shell would show for
/// it (130, 143). One that comes half a second later or more ends the process at once with that code, whatever the run
/// is doing and whether or not the future is still polled.
///
/// From now on, a write over the limit on file sizes (`ulimit -f`) fails as one to a full disk does, instead of ending
/// the process by SIGXFSZ.
///
/// Must be called in a multi-thread runtime: the listener needs a thread that the run does not block.
///
/// # Errors
///
/// When the system refuses the handlers.
pub fn first() -> io::Result<impl Future<Output = u8>> {
    let mut signals =
        Signals { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? };
    // The handler stays when this is dropped, and whatever it does, the write fails.
    drop(signal(SignalKind::from_raw(rustix::process::Signal::XFSZ.as_raw()))?);
    let (came, first) = oneshot::channel();
    // Lives as long as the runtime, that is, as the run.
    task::spawn(async move {
        // The run may be past the point where it listens; then the second signal is what is left.
        let _ = came.send(signals.next().await);
        let asked = Instant::now();
        loop {
            let code = signals.next().await;
            if asked.elapsed() >= ONE_REQUEST {
                process::exit(code.into());
            }
        }
    });
    Ok(async {
        match first.await {
            Ok(code) => code,
            Err(_) => std::future::pending().await,
        }
    })
}

// === impl Signals ===

impl Signals {
    /// The exit code of the next signal.
    async fn next(&mut self) -> u8 {
        select! {
            _ = self.interrupt.recv() => 130,
            _ = self.terminate.recv() => 143,
        }
    }
}

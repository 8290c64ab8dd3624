//! The first signal asks the run to end, a later one ends the process. A file that may not grow is an error, not the end.

use std::fs;
use std::io;
use std::process;
use std::time::{Duration, Instant};

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::oneshot;
use tokio::{select, task};

/// SIGINT (Ctrl-C), SIGTERM (what service managers send) and SIGHUP (a terminal that is closed, a connection that is gone), from the
/// moment this was made.
struct Signals {
    interrupt: Signal,
    terminate: Signal,
    /// None where `nohup` or the like has said that it means nothing.
    hang_up: Option<Signal>,
}

/// Signals that come closer together than this are one request: `timeout` and others send theirs to the process and
/// to its group, so that it comes twice. Nobody asks again so soon.
const ONE_REQUEST: Duration = Duration::from_millis(500);

/// Listens from now on; the future completes with the first signal, and says the exit code that a shell would show for
/// it (130, 143, 129). One that comes half a second later or more ends the process at once with that code, whatever the run
/// is doing and whether or not the future is still polled.
///
/// A SIGHUP that was ignored when the process was started, as by `nohup`, stays so. Where the system does not say (all but Linux), it ends
/// the process as it always did.
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
    let hang_up = is_ignored(SignalKind::hangup()) == Some(false);
    let mut signals = Signals {
        interrupt: signal(SignalKind::interrupt())?,
        terminate: signal(SignalKind::terminate())?,
        hang_up: hang_up.then(|| signal(SignalKind::hangup())).transpose()?,
    };
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
        let hang_up = async {
            match &mut self.hang_up {
                Some(hang_up) => hang_up.recv().await,
                None => std::future::pending().await,
            }
        };
        select! {
            _ = self.interrupt.recv() => 130,
            _ = self.terminate.recv() => 143,
            _ = hang_up => 129,
        }
    }
}

/// Whether the process ignores it; none if the system does not say.
fn is_ignored(kind: SignalKind) -> Option<bool> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"))?;
    let ignored = u64::from_str_radix(ignored.trim(), 16).ok()?;
    Some(ignored & (1 << (kind.as_raw_value() - 1)) != 0)
}

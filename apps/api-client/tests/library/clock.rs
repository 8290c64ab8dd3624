//! A clock that goes on only while nobody has anything to do.

use std::pin::pin;
use std::time::Duration;

use tokio::time::{advance, pause, resume};

/// As far as time goes on at once. An exchange with a server takes a few steps, all in all less than a few milliseconds.
const STEP: Duration = Duration::from_micros(100);

/// Completes with what is to be done. Meanwhile time goes by in small steps, and between two of them everybody who can goes on: clients and
/// servers, which are all of the test's own thread. So how long something takes does not depend on how busy the machine is, and waiting
/// takes no time.
pub(crate) async fn in_steps<F: Future>(work: F) -> F::Output {
    let mut work = pin!(work);
    pause();
    let output = loop {
        tokio::select! {
            biased;
            output = &mut work => break output,
            // Lets all others go on, and looks at what came from the network.
            () = advance(STEP) => {}
        }
    };
    resume();
    output
}

//! Each future of the handles is dropped at each of its awaits.
//!
//! It is polled so many times, with the others at work in between, and dropped; and again with one poll more, until it is
//! ready. Items cannot be cloned and say how they ended, so each is found once.

/// Whose futures are dropped: those of a pool's handle, of its results and of its contexts.
mod handles;

/// A call through the layer, and what drives its workers.
mod layer;

/// Those of a pipeline's handle.
mod pipeline;

/// What a source is told of pools whose handles are dropped.
mod sources;

use std::future::Future;
use std::sync::{Arc, Mutex};
use std::task::Poll;
use std::time::Duration;

use forebay_queue::Sender;
use forebay_testkit::Driver;
use tokio::task::{JoinHandle, yield_now};
use tokio::time::sleep;

pub(crate) use self::handles::FORMS;
pub(crate) use self::layer::{Answer, Seen, answer_of, noting};

const MILLI: Duration = Duration::from_millis(1);

/// How an item ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    Done,
    /// It came back after it had been accepted.
    Back,
    /// It was not accepted.
    Refused,
    /// Nobody has it any more.
    Dropped,
}

/// How each item ended, in the order in which they did.
#[derive(Debug, Clone, Default)]
pub(crate) struct Log(Arc<Mutex<Vec<(u32, End)>>>);

/// An item that says how it ended. It cannot be cloned, so what matters is that none is missing, and which end it was.
#[derive(Debug)]
pub(crate) struct Item {
    id: u32,
    ended: bool,
    log: Log,
}

impl Log {
    pub(crate) fn item(&self, id: u32) -> Item {
        Item { id, ended: false, log: self.clone() }
    }

    pub(crate) fn of(&self, id: u32) -> Option<End> {
        self.0.lock().unwrap().iter().find(|(of, _)| *of == id).map(|(_, end)| *end)
    }

    pub(crate) fn count(&self, end: End) -> u64 {
        self.0.lock().unwrap().iter().filter(|(_, is)| *is == end).count() as u64
    }

    pub(crate) fn len(&self) -> usize {
        self.0.lock().unwrap().len()
    }

    /// Each of these, and no other, has ended, once.
    #[track_caller]
    pub(crate) fn assert_all(&self, mut ids: Vec<u32>) {
        let mut ended: Vec<_> = self.0.lock().unwrap().iter().map(|(id, _)| *id).collect();
        ended.sort_unstable();
        ids.sort_unstable();
        assert_eq!(ended, ids, "{self:?}");
    }
}

impl Item {
    pub(crate) fn end(&mut self, end: End) {
        assert!(!std::mem::replace(&mut self.ended, true));
        self.log.0.lock().unwrap().push((self.id, end));
    }
}

impl Drop for Item {
    fn drop(&mut self) {
        if !self.ended {
            self.end(End::Dropped);
        }
    }
}

/// A task that sends every other of the items up to `end`, from `first` on.
fn send_every_other(log: &Log, first: u32, end: u32, producer: Sender<Item>) -> JoinHandle<()> {
    let items: Vec<_> = (first..end).step_by(2).map(|id| log.item(id)).collect();
    tokio::spawn(async move {
        for item in items {
            if let Err(refused) = producer.send(item).await {
                refused.into_inner().end(End::Refused);
            }
        }
    })
}

/// Polls so often, with others at work in between, and drops the future. `Some`: it was ready before that.
async fn dropped_after<F: Future>(
    polls: usize,
    future: F,
    mut meanwhile: impl FnMut(usize),
) -> Option<F::Output> {
    let mut future = Driver::new(future);
    for polled in 0..polls {
        if let Poll::Ready(output) = future.poll() {
            return Some(output);
        }
        meanwhile(polled);
        // First in the smallest of steps. The clock, which is paused, goes on in the others.
        if polled < 16 { yield_now().await } else { sleep(MILLI).await }
    }
    None
}

/// Runs `scenario` with one poll more each time, until it says that its future was ready.
fn at_each_await<S: Future<Output = bool>>(mut scenario: impl FnMut(usize) -> S) {
    for polls in 0..1_000 {
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        if runtime.block_on(scenario(polls)) {
            return;
        }
    }
    panic!("it is never ready");
}

/// A few awaits, and a little time.
async fn work() {
    yield_now().await;
    sleep(MILLI).await;
    yield_now().await;
}

/// Until all that was aborted has come to its end.
async fn settle() {
    for _ in 0..10 {
        sleep(MILLI).await;
    }
}

use std::error::Error;
use std::future::{pending, poll_fn};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::Poll;
use std::time::Duration;

use forebay_pool::{BranchError, Detached, Pool, Tee, WhenSlow};
use forebay_queue::{ItemSink, Receiver, SinkError, Stats, Visitor, bounded};
use forebay_testkit::{Driver, RecordingSource};
use proptest::prelude::*;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};
use tracing::Level;

use crate::events::Events;

const SECOND: Duration = Duration::from_secs(1);

fn all<T>(receiver: &mut Receiver<T>) -> Vec<T> {
    std::iter::from_fn(|| receiver.try_recv().ok()).collect()
}

fn branch_of<T>(refused: &SinkError<T>) -> &str {
    refused.source().unwrap().downcast_ref::<BranchError>().unwrap().branch()
}

/// A sink that takes items only while it is open, and remembers them.
#[derive(Clone, Default)]
struct Door {
    open: Arc<AtomicBool>,
    taken: Arc<Mutex<Vec<u32>>>,
}

#[async_trait::async_trait]
impl ItemSink<u32> for Door {
    async fn send(&self, item: u32) -> Result<(), SinkError<u32>> {
        if !self.open.load(Ordering::Acquire) {
            pending::<()>().await;
        }
        self.taken.lock().unwrap().push(item);
        Ok(())
    }

    async fn send_many(&self, _: &mut Vec<u32>) -> Result<(), SinkError<u32>> {
        unreachable!("a tee sends one after the other")
    }
}

impl Door {
    fn opened() -> Self {
        let door = Self::default();
        door.open.store(true, Ordering::Release);
        door
    }

    fn taken(&self) -> Vec<u32> {
        self.taken.lock().unwrap().clone()
    }
}

/// A sink that fails.
struct Broken;

#[async_trait::async_trait]
impl ItemSink<u32> for Broken {
    async fn send(&self, item: u32) -> Result<(), SinkError<u32>> {
        Err(SinkError::Failed { item: Some(item), error: "disk full".into() })
    }

    async fn send_many(&self, _: &mut Vec<u32>) -> Result<(), SinkError<u32>> {
        unreachable!("a tee sends one after the other")
    }
}

#[tokio::test]
async fn every_branch_gets_every_item_in_order() {
    let mut tee = Tee::builder();
    let mut receivers = ["a", "b", "c"].map(|name| tee.branch(name, 10, WhenSlow::Hold));
    let door = Door::opened();
    tee.sink("door", door.clone(), WhenSlow::Hold);
    let tee = tee.build().unwrap();
    for item in 0..10 {
        tee.send(item).await.unwrap();
    }
    let expected: Vec<_> = (0..10).collect();
    for receiver in &mut receivers {
        assert_eq!(all(receiver), expected);
    }
    assert_eq!(door.taken(), expected);
    drop(tee);
    assert_eq!(receivers[0].recv().await, None, "the queues end with the last handle");
}

#[test]
fn dropped_send_has_sent_to_nobody() {
    let mut tee = Tee::builder();
    let mut first = tee.branch("first", 2, WhenSlow::Hold);
    let mut second = tee.branch("second", 1, WhenSlow::Hold);
    let mut third = tee.branch("third", 2, WhenSlow::Drop);
    let tee = tee.build().unwrap();
    Driver::new(tee.send(1)).assert_ready().unwrap();

    // It has its place in the first, and waits for the second.
    let mut waiting = Driver::new(tee.send(2));
    waiting.assert_pending();
    assert_eq!((first.len(), second.len(), third.len()), (1, 1, 1), "nobody has it before all can");
    drop(waiting);
    assert_eq!((all(&mut first), all(&mut second), all(&mut third)), (vec![1], vec![1], vec![1]));
    let stats = tee.stats();
    assert_eq!(stats.accepted, 1);
    assert!(stats.adds_up());

    // And its places are free again.
    Driver::new(tee.send(3)).assert_ready().unwrap();
    assert_eq!((all(&mut first), all(&mut second)), (vec![3], vec![3]));
}

#[test]
fn dropped_while_a_sink_takes_it_has_put_nothing_into_queues() {
    let mut tee = Tee::builder();
    let mut queue = tee.branch("queue", 1, WhenSlow::Hold);
    let (quick, slow) = (Door::opened(), Door::default());
    tee.sink("quick", quick.clone(), WhenSlow::Hold);
    tee.sink("slow", slow.clone(), WhenSlow::Hold);
    let tee = tee.build().unwrap();

    let mut waiting = Driver::new(tee.send(1));
    waiting.assert_pending();
    drop(waiting);
    assert_eq!((all(&mut queue), quick.taken(), slow.taken()), (vec![], vec![1], vec![]));
    let stats = tee.stats();
    assert_eq!((stats.accepted, stats.branch("quick").unwrap().unconfirmed), (0, 1), "that one knows it");
    assert!(stats.adds_up());

    slow.open.store(true, Ordering::Release);
    Driver::new(tee.send(1)).assert_ready().unwrap();
    assert_eq!((all(&mut queue), quick.taken(), slow.taken()), (vec![1], vec![1, 1], vec![1]));
}

#[tokio::test(start_paused = true)]
async fn senders_never_wait_for_each_other() {
    let mut tee = Tee::builder();
    let mut readers = JoinSet::new();
    for name in ["a", "b", "c"] {
        let mut receiver = tee.branch(name, 1, WhenSlow::Hold);
        readers.spawn(async move {
            let mut got = 0;
            while receiver.recv().await.is_some() {
                tokio::task::yield_now().await;
                got += 1;
            }
            got
        });
    }
    let tee = tee.build().unwrap();
    let mut senders = JoinSet::new();
    for sender in 0..8 {
        let tee = tee.clone();
        senders.spawn(async move {
            for item in 0..50 {
                tee.send((sender, item)).await.unwrap();
            }
        });
    }
    drop(tee);
    timeout(SECOND, senders.join_all()).await.expect("nobody is stuck");
    assert_eq!(readers.join_all().await, [400, 400, 400]);
}

#[tokio::test(start_paused = true)]
async fn a_branch_that_holds_holds_everybody() {
    let mut tee = Tee::builder();
    let mut slow = tee.branch("slow", 1, WhenSlow::Hold);
    let quick = tee.branch("quick", 10, WhenSlow::Hold);
    let tee = tee.build().unwrap();
    tee.send(1).await.unwrap();
    assert!(timeout(100 * SECOND, tee.send(2)).await.is_err());
    assert_eq!(quick.len(), 1, "also those that have room");
    slow.recv().await.unwrap();
    timeout(SECOND, tee.send(2)).await.unwrap().unwrap();
    assert_eq!(quick.len(), 2);
}

#[test]
fn a_branch_that_drops_costs_nobody_anything() {
    let mut tee = Tee::builder();
    let mut screen = tee.branch("screen", 2, WhenSlow::Drop);
    let mut archive = tee.branch("archive", 100, WhenSlow::Hold);
    let tee = tee.build().unwrap();
    for item in 0..50 {
        Driver::new(tee.send(item)).assert_ready().unwrap();
    }
    assert_eq!((all(&mut screen), all(&mut archive).len()), (vec![0, 1], 50));
    let stats = tee.stats();
    let of_screen = stats.branch("screen").unwrap();
    assert_eq!((stats.accepted, of_screen.sent, of_screen.dropped), (50, 2, 48));
    assert_eq!(of_screen.detached, None, "it may catch up");
    assert!(stats.adds_up());
}

#[tokio::test(start_paused = true)]
async fn a_slow_branch_is_detached_after_its_time_and_told_of_it() {
    let mut tee = Tee::builder();
    let mut slow = tee.branch("slow", 1, WhenSlow::Detach { after: 5 * SECOND });
    let mut archive = tee.branch("archive", 100, WhenSlow::Hold);
    let tee = tee.build().unwrap();
    let start = Instant::now();
    tee.send(1).await.unwrap();

    // Slow, but in time.
    let (sent, ()) = tokio::join!(tee.send(2), async {
        sleep(4 * SECOND).await;
        slow.recv().await.unwrap();
    });
    sent.unwrap();
    assert_eq!((start.elapsed(), tee.stats().branch("slow").unwrap().detached), (4 * SECOND, None));

    // One that came later does not wait its own five seconds.
    let late = async {
        sleep(3 * SECOND).await;
        tee.send(4).await
    };
    let (third, fourth) = tokio::join!(tee.send(3), late);
    third.unwrap();
    fourth.unwrap();
    assert_eq!(start.elapsed(), 9 * SECOND);
    tee.send(5).await.unwrap();
    assert_eq!(start.elapsed(), 9 * SECOND, "nobody waits for it any more");

    let stats = tee.stats();
    let of_slow = stats.branch("slow").unwrap();
    assert_eq!((of_slow.detached, of_slow.sent, of_slow.dropped), (Some(Detached::Slow), 2, 3));
    assert!(stats.adds_up());
    assert_eq!(all(&mut archive), [1, 2, 3, 4, 5]);
    assert_eq!((slow.recv().await, slow.recv().await), (Some(2), None), "its reader comes to an end");
}

/// Its reader is quick, and what some sends wait for is another branch.
#[tokio::test(start_paused = true)]
async fn a_branch_is_not_slow_because_another_one_holds() {
    let mut tee = Tee::builder();
    let mut quick = tee.branch("quick", 1, WhenSlow::Detach { after: SECOND });
    let mut slow = tee.branch("slow", 1, WhenSlow::Hold);
    let tee = tee.build().unwrap();
    tokio::spawn(async move {
        while slow.recv().await.is_some() {
            sleep(10 * SECOND).await;
        }
    });
    let reading = tokio::spawn(async move {
        let mut read = 0;
        while quick.recv().await.is_some() {
            read += 1;
        }
        read
    });
    let mut senders = JoinSet::new();
    for item in 0..5 {
        let tee = tee.clone();
        senders.spawn(async move { tee.send(item).await.unwrap() });
    }
    senders.join_all().await;
    assert_eq!(tee.stats().branch("quick").unwrap().detached, None);
    drop(tee);
    assert_eq!(reading.await.unwrap(), 5);
}

/// The same where the other one is slow, and is left out for that.
#[tokio::test(start_paused = true)]
async fn a_branch_is_not_slow_because_another_one_is() {
    for after in [SECOND, 10 * SECOND] {
        let mut tee = Tee::builder();
        let mut quick = tee.branch("quick", 1, WhenSlow::Detach { after });
        let _slow = tee.branch("slow", 1, WhenSlow::Detach { after: 10 * SECOND });
        let tee = tee.build().unwrap();
        let reading = tokio::spawn(async move {
            let mut read = 0;
            while read < 5 && quick.recv().await.is_some() {
                read += 1;
            }
            (read, quick)
        });
        let start = Instant::now();
        let mut senders = JoinSet::new();
        for item in 0..5 {
            let tee = tee.clone();
            senders.spawn(async move { tee.send(item).await.unwrap() });
        }
        senders.join_all().await;
        let detached = tee.stats().branches.iter().map(|branch| branch.detached).collect::<Vec<_>>();
        assert_eq!(detached, [None, Some(Detached::Slow)], "{after:?}");
        assert_eq!(start.elapsed(), 10 * SECOND);
        let (read, quick) = reading.await.unwrap();
        assert_eq!(read, 5);

        // Now it is.
        tee.send(5).await.unwrap();
        let start = Instant::now();
        tee.send(6).await.unwrap();
        assert_eq!((start.elapsed(), quick.len()), (after, 1));
        assert_eq!(tee.stats().branch("quick").unwrap().detached, Some(Detached::Slow));
    }
}

#[tokio::test(start_paused = true)]
async fn a_branch_is_not_slow_because_a_sink_holds() {
    struct Patient;
    #[async_trait::async_trait]
    impl ItemSink<u32> for Patient {
        async fn send(&self, _: u32) -> Result<(), SinkError<u32>> {
            sleep(10 * SECOND).await;
            Ok(())
        }

        async fn send_many(&self, _: &mut Vec<u32>) -> Result<(), SinkError<u32>> {
            unreachable!("a tee sends one after the other")
        }
    }
    let mut tee = Tee::builder();
    let mut quick = tee.branch("quick", 1, WhenSlow::Detach { after: SECOND });
    tee.sink("patient", Patient, WhenSlow::Hold);
    let tee = tee.build().unwrap();
    let reading = tokio::spawn(async move {
        let mut read = 0;
        while quick.recv().await.is_some() {
            read += 1;
        }
        read
    });
    let (first, second) = tokio::join!(tee.send(1), tee.send(2));
    first.and(second).unwrap();
    // One that is dropped meanwhile has its place no more.
    let (left, third) = tokio::join!(timeout(2 * SECOND, tee.send(3)), tee.send(4));
    left.unwrap_err();
    third.unwrap();
    assert_eq!(tee.stats().branch("quick").unwrap().detached, None);
    drop(tee);
    assert_eq!(reading.await.unwrap(), 3);
}

/// Panics when it is dropped while it is armed.
#[derive(Clone)]
struct Armed(Arc<AtomicBool>);

impl Drop for Armed {
    fn drop(&mut self) {
        assert!(!self.0.load(Ordering::Relaxed), "it was dropped");
    }
}

/// A sink that refuses what it does not like.
struct Refuses(Refusal);

type Refusal = fn(Armed) -> SinkError<Armed>;

#[async_trait::async_trait]
impl ItemSink<Armed> for Refuses {
    async fn send(&self, item: Armed) -> Result<(), SinkError<Armed>> {
        Err((self.0)(item))
    }

    async fn send_many(&self, _: &mut Vec<Armed>) -> Result<(), SinkError<Armed>> {
        unreachable!("a tee sends one after the other")
    }
}

#[test]
fn an_item_that_panics_when_it_is_dropped_for_one_branch_costs_the_others_nothing() {
    for first in [true, false] {
        let mut tee = Tee::builder();
        let archive = first.then(|| tee.branch("archive", 10, WhenSlow::Hold));
        let _screen = tee.branch("screen", 1, WhenSlow::Drop);
        let gone = tee.branch("gone", 10, WhenSlow::Drop);
        let refusals: [(&str, Refusal); 3] = [
            ("full", |item| SinkError::Full(Some(item))),
            ("closed", |item| match item.0.load(Ordering::Relaxed) {
                true => SinkError::Closed(Some(item)),
                false => SinkError::Full(Some(item)),
            }),
            ("failed", |item| SinkError::Failed { item: Some(item), error: "no".into() }),
        ];
        for (name, refuses) in refusals {
            tee.sink(name, Refuses(refuses), WhenSlow::Drop);
        }
        let archive = archive.unwrap_or_else(|| tee.branch("archive", 10, WhenSlow::Hold));
        let tee = tee.build().unwrap();
        let armed = Arc::new(AtomicBool::new(false));
        Driver::new(tee.send(Armed(Arc::clone(&armed)))).assert_ready().unwrap();
        drop(gone);
        armed.store(true, Ordering::Relaxed);
        let mut sending = Driver::new(tee.send(Armed(Arc::clone(&armed))));
        let sent = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| sending.poll()));
        armed.store(false, Ordering::Relaxed);
        assert!(sent.is_ok_and(|sent| sent.is_ready()), "{:?}", tee.stats());
        assert_eq!(archive.len(), 2);
        assert!(tee.stats().adds_up());
    }
}

#[test]
fn a_branch_that_holds_and_is_closed_fails_the_send_by_name() {
    let mut tee = Tee::builder();
    let mut first = tee.branch("first", 10, WhenSlow::Hold);
    let gone = tee.branch("gone", 10, WhenSlow::Hold);
    let tee = tee.build().unwrap();
    drop(gone);
    let refused = Driver::new(tee.send(1)).assert_ready().unwrap_err();
    assert_eq!(branch_of(&refused), "gone");
    assert_eq!(refused.into_item(), Some(1));
    assert_eq!(all(&mut first), []);
    assert_eq!(tee.stats().accepted, 0);

    let mut items = vec![1, 2];
    let refused = Driver::new(tee.send_many(&mut items)).assert_ready().unwrap_err();
    assert_eq!((branch_of(&refused), refused.to_string()), ("gone", "sink failed".to_owned()));
    assert_eq!(items, [1, 2]);
}

#[test]
fn a_branch_that_may_lose_and_is_closed_is_left_out() {
    let mut tee = Tee::builder();
    let dropping = tee.branch("dropping", 1, WhenSlow::Drop);
    let detaching = tee.branch("detaching", 1, WhenSlow::Detach { after: SECOND });
    let (closed, receiver) = bounded(1);
    tee.sink("closed", closed, WhenSlow::Drop);
    let mut archive = tee.branch("archive", 10, WhenSlow::Hold);
    let tee = tee.build().unwrap();
    drop((dropping, detaching, receiver));
    Driver::new(tee.send(1)).assert_ready().unwrap();
    Driver::new(tee.send(2)).assert_ready().unwrap();
    assert_eq!(all(&mut archive), [1, 2]);
    let stats = tee.stats();
    for name in ["dropping", "detaching", "closed"] {
        let branch = stats.branch(name).unwrap();
        assert_eq!((branch.detached, branch.dropped), (Some(Detached::Closed), 2), "{name}");
    }
    assert!(stats.adds_up());
}

#[test]
fn a_sink_that_fails_is_named_or_loses_its_item() {
    let mut tee = Tee::builder();
    let mut queue = tee.branch("queue", 10, WhenSlow::Hold);
    tee.sink("disk", Broken, WhenSlow::Hold);
    let tee = tee.build().unwrap();
    let refused = Driver::new(tee.send(1)).assert_ready().unwrap_err();
    assert_eq!(refused.source().unwrap().to_string(), "branch `disk` did not take the item: disk full");
    assert_eq!((refused.into_item(), all(&mut queue)), (Some(1), vec![]));

    let mut tee = Tee::builder();
    tee.sink("disk", Broken, WhenSlow::Drop);
    let tee = tee.build().unwrap();
    Driver::new(tee.send(1)).assert_ready().unwrap();
    let stats = tee.stats();
    assert_eq!((stats.branches[0].dropped, stats.branches[0].detached), (1, None), "it may recover");
}

/// A sink that panics: in the call, in the poll, or there and when its future is dropped, too.
#[derive(Clone, Copy)]
struct Panics {
    in_call: bool,
    twice: bool,
}

impl ItemSink<u32> for Panics {
    fn send<'a: 'b, 'b>(
        &'a self,
        _: u32,
    ) -> Pin<Box<dyn Future<Output = Result<(), SinkError<u32>>> + Send + 'b>>
    where
        Self: 'b,
    {
        assert!(!self.in_call, "in the call");
        let bomb = Bomb { armed: self.twice };
        Box::pin(poll_fn(move |_| {
            let _ = &bomb;
            panic!("in the poll")
        }))
    }

    fn send_many<'a: 'c, 'b: 'c, 'c>(
        &'a self,
        _: &'b mut Vec<u32>,
    ) -> Pin<Box<dyn Future<Output = Result<(), SinkError<u32>>> + Send + 'c>>
    where
        Self: 'c,
    {
        unreachable!("a tee sends one after the other")
    }
}

/// Panics when it is dropped, as long as it is armed.
#[derive(Debug)]
struct Bomb {
    armed: bool,
}

impl Drop for Bomb {
    fn drop(&mut self) {
        assert!(!self.armed, "dropped");
    }
}

#[test]
fn a_sink_that_panics_has_failed() {
    for (in_call, twice, why) in
        [(true, false, "in the call"), (false, false, "in the poll"), (false, true, "in the poll")]
    {
        let sink = Panics { in_call, twice };
        let mut tee = Tee::builder();
        let mut queue = tee.branch("queue", 10, WhenSlow::Hold);
        tee.sink("other", Panics { in_call: false, twice: true }, WhenSlow::Drop);
        tee.sink("disk", sink, WhenSlow::Hold);
        let tee = tee.build().unwrap();
        let refused = Driver::new(tee.send(1)).assert_ready().unwrap_err();
        let told = refused.source().unwrap().to_string();
        assert_eq!(told, format!("branch `disk` did not take the item: panicked: {why}"));
        assert_eq!((refused.into_item(), all(&mut queue)), (Some(1), vec![]));

        for when_slow in [WhenSlow::Drop, WhenSlow::Detach { after: SECOND }] {
            let mut tee = Tee::builder();
            let mut queue = tee.branch("queue", 10, WhenSlow::Hold);
            tee.sink("disk", sink, when_slow);
            let tee = tee.build().unwrap();
            let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
            runtime.block_on(tee.send(1)).unwrap();
            let stats = tee.stats();
            assert_eq!((all(&mut queue), stats.branches[1].dropped, stats.adds_up()), (vec![1], 1, true));
        }
    }
}

/// An error that panics when it is dropped, and when it is shown if somebody listens.
#[derive(Debug)]
struct Bad {
    _bomb: Bomb,
}

impl std::fmt::Display for Bad {
    fn fmt(&self, _: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        panic!("shown")
    }
}

impl Error for Bad {}

#[async_trait::async_trait]
impl ItemSink<u32> for Bad {
    async fn send(&self, _: u32) -> Result<(), SinkError<u32>> {
        Err(SinkError::Failed { item: None, error: Bad { _bomb: Bomb { armed: true } }.into() })
    }

    async fn send_many(&self, _: &mut Vec<u32>) -> Result<(), SinkError<u32>> {
        unreachable!("a tee sends one after the other")
    }
}

#[test]
fn a_sink_whose_error_panics_loses_its_item_and_no_more() {
    let events = Events::keep();
    let mut tee = Tee::builder();
    let mut queue = tee.branch("queue", 10, WhenSlow::Hold);
    tee.sink("disk", Bad { _bomb: Bomb { armed: false } }, WhenSlow::Drop);
    let tee = tee.build().unwrap();
    Driver::new(tee.send(1)).assert_ready().unwrap();
    assert_eq!((all(&mut queue), tee.stats().branches[1].dropped), (vec![1], 1));
    assert_eq!(events.at(Level::ERROR).len(), 2, "as it is shown, and as it is dropped");
}

/// Somebody listens to what the branch says of it.
#[test]
fn a_sink_whose_error_panics_fails_the_send_of_who_may_not_lose() {
    let events = Events::keep();
    let mut tee = Tee::builder();
    let mut queue = tee.branch("queue", 10, WhenSlow::Hold);
    tee.sink("disk", Bad { _bomb: Bomb { armed: false } }, WhenSlow::Hold);
    let tee = tee.build().unwrap();
    let refused = Driver::new(tee.send(1)).assert_ready().unwrap_err();
    assert_eq!((branch_of(&refused), all(&mut queue)), ("disk", vec![]));
    assert!(matches!(refused, SinkError::Failed { item: Some(1), .. }));
    assert_eq!(
        events.at(Level::DEBUG),
        ["branch did not take an item, and its error panicked branch=disk panic=shown"]
    );
    // Its destructor panics, too.
    std::mem::forget(refused);
}

/// It goes with the branch, in the middle of somebody's send.
#[test]
fn a_detached_sink_that_panics_when_it_is_dropped_costs_nothing() {
    struct Closed(Bomb);
    #[async_trait::async_trait]
    impl ItemSink<u32> for Closed {
        async fn send(&self, item: u32) -> Result<(), SinkError<u32>> {
            let _ = &self.0;
            Err(SinkError::Closed(Some(item)))
        }

        async fn send_many(&self, _: &mut Vec<u32>) -> Result<(), SinkError<u32>> {
            unreachable!("a tee sends one after the other")
        }
    }
    let mut tee = Tee::builder();
    (0..2).for_each(|n| tee.sink(format!("{n}"), Closed(Bomb { armed: true }), WhenSlow::Drop));
    let tee = tee.build().unwrap();
    Driver::new(tee.send(1)).assert_ready().unwrap();
    assert!(tee.stats().branches.iter().all(|branch| branch.detached == Some(Detached::Closed)));
}

#[tokio::test(start_paused = true)]
async fn sinks_are_waited_for_all_at_once() {
    struct Slow(Duration);
    #[async_trait::async_trait]
    impl ItemSink<u32> for Slow {
        async fn send(&self, _: u32) -> Result<(), SinkError<u32>> {
            sleep(self.0).await;
            Ok(())
        }
        async fn send_many(&self, _: &mut Vec<u32>) -> Result<(), SinkError<u32>> {
            unreachable!("a tee sends one after the other")
        }
    }
    let mut tee = Tee::builder();
    tee.sink("three", Slow(3 * SECOND), WhenSlow::Hold);
    tee.sink("two", Slow(2 * SECOND), WhenSlow::Hold);
    tee.sink("detached", Slow(100 * SECOND), WhenSlow::Detach { after: SECOND });
    tee.sink("dropping", Slow(SECOND), WhenSlow::Drop);
    let tee = tee.build().unwrap();
    let start = Instant::now();
    tee.send(1).await.unwrap();
    assert_eq!(start.elapsed(), 3 * SECOND);
    let stats = tee.stats();
    assert_eq!(stats.branch("detached").unwrap().detached, Some(Detached::Slow));
    assert_eq!(stats.branch("dropping").unwrap().dropped, 1);
    assert!(stats.adds_up());
}

#[tokio::test]
async fn a_spent_budget_is_not_a_slow_branch() {
    let mut tee = Tee::builder();
    let detaching = tee.branch("detaching", 1_000, WhenSlow::Detach { after: Duration::ZERO });
    let (tx, rx) = bounded(1_000);
    tee.sink("sink", tx, WhenSlow::Drop);
    let (tx, other) = bounded(1_000);
    tee.sink("other", tx, WhenSlow::Detach { after: Duration::ZERO });
    let tee = tee.build().unwrap();
    for item in 0..1_000 {
        // So that each part of a send is at some time the one that meets a spent budget.
        tokio::task::coop::consume_budget().await;
        tee.send(item).await.unwrap();
    }
    assert_eq!((detaching.len(), rx.len(), other.len()), (1_000, 1_000, 1_000));
}

#[tokio::test]
async fn a_long_run_of_sends_gives_way() {
    let mut tee = Tee::builder();
    let _screen = tee.branch("screen", 1, WhenSlow::Drop);
    let tee = tee.build().unwrap();
    let others = Arc::new(AtomicBool::new(false));
    let turn = Arc::clone(&others);
    tokio::spawn(async move { turn.store(true, Ordering::Release) });
    for item in 0..1_000 {
        tee.send(item).await.unwrap();
    }
    assert!(others.load(Ordering::Acquire), "they got their turn meanwhile");
}

#[test]
fn a_clone_that_panics_has_sent_to_nobody() {
    #[derive(Debug, PartialEq)]
    struct Bomb(bool);
    impl Clone for Bomb {
        fn clone(&self) -> Self {
            assert!(!self.0, "it panicked");
            Self(false)
        }
    }
    let mut tee = Tee::builder();
    let mut receivers = ["a", "b", "c"].map(|name| tee.branch(name, 1, WhenSlow::Hold));
    let tee = tee.build().unwrap();
    let mut sending = Driver::new(tee.send(Bomb(true)));
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| sending.poll().is_ready())).unwrap_err();
    drop(sending);
    assert!(receivers.iter().all(Receiver::is_empty));
    Driver::new(tee.send(Bomb(false))).assert_ready().unwrap();
    assert!(receivers.iter_mut().all(|receiver| all(receiver) == [Bomb(false)]), "and every place is free");
}

/// The second clone panics, and what unwinds then drops the first one, which panics as well: that ended the process.
#[test]
fn a_clone_that_panics_is_one_panic_though_other_clones_panic_when_they_are_dropped() {
    struct Item {
        clones: Arc<AtomicUsize>,
        is_clone: bool,
    }
    impl Clone for Item {
        fn clone(&self) -> Self {
            assert_eq!(self.clones.fetch_add(1, Ordering::Relaxed), 0, "no second one");
            Self { clones: Arc::clone(&self.clones), is_clone: true }
        }
    }
    impl Drop for Item {
        fn drop(&mut self) {
            assert!(!self.is_clone, "a clone was dropped");
        }
    }
    struct Never;
    #[async_trait::async_trait]
    impl ItemSink<Item> for Never {
        async fn send(&self, _: Item) -> Result<(), SinkError<Item>> {
            unreachable!("there are no two clones")
        }

        async fn send_many(&self, _: &mut Vec<Item>) -> Result<(), SinkError<Item>> {
            unreachable!("a tee sends one after the other")
        }
    }
    for sinks in [false, true] {
        let mut tee = Tee::builder();
        let queues: Vec<_> = (0..if sinks { 1 } else { 3 })
            .map(|n| tee.branch(format!("queue {n}"), 1, WhenSlow::Hold))
            .collect();
        (0..if sinks { 2 } else { 0 }).for_each(|n| tee.sink(format!("sink {n}"), Never, WhenSlow::Hold));
        let tee = tee.build().unwrap();
        let item = Item { clones: Arc::default(), is_clone: false };
        let mut sending = Driver::new(tee.send(item));
        let sent = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| sending.poll().is_ready()));
        let panic = *sent.unwrap_err().downcast::<String>().unwrap();
        assert!(panic.contains("no second one"), "{panic}");
        assert!(queues.iter().all(Receiver::is_empty));
    }
}

/// Only one of the errors goes to the sender, and the other is dropped here.
#[test]
fn sinks_whose_errors_panic_when_they_are_dropped_fail_the_send_together() {
    let mut tee = Tee::builder();
    let names = ["disk", "tape", "card"];
    names.iter().for_each(|name| tee.sink(*name, Bad { _bomb: Bomb { armed: false } }, WhenSlow::Hold));
    let tee = tee.build().unwrap();
    let refused = Driver::new(tee.send(1)).assert_ready().unwrap_err();
    assert_eq!(branch_of(&refused), "disk");
    // Its destructor panics, too.
    std::mem::forget(refused);
}

/// The reader of one that may not lose has gone since its place was reserved: the send fails with all clones made.
#[test]
fn clones_that_are_left_over_are_dropped_one_by_one() {
    let mut tee = Tee::builder();
    let mut queues: Vec<_> = (0..4).map(|n| tee.branch(format!("{n}"), 1, WhenSlow::Hold)).collect();
    let tee = tee.build().unwrap();
    let armed = Arc::new(AtomicBool::new(false));
    Driver::new(tee.send(Armed(Arc::clone(&armed)))).assert_ready().unwrap();
    // It waits for the last branch, with places in the others, one of which goes away.
    let mut sending = Driver::new(tee.send(Armed(Arc::clone(&armed))));
    queues[..3].iter_mut().for_each(|queue| drop(queue.try_recv().unwrap()));
    sending.assert_pending();
    drop(queues.remove(1));
    drop(queues[2].try_recv().unwrap());
    armed.store(true, Ordering::Relaxed);
    let sent = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| sending.assert_ready()));
    armed.store(false, Ordering::Relaxed);
    assert_eq!(branch_of(&sent.expect("it says so").unwrap_err()), "1");
}

#[test]
fn a_batch_that_is_dropped_leaves_what_was_not_accepted() {
    let mut tee = Tee::builder();
    let mut queue = tee.branch("queue", 3, WhenSlow::Hold);
    let tee = tee.build().unwrap();
    let mut items: Vec<u32> = (0..10).collect();
    let mut sending = Driver::new(tee.send_many(&mut items));
    sending.assert_pending();
    drop(sending);
    assert_eq!(items, (3..10).collect::<Vec<_>>());
    assert_eq!(all(&mut queue), [0, 1, 2]);
}

#[tokio::test(start_paused = true)]
async fn a_source_is_acked_when_all_that_may_not_lose_have_the_item() {
    let (source, script) = RecordingSource::builder().items([1, 2]).never_ending().redelivers().build();
    let mut tee = Tee::builder();
    let mut archive = tee.branch("archive", 1, WhenSlow::Hold);
    let _screen = tee.branch("screen", 1, WhenSlow::Drop);
    let door = Door::default();
    tee.sink("door", door.clone(), WhenSlow::Hold);
    let tee = tee.build().unwrap();
    door.open.store(true, Ordering::Release);
    let handle = tee.clone();
    let pool = Pool::builder()
        .workers(1)
        .source(source)
        .handler_delivery(move |delivery| {
            let tee = handle.clone();
            async move { tee.forward(delivery).await }
        })
        .start()
        .unwrap();
    timeout(SECOND, script.until(|record| record.settlements.len() == 1)).await.unwrap();
    let early = timeout(SECOND, script.until(|record| record.settlements.len() == 2)).await;
    assert!(early.is_err(), "the archive has no room for the second");
    assert_eq!(archive.recv().await, Some(1));
    timeout(SECOND, script.until(|record| record.settlements.len() == 2)).await.unwrap();
    assert_eq!((archive.recv().await, door.taken()), (Some(2), vec![1, 2]));
    assert_eq!(tee.stats().accepted, 2);

    // With nobody to read the archive nothing is acked.
    drop(archive);
    script.push(3);
    timeout(SECOND, script.until(|record| record.settlements.len() >= 3)).await.unwrap();
    assert_eq!(pool.stats().completed, 2);
    let report = pool.shutdown(Duration::ZERO).await;
    assert!(report.adds_up() && report.returned > 0, "{report:?}");
}

#[test]
fn shows_its_numbers() {
    #[derive(Default)]
    struct Lines(String);
    impl Visitor for Lines {
        fn counter(&mut self, name: &'static str, labels: &[(&'static str, &str)], value: u64) {
            self.0 += &format!("{name}{labels:?} {value}\n");
        }
        fn gauge(&mut self, name: &'static str, labels: &[(&'static str, &str)], value: f64) {
            self.0 += &format!("{name}{labels:?} {value}\n");
        }
    }
    let mut tee = Tee::builder();
    let _screen = tee.branch("screen", 1, WhenSlow::Drop);
    let tee = tee.build().unwrap();
    (0..3).for_each(|item| Driver::new(tee.send(item)).assert_ready().unwrap());
    let mut lines = Lines::default();
    tee.observe(&mut lines);
    assert_eq!(
        lines.0,
        "forebay_tee_accepted_total[] 3\n\
         forebay_tee_branch_items_total[(\"branch\", \"screen\"), (\"result\", \"sent\")] 1\n\
         forebay_tee_branch_items_total[(\"branch\", \"screen\"), (\"result\", \"dropped\")] 2\n\
         forebay_tee_branch_items_total[(\"branch\", \"screen\"), (\"result\", \"unconfirmed\")] 0\n\
         forebay_tee_branch_detached[(\"branch\", \"screen\")] 0\n\
         forebay_tee_branch_length[(\"branch\", \"screen\")] 1\n"
    );
}

/// What a random run does next.
#[derive(Debug, Clone, Copy)]
enum Step {
    /// A send is begun, polled, and given up if it is not ready after so many further steps.
    Send {
        patience: u8,
    },
    Read {
        branch: usize,
    },
    Close {
        branch: usize,
    },
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (0..6_u8).prop_map(|patience| Step::Send { patience }),
        6 => (0..3_usize).prop_map(|branch| Step::Read { branch }),
        1 => (0..3_usize).prop_map(|branch| Step::Close { branch }),
    ]
}

fn slowness() -> impl Strategy<Value = WhenSlow> {
    prop_oneof![3 => Just(WhenSlow::Hold), 2 => Just(WhenSlow::Drop)]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    /// Random sends, some given up, against readers that read now and then or go away.
    #[test]
    fn every_branch_accounts_for_every_item(
        branches in prop::collection::vec((1..4_usize, slowness()), 3),
        steps in prop::collection::vec(step(), 0..80),
    ) {
        let mut builder = Tee::builder();
        let mut readers: Vec<_> = branches
            .iter()
            .enumerate()
            .map(|(at, &(capacity, slow))| Some(builder.branch(format!("branch {at}"), capacity, slow)))
            .collect();
        let tee = builder.build().unwrap();
        let mut sending = Vec::new();
        let mut accepted = Vec::new();
        let mut got = vec![Vec::new(); 3];
        for (item, step) in steps.into_iter().enumerate() {
            match step {
                Step::Send { patience } => {
                    let tee = tee.clone();
                    sending.push((item, patience, Driver::new(async move { tee.send(item).await })));
                }
                Step::Read { branch } => {
                    got[branch].extend(readers[branch].as_mut().and_then(|reader| reader.try_recv().ok()));
                }
                Step::Close { branch } => {
                    got[branch].extend(readers[branch].take().iter_mut().flat_map(all));
                }
            }
            sending.retain_mut(|(item, patience, future)| match future.poll() {
                Poll::Ready(Ok(())) => {
                    accepted.push(*item);
                    false
                }
                Poll::Ready(Err(refused)) => {
                    assert_eq!(refused.into_item(), Some(*item));
                    false
                }
                Poll::Pending if *patience == 0 => false,
                Poll::Pending => {
                    *patience -= 1;
                    true
                }
            });
            prop_assert!(tee.stats().adds_up());
        }
        drop(sending);
        let stats = tee.stats();
        prop_assert!(stats.adds_up());
        prop_assert_eq!(stats.accepted as usize, accepted.len());
        for (at, reader) in readers.iter_mut().enumerate() {
            got[at].extend(reader.iter_mut().flat_map(all));
            let branch = &stats.branches[at];
            prop_assert_eq!(branch.sent as usize, got[at].len());
            prop_assert_eq!(branch.unconfirmed, 0);
            prop_assert!(got[at].iter().all(|item| accepted.contains(item)), "only what was accepted");
            if branches[at].1 == WhenSlow::Hold {
                let mut arrived = got[at].clone();
                arrived.sort_unstable();
                let mut all = accepted.clone();
                all.sort_unstable();
                prop_assert_eq!(arrived, all, "all that was accepted, once");
            }
        }
    }
}

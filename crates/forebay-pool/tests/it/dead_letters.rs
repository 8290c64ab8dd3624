use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use forebay_pool::{DeadLetter, LimitedBy, OnFailure, Pool, StartError, Tee, WhenSlow};
use forebay_queue::{Delivery, End, ItemSink, SinkError, SourceError, WhenFull, bounded};
use forebay_testkit::{Record, RecordingSource};
use tokio::time::{Instant, sleep, timeout};
use tracing::Level;

use crate::events::Events;
use crate::settle_down;

type Letter = DeadLetter<u32>;

/// Time is paused: whoever waits for what will not come fails here, and does not hang.
async fn soon<F: Future>(future: F) -> F::Output {
    timeout(Duration::from_secs(3600), future).await.unwrap()
}

fn all_settled(count: usize) -> impl FnMut(&Record) -> bool {
    move |record| record.settlements.len() == count
}

/// Answers as it is told, one answer for each call, and then takes everything.
#[derive(Clone, Default)]
struct Moody {
    answers: Arc<Mutex<Vec<Answer>>>,
    taken: Arc<Mutex<Vec<u32>>>,
    called_at: Arc<Mutex<Vec<Instant>>>,
}

#[derive(Clone, Copy)]
enum Answer {
    Full,
    Fail,
    /// With an error whose destructor panics.
    FailBadly,
    /// Takes one and panics.
    Panic,
    TooHeavy,
}

impl Moody {
    fn new(answers: impl IntoIterator<Item = Answer>) -> Self {
        let mut answers: Vec<_> = answers.into_iter().collect();
        answers.reverse();
        Self { answers: Arc::new(Mutex::new(answers)), ..Self::default() }
    }
}

#[derive(Debug, thiserror::Error)]
#[error("splinter")]
struct Splinter;

impl Drop for Splinter {
    fn drop(&mut self) {
        panic!("dropped");
    }
}

#[async_trait]
impl ItemSink<Letter> for Moody {
    async fn send(&self, _: Letter) -> Result<(), SinkError<Letter>> {
        unreachable!("a letter that is sent by itself could be lost")
    }

    async fn send_many(&self, items: &mut Vec<Letter>) -> Result<(), SinkError<Letter>> {
        self.called_at.lock().unwrap().push(Instant::now());
        let answer = self.answers.lock().unwrap().pop();
        match answer {
            Some(Answer::Full) => Err(SinkError::Full(None)),
            Some(Answer::Fail) => Err(SinkError::Failed { item: None, error: "no route".into() }),
            Some(Answer::FailBadly) => Err(SinkError::Failed { item: None, error: Box::new(Splinter) }),
            Some(Answer::Panic) => {
                items.remove(0);
                panic!("out of paper");
            }
            Some(Answer::TooHeavy) => Err(SinkError::TooHeavy(None)),
            None => {
                self.taken.lock().unwrap().extend(items.drain(..).map(|letter| letter.item));
                Ok(())
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_item_is_acked_only_when_the_sink_has_it() {
    let (source, script) = RecordingSource::builder().redelivers().items([7]).build();
    // A rendezvous: the sink has a letter when somebody takes it.
    let (letters, mut reader) = bounded::<Letter>(0);
    let pool = Pool::builder()
        .on_failure(OnFailure::DeadLetter)
        .source(source)
        .handler_delivery(|_| async { Err("no luck") })
        .dead_letters_to(letters)
        .start()
        .unwrap();
    settle_down().await;
    assert_eq!(script.record().ends(), []);
    let stats = pool.stats();
    assert_eq!((stats.held, stats.dead_lettered, stats.adds_up()), (1, 0, true));

    let letter = soon(reader.recv()).await.unwrap();
    assert_eq!((letter.item, letter.attempt, &*letter.reason), (7, 1, "attempt 1: failed: no luck"));
    let report = soon(pool.finish()).await;
    assert_eq!(script.record().ends(), [End::Ack]);
    assert_eq!((report.dead_lettered, report.maybe_redelivered, report.adds_up()), (1, 0, true));
    assert!(soon(reader.recv()).await.is_none(), "the sink goes with the pool");
}

#[tokio::test(start_paused = true)]
async fn it_comes_after_the_last_attempt_where_nothing_else_was_chosen() {
    let (letters, mut reader) = bounded::<Letter>(1);
    let pool = Pool::builder()
        .max_attempts(3)
        .queue(1)
        .handler(|_| async { Err("no luck") })
        .keep_copies()
        .dead_letters_to(letters)
        .start()
        .unwrap();
    pool.produce(7).await.unwrap();
    let letter = soon(reader.recv()).await.unwrap();
    assert_eq!((letter.attempt, &*letter.reason), (3, "attempt 3 of 3: failed: no luck"));
    let report = soon(pool.finish()).await;
    assert_eq!((report.returned, report.dead_lettered), (2, 1));
}

#[tokio::test(start_paused = true)]
async fn a_full_sink_holds_the_pool_up_and_says_so() {
    let (source, script) = RecordingSource::builder().items(0..500).build();
    let (letters, mut reader) = bounded::<Letter>(10);
    let pool = Pool::builder()
        .workers(4)
        .on_failure(OnFailure::DeadLetter)
        .source(source)
        .handler_delivery(|_| async { Err("no luck") })
        .dead_letters_to(letters)
        .start()
        .unwrap();
    settle_down().await;
    let stats = pool.stats();
    // The queue has ten, of which the source is told when all of their call are there.
    assert!((64..=64 + 4).contains(&stats.held), "{stats:?}");
    assert!(stats.adds_up());
    assert_eq!(script.record().handed_out as u64, stats.taken);
    assert!(matches!(stats.limited_by(), LimitedBy::Sink { waiting: 64.. }), "{}", stats.limited_by());

    let mut seen = Vec::new();
    while seen.len() < 500 {
        seen.push(soon(reader.recv()).await.unwrap().item);
    }
    seen.sort_unstable();
    assert_eq!(seen, (0..500).collect::<Vec<_>>());
    let report = soon(pool.finish()).await;
    assert_eq!((report.dead_lettered, report.adds_up()), (500, true));
}

#[tokio::test(start_paused = true)]
async fn a_sink_that_refuses_or_fails_is_tried_again_after_pauses_that_grow() {
    let events = Events::keep();
    let (source, script) = RecordingSource::builder().items([7]).build();
    let sink = Moody::new([Answer::Full, Answer::Fail, Answer::Fail]);
    let pool = Pool::builder()
        .on_failure(OnFailure::DeadLetter)
        .source(source)
        .handler_delivery(|_| async { Err("no luck") })
        .dead_letters_to(sink.clone())
        .start()
        .unwrap();
    let report = soon(pool.finish()).await;
    let called_at = sink.called_at.lock().unwrap().clone();
    let waits: Vec<_> = called_at.windows(2).map(|pair| (pair[1] - pair[0]).as_millis()).collect();
    assert_eq!(waits, [10, 20, 40]);
    assert_eq!(*sink.taken.lock().unwrap(), [7]);
    assert_eq!((report.dead_lettered, script.record().ends()), (1, vec![End::Ack]));
    let told: Vec<_> = events.at(Level::WARN).into_iter().filter(|line| line.starts_with("dead")).collect();
    assert_eq!(told, ["dead letters are not taken; they are kept, and tried again error=sink full"]);
    assert!(events.at(Level::DEBUG).contains(&"dead letters are taken again refusals=3".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn what_no_sink_takes_is_set_aside_by_the_source_with_both_reasons() {
    let (source, script) = RecordingSource::builder().items([7]).build();
    let (letters, reader) = bounded::<Letter>(1);
    drop(reader);
    let pool = Pool::builder()
        .on_failure(OnFailure::DeadLetter)
        .source(source)
        .handler_delivery(|_| async { Err("no luck") })
        .dead_letters_to(letters)
        .start()
        .unwrap();
    let report = soon(pool.finish()).await;
    let reason = "attempt 1: failed: no luck; its dead letter was refused: sink closed".to_owned();
    let record = script.record();
    assert_eq!((record.ends(), record.settlements[0].with_item), (vec![End::DeadLetter { reason }], true));
    assert_eq!((report.dead_lettered, report.adds_up()), (1, true));
}

#[tokio::test(start_paused = true)]
async fn one_that_is_too_heavy_does_not_hold_up_the_others() {
    let (source, script) = RecordingSource::builder().items([7, 8]).build();
    let sink = Moody::new([Answer::TooHeavy]);
    let pool = Pool::builder()
        .workers(1)
        .on_failure(OnFailure::DeadLetter)
        .source(source)
        .handler_delivery(|_| async { Err("no luck") })
        .dead_letters_to(sink.clone())
        .start()
        .unwrap();
    let report = soon(pool.finish()).await;
    assert_eq!((report.dead_lettered, sink.taken.lock().unwrap().clone()), (2, vec![8]));
    assert!(matches!(&script.record().ends()[..], [End::DeadLetter { .. }, End::Ack]));
}

#[tokio::test(start_paused = true)]
async fn an_abort_gives_back_what_the_sink_does_not_have() {
    let returned = Arc::new(Mutex::new(Vec::new()));
    let keep = Arc::clone(&returned);
    let (letters, mut reader) = bounded::<Letter>(1);
    let pool = Pool::builder()
        .workers(2)
        .on_failure(OnFailure::DeadLetter)
        .queue(10)
        .on_undelivered(move |item| keep.lock().unwrap().push(item))
        .handler(|_: u32| async { Err("no luck") })
        .keep_copies()
        .dead_letters_to(letters)
        .start()
        .unwrap();
    for item in 0..5 {
        pool.produce(item).await.unwrap();
    }
    settle_down().await;
    // One is in the sink's queue, and somebody waits with the next.
    let report = soon(pool.shutdown(Duration::from_secs(1))).await;
    let taken: Vec<_> = std::iter::from_fn(|| reader.try_recv().ok()).map(|letter| letter.item).collect();
    let mut all = [taken.clone(), returned.lock().unwrap().clone()].concat();
    all.sort_unstable();
    assert_eq!(all, [0, 1, 2, 3, 4], "each is here or there, and nowhere twice");
    assert_eq!((taken.len(), report.dead_lettered, report.returned, report.aborted), (1, 1, 4, 4));
    assert_eq!((report.undelivered, report.held, report.adds_up()), (4, 0, true));
}

#[tokio::test(start_paused = true)]
async fn a_dropped_handle_gives_them_back_too() {
    let (source, script) = RecordingSource::builder().never_ending().items([7, 8]).build();
    let (letters, _reader) = bounded::<Letter>(0);
    let pool = Pool::builder()
        .workers(1)
        .on_failure(OnFailure::DeadLetter)
        .source(source)
        .handler_delivery(|_| async { Err("no luck") })
        .dead_letters_to(letters)
        .start()
        .unwrap();
    settle_down().await;
    assert_eq!(script.record().settlements.len(), 0);
    drop(pool);
    soon(script.until(all_settled(2))).await;
    let record = script.record();
    assert!(record.settlements.iter().all(|told| told.with_item && matches!(told.end, End::Nack { .. })));
}

#[tokio::test(start_paused = true)]
async fn what_a_handler_gives_up_itself_is_sent_too_wherever_it_does() {
    let (letters, mut reader) = bounded::<Letter>(10);
    let pool = Pool::builder()
        .workers(1)
        .queue(10)
        .handler_delivery(|delivery: Delivery<u32>| async move {
            match delivery.item() {
                Some(1) => delivery.dead_letter("unreadable"),
                _ => {
                    tokio::spawn(async move {
                        sleep(Duration::from_secs(1)).await;
                        delivery.dead_letter("moved, and unreadable");
                    });
                }
            }
        })
        .dead_letters_to(letters)
        .start()
        .unwrap();
    for item in [1, 2] {
        pool.produce(item).await.unwrap();
    }
    let report = soon(pool.finish()).await;
    let all: Vec<_> =
        std::iter::from_fn(|| reader.try_recv().ok()).map(|letter| (letter.item, letter.reason)).collect();
    assert_eq!(all, [(1, "unreadable".to_owned()), (2, "moved, and unreadable".to_owned())]);
    assert_eq!((report.dead_lettered, report.adds_up()), (2, true));
}

#[tokio::test(start_paused = true)]
async fn what_is_cancelled_before_a_worker_has_it_is_sent_too() {
    let (letters, mut reader) = bounded::<Letter>(10);
    let pool = Pool::builder()
        .workers(2)
        .per_key(1)
        .queue(10)
        .handler(|_: u32| sleep(Duration::from_secs(1)))
        .keep_copies()
        .key(|item| item % 2)
        .dead_letters_to(letters)
        .start()
        .unwrap();
    for item in [1, 3, 2] {
        pool.produce(item).await.unwrap();
    }
    settle_down().await;
    assert_eq!(pool.cancel(&1_u32), 2);
    let report = soon(pool.finish()).await;
    let mut all: Vec<_> =
        std::iter::from_fn(|| reader.try_recv().ok()).map(|letter| (letter.item, letter.reason)).collect();
    all.sort();
    assert_eq!(all, [(1, "attempt 1: cancelled".to_owned()), (3, "cancelled".to_owned())]);
    assert_eq!((report.completed, report.dead_lettered, report.adds_up()), (1, 2, true));
}

#[tokio::test(start_paused = true)]
async fn a_lease_is_extended_while_its_letter_waits() {
    let lease = Duration::from_secs(30);
    let (source, script) = RecordingSource::builder().redelivers().lease(lease).items([7]).build();
    let (letters, mut reader) = bounded::<Letter>(0);
    let pool = Pool::builder()
        .on_failure(OnFailure::DeadLetter)
        .source(source)
        .handler_delivery(|_| async { Err("no luck") })
        .dead_letters_to(letters)
        .start()
        .unwrap();
    sleep(Duration::from_secs(95)).await;
    assert_eq!(script.record().extensions.len(), 9);
    soon(reader.recv()).await.unwrap();
    assert_eq!(soon(pool.finish()).await.dead_lettered, 1);
    assert_eq!(script.record().ends(), [End::Ack]);
}

#[tokio::test(start_paused = true)]
async fn a_sink_that_panics_costs_no_letter_of_a_source_with_a_copy() {
    let (source, script) = RecordingSource::builder().redelivers().items([7, 8]).build();
    let sink = Moody::new([Answer::Panic]);
    let pool = Pool::builder()
        .workers(1)
        .on_failure(OnFailure::DeadLetter)
        .source(source)
        .handler_delivery(|_| async { Err("no luck") })
        .dead_letters_to(sink.clone())
        .start()
        .unwrap();
    let report = soon(pool.finish()).await;
    let mut taken = sink.taken.lock().unwrap().clone();
    taken.sort_unstable();
    assert_eq!(taken, [7, 8]);
    assert_eq!((report.taken, report.dead_lettered, report.returned, report.adds_up()), (3, 2, 1, true));
    assert_eq!(script.record().ends().iter().filter(|&end| *end == End::Ack).count(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_pool_whose_letters_are_on_their_way_is_not_idle() {
    let (letters, mut reader) = bounded::<Letter>(0);
    let pool = Pool::builder()
        .on_failure(OnFailure::DeadLetter)
        .queue(1)
        .handler(|_: u32| async { Err("no luck") })
        .keep_copies()
        .dead_letters_to(letters)
        .start()
        .unwrap();
    pool.produce(7).await.unwrap();
    assert!(timeout(Duration::from_secs(60), pool.idle()).await.is_err());
    soon(reader.recv()).await.unwrap();
    soon(pool.idle()).await;
    assert_eq!(soon(pool.finish_when_idle()).await.dead_lettered, 1);
}

#[tokio::test(start_paused = true)]
async fn a_tee_or_another_pool_may_be_the_sink() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let see = Arc::clone(&seen);
    let menders = Pool::builder()
        .queue(1)
        .handler(move |letter: Letter| {
            see.lock().unwrap().push(letter.item);
            async {}
        })
        .start()
        .unwrap();
    let mut tee = Tee::builder();
    tee.sink("menders", menders.producer(), WhenSlow::Hold);
    let mut reader = tee.branch("kept", 10, WhenSlow::Hold);
    let tee = tee.build().unwrap();
    let pool = Pool::builder()
        .workers(1)
        .on_failure(OnFailure::DeadLetter)
        .queue(10)
        .handler(|_: u32| async { Err("no luck") })
        .keep_copies()
        .dead_letters_to(tee)
        .start()
        .unwrap();
    for item in 0..5 {
        pool.produce(item).await.unwrap();
    }
    assert_eq!(soon(pool.finish()).await.dead_lettered, 5);
    assert_eq!(soon(menders.finish()).await.completed, 5);
    let all: Vec<_> = std::iter::from_fn(|| reader.try_recv().ok()).map(|letter| letter.item).collect();
    assert_eq!((all, seen.lock().unwrap().len()), (vec![0, 1, 2, 3, 4], 5));
}

#[tokio::test(start_paused = true)]
async fn a_sink_that_drops_what_comes_has_it_nevertheless() {
    let (letters, reader) =
        forebay_queue::builder::<Letter>().capacity(1).when_full(WhenFull::DropIncoming).build();
    let pool = Pool::builder()
        .on_failure(OnFailure::DeadLetter)
        .queue(10)
        .handler(|_: u32| async { Err("no luck") })
        .keep_copies()
        .dead_letters_to(letters)
        .start()
        .unwrap();
    for item in 0..5 {
        pool.produce(item).await.unwrap();
    }
    assert_eq!(soon(pool.finish()).await.dead_lettered, 5);
    assert_eq!((reader.len(), reader.stats().dropped), (1, 4));
}

#[tokio::test]
async fn a_handler_that_leaves_no_item_behind_is_refused() {
    let (letters, _reader) = bounded::<Letter>(1);
    let refused = Pool::builder().queue(1).handler(|_: u32| async {}).dead_letters_to(letters).start();
    assert_eq!(refused.unwrap_err(), StartError::CannotSend);
}

#[tokio::test(start_paused = true)]
async fn a_pool_whose_source_broke_waits_for_its_letters() {
    let broken = SourceError::Broken("disk gone".into());
    let (source, script) = RecordingSource::builder().items([7]).fail(broken).build();
    let (letters, mut reader) = bounded::<Letter>(0);
    let pool = Pool::builder()
        .on_failure(OnFailure::DeadLetter)
        .source(source)
        .handler_delivery(|_| async { Err("no luck") })
        .dead_letters_to(letters)
        .start()
        .unwrap();
    assert!(timeout(Duration::from_secs(60), pool.closed()).await.is_err());
    assert_eq!(soon(reader.recv()).await.unwrap().item, 7);
    assert_eq!(soon(pool.finish()).await.dead_lettered, 1);
    assert_eq!(script.record().ends(), [End::Ack]);
}

/// The task that hands letters over has to outlive it: nobody else would.
#[tokio::test(start_paused = true)]
async fn an_error_that_panics_when_it_is_dropped_is_a_refusal_like_others() {
    let sink = Moody::new([Answer::FailBadly]);
    let pool = Pool::builder()
        .on_failure(OnFailure::DeadLetter)
        .queue(10)
        .handler(|_: u32| async { Err("no luck") })
        .keep_copies()
        .dead_letters_to(sink.clone())
        .start()
        .unwrap();
    pool.produce(7).await.unwrap();
    assert_eq!(soon(pool.finish()).await.dead_lettered, 1);
    assert_eq!(*sink.taken.lock().unwrap(), [7]);
}

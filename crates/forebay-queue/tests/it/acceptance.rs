//! What .NET's bounded channels are tested with, from `tests/data/queue_modes.toml` (its head says where from). The
//! limiter in there is another crate's.
//!
//! Where we differ on purpose:
//! - One free place is told to one who waits. There, all who wait are told, and race for it; here the second is told
//!   when the first has used the place or given it back. What each learns in the end is the same.
//! - An item that waits for room stays with its sender until that is polled: a `send` that is dropped has not sent.
//!   There the reader moves it. So here whoever was woken is polled before the next read, as a runtime would.
//! - A receiver that waits, waits for an item and takes it; it is not told that there might be one.
//! - What a single `send` displaces comes back from that `send`. The hook hears of it where nobody could be handed it:
//!   here, an [`ItemSink`].

use std::collections::{HashMap, HashSet};
use std::pin::Pin;
use std::sync::{Arc, Mutex, OnceLock};
use std::task::Poll;
use std::thread;

use forebay_queue::{ItemSink, Receiver, Sender, Sent, TrySendError, WeakSender, WhenFull, bounded, builder};
use forebay_testkit::Driver;
use serde::Deserialize;

#[derive(Deserialize)]
struct Table {
    channel: Vec<Writes>,
    sequence: Vec<Sequence>,
    callback: Vec<toml::Table>,
    stress: Vec<Stress>,
}

#[derive(Deserialize, Debug, Clone, Copy)]
#[serde(rename_all = "snake_case")]
enum Mode {
    Wait,
    DropWrite,
    DropNewest,
    DropOldest,
}

#[derive(Deserialize)]
struct Writes {
    name: String,
    mode: Mode,
    capacity: usize,
    write_first: i64,
    write_last: i64,
    accepted: usize,
    refused: usize,
    contents: Option<Vec<i64>>,
    contents_runs: Option<Vec<[i64; 2]>>,
    dropped: Option<Vec<i64>>,
    dropped_count: Option<usize>,
}

#[derive(Deserialize)]
struct Sequence {
    name: String,
    mode: Mode,
    capacity: usize,
    steps: Vec<Step>,
}

#[derive(Deserialize, Debug)]
struct Step {
    op: String,
    id: Option<String>,
    value: Option<i64>,
    expect: Option<String>,
    expect_value: Option<i64>,
    expect_len: Option<usize>,
    expect_dropped: Option<Vec<i64>>,
}

/// One line of the callback table.
#[derive(Deserialize)]
struct Callbacks {
    mode: Mode,
    capacity: usize,
    writes: i64,
    drop_callbacks_after_10: usize,
    drop_callbacks_after_20: usize,
    all_dropped_distinct: bool,
}

#[derive(Deserialize)]
struct Stress {
    name: String,
    capacities: Vec<usize>,
    writers: u64,
    readers: usize,
    items: u64,
    expect_sum_read: Option<u64>,
}

impl Mode {
    fn when_full(self) -> WhenFull {
        match self {
            Self::Wait => WhenFull::Wait,
            Self::DropWrite => WhenFull::DropIncoming,
            Self::DropNewest => WhenFull::DropYoungest,
            Self::DropOldest => WhenFull::DropOldest,
        }
    }
}

fn table() -> Table {
    toml::from_str(include_str!("../data/queue_modes.toml")).expect("the table is well formed")
}

fn queue(capacity: usize, mode: Mode) -> (Sender<i64>, Receiver<i64>) {
    builder().capacity(capacity).when_full(mode.when_full()).build()
}

// --- channel

#[test]
fn full_queue_keeps_what_its_mode_says() {
    let table = table().channel;
    assert_eq!(table.len(), 12);
    for case in table {
        // An awaited write that drops never waits, and does the same.
        let awaited: &[bool] = if let Mode::Wait = case.mode { &[false] } else { &[false, true] };
        for &awaited in awaited {
            writes(&case, awaited);
        }
    }
}

fn writes(case: &Writes, awaited: bool) {
    let name = &case.name;
    let (tx, mut rx) = queue(case.capacity, case.mode);
    let (mut accepted, mut refused, mut dropped) = (0, 0, Vec::new());
    for value in case.write_first..=case.write_last {
        let sent = if awaited {
            Driver::new(tx.send(value))
                .assert_ready()
                .map_err(|error| TrySendError::Closed(error.into_inner()))
        } else {
            tx.try_send(value)
        };
        match sent {
            Ok(Sent::Stored) => accepted += 1,
            Ok(Sent::Displaced(value)) => {
                accepted += 1;
                dropped.push(value);
            }
            Ok(other) => panic!("{name}: {other:?}"),
            Err(TrySendError::Full(back)) => {
                assert_eq!(back, value, "{name}: a refused item comes back");
                refused += 1;
            }
            Err(error) => panic!("{name}: {error}"),
        }
    }
    assert_eq!((accepted, refused), (case.accepted, case.refused), "{name}");
    let expected = case.contents.clone().unwrap_or_else(|| {
        let runs = case.contents_runs.as_ref().expect("contents, or runs of them");
        runs.iter().flat_map(|&[first, last]| first..=last).collect()
    });
    let contents: Vec<_> = std::iter::from_fn(|| rx.try_recv().ok()).collect();
    assert_eq!(contents, expected, "{name}");
    match &case.dropped {
        Some(expected) => assert_eq!(&dropped, expected, "{name}"),
        None => assert_eq!(Some(dropped.len()), case.dropped_count, "{name}"),
    }
    assert_eq!(tx.stats().dropped, dropped.len() as u64, "{name}");
}

// --- sequence

#[test]
fn sequences_go_as_they_go_there() {
    let table = table().sequence;
    assert_eq!(table.len(), 8);
    for sequence in &table {
        run(sequence);
    }
}

type Waiting<'a> = HashMap<&'a str, Driver<Pin<Box<dyn Future<Output = Option<Sent<i64>>> + 'a>>>>;

fn run(sequence: &Sequence) {
    let (tx, mut rx) = queue(sequence.capacity, sequence.mode);
    let mut waiting: Waiting<'_> = HashMap::new();
    // What came of those who were polled between two steps.
    let mut done = HashMap::new();
    for (number, step) in sequence.steps.iter().enumerate() {
        let place = format!("{}, step {number}: {step:?}", sequence.name);
        let id = step.id.as_deref().unwrap_or_default();
        let value = || step.value.unwrap_or_else(|| panic!("{place}"));
        let mut dropped = Vec::new();
        let mut sent = |sent| {
            if let Sent::Displaced(value) = sent {
                dropped.push(value);
            }
        };
        let came = match step.op.as_str() {
            "try_write" => match tx.try_send(value()) {
                Ok(outcome) => {
                    sent(outcome);
                    "ok"
                }
                Err(TrySendError::Full(_)) => "full",
                Err(error) => panic!("{place}: {error}"),
            },
            "read" => {
                for (&id, driver) in &mut waiting {
                    if driver.is_woken()
                        && let Poll::Ready(outcome) = driver.poll()
                    {
                        done.insert(id, outcome);
                    }
                }
                assert_eq!(rx.try_recv().ok(), step.expect_value, "{place}");
                ""
            }
            "close" => {
                tx.close();
                ""
            }
            "cancel" => {
                drop(waiting.remove(id).unwrap_or_else(|| panic!("{place}")));
                "cancelled"
            }
            op => {
                let (tx, mut rx) = (&tx, rx.clone());
                let future: Option<Pin<Box<dyn Future<Output = _>>>> = match op {
                    "write" => {
                        let value = value();
                        Some(Box::pin(async move { tx.send(value).await.ok() }))
                    }
                    // Ready when there is room, which is then given back.
                    "wait_writable" => {
                        Some(Box::pin(async move { tx.reserve().await.ok().map(|_| Sent::Stored) }))
                    }
                    "wait_readable" => Some(Box::pin(async move { rx.recv().await.map(|_| Sent::Stored) })),
                    "poll" => None,
                    _ => panic!("{place}: no such operation"),
                };
                if let Some(future) = future {
                    waiting.insert(id, Driver::new(future));
                }
                let polled = match done.remove(id) {
                    Some(outcome) => Poll::Ready(outcome),
                    None => waiting.get_mut(id).unwrap_or_else(|| panic!("{place}")).poll(),
                };
                match polled {
                    Poll::Pending => "pending",
                    Poll::Ready(outcome) => {
                        sent(outcome.unwrap_or_else(|| panic!("{place}: closed")));
                        waiting.remove(id);
                        "done"
                    }
                }
            }
        };
        assert_eq!(came, step.expect.as_deref().unwrap_or(""), "{place}");
        if let Some(expected) = step.expect_len {
            assert_eq!(tx.len(), expected, "{place}");
        }
        if let Some(expected) = &step.expect_dropped {
            assert_eq!(&dropped, expected, "{place}");
        }
        // The difference: the place is told to `a` alone, and to `b` only when `a` has given it back.
        if sequence.name == "two_waiters_for_room_are_both_told" {
            let told = |id| waiting.get(id).map(Driver::is_woken);
            match (step.op.as_str(), id) {
                ("read", _) => assert_eq!((told("a"), told("b")), (Some(true), Some(false)), "{place}"),
                ("poll", "a") => assert_eq!(told("b"), Some(true), "{place}"),
                _ => {}
            }
        }
    }
}

// --- callback

fn callback(name: &str) -> toml::Table {
    let mut callbacks = table().callback.into_iter();
    callbacks.find(|case| case["name"].as_str() == Some(name)).unwrap_or_else(|| panic!("no {name}"))
}

fn modes(case: &toml::Table) -> Vec<Mode> {
    case["modes"].clone().try_into().expect("modes")
}

/// Sends where nobody could be handed what is displaced.
fn send(tx: &Sender<i64>, value: i64) {
    Driver::new(ItemSink::send(tx, value)).assert_ready().expect("a queue that drops takes everything");
}

#[test]
fn each_dropped_item_is_told_once() {
    let table: Vec<Callbacks> =
        callback("one_callback_per_dropped_item")["table"].clone().try_into().expect("callbacks");
    assert_eq!(table.len(), 3);
    for case in table {
        let told = Arc::new(Mutex::new(Vec::new()));
        let hook = told.clone();
        let (tx, _rx) = builder()
            .capacity(case.capacity)
            .when_full(case.mode.when_full())
            .on_displaced(move |value| hook.lock().unwrap().push(value))
            .build();
        (0..10).for_each(|value| send(&tx, value));
        assert_eq!(told.lock().unwrap().len(), case.drop_callbacks_after_10, "{:?}", case.mode);
        (10..case.writes).for_each(|value| send(&tx, value));
        let told = told.lock().unwrap();
        assert_eq!(told.len(), case.drop_callbacks_after_20, "{:?}", case.mode);
        let distinct = told.iter().collect::<HashSet<_>>().len() == told.len();
        assert_eq!(distinct, case.all_dropped_distinct, "{:?}", case.mode);
    }
}

#[test]
fn hook_may_wait_for_another_thread_that_writes() {
    for mode in modes(&callback("callback_runs_without_the_channel_lock")) {
        let handle = Arc::new(OnceLock::<WeakSender<i64>>::new());
        let told = Arc::new(Mutex::new(0));
        let (hook, count) = (handle.clone(), told.clone());
        let (tx, _rx) = builder()
            .capacity(1)
            .when_full(mode.when_full())
            .on_displaced(move |_| {
                *count.lock().unwrap() += 1;
                let tx = hook.get().and_then(WeakSender::upgrade).expect("there is a sender");
                thread::spawn(move || tx.try_send(3).is_ok()).join().expect("no panic");
            })
            .build();
        handle.set(tx.downgrade()).expect("set once");
        send(&tx, 1);
        send(&tx, 2);
        assert!(*told.lock().unwrap() >= 1, "{mode:?}");
    }
}

#[test]
fn nobody_need_be_told() {
    for mode in modes(&callback("no_callback_set_is_fine")) {
        let (tx, _rx) = queue(1, mode);
        send(&tx, 5);
        send(&tx, 5);
    }
}

// --- stress

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn writers_and_readers_lose_nothing() {
    let table = table().stress;
    assert_eq!(table.len(), 2);
    for case in table {
        for &capacity in &case.capacities {
            let (tx, rx) = bounded(capacity);
            let share = case.items / case.writers;
            for writer in 0..case.writers {
                let tx = tx.clone();
                tokio::spawn(async move {
                    for n in writer * share..(writer + 1) * share {
                        tx.send(n).await.expect("somebody reads");
                    }
                });
            }
            drop(tx);
            let readers: Vec<_> = (0..case.readers)
                .map(|_| {
                    let mut rx = rx.clone();
                    tokio::spawn(async move {
                        let mut read = Vec::new();
                        while let Some(n) = rx.recv().await {
                            read.push(n);
                        }
                        read
                    })
                })
                .collect();
            drop(rx);
            let mut read = Vec::new();
            for reader in readers {
                read.extend(reader.await.expect("no panic"));
            }
            match case.expect_sum_read {
                // There the numbers begin with 1.
                Some(sum) => assert_eq!(read.iter().map(|n| n + 1).sum::<u64>(), sum, "{}", case.name),
                None => assert!(read.into_iter().eq(0..case.items), "{}: in order", case.name),
            }
        }
    }
}

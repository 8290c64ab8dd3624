use std::future::pending;
use std::time::Duration;

use forebay_pool::{DeadLetter, OnFailure, Pool, PoolStats, Retry};
use forebay_queue::{Delivery, Sender, bounded};
use forebay_testkit::{RecordingSource, Script};
use proptest::prelude::*;
use tokio::time::{Instant, sleep};

/// What the handler does with one attempt at an item.
#[derive(Debug, Clone, Copy)]
enum Act {
    Done,
    Fail,
    Panic,
    Never,
    Sleep(u16),
    /// These only where the handler is lent the delivery; by value they are `Done`.
    Ack,
    AckThenPanic,
    Nack(u8),
    DeadLetter,
    TakeAndDrop,
    Elsewhere(u16),
}

#[derive(Debug, Clone, Copy)]
enum Form {
    Value,
    Delivery,
    /// At most so many, which wait for so many milliseconds.
    Batch(usize, u64),
}

#[derive(Debug, Clone, Copy)]
enum Policy {
    None,
    Fail,
    Return,
    Retry,
    DeadLetter,
}

#[derive(Debug, Clone)]
struct Run {
    form: Form,
    redelivers: bool,
    workers: usize,
    max_attempts: u32,
    /// What is done with failures; where the item is not there to do it with, nothing is chosen.
    policy: Policy,
    keeps_copies: bool,
    /// In milliseconds.
    timeout: Option<u64>,
    prefetch: usize,
    /// At once for each key, and how many may be set aside. The key is the item's number modulo 3.
    keys: Option<(usize, usize)>,
    /// Where dead letters go, if the item is there to be sent: how much room there is, and who reads them.
    letters: Option<(usize, Reader)>,
    /// For each item what its attempts do; the last goes on.
    items: Vec<Vec<Act>>,
    /// When the shutdown begins, and how long it may take, in milliseconds.
    shutdown_at: u64,
    deadline: u64,
    /// What is done to the pool meanwhile, and when.
    steer: Vec<(u64, Steer)>,
}

/// Of dead letters.
#[derive(Debug, Clone, Copy)]
enum Reader {
    /// In milliseconds for each.
    Takes(u64),
    Never,
    Gone,
}

#[derive(Debug, Clone, Copy)]
enum Steer {
    Resize(usize),
    Pause,
    PauseFor(u64),
    Resume,
    Cancel(usize),
}

fn steer() -> impl Strategy<Value = Steer> {
    prop_oneof![
        (1..7_usize).prop_map(Steer::Resize),
        Just(Steer::Pause),
        (0..200_u64).prop_map(Steer::PauseFor),
        Just(Steer::Resume),
        (0..3_usize).prop_map(Steer::Cancel),
    ]
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        6 => Just(Act::Done),
        2 => Just(Act::Fail),
        1 => Just(Act::Panic),
        1 => Just(Act::Never),
        2 => (0..300_u16).prop_map(Act::Sleep),
        6 => Just(Act::Ack),
        1 => Just(Act::AckThenPanic),
        1 => (0..50_u8).prop_map(Act::Nack),
        1 => Just(Act::DeadLetter),
        1 => Just(Act::TakeAndDrop),
        1 => (0..2_000_u16).prop_map(Act::Elsewhere),
    ]
}

prop_compose! {
    fn run()(
        form in prop_oneof![
            Just(Form::Value),
            Just(Form::Delivery),
            (1..5_usize, prop_oneof![Just(0), 1..100_u64]).prop_map(|(items, wait)| Form::Batch(items, wait)),
        ],
        redelivers: bool,
        workers in 1..5_usize,
        max_attempts in 1..4_u32,
        policy in prop_oneof![
            Just(Policy::None),
            Just(Policy::Fail),
            Just(Policy::Return),
            Just(Policy::Retry),
            Just(Policy::DeadLetter),
        ],
        keeps_copies: bool,
        timeout in prop::option::of(1..250_u64),
        prefetch in prop_oneof![3 => Just(0), 1 => 1..4_usize],
        keys in prop::option::of((1..3_usize, 1..6_usize)),
        letters in prop::option::of((
            0..3_usize,
            prop_oneof![(0..90_u64).prop_map(Reader::Takes), Just(Reader::Never), Just(Reader::Gone)],
        )),
        items in prop::collection::vec(prop::collection::vec(act(), 1..4), 0..40),
        shutdown_at in 0..500_u64,
        deadline in prop_oneof![Just(0), 0..1_000_u64],
        steer in prop::collection::vec((0..700_u64, steer()), 0..5),
    ) -> Run {
        Run {
            form,
            redelivers,
            workers,
            max_attempts,
            policy,
            keeps_copies,
            timeout,
            prefetch,
            keys,
            letters,
            items,
            shutdown_at,
            deadline,
            steer,
        }
    }
}

type Item = (usize, Vec<Act>);

fn act_of(acts: &[Act], attempt: u32) -> Act {
    let index = (attempt as usize - 1).min(acts.len() - 1);
    acts[index]
}

async fn by_value((_, acts): Item) -> Result<(), &'static str> {
    match acts[0] {
        Act::Fail => Err("it failed"),
        Act::Panic => panic!("it panicked"),
        Act::Never => pending().await,
        Act::Sleep(millis) => {
            sleep(Duration::from_millis(millis.into())).await;
            Ok(())
        }
        _ => Ok(()),
    }
}

async fn by_delivery(mut delivery: Delivery<Item>) -> Result<(), &'static str> {
    let acts = delivery.item().expect("it has its item").1.clone();
    match act_of(&acts, delivery.attempt()) {
        Act::Done => drop(delivery),
        Act::Fail => return Err("it failed"),
        Act::Panic => panic!("it panicked"),
        Act::Never => pending().await,
        Act::Sleep(millis) => {
            sleep(Duration::from_millis(millis.into())).await;
            delivery.ack();
        }
        Act::Ack => delivery.ack(),
        Act::AckThenPanic => {
            delivery.ack();
            panic!("it panicked");
        }
        Act::Nack(millis) => delivery.nack(Duration::from_millis(millis.into())),
        Act::DeadLetter => delivery.dead_letter("no use"),
        Act::TakeAndDrop => drop(delivery.take()),
        Act::Elsewhere(millis) => {
            tokio::spawn(async move {
                sleep(Duration::from_millis(millis.into())).await;
                delivery.ack();
            });
        }
    }
    Ok(())
}

/// Does with the first what it says, and acks the others before or after that.
async fn by_batch(mut batch: Vec<Delivery<Item>>) -> Result<(), &'static str> {
    let first = batch.remove(0);
    let (now, later): (Vec<_>, Vec<_>) =
        batch.into_iter().partition(|delivery| delivery.item().is_some_and(|item| item.0 % 2 == 0));
    now.into_iter().for_each(Delivery::ack);
    by_delivery(first).await?;
    later.into_iter().for_each(Delivery::ack);
    Ok(())
}

/// Watches the counters at every step of the runtime that it gets, as long as the pool runs.
async fn watch(pool: &Pool<Item>, script: &Script<Item>) {
    loop {
        let PoolStats { held, taken, .. } = check(pool);
        let record = script.record();
        assert!(record.handed_out as u64 >= taken);
        assert!(held >= script.outstanding() || taken < record.handed_out as u64 || held == 0);
        sleep(Duration::from_millis(7)).await;
    }
}

fn check(pool: &Pool<Item>) -> PoolStats {
    let stats = pool.stats();
    assert!(stats.adds_up(), "{stats:?}");
    assert!(stats.busy + stats.idle <= stats.workers + stats.leaving, "{stats:?}");
    stats
}

/// A queue of dead letters and somebody who reads it.
fn letters(room: usize, reader: Reader) -> Sender<DeadLetter<Item>> {
    let (tx, mut rx) = bounded(room);
    match reader {
        Reader::Gone => {}
        Reader::Never => {
            tokio::spawn(async move {
                let _rx = rx;
                pending::<()>().await
            });
        }
        Reader::Takes(millis) => {
            tokio::spawn(async move {
                while rx.recv().await.is_some() {
                    sleep(Duration::from_millis(millis)).await;
                }
            });
        }
    }
    tx
}

async fn conserves(run: Run) {
    let items = run.items.iter().cloned().enumerate();
    let builder = RecordingSource::builder().items(items);
    let (source, script) = if run.redelivers { builder.redelivers().build() } else { builder.build() };
    let mut builder = Pool::builder().workers(run.workers).max_attempts(run.max_attempts);
    if let Form::Batch(items, wait) = run.form {
        builder = builder.batch(items, Duration::from_millis(wait));
    }
    let keeps = run.keeps_copies || !matches!(run.form, Form::Value);
    match run.policy {
        Policy::Fail => builder = builder.on_failure(OnFailure::Fail),
        Policy::Return if keeps => builder = builder.on_failure(OnFailure::Return),
        Policy::Retry if keeps => builder = builder.on_failure(OnFailure::Retry(Retry::default())),
        Policy::DeadLetter if keeps => builder = builder.on_failure(OnFailure::DeadLetter),
        _ => {}
    }
    if let Some(millis) = run.timeout {
        builder = builder.timeout(Duration::from_millis(millis));
    }
    if let Some((at_once, aside)) = run.keys {
        builder = builder.per_key(at_once).look_aside(aside);
    }
    let builder = builder.prefetch(run.prefetch).source(source);
    let builder = match run.form {
        Form::Value => builder.handler(by_value),
        Form::Delivery => builder.handler_delivery(by_delivery),
        Form::Batch(..) => builder.handler_batch(by_batch),
    };
    let builder = if run.keeps_copies { builder.keep_copies() } else { builder };
    let builder = if run.keys.is_some() { builder.key(|item| item.0 % 3) } else { builder };
    let builder = match run.letters.filter(|_| keeps) {
        Some((room, reader)) => builder.dead_letters_to(letters(room, reader)),
        None => builder,
    };
    let pool = builder.start().unwrap();

    for (at, steer) in run.steer.clone() {
        let handle = pool.handle();
        tokio::spawn(async move {
            sleep(Duration::from_millis(at)).await;
            match steer {
                Steer::Resize(workers) => handle.resize(workers),
                Steer::Pause => handle.pause(),
                Steer::PauseFor(millis) => {
                    handle.pause_until(Instant::now() + Duration::from_millis(millis));
                }
                Steer::Resume => handle.resume(),
                Steer::Cancel(key) => {
                    handle.cancel(&key);
                }
            }
        });
    }
    tokio::select! {
        () = watch(&pool, &script) => {}
        () = sleep(Duration::from_millis(run.shutdown_at)) => {}
        () = pool.closed() => {}
    }
    check(&pool);
    let report = pool.shutdown(Duration::from_millis(run.deadline)).await;

    assert!(report.adds_up(), "{report:?}");
    assert_eq!(report.held, 0);
    let record = script.record();
    assert_eq!(report.taken, record.handed_out as u64);
    assert_eq!(script.outstanding(), 0, "the source was told of every end");
    assert_eq!(record.settlements.len(), record.handed_out, "and once of each");
    let most_workers = run.steer.iter().map(|(_, steer)| match steer {
        Steer::Resize(workers) => *workers,
        _ => 0,
    });
    let most_workers = most_workers.fold(run.workers, usize::max);
    let most = if let Form::Batch(items, _) = run.form { items } else { most_workers };
    assert!(record.demands.iter().all(|&demand| demand <= most + run.prefetch));

    // Every item is accounted for: it left for good, or it is with the source again.
    let gone = report.completed + report.failed + report.dead_lettered;
    assert_eq!(gone as usize + script.remaining(), run.items.len(), "{report:?}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    /// Random handlers in every form, from sources that redeliver and such that do not, shut down at a random time.
    #[test]
    fn every_item_is_accounted_for(run in run()) {
        std::panic::set_hook(Box::new(|info| {
            // Handlers panic on purpose, by the hundred.
            if info.payload().downcast_ref::<&str>() != Some(&"it panicked") {
                eprintln!("{info}");
            }
        }));
        tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap()
            .block_on(conserves(run));
    }
}

use std::fmt::Debug;
use std::future::pending;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use forebay_pool::{OnFailure, Pool, PoolLayer};
use forebay_queue::{Delivery, bounded};
use tokio::time::sleep;
use tower::{Layer as _, Service, service_fn};
use tracing::field::{Field, Visit};
use tracing::span::Id;
use tracing::subscriber::DefaultGuard;
use tracing::{Dispatch, Event, Span, Subscriber, info_span};
use tracing_subscriber::Registry;
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};
use tracing_subscriber::registry::LookupSpan;

/// Says of each event in which spans it was: `outer:inner message`, from its making until it is dropped.
struct Paths {
    kept: Arc<Mutex<Vec<String>>>,
    _default: DefaultGuard,
}

struct Keeper(Arc<Mutex<Vec<String>>>);

/// Of a span: which others it follows from.
struct Follows(Vec<&'static str>);

#[derive(Default)]
struct Message(String);

impl Visit for Message {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        if field.name() == "message" {
            self.0 = format!("{value:?}").replace(' ', "_");
        }
    }
}

impl Paths {
    fn keep() -> Self {
        // As in `events`: with a second subscriber each thread is asked what it wants.
        static ANOTHER: OnceLock<Dispatch> = OnceLock::new();
        ANOTHER.get_or_init(|| Dispatch::new(Registry::default().with(Keeper(Arc::default()))));
        let kept = Arc::new(Mutex::new(Vec::new()));
        let default = tracing::subscriber::set_default(Registry::default().with(Keeper(Arc::clone(&kept))));
        Self { kept, _default: default }
    }

    /// Of the events that say so.
    fn of(&self, message: &str) -> Vec<String> {
        let kept = self.kept.lock().unwrap();
        kept.iter().filter(|line| line.ends_with(&format!(" {message}"))).cloned().collect()
    }
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Keeper {
    fn on_follows_from(&self, span: &Id, follows: &Id, context: Context<'_, S>) {
        let name = context.span(follows).unwrap().name();
        let span = context.span(span).unwrap();
        let mut extensions = span.extensions_mut();
        match extensions.get_mut::<Follows>() {
            Some(others) => others.0.push(name),
            None => extensions.insert(Follows(vec![name])),
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let mut message = Message::default();
        event.record(&mut message);
        let mut path = Vec::new();
        for span in context.event_scope(event).into_iter().flat_map(|scope| scope.from_root()) {
            path.push(span.name().to_owned());
            if let Some(Follows(others)) = span.extensions().get() {
                path.extend(others.iter().map(|other| format!("<{other}")));
            }
        }
        self.0.lock().unwrap().push(format!("{} {}", path.join(":"), message.0));
    }
}

struct Job {
    sender: Span,
}

impl Job {
    fn here() -> Self {
        Self { sender: Span::current() }
    }
}

fn sender(delivery: &Delivery<Job>) -> Span {
    delivery.item().map_or_else(Span::none, |job| job.sender.clone())
}

#[tokio::test(start_paused = true)]
async fn a_handler_works_in_the_span_of_its_sender_on_both_sides_of_an_await() {
    let paths = Paths::keep();
    let pool = info_span!("pool").in_scope(|| {
        Pool::builder()
            .workers(2)
            .queue(10)
            .handler(|_: Job| async {
                tracing::info!("begins");
                sleep(Duration::from_secs(1)).await;
                tracing::info!("goes on");
            })
            .span(sender)
            .start()
            .unwrap()
    });
    for span in [info_span!("first"), info_span!("second")] {
        let job = span.in_scope(Job::here);
        pool.produce(job).await.unwrap();
    }
    assert_eq!(pool.finish().await.completed, 2);
    for message in ["begins", "goes_on"] {
        let mut seen = paths.of(message);
        seen.sort();
        assert_eq!(seen, [format!("first {message}"), format!("second {message}")]);
    }
    // The next thing that the worker does is not the item's.
    assert_eq!(paths.of("pool_started"), ["pool pool_started"]);
}

#[tokio::test(start_paused = true)]
async fn each_attempt_has_a_span_and_so_has_the_event_of_its_failure() {
    let paths = Paths::keep();
    let pool = Pool::builder()
        .workers(1)
        .max_attempts(2)
        .on_failure(OnFailure::Return)
        .queue(1)
        .handler_delivery(|_: Delivery<Job>| async { Err("no luck") })
        .span(|delivery| match delivery.attempt() {
            1 => info_span!(parent: sender(delivery), "first_attempt"),
            _ => info_span!(parent: sender(delivery), "last_attempt"),
        })
        .start()
        .unwrap();
    let job = info_span!("request").in_scope(Job::here);
    pool.produce(job).await.unwrap();
    pool.finish().await;
    let failed = paths.of("handler_failed");
    assert_eq!(failed, ["request:first_attempt handler_failed", "request:last_attempt handler_failed"]);
}

#[tokio::test(start_paused = true)]
async fn a_batch_follows_from_the_spans_of_its_items() {
    let paths = Paths::keep();
    let pool = Pool::builder()
        .workers(1)
        .batch(2, Duration::from_secs(1))
        .queue(10)
        .handler_batch(|batch: Vec<Delivery<Job>>| async {
            tracing::info!("stored");
            batch.into_iter().for_each(Delivery::ack);
        })
        .span(sender)
        .start()
        .unwrap();
    for span in [info_span!("first"), info_span!("second"), info_span!("third")] {
        let job = span.in_scope(Job::here);
        pool.produce(job).await.unwrap();
    }
    assert_eq!(pool.finish().await.completed, 3);
    assert_eq!(paths.of("stored"), ["batch:<first:<second stored", "third stored"]);
}

#[tokio::test]
async fn headers_may_say_the_span_and_a_panic_costs_nothing_but_that() {
    let paths = Paths::keep();
    let (tx, rx) = bounded::<u32>(10);
    let pool = Pool::builder()
        .workers(1)
        .source(rx)
        .handler(|_: u32| async { tracing::info!("done") })
        .span(|delivery| match delivery.headers().get("traceparent") {
            Some(_) => info_span!(parent: None, "remote"),
            None => panic!("no parent"),
        })
        .start()
        .unwrap();
    tx.item(1).header("traceparent", "00-1-2-01").send().await.unwrap();
    tx.send(2).await.unwrap();
    drop(tx);
    assert_eq!(pool.finish().await.completed, 2);
    assert_eq!(paths.of("done"), ["remote done", " done"]);
    assert_eq!(paths.of("span_of_an_item_panicked;_it_is_worked_on_without").len(), 1);
}

/// Says so when it is dropped.
struct Leaves;

impl Drop for Leaves {
    fn drop(&mut self) {
        tracing::info!("leaves");
    }
}

async fn never_done() {
    let _leaves = Leaves;
    pending().await
}

#[tokio::test(start_paused = true)]
async fn what_is_cut_short_is_still_in_its_span() {
    for timeout in [Some(Duration::from_secs(1)), None] {
        let paths = Paths::keep();
        let builder = Pool::builder().workers(1);
        let builder = timeout.map_or(builder, |timeout| Pool::builder().workers(1).timeout(timeout));
        let pool = builder.queue(1).handler(|_: Job| never_done()).span(sender).start().unwrap();
        let job = info_span!("request").in_scope(Job::here);
        pool.produce(job).await.unwrap();
        sleep(Duration::from_secs(2)).await;
        pool.shutdown(Duration::ZERO).await;
        let end = if timeout.is_some() { "handler_timed_out" } else { "handler_aborted" };
        for message in ["leaves", end] {
            assert_eq!(paths.of(message), [format!("request {message}")]);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_cut_short_is_still_in_the_span_of_its_caller() {
    let paths = Paths::keep();
    let never = service_fn(async |_: u32| {
        never_done().await;
        Ok::<_, ()>(())
    });
    let mut pooled = PoolLayer::new(1, 1).layer(never);
    let call = info_span!("caller").in_scope(|| pooled.call(1));
    sleep(Duration::from_secs(1)).await;
    drop(call);
    sleep(Duration::from_secs(1)).await;
    assert_eq!(paths.of("leaves"), ["caller leaves"]);
}

#[test]
fn nobody_is_asked_for_a_span_without_a_subscriber() {
    // Other tests of this process have subscribers, and the level is one for all: what is not wanted is not made.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    runtime.block_on(async {
        let pool = Pool::builder()
            .workers(1)
            .queue(1)
            .handler(|_: u32| async { assert!(Span::current().is_none()) })
            .span(|_| info_span!("unwanted"))
            .start()
            .unwrap();
        pool.produce(1).await.unwrap();
        let report = pool.finish().await;
        assert_eq!((report.completed, report.panics), (1, 0));
    });
}

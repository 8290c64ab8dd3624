use std::sync::{Arc, Mutex};

use forebay_queue::{SinkError, WhenFull, bounded, builder};
use forebay_testkit::Driver;
use futures_util::{FutureExt, SinkExt, StreamExt, stream};

#[tokio::test]
async fn everything_passes_from_a_sink_to_a_stream() {
    for capacity in [0, 1, 16] {
        let (tx, rx) = bounded(capacity);
        let sending = tokio::spawn(stream::iter(0..1_000).map(Ok).forward(tx));
        assert!(rx.collect::<Vec<_>>().await.into_iter().eq(0..1_000), "capacity {capacity}");
        assert!(sending.await.expect("no panic").is_ok());
    }
}

#[test]
fn stream_keeps_its_place_in_the_line_between_polls() {
    let (tx, mut first) = bounded(1);
    let mut second = first.clone();
    let mut streaming = Driver::new(first.next());
    streaming.assert_pending();
    drop(streaming);
    let mut waiting = Driver::new(second.next());
    waiting.assert_pending();
    tx.try_send(1).expect("there is room");
    assert!(!waiting.is_woken(), "the first in the line is called");
    drop(first);
    assert!(waiting.is_woken(), "and passes its call on when it goes");
    assert_eq!(waiting.assert_ready(), Some(1));
}

#[test]
fn flush_at_a_rendezvous_waits_for_the_receiver() {
    let (mut tx, mut rx) = bounded(0);
    assert!(Driver::new(tx.feed(1)).assert_ready().is_ok());
    let mut flush = Driver::new(SinkExt::<i32>::flush(&mut tx));
    flush.assert_pending();
    assert_eq!(rx.try_recv(), Ok(1));
    assert!(flush.is_woken());
    assert!(flush.assert_ready().is_ok());
}

#[test]
fn one_item_at_a_time_is_on_offer_at_a_rendezvous() {
    let (mut tx, mut rx) = bounded(0);
    assert!(Driver::new(tx.feed(1)).assert_ready().is_ok());
    let mut second = Driver::new(tx.feed(2));
    second.assert_pending();
    assert_eq!(rx.try_recv(), Ok(1));
    assert!(second.assert_ready().is_ok());
}

#[test]
fn dropped_sink_takes_its_offer_back() {
    let item = Arc::new(());
    let (mut tx, mut rx) = bounded(0);
    let _other = tx.clone();
    assert!(Driver::new(tx.feed(item.clone())).assert_ready().is_ok());
    drop(tx);
    assert!(rx.try_recv().is_err());
    assert_eq!(Arc::strong_count(&item), 1);
}

#[test]
fn item_on_offer_comes_back_when_the_queue_is_closed() {
    let (mut tx, rx) = bounded(0);
    assert!(Driver::new(tx.feed(1)).assert_ready().is_ok());
    drop(rx);
    let flushed = Driver::new(SinkExt::<i32>::flush(&mut tx)).assert_ready();
    assert!(matches!(flushed, Err(SinkError::Closed(Some(1)))));
}

#[test]
fn closed_sink_gives_its_place_back_and_leaves_the_queue_open() {
    let (mut tx, _rx) = bounded::<i32>(1);
    let other = tx.clone();
    let reserved = std::future::poll_fn(|cx| tx.poll_reserve(cx)).now_or_never();
    assert_eq!(reserved, Some(Ok(())));
    assert!(Driver::new(SinkExt::<i32>::close(&mut tx)).assert_ready().is_ok());
    other.try_send(1).expect("the place is free and the queue is open");
}

#[test]
fn sink_hands_what_is_displaced_to_the_hook() {
    let displaced = Arc::new(Mutex::new(Vec::new()));
    let hook = displaced.clone();
    let (mut tx, _rx) = builder()
        .capacity(1)
        .when_full(WhenFull::DropOldest)
        .on_displaced(move |item| hook.lock().unwrap().push(item))
        .build();
    for item in 0..3 {
        assert!(Driver::new(SinkExt::send(&mut tx, item)).assert_ready().is_ok());
    }
    assert_eq!(*displaced.lock().unwrap(), [0, 1]);
}

#[test]
#[should_panic = "an item is on its way: call poll_ready first"]
fn second_item_without_readiness_is_a_fault_of_the_caller() {
    use futures_util::Sink;
    use std::pin::Pin;

    let (mut tx, _rx) = forebay_queue::bounded(0);
    for item in [1, 2] {
        Sink::start_send(Pin::new(&mut tx), item).expect("open");
    }
}

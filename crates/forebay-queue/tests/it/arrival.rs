use std::num::NonZeroUsize;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, SystemTime};

use forebay_queue::{Delivery, Receiver, SendLine, Source, WhenFull, builder};

/// How long each of so many waited, in seconds, where that is known.
fn waits<L: SendLine<u32>>(rx: &mut Receiver<u32, L>, count: usize) -> Vec<Option<u64>> {
    let mut out = Vec::new();
    let polled = rx.poll_next(
        &mut Context::from_waker(Waker::noop()),
        NonZeroUsize::new(count).expect("some are asked for"),
        &mut out,
    );
    assert!(matches!(polled, Poll::Ready(Ok(taken)) if taken == count));
    let now = SystemTime::now();
    let waited =
        |came: SystemTime| (now.duration_since(came).expect("it came before").as_secs_f64()).round() as u64;
    let waits = out.iter().map(|delivery| delivery.enqueued_at().map(waited)).collect();
    out.into_iter().for_each(Delivery::ack);
    waits
}

#[tokio::test(start_paused = true)]
async fn of_one_item_in_64_it_is_known_when_it_came() {
    let (tx, mut rx) = builder().capacity(200).timed().build();
    let send = |count| (0..count).for_each(|item| assert!(tx.try_send(item).is_ok()));
    send(100);
    tokio::time::sleep(Duration::from_secs(9)).await;
    assert_eq!(waits(&mut rx, 2), [Some(9), None]);
    // While one was noted no other was, so the next is the first that comes now.
    send(3);
    tokio::time::sleep(Duration::from_secs(5)).await;
    let all = waits(&mut rx, 101);
    assert_eq!(all.iter().position(Option::is_some), Some(98));
    assert_eq!((all[98], all.iter().flatten().count()), (Some(5), 1));

    // Also where the one that is noted is received by value, alone or among many.
    send(64);
    for _ in 0..64 {
        assert!(rx.recv().await.is_some());
    }
    send(64);
    let mut items = vec![];
    assert_eq!(rx.recv_many(&mut items, 64).await, 64);
    send(64);
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(waits(&mut rx, 64).into_iter().flatten().collect::<Vec<_>>(), [3]);
}

#[tokio::test(start_paused = true)]
async fn an_item_that_comes_again_does_not_say_when_it_came() {
    let (tx, mut rx) = builder().capacity(10).timed().build();
    tx.try_send(1).expect("there is room");
    let mut out = Vec::new();
    let polled = rx.poll_next(&mut Context::from_waker(Waker::noop()), NonZeroUsize::MIN, &mut out);
    assert!(polled.is_ready() && out[0].enqueued_at().is_some());
    out.clear();
    assert_eq!(waits(&mut rx, 1), [None]);
}

#[tokio::test(start_paused = true)]
async fn what_is_dropped_youngest_passes_its_note_to_nobody() {
    let (tx, mut rx) = builder().capacity(1).when_full(WhenFull::DropYoungest).timed().build();
    tx.try_send(1).expect("it is stored");
    tokio::time::sleep(Duration::from_secs(9)).await;
    tx.try_send(2).expect("it takes the place of the other");
    assert_eq!(waits(&mut rx, 1), [None]);
}

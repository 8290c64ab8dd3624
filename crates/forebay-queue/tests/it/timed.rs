use std::time::Duration;

use forebay_queue::{RecvTimeoutError, SendTimeoutError, Sent, TryRecvError, bounded};
use forebay_testkit::Driver;
use tokio::time::{Instant, advance};

const SECOND: Duration = Duration::from_secs(1);

#[tokio::test(start_paused = true)]
async fn send_gives_up_and_hands_the_item_back() {
    let (tx, mut rx) = bounded(1);
    tx.send(1).await.expect("there is room");
    let start = Instant::now();
    assert_eq!(tx.send_timeout(2, SECOND).await, Err(SendTimeoutError::Timeout(2)));
    assert_eq!(start.elapsed(), SECOND);
    assert_eq!(
        tx.send_deadline(3, start).await,
        Err(SendTimeoutError::Timeout(3)),
        "a deadline that has passed"
    );
    assert_eq!(rx.recv().await, Some(1));
    assert_eq!(tx.send_timeout(4, SECOND).await, Ok(Sent::Stored), "who gave up left nothing behind");
    rx.close();
    assert_eq!(tx.send_timeout(5, SECOND).await, Err(SendTimeoutError::Closed(5)));
}

#[tokio::test(start_paused = true)]
async fn recv_gives_up_and_has_taken_nothing() {
    let (tx, mut rx) = bounded(1);
    let start = Instant::now();
    assert_eq!(rx.recv_timeout(SECOND).await, Err(RecvTimeoutError::Timeout));
    assert_eq!(start.elapsed(), SECOND);
    tx.send(1).await.expect("there is room");
    assert_eq!(rx.recv_deadline(start).await, Ok(1), "what is there is taken, also after the deadline");
    drop(tx);
    assert_eq!(rx.recv_timeout(SECOND).await, Err(RecvTimeoutError::Closed));
}

#[tokio::test(start_paused = true)]
async fn dropped_send_to_a_rendezvous_has_not_been_sent() {
    let (tx, mut rx) = bounded(0);
    let mut dropped = Driver::new(tx.send_timeout(1, SECOND));
    let mut patient = Driver::new(tx.send_timeout(2, SECOND));
    dropped.assert_pending();
    patient.assert_pending();
    drop(dropped);
    assert_eq!(rx.try_recv(), Ok(2));
    assert_eq!(patient.assert_ready(), Ok(Sent::Stored));
}

#[tokio::test(start_paused = true)]
async fn granted_send_that_times_out_passes_its_grant_on() {
    let (tx, mut rx) = bounded(1);
    tx.send(1).await.expect("there is room");
    let mut hasty = Driver::new(tx.send_timeout(2, SECOND));
    let mut patient = Driver::new(tx.send(3));
    hasty.assert_pending();
    patient.assert_pending();
    advance(SECOND * 2).await;
    assert_eq!(hasty.assert_ready(), Err(SendTimeoutError::Timeout(2)));
    assert_eq!(rx.try_recv(), Ok(1));
    assert_eq!(patient.assert_ready(), Ok(Sent::Stored));
}

#[tokio::test(start_paused = true)]
async fn timeout_at_a_rendezvous_knows_whether_the_item_was_taken() {
    let (tx, mut rx) = bounded(0);
    let mut send = Driver::new(tx.send_timeout(1, SECOND));
    send.assert_pending();
    assert_eq!(rx.try_recv(), Ok(1));
    advance(SECOND * 2).await;
    assert_eq!(send.assert_ready(), Ok(Sent::Stored), "taken is sent, however late it is noticed");

    let mut send = Driver::new(tx.send_timeout(2, SECOND));
    send.assert_pending();
    advance(SECOND * 2).await;
    assert_eq!(send.assert_ready(), Err(SendTimeoutError::Timeout(2)));
    assert_eq!(rx.try_recv(), Err(TryRecvError::Empty));
}

#[tokio::test(start_paused = true)]
async fn longest_timeout_does_not_overflow() {
    let (tx, mut rx) = bounded(1);
    tx.send_timeout(1, Duration::MAX).await.expect("there is room");
    assert_eq!(rx.recv_timeout(Duration::MAX).await, Ok(1));
}

/// Who has overtaken its share joins the line, and is called at once; no time must pass for that.
#[tokio::test(start_paused = true)]
async fn timeout_of_zero_takes_what_is_there_past_one_who_was_woken() {
    let (tx, mut rx) = bounded(100);
    let mut other = rx.clone();
    let mut woken = Driver::new(rx.recv());
    woken.assert_pending();
    (0..50).for_each(|n| assert!(tx.try_send(n).is_ok()));
    for n in 0..49 {
        assert_eq!(other.recv_timeout(Duration::ZERO).await, Ok(n));
    }
    assert_eq!(
        other.recv_timeout(Duration::ZERO).await,
        Err(RecvTimeoutError::Timeout),
        "the last is promised"
    );
    assert_eq!(woken.assert_ready(), Some(49));
}

#[tokio::test(start_paused = true)]
async fn timeout_of_zero_uses_room_past_one_who_was_woken() {
    let (tx, mut rx) = bounded(50);
    (0..50).for_each(|n| assert!(tx.try_send(n).is_ok()));
    let mut woken = Driver::new(tx.send(50));
    woken.assert_pending();
    assert_eq!(rx.recv_many(&mut Vec::new(), 50).await, 50);
    for n in 0..49 {
        assert_eq!(tx.send_timeout(n, Duration::ZERO).await, Ok(Sent::Stored));
    }
    assert_eq!(
        tx.send_timeout(9, Duration::ZERO).await,
        Err(SendTimeoutError::Timeout(9)),
        "the last is granted"
    );
    assert_eq!(woken.assert_ready(), Ok(Sent::Stored));
}

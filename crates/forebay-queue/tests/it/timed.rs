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

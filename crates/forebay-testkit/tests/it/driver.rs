use std::future::{pending, poll_fn, ready};
use std::task::Poll;

use forebay_testkit::{CountingWaker, Driver};

#[test]
fn a_wake_during_the_poll_counts_as_after_it() {
    let mut driver = Driver::new(poll_fn(|cx| {
        cx.waker().wake_by_ref();
        Poll::<()>::Pending
    }));
    assert!(!driver.is_woken(), "it was not polled yet");
    driver.assert_pending();
    assert!(driver.is_woken());
    driver.assert_pending();
    assert_eq!(driver.wakes(), 2);
}

#[test]
fn a_future_that_wakes_itself_for_ever_is_given_up() {
    let mut driver = Driver::new(poll_fn(|cx| {
        cx.waker().wake_by_ref();
        Poll::<()>::Pending
    }));
    assert!(driver.poll_while_woken().is_pending());
}

#[test]
#[should_panic(expected = "expected pending, found ready")]
fn assert_pending_names_what_it_found() {
    Driver::new(ready(())).assert_pending();
}

#[test]
#[should_panic(expected = "expected ready, found pending")]
fn assert_ready_names_what_it_found() {
    Driver::new(pending::<()>()).assert_ready();
}

#[test]
fn wakers_of_one_counter_wake_each_other() {
    let counter = CountingWaker::new();
    assert!(counter.waker().will_wake(&counter.waker()));
}

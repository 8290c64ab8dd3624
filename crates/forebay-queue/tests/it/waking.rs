use forebay_queue::{Sent, Source, TryRecvError, bounded};
use forebay_testkit::{CountingWaker, Driver};
use std::future::Future;
use std::num::NonZeroUsize;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Wake, Waker};

#[test]
fn one_item_wakes_one_receiver() {
    let (tx, rx) = bounded(8);
    let mut handles: Vec<_> = (0..4).map(|_| rx.clone()).collect();
    let mut receivers: Vec<_> = handles.iter_mut().map(|rx| Driver::new(rx.recv())).collect();
    receivers.iter_mut().for_each(Driver::assert_pending);
    tx.try_send(1).expect("there is room");
    tx.try_send(2).expect("there is room");
    assert_eq!(receivers.iter().map(Driver::wakes).collect::<Vec<_>>(), [1, 1, 0, 0]);
}

#[test]
fn one_place_wakes_one_sender() {
    let (tx, mut rx) = bounded(1);
    tx.try_send(0).expect("there is room");
    let mut senders: Vec<_> = (0..4).map(|n| Driver::new(tx.send(n))).collect();
    senders.iter_mut().for_each(Driver::assert_pending);
    assert_eq!(rx.try_recv(), Ok(0));
    assert_eq!(senders.iter().map(Driver::wakes).collect::<Vec<_>>(), [1, 0, 0, 0]);
}

#[test]
fn place_that_a_recv_frees_wakes_one_sender() {
    let (tx, mut rx) = bounded(1);
    tx.try_send(0).expect("there is room");
    let mut senders: Vec<_> = (0..4).map(|n| Driver::new(tx.send(n))).collect();
    senders.iter_mut().for_each(Driver::assert_pending);
    assert_eq!(Driver::new(rx.recv()).assert_ready(), Some(0));
    assert_eq!(senders.iter().map(Driver::wakes).collect::<Vec<_>>(), [1, 0, 0, 0]);
}

#[test]
fn place_in_a_large_queue_wakes_one_sender_too() {
    let (tx, mut rx) = bounded(100);
    (0..100).for_each(|n| assert!(tx.try_send(n).is_ok()));
    let mut senders: Vec<_> = (0..2).map(|n| Driver::new(tx.send(n))).collect();
    senders.iter_mut().for_each(Driver::assert_pending);
    assert_eq!(rx.try_recv(), Ok(0));
    assert_eq!(senders.iter().map(Driver::wakes).collect::<Vec<_>>(), [1, 0]);
}

#[test]
fn batch_wakes_as_many_as_it_has_items() {
    let (tx, rx) = bounded(8);
    let mut handles: Vec<_> = (0..40).map(|_| rx.clone()).collect();
    let mut receivers: Vec<_> = handles.iter_mut().map(|rx| Driver::new(rx.recv())).collect();
    receivers.iter_mut().for_each(Driver::assert_pending);
    let mut batch = vec![0; 5];
    Driver::new(tx.send_many(&mut batch)).assert_ready().expect("there is room");
    assert_eq!(receivers.iter().map(Driver::wakes).sum::<usize>(), 5);
}

#[test]
fn nobody_is_woken_for_nothing() {
    let (tx, mut rx) = bounded(2);
    let mut recv = Driver::new(rx.recv());
    recv.assert_pending();
    drop(tx.clone());
    drop(tx.try_reserve());
    assert_eq!((tx.len(), recv.wakes()), (0, 0));
    tx.try_send(1).expect("there is room");
    tx.try_send(2).expect("there is room");
    assert_eq!(recv.wakes(), 1, "it was called once");
}

#[test]
fn latest_waker_is_the_one_that_is_woken() {
    let (tx, mut rx) = bounded(1);
    let (old, new) = (CountingWaker::new(), CountingWaker::new());
    let mut recv = pin!(rx.recv());
    assert!(recv.as_mut().poll(&mut Context::from_waker(&old.waker())).is_pending());
    assert!(recv.as_mut().poll(&mut Context::from_waker(&new.waker())).is_pending());
    tx.try_send(1).expect("there is room");
    assert_eq!((old.wakes(), new.wakes()), (0, 1));
}

/// A waker whose destructor uses the queue: it would wait for ever if it were dropped under the lock.
#[test]
fn wakers_are_dropped_outside_of_the_lock() {
    struct Looks(forebay_queue::Sender<u32>);
    impl Wake for Looks {
        fn wake(self: Arc<Self>) {}
    }
    impl Drop for Looks {
        fn drop(&mut self) {
            let _ = self.0.len();
        }
    }

    let (tx, mut rx) = bounded(1);
    {
        let mut recv = pin!(rx.recv());
        for _ in 0..2 {
            let waker = Waker::from(Arc::new(Looks(tx.clone())));
            assert!(recv.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
        }
    }
    tx.try_send(1).expect("there is room");
    {
        let mut send = pin!(tx.send(2));
        for _ in 0..2 {
            let waker = Waker::from(Arc::new(Looks(tx.clone())));
            assert!(send.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
        }
    }
}

/// Items whose destructor uses the queue.
#[test]
fn items_are_dropped_outside_of_the_lock() {
    use std::sync::Mutex;

    type Look = Arc<Mutex<Option<Box<dyn Fn() + Send>>>>;

    struct Looks(Look);
    impl Drop for Looks {
        fn drop(&mut self) {
            if let Some(look) = &*self.0.lock().unwrap() {
                look();
            }
        }
    }

    let look = Look::default();
    for capacity in [0, 1] {
        let (tx, rx) = bounded(capacity);
        let weak = tx.downgrade();
        *look.lock().unwrap() = Some(Box::new(move || drop(weak.upgrade())));
        let mut first = Driver::new(tx.send(Looks(look.clone())));
        let mut second = Driver::new(tx.send(Looks(look.clone())));
        let _ = first.poll();
        second.assert_pending();
        drop(second);
        drop(first);
        drop(rx);
        let refused = tx.try_send(Looks(look.clone()));
        assert!(!matches!(refused, Ok(Sent::Stored)));
        look.lock().unwrap().take();
    }
}

#[test]
fn waker_that_panics_keeps_no_wake_from_others() {
    struct Bomb;
    impl Wake for Bomb {
        fn wake(self: Arc<Self>) {
            panic!("a panic on purpose");
        }
    }

    let (tx, mut rx) = bounded::<u32>(1);
    let mut other = rx.clone();
    let mut first = pin!(rx.recv());
    let bomb = Waker::from(Arc::new(Bomb));
    assert!(first.as_mut().poll(&mut Context::from_waker(&bomb)).is_pending());
    let mut second = Driver::new(other.recv());
    second.assert_pending();
    drop(tx);
    assert_eq!(second.assert_ready(), None);
}

/// A waker's destructor may panic as well as its call, in the handles and futures that keep it in a line.
#[test]
fn waker_that_panics_when_it_is_dropped_takes_nothing_with_it() {
    struct Bomb;
    impl Wake for Bomb {
        fn wake(self: Arc<Self>) {}
    }
    impl Drop for Bomb {
        fn drop(&mut self) {
            panic!("a waker may");
        }
    }
    /// Leaves the only one of them in the line.
    fn park(poll: impl FnOnce(&mut Context<'_>) -> bool) {
        let bomb = Waker::from(Arc::new(Bomb));
        assert!(poll(&mut Context::from_waker(&bomb)), "it waits");
    }

    let (tx, mut rx) = bounded::<u32>(1);
    tx.try_send(1).expect("there is room");
    let mut clone = tx.clone();
    park(|cx| clone.poll_reserve(cx).is_pending());
    drop(clone);
    assert_eq!(tx.senders(), 1, "it has counted itself out");
    assert_eq!(rx.try_recv(), Ok(1));

    park(|cx| rx.poll_next(cx, NonZeroUsize::MIN, &mut Vec::new()).is_pending());
    drop(rx);
    assert!(tx.is_closed(), "so has this one");

    let (tx, mut rx) = bounded(0);
    let mut batch = vec![1, 2];
    {
        let mut sending = pin!(tx.send_many(&mut batch));
        park(|cx| sending.as_mut().poll(cx).is_pending());
    }
    assert_eq!((batch, rx.try_recv()), (vec![1, 2], Err(TryRecvError::Empty)));
    {
        let mut watching = pin!(tx.closed());
        park(|cx| watching.as_mut().poll(cx).is_pending());
        let mut receiving = pin!(rx.recv());
        park(|cx| receiving.as_mut().poll(cx).is_pending());
    }
    let mut sending = Driver::new(tx.send(3));
    sending.assert_pending();
    assert_eq!(rx.try_recv(), Ok(3));
}

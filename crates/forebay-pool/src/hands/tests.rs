//! What is in hand, as seen by a caller that waits for the pool to be idle.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use forebay_queue::{Delivery, End, Receipt, Settle};

use super::{Given, Hands, Settlements, Terms};
use crate::{Backoff, WorkerId};

/// A source that looks, when it is told of an end, whether anything is in hand.
#[derive(Default)]
struct Looking {
    hands: OnceLock<Arc<Hands<u8>>>,
    was_at_rest: AtomicBool,
}

impl Settle<u8> for Looking {
    fn settle(&self, _: Receipt, _: Option<u8>, _: End) {
        self.was_at_rest.store(self.hands.get().unwrap().is_at_rest(), Ordering::Relaxed);
    }

    fn extend(&self, _: Receipt, _: Duration) {}
}

/// Until the source has it, the item is nowhere else: a pool that is idle now would close its queue before it.
#[test]
fn an_item_on_its_way_back_is_in_hand() {
    let terms = Terms {
        redelivers: false,
        max_attempts: 5,
        backoff: Backoff::default(),
        on_failure: None,
        keyed: false,
        batches: false,
        order: None,
        losses: None,
    };
    let hands = Arc::new(Hands::new(WorkerId(0), Arc::new(terms), Arc::<Settlements>::default()));
    let source = Arc::new(Looking::default());
    assert!(source.hands.set(Arc::clone(&hands)).is_ok());
    source.was_at_rest.store(true, Ordering::Relaxed);
    let settler: Arc<dyn Settle<u8>> = Arc::<Looking>::clone(&source);
    let delivery = Delivery::new(7, Receipt::new(1), settler);
    hands.give(Given { delivery, key: None, place: None });
    hands.abandon();
    assert!(!source.was_at_rest.load(Ordering::Relaxed));
    assert!(hands.is_at_rest());
    assert_eq!(hands.account().0.returned, 1);
}

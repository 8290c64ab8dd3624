//! async-priority-channel: a heap behind a lock; what is equal comes out in no order.

use std::cmp::Reverse;

use async_priority_channel::{Receiver, Sender, bounded};

use super::{Contender, rank};
use crate::queue::{Rx, Tx};

pub(super) const CONTENDER: Contender = Contender {
    name: "async-priority-channel",
    package: "async-priority-channel",
    classes: true,
    keys: false,
    receives: true,
    slow: false,
    measure: |load| {
        let (tx, rx) = bounded(load.capacity() as u64);
        load.drive(Sending { tx, ranks: load.ranks }, rx)
    },
};

#[derive(Clone)]
struct Sending {
    tx: Sender<usize, Reverse<usize>>,
    ranks: usize,
}

impl Tx for Sending {
    async fn put(&mut self, item: usize) {
        let rank = Reverse(rank(item, self.ranks));
        self.tx.send(item, rank).await.expect("the receivers outlive the senders");
    }
}

impl Rx for Receiver<usize, Reverse<usize>> {
    async fn take(&mut self) -> Option<usize> {
        self.recv().await.ok().map(|(item, _)| item)
    }
}

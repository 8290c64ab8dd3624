//! kanal: fast, and a `send` that was dropped may still deliver its item.

use kanal::{AsyncReceiver, AsyncSender};

use super::{Contender, Load, Measured, Rx, Tx};

pub(super) const CONTENDER: Contender =
    Contender { name: "kanal", package: "kanal", many_receivers: true, measure };

fn measure(load: &Load) -> Measured {
    let (tx, rx) = kanal::bounded_async(load.capacity);
    load.drive(Load::copies(tx, load.senders), Load::copies(rx, load.receivers))
}

impl Tx for AsyncSender<usize> {
    async fn put(&mut self, item: usize) {
        self.send(item).await.expect("the receivers outlive the senders");
    }
}

impl Rx for AsyncReceiver<usize> {
    async fn take(&mut self) -> Option<usize> {
        self.recv().await.ok()
    }
}

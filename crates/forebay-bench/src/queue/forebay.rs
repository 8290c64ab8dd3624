//! forebay-queue as its users get it: `bounded`, plain `send` and `recv`.

use forebay_queue::{Receiver, Sender};

use super::{Contender, Load, Measured, Rx, Tx};

pub(super) const CONTENDER: Contender =
    Contender { name: "forebay", package: "forebay-queue", many_receivers: true, measure };

fn measure(load: &Load) -> Measured {
    let (tx, rx) = forebay_queue::bounded(load.capacity);
    load.drive(Load::copies(tx, load.senders), Load::copies(rx, load.receivers))
}

impl Tx for Sender<usize> {
    async fn put(&mut self, item: usize) {
        self.send(item).await.expect("the receivers outlive the senders");
    }
}

impl Rx for Receiver<usize> {
    async fn take(&mut self) -> Option<usize> {
        self.recv().await
    }
}

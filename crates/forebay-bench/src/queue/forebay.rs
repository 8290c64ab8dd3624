//! forebay-queue as its users get it: `bounded`, plain `send` and `recv`.

use forebay_queue::{Receiver, SendLine, Sender};

use super::{Contender, Load, Measured, Rx, Tx};

pub(super) const CONTENDER: Contender =
    Contender { name: "forebay", package: "forebay-queue", many_receivers: true, measure };

fn measure(load: &Load) -> Measured {
    let (tx, rx) = forebay_queue::bounded(load.capacity);
    load.drive(Load::copies(tx, load.senders), Load::copies(rx, load.receivers))
}

impl<L: SendLine<usize>> Tx for Sender<usize, L> {
    async fn put(&mut self, item: usize) {
        self.send(item).await.expect("the receivers outlive the senders");
    }
}

impl<L: SendLine<usize>> Rx for Receiver<usize, L> {
    async fn take(&mut self) -> Option<usize> {
        self.recv().await
    }
}

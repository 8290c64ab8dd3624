//! async-channel: newcomers may overtake those who wait.

use async_channel::{Receiver, Sender};

use super::{Contender, Load, Measured, Rx, Tx};

pub(super) const CONTENDER: Contender =
    Contender { name: "async-channel", package: "async-channel", many_receivers: true, measure };

fn measure(load: &Load) -> Measured {
    let (tx, rx) = async_channel::bounded(load.capacity);
    load.drive(Load::copies(tx, load.senders), Load::copies(rx, load.receivers))
}

impl Tx for Sender<usize> {
    async fn put(&mut self, item: usize) {
        self.send(item).await.expect("the receivers outlive the senders");
    }
}

impl Rx for Receiver<usize> {
    async fn take(&mut self) -> Option<usize> {
        self.recv().await.ok()
    }
}

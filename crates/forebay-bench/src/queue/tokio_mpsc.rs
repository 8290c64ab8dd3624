//! `tokio::sync::mpsc`: one receiver, strictly first come first served.

use tokio::sync::mpsc;

use super::{Contender, Load, Measured, Rx, Tx};

pub(super) const CONTENDER: Contender =
    Contender { name: "tokio", package: "tokio", many_receivers: false, measure };

fn measure(load: &Load) -> Measured {
    let (tx, rx) = mpsc::channel(load.capacity);
    load.drive(Load::copies(tx, load.senders), vec![rx])
}

impl Tx for mpsc::Sender<usize> {
    async fn put(&mut self, item: usize) {
        self.send(item).await.expect("the receiver outlives the senders");
    }
}

impl Rx for mpsc::Receiver<usize> {
    async fn take(&mut self) -> Option<usize> {
        self.recv().await
    }
}

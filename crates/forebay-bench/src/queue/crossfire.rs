//! crossfire: a type for each number of halves, the narrowest that fits; newcomers may overtake those who wait.

use crossfire::flavor::Flavor;
use crossfire::{AsyncRx, AsyncTx, MAsyncRx, MAsyncTx, mpmc, mpsc, spsc};

use super::{Contender, Load, Measured, Rx, Tx};

pub(super) const CONTENDER: Contender =
    Contender { name: "crossfire", package: "crossfire", many_receivers: true, measure };

fn measure(load: &Load) -> Measured {
    match (load.senders, load.receivers) {
        (1, 1) => {
            let (tx, rx) = spsc::bounded_async(load.capacity);
            load.drive(vec![tx], vec![rx])
        }
        (senders, 1) => {
            let (tx, rx) = mpsc::bounded_async(load.capacity);
            load.drive(Load::copies(tx, senders), vec![rx])
        }
        (senders, receivers) => {
            let (tx, rx) = mpmc::bounded_async(load.capacity);
            load.drive(Load::copies(tx, senders), Load::copies(rx, receivers))
        }
    }
}

impl<F: Flavor<Item = usize> + 'static> Tx for AsyncTx<F> {
    async fn put(&mut self, item: usize) {
        self.send(item).await.expect("the receivers outlive the senders");
    }
}

impl<F: Flavor<Item = usize> + 'static> Tx for MAsyncTx<F> {
    async fn put(&mut self, item: usize) {
        self.send(item).await.expect("the receivers outlive the senders");
    }
}

impl<F: Flavor<Item = usize> + 'static> Rx for AsyncRx<F> {
    async fn take(&mut self) -> Option<usize> {
        self.recv().await.ok()
    }
}

impl<F: Flavor<Item = usize> + 'static> Rx for MAsyncRx<F> {
    async fn take(&mut self) -> Option<usize> {
        self.recv().await.ok()
    }
}

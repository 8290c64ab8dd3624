//! forebay-queue as its users get it: with no order but the one of arrival, and in that of a discipline.

use std::hint::black_box;

use forebay_priority::{Class, Classes, FairByKey, Key, Strict, Tenant};
use forebay_queue::{By, Sender, builder};

use super::{Contender, Load, Measured, rank};
use crate::queue::Tx;

/// What a discipline is measured by.
pub(super) const FIFO: Contender = Contender {
    name: "forebay-fifo",
    package: "forebay-queue",
    classes: true,
    keys: true,
    receives: true,
    slow: false,
    measure: |load| {
        let (tx, rx) = builder().capacity(load.capacity()).build();
        load.drive(Classifying { tx, ranks: load.ranks }, rx)
    },
};

/// Finds out for nothing of which class an item is, so that what an order costs is compared and not that.
#[derive(Clone)]
struct Classifying {
    tx: Sender<usize>,
    ranks: usize,
}

pub(super) const STRICT: Contender = Contender {
    name: "forebay-strict",
    package: "forebay-priority",
    classes: true,
    keys: false,
    receives: true,
    slow: false,
    measure: strict,
};

pub(super) const FAIR: Contender = Contender {
    name: "forebay-fair",
    package: "forebay-priority",
    classes: false,
    keys: true,
    receives: true,
    slow: false,
    measure: fair,
};

fn strict(load: &Load) -> Measured {
    let ranks = load.ranks;
    let classes = Classes::new((0..ranks).map(|class| class.to_string())).expect("not too many");
    let line = By::new(Strict::new(classes), move |item: &usize| {
        Ok(Class::new(u16::try_from(rank(*item, ranks)).expect("not too many")))
    });
    let (tx, rx) = builder().capacity(load.capacity()).line(line).build();
    load.drive(tx, rx)
}

fn fair(load: &Load) -> Measured {
    let ranks = load.ranks;
    let line = By::new(FairByKey::new(), move |item: &usize| Ok(Tenant::of(Key::of(&rank(*item, ranks)))));
    let (tx, rx) = builder().capacity(load.capacity()).line(line).build();
    load.drive(tx, rx)
}

impl Tx for Classifying {
    async fn put(&mut self, item: usize) {
        black_box(rank(item, self.ranks));
        self.tx.put(item).await;
    }
}

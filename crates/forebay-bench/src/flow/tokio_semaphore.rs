//! `tokio::sync::Semaphore`, as it is.

use std::sync::Arc;

use tokio::sync::Semaphore;

use super::{Contender, PERMITS, Turn};

pub(super) const ACQUIRE: Contender = Contender {
    name: "semaphore",
    package: "tokio",
    about: "permit",
    call: false,
    shared: true,
    measure: |load| {
        let semaphore = Arc::new(Semaphore::new(PERMITS));
        load.drive(|| Acquire(semaphore.clone()))
    },
};

pub(super) const TRY: Contender = Contender {
    name: "semaphore-try",
    package: "tokio",
    about: "permit",
    call: false,
    shared: true,
    measure: |load| {
        let semaphore = Arc::new(Semaphore::new(PERMITS));
        load.drive(|| Try(semaphore.clone()))
    },
};

struct Acquire(Arc<Semaphore>);

struct Try(Arc<Semaphore>);

impl Turn for Acquire {
    async fn turn(&mut self, n: u64) -> u64 {
        let _permit = self.0.acquire().await.expect("it is open");
        n
    }
}

impl Turn for Try {
    async fn turn(&mut self, n: u64) -> u64 {
        let _permit = self.0.try_acquire().expect("there is always room");
        n
    }
}

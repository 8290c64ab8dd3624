//! A task for each item, and a semaphore that bounds how many there are.

use std::sync::Arc;

use tokio::sync::Semaphore;

use super::{Contender, Load, Measured};

pub(super) const CONTENDER: Contender = Contender {
    name: "spawn",
    package: "tokio",
    task_per_item: true,
    many_producers: true,
    sleeps: true,
    measure,
};

fn measure(load: &Load) -> Measured {
    load.drive(async move |done| {
        let work = load.work;
        let seats = Arc::new(Semaphore::new(load.workers));
        load.produce(seats.clone(), move |seats, share| async move {
            for _ in 0..share {
                let seat = seats.clone().acquire_owned().await.expect("nobody closes it");
                tokio::spawn(async move {
                    work.run(done).await;
                    drop(seat);
                });
            }
        })
        .await;
        let all = u32::try_from(load.workers).expect("few workers");
        drop(seats.acquire_many(all).await.expect("nobody closes it"));
    })
}

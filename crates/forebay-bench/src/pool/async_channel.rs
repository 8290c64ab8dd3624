//! A loop of one's own for each worker, over async-channel.

use tokio::task::JoinSet;

use super::{CAPACITY, Contender, Item, Load, Measured};

pub(super) const CONTENDER: Contender = Contender {
    name: "async-channel",
    package: "async-channel",
    task_per_item: false,
    many_producers: true,
    sleeps: true,
    measure,
};

fn measure(load: &Load) -> Measured {
    load.drive(async move |done| {
        let work = load.work;
        let (tx, rx) = async_channel::bounded::<Item>(CAPACITY);
        let mut workers = JoinSet::new();
        for _ in 0..load.workers {
            let rx = rx.clone();
            workers.spawn(async move {
                while rx.recv().await.is_ok() {
                    work.run(done).await;
                }
            });
        }
        load.produce(tx, async |tx, share| {
            for item in 0..share {
                tx.send(Item(item)).await.expect("the workers outlive the producers");
            }
        })
        .await;
        workers.join_all().await;
    })
}

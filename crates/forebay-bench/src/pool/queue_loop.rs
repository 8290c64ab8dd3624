//! A loop of one's own for each worker, over the queue that our pool uses too.

use tokio::task::JoinSet;

use super::{CAPACITY, Contender, Item, Load, Measured};

pub(super) const CONTENDER: Contender = Contender {
    name: "loop",
    package: "forebay-queue",
    task_per_item: false,
    many_producers: true,
    sleeps: true,
    measure,
};

fn measure(load: &Load) -> Measured {
    load.drive(async move |done| {
        let work = load.work;
        let (tx, rx) = forebay_queue::bounded::<Item>(CAPACITY);
        let mut workers = JoinSet::new();
        for _ in 0..load.workers {
            let mut rx = rx.clone();
            workers.spawn(async move {
                while rx.recv().await.is_some() {
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

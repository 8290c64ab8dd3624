//! A task for each item, in a set that is never larger than the number of workers.

use tokio::task::JoinSet;

use super::{Contender, Load, Measured};

pub(super) const CONTENDER: Contender = Contender {
    name: "join-set",
    package: "tokio",
    task_per_item: true,
    many_producers: false,
    sleeps: true,
    measure,
};

fn measure(load: &Load) -> Measured {
    load.drive(async move |done| {
        let (work, workers) = (load.work, load.workers);
        // In a task, as everybody else's producer.
        load.produce(done, move |done, share| async move {
            let mut tasks = JoinSet::new();
            for _ in 0..share {
                if tasks.len() >= workers {
                    tasks.join_next().await;
                }
                tasks.spawn(work.run(done));
            }
            tasks.join_all().await;
        })
        .await;
    })
}

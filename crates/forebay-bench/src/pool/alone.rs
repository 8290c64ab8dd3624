//! The work alone: as many tasks as workers, each with its share of the items from the beginning. What is left when
//! nothing has to be handed out, and so the ideal that a makespan is measured by.

use tokio::task::JoinSet;

use super::{Contender, Load, Measured};

pub(super) const CONTENDER: Contender = Contender {
    name: "alone",
    package: "tokio",
    task_per_item: false,
    many_producers: true,
    sleeps: true,
    measure,
};

fn measure(load: &Load) -> Measured {
    load.drive(async move |done| {
        let (work, workers) = (load.work, load.workers);
        let items = load.share() * load.producers;
        let mut tasks = JoinSet::new();
        for worker in 0..workers {
            let share = items / workers + usize::from(worker < items % workers);
            tasks.spawn(async move {
                for _ in 0..share {
                    work.run(done).await;
                }
            });
        }
        tasks.join_all().await;
    })
}

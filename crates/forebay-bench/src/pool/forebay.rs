//! forebay-pool as its users get it: a queue, workers, a handler.

use forebay_pool::Pool;

use super::{CAPACITY, Contender, Item, Load, Measured};

pub(super) const CONTENDER: Contender = Contender {
    name: "forebay",
    package: "forebay-pool",
    task_per_item: false,
    many_producers: true,
    sleeps: true,
    measure,
};

fn measure(load: &Load) -> Measured {
    load.drive(async move |done| {
        let work = load.work;
        let pool = Pool::builder()
            .workers(load.workers)
            .queue(CAPACITY)
            .handler(move |_: Item| work.run(done))
            .start()
            .expect("a runtime is there");
        load.produce(pool.producer(), async |tx, share| {
            for item in 0..share {
                tx.send(Item(item)).await.expect("the pool is open");
            }
        })
        .await;
        pool.finish().await;
    })
}

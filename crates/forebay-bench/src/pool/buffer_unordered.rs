//! Many futures in one task: no queue, no second core.

use futures_util::{StreamExt, stream};

use super::{Contender, Load, Measured};

pub(super) const CONTENDER: Contender = Contender {
    name: "buffer-unordered",
    package: "futures-util",
    task_per_item: false,
    many_producers: false,
    sleeps: true,
    measure,
};

fn measure(load: &Load) -> Measured {
    load.drive(async move |done| {
        let (work, workers) = (load.work, load.workers);
        load.produce(done, move |done, share| async move {
            let futures = stream::iter(0..share).map(|_| work.run(done));
            futures.buffer_unordered(workers).for_each(async |()| ()).await;
        })
        .await;
    })
}

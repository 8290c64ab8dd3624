//! Work that computes, on the threads of rayon: as many as the runtime has, whatever the number of workers.

use super::{Contender, Load, Measured, THREADS};

pub(super) const CONTENDER: Contender = Contender {
    name: "rayon",
    package: "rayon",
    task_per_item: false,
    many_producers: false,
    sleeps: false,
    measure,
};

fn measure(load: &Load) -> Measured {
    let threads = rayon::ThreadPoolBuilder::new().num_threads(THREADS).build();
    let threads = threads.expect("threads can be started");
    load.drive(async move |done| {
        let (work, share) = (load.work, load.share());
        threads.scope(|scope| {
            for _ in 0..share {
                scope.spawn(|_| work.compute(done));
            }
        });
    })
}

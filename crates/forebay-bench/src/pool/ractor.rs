//! ractor's factory: an actor that hands jobs to a pool of worker actors. Its queue has no bound.

use ractor::factory::{
    Factory, FactoryArguments, FactoryRef, Job, Worker, WorkerId, queues::DefaultQueue,
    routing::QueuerRouting, worker_builder,
};
use ractor::{Actor, ActorProcessingErr};

use super::{Contender, Done, Load, Measured, Work};

pub(super) const CONTENDER: Contender = Contender {
    name: "ractor",
    package: "ractor",
    task_per_item: false,
    many_producers: true,
    sleeps: true,
    measure,
};

struct Labourer;

impl Worker for Labourer {
    type Key = ();
    type Message = usize;
    type State = (Work, Done);
    type Arguments = (Work, Done);

    async fn pre_start(
        &self,
        _: WorkerId,
        _: &FactoryRef<(), usize>,
        arguments: (Work, Done),
    ) -> Result<(Work, Done), ActorProcessingErr> {
        Ok(arguments)
    }

    async fn handle(
        &self,
        _: WorkerId,
        _: &FactoryRef<(), usize>,
        job: Job<(), usize>,
        (work, done): &mut (Work, Done),
    ) -> Result<(), ActorProcessingErr> {
        work.run(*done).await;
        Ok(job.key)
    }
}

fn measure(load: &Load) -> Measured {
    load.drive(async move |done| {
        let work = load.work;
        let factory = Factory::<
            (),
            usize,
            (Work, Done),
            Labourer,
            QueuerRouting<(), usize>,
            DefaultQueue<(), usize>,
        >::default();
        let arguments = FactoryArguments::builder()
            .worker_builder(Box::new(worker_builder(move |_| (Labourer, (work, done)))))
            .queue(DefaultQueue::default())
            .router(QueuerRouting::default())
            .num_initial_workers(load.workers)
            .build();
        let (factory, end) = Actor::spawn(None, factory, arguments).await.expect("it starts");
        load.produce(factory.clone(), async |factory, share| {
            for item in 0..share {
                factory.dispatch((), item).expect("the factory is there");
            }
        })
        .await;
        factory.drain_requests().expect("the factory is there");
        end.await.expect("it does not panic");
    })
}

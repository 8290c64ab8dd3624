//! ractor's factory with its queue of priorities: it hands jobs to workers, so it has no half that receives.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use ractor::factory::queues::{Priority, PriorityManager, PriorityQueue};
use ractor::factory::routing::QueuerRouting;
use ractor::factory::{Factory, FactoryArguments, FactoryRef, Job, Worker, WorkerId, worker_builder};
use ractor::{Actor, ActorProcessingErr};
use tokio::sync::Semaphore;

use super::{Contender, Load, Measured, rank, runtime};

pub(super) const CONTENDER: Contender = Contender {
    name: "ractor",
    package: "ractor",
    classes: true,
    keys: false,
    receives: false,
    slow: true,
    measure: |load| match load.ranks {
        3 => measure::<3>(load),
        8 => measure::<8>(load),
        256 => measure::<256>(load),
        ranks => panic!(
            "a factory knows how many classes it has when it is compiled, and there is none for {ranks}"
        ),
    },
};

/// What a worker does: it adds up, and frees a place. A factory's queue has no bound of its own that waits.
#[derive(Clone)]
struct Adding {
    sum: Arc<AtomicUsize>,
    room: Arc<Semaphore>,
}

struct Adder;

/// The job's key is its class.
struct ByKey;

#[derive(Default)]
struct Class(usize);

// === impl Class ===

impl From<usize> for Class {
    fn from(class: usize) -> Self {
        Self(class)
    }
}

impl Priority for Class {
    fn get_index(&self) -> usize {
        self.0
    }
}

impl PriorityManager<usize, Class> for ByKey {
    fn is_discardable(&self, _: &usize) -> bool {
        false
    }

    fn get_priority(&self, class: &usize) -> Option<Class> {
        Some(Class(*class))
    }
}

impl Worker for Adder {
    type Key = usize;
    type Message = usize;
    type State = Adding;
    type Arguments = Adding;

    async fn pre_start(
        &self,
        _: WorkerId,
        _: &FactoryRef<usize, usize>,
        adding: Adding,
    ) -> Result<Adding, ActorProcessingErr> {
        Ok(adding)
    }

    async fn handle(
        &self,
        _: WorkerId,
        _: &FactoryRef<usize, usize>,
        job: Job<usize, usize>,
        adding: &mut Adding,
    ) -> Result<usize, ActorProcessingErr> {
        adding.sum.fetch_add(job.msg, Ordering::Relaxed);
        adding.room.add_permits(1);
        Ok(job.key)
    }
}

fn measure<const CLASSES: usize>(load: &Load) -> Measured {
    let adding = Adding { sum: Arc::default(), room: Arc::new(Semaphore::new(load.depth)) };
    let measured = runtime().block_on(async {
        let factory = Factory::<
            usize,
            usize,
            Adding,
            Adder,
            QueuerRouting<usize, usize>,
            PriorityQueue<usize, usize, Class, ByKey, CLASSES>,
        >::default();
        let given = adding.clone();
        let arguments = FactoryArguments::builder()
            .worker_builder(Box::new(worker_builder(move |_| (Adder, given.clone()))))
            .queue(PriorityQueue::new(ByKey))
            .router(QueuerRouting::default())
            .num_initial_workers(load.tasks)
            .build();
        let (factory, end) = Actor::spawn(None, factory, arguments).await.expect("it starts");
        let sent = load.send(|share| {
            let (factory, room) = (factory.clone(), adding.room.clone());
            async move {
                for item in share {
                    room.acquire().await.expect("it is never closed").forget();
                    factory.dispatch(rank(item, CLASSES), item).expect("the factory is there");
                }
            }
        });
        let parts = sent.await;
        factory.drain_requests().expect("the factory is there");
        end.await.expect("it does not panic");
        load.until_now(&parts)
    });
    measured.check(load, adding.sum.load(Ordering::Relaxed));
    measured
}

//! tower::buffer: a line without any order but that of arrival, before a service that adds up. It has no half that receives.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::future::{Ready, ready};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tower::buffer::Buffer;
use tower::{Service, ServiceExt, service_fn};

use super::{Contender, Load, Measured, runtime};

pub(super) const CONTENDER: Contender = Contender {
    name: "tower-buffer",
    package: "tower",
    classes: true,
    keys: true,
    receives: false,
    slow: false,
    measure,
};

type Answer = Ready<Result<(), Infallible>>;

fn measure(load: &Load) -> Measured {
    let sum = Arc::new(AtomicUsize::new(0));
    let measured = runtime().block_on(async {
        let added = sum.clone();
        let adding = service_fn(move |item: usize| {
            added.fetch_add(item, Ordering::Relaxed);
            ready(Ok::<_, Infallible>(()))
        });
        let buffer: Buffer<usize, Answer> = Buffer::new(adding, load.depth);
        let in_flight = (load.depth / load.tasks).max(1);
        let sent = load.send(|share| {
            let mut buffer = buffer.clone();
            async move {
                // A call that is dropped is not made, so its future is kept, and as many as there are places for.
                let mut answers = VecDeque::with_capacity(in_flight);
                for item in share {
                    if answers.len() == in_flight {
                        answered(answers.pop_front()).await;
                    }
                    answers.push_back(buffer.ready().await.expect("it is open").call(item));
                }
                while !answers.is_empty() {
                    answered(answers.pop_front()).await;
                }
            }
        });
        let parts = sent.await;
        load.until_now(&parts)
    });
    measured.check(load, sum.load(Ordering::Relaxed));
    measured
}

async fn answered(answer: Option<impl Future<Output = Result<(), tower::BoxError>>>) {
    if let Some(answer) = answer {
        answer.await.expect("it answers");
    }
}

//! The row of the table, one test a cell: shed by how long it took.

use std::time::Duration;

use forebay_flow::CoDel;
use forebay_flow::layer::{FlowError, ShedLayer, Why};
use forebay_queue::QueueLayer;
use forebay_testkit::Driver;
use tokio::time::{Instant, advance};
use tower::{Layer, Service, ServiceBuilder, ServiceExt, service_fn};

use crate::rig::{Rig, refusal};

const MS: Duration = Duration::from_millis(1);

/// When it came.
type Job = (Instant, u32);

fn echo() -> impl Service<Job, Response = u32, Error = String, Future: Send> + Clone + Send {
    service_fn(async |(_, n): Job| Ok::<_, String>(n))
}

async fn send<S>(service: &mut S, waited: Duration, n: u32) -> Result<u32, FlowError<String, Job>>
where
    S: Service<Job, Response = u32, Error = FlowError<String, Job>>,
{
    service.ready().await.expect("always").call((Instant::now() - waited, n)).await
}

#[test]
fn ready_when_the_service_is() {
    let mut rig = Rig::new(&ShedLayer::new());
    rig.inner.allow(0);
    assert!(!rig.is_ready(), "what waits above it waits on");
    rig.inner.allow(1);
    assert!(rig.is_ready());
}

#[test]
fn without_a_setting_it_sheds_nothing() {
    let layer = ShedLayer::new();
    let mut rig = Rig::new(&layer);
    rig.call("a").assert_pending();
    assert_eq!((rig.requests(), layer.handle().stats().passed), (vec!["a"], 1));
}

#[tokio::test(start_paused = true)]
async fn call_sheds_what_is_late_from_its_deadline_on() {
    let begin = Instant::now();
    let layer = ShedLayer::new().deadline(move |_: &&'static str| Some(begin + 10 * MS));
    let mut rig = Rig::new(&layer);
    advance(9 * MS).await;
    rig.call("in time").assert_pending();
    advance(MS).await;
    assert_eq!(refusal(rig.call("late").assert_ready()), (Why::Late, Some("late")));
    assert_eq!(rig.requests(), ["in time"]);
    let stats = layer.handle().stats();
    assert_eq!((stats.passed, stats.late, stats.overload), (1, 1, 0));
}

#[tokio::test(start_paused = true)]
async fn call_sheds_what_waited_too_long_in_an_overload_and_lets_a_burst_pass() {
    tokio::time::advance(Duration::from_secs(1)).await;
    let layer = ShedLayer::new().codel(CoDel::default(), |job: &Job| Some(job.0));
    let mut service = layer.layer(echo());
    for n in 0..3 {
        assert_eq!(send(&mut service, 50 * MS, n).await.expect("a burst"), n);
    }
    advance(150 * MS).await;
    send(&mut service, 50 * MS, 3).await.expect("the first behind an interval");
    advance(MS).await;
    let refused = send(&mut service, 50 * MS, 4).await.expect_err("an overload");
    assert_eq!(refused.retry_after(), Some(100 * MS));
    assert!(matches!(&refused, FlowError::Refused(it) if it.why == Why::Overload));
    assert_eq!(refused.into_request().expect("it comes back").1, 4);
    send(&mut service, 9 * MS, 5).await.expect("what came lately goes on");
    assert_eq!(layer.handle().stats().overload, 1);
    layer.handle().update(|codel| codel.set(50 * MS, 100 * MS)).expect("in range");
    send(&mut service, 50 * MS, 6).await.expect("that is no long wait any more");
}

#[tokio::test(start_paused = true)]
async fn below_a_queue_it_judges_when_the_wait_is_over() {
    let layer = ShedLayer::new().deadline(|job: &Job| Some(job.0 + 30 * MS));
    let handle = layer.handle();
    let slow = service_fn(async |(_, n): Job| {
        tokio::time::sleep(20 * MS).await;
        Ok::<_, String>(n)
    });
    let service = ServiceBuilder::new()
        .layer(QueueLayer::new(10))
        .layer(layer)
        .map_err(|error: FlowError<String, Job>| error.to_string())
        .layer(forebay_flow::layer::ConcurrencyLimitLayer::new(forebay_flow::Fixed(1)))
        .service(slow);
    let calls: Vec<_> = (0..4).map(|n| tokio::spawn(service.clone().oneshot((Instant::now(), n)))).collect();
    let mut served = Vec::new();
    for call in calls {
        served.push(call.await.expect("no panic").is_ok());
    }
    assert_eq!(served, [true, true, false, false], "the third would have begun after 40 ms");
    assert_eq!((handle.stats().passed, handle.stats().late), (2, 2));
}

#[test]
fn dropped_it_holds_nothing() {
    let layer = ShedLayer::new();
    let mut rig = Rig::new(&layer);
    let call: Driver<_> = rig.call("a");
    drop(call);
    drop(rig);
    assert_eq!(layer.handle().stats().passed, 1);
}

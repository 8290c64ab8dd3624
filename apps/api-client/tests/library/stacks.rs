use std::time::{Duration, Instant};

use api_client::{Client, Reason};
use bytes::Bytes;
use http::Response;
use tokio::time::sleep;
use tower::{Service as _, ServiceExt as _, service_fn};

#[tokio::test(start_paused = true)]
async fn a_service_of_ones_own_is_asked_as_often_as_it_takes() {
    let began = tokio::time::Instant::now();
    let server = service_fn(move |request: http::Request<Bytes>| async move {
        sleep(Duration::from_millis(10)).await;
        let status = if began.elapsed() < Duration::from_secs(2) { 503 } else { 200 };
        Ok::<_, std::io::Error>(
            Response::builder().status(status).body(request.into_body()).expect("it is valid"),
        )
    });
    let client = Client::builder().auto().stack(server).expect("it is valid");
    let answer = client.oneshot(http::Request::new(Bytes::from_static(b"x"))).await.expect("it is answered");
    assert_eq!((answer.status().as_u16(), answer.into_body()), (200, Bytes::from_static(b"x")));
}

#[tokio::test(start_paused = true)]
async fn an_error_of_ones_own_comes_back_as_it_was() {
    let server =
        service_fn(async |_: http::Request<()>| Err::<Response<()>, _>(std::io::Error::other("on fire")));
    let mut client = Client::builder().retries(2).stack(server).expect("it is valid");
    let real = Instant::now();
    let reason =
        client.ready().await.expect("it is open").call(http::Request::new(())).await.expect_err("it fails");
    let Reason::Service(error) = reason else { panic!("{reason}") };
    assert_eq!(error.downcast::<std::io::Error>().expect("it is that").to_string(), "on fire");
    assert!(real.elapsed() < Duration::from_secs(1), "in no real time");
}

#[tokio::test(start_paused = true)]
async fn an_attempt_has_a_time_limit() {
    let server = service_fn(async |_: http::Request<()>| {
        std::future::pending::<()>().await;
        Ok::<_, std::io::Error>(Response::new(()))
    });
    let client =
        Client::builder().timeout(Duration::from_secs(7)).retries(1).stack(server).expect("it is valid");
    let began = tokio::time::Instant::now();
    let reason = client.oneshot(http::Request::new(())).await.expect_err("it is too slow");
    assert!(matches!(reason, Reason::Timeout { after } if after == Duration::from_secs(7)), "{reason}");
    assert!((14..16).contains(&began.elapsed().as_secs()));
}

use std::io::Write as _;
use std::time::Duration;

use api_client::{Body as Stored, Client, Reason, Store};
use axum::body::{Body, Bytes};
use axum::http::Response;
use futures_util::{StreamExt as _, stream};

use tokio::runtime::{Builder, Runtime};
use tokio::sync::watch;
use tokio::time::timeout;

use crate::server::{Server, broken, ok, status};

fn client(max_body: u64) -> Client {
    Client::builder().rate("1000/s").max_body(max_body).retries(1).build().expect("it is valid")
}

fn names_in(folder: &std::path::Path) -> usize {
    std::fs::read_dir(folder).expect("it is there").count()
}

#[tokio::test]
async fn a_body_goes_to_a_file_of_its_own() {
    let server = Server::start(|hit| ok(hit.path.repeat(100_000))).await;
    let folder = tempfile::tempdir().expect("there is room");
    let client = client(1 << 20);
    let store = || Store::File(folder.path().to_owned());
    let (one, other) = tokio::join!(
        client.get(server.url("/one")).store(store()).send(),
        client.get(server.url("/other")).store(store()).send(),
    );
    for (answer, path) in [(one, "/one"), (other, "/other")] {
        let Stored::File { path: file, bytes } = answer.expect("it is answered").body else {
            panic!("no file")
        };
        assert_eq!(bytes, path.len() as u64 * 100_000);
        assert_eq!(std::fs::read_to_string(&file).expect("it is there"), path.repeat(100_000));
        assert_eq!(file.parent(), Some(folder.path()));
    }
    assert_eq!(names_in(folder.path()), 2);
}

#[tokio::test]
async fn an_answer_that_is_no_success_makes_no_file() {
    let server = Server::start(|_| status(404)).await;
    let folder = tempfile::tempdir().expect("there is room");
    let answer = client(100)
        .get(server.url("/"))
        .store(Store::File(folder.path().to_owned()))
        .send()
        .await
        .expect("answered");
    assert_eq!(answer.text(), Some("404"));
    assert_eq!(names_in(folder.path()), 0);
}

#[tokio::test]
async fn a_body_that_breaks_off_leaves_no_file() {
    let server = Server::start(|_| broken()).await;
    let folder = tempfile::tempdir().expect("there is room");
    let sent = client(1000).get(server.url("/")).store(Store::File(folder.path().to_owned())).send();
    let failure = sent.await.expect_err("it breaks off");
    assert!(matches!(failure.reason, Reason::Broken(_)), "{failure}");
    assert_eq!(failure.attempts, 2);
    assert_eq!(names_in(folder.path()), 0);
}

#[tokio::test]
async fn a_folder_that_is_not_there_is_told() {
    let server = Server::start(|_| ok("x")).await;
    let sent = client(1000).get(server.url("/")).store(Store::File("/nowhere/at/all".into())).send();
    let failure = sent.await.expect_err("there is no such folder");
    assert!(matches!(failure.reason, Reason::Store(_)), "{failure}");
}

#[tokio::test]
async fn a_body_has_a_bound_said_or_not() {
    let server = Server::start(|hit| match &*hit.path {
        "/said" => ok(vec![b'x'; 1001]),
        "/endless" => {
            let chunk = Bytes::from_static(&[b'x'; 100]);
            ok(Body::from_stream(stream::repeat(chunk).map(Ok::<_, std::io::Error>)))
        }
        _ => ok(vec![b'x'; 1000]),
    })
    .await;
    let folder = tempfile::tempdir().expect("there is room");
    let client = client(1000);
    for path in ["/said", "/endless"] {
        for store in [Store::Memory, Store::File(folder.path().to_owned())] {
            let failure =
                client.get(server.url(path)).store(store).send().await.expect_err("it is too large");
            assert!(matches!(failure.reason, Reason::TooLarge { limit: 1000 }), "{failure}");
            assert_eq!(failure.attempts, 1, "it would be as large again");
        }
    }
    assert_eq!(names_in(folder.path()), 0);
    let fits = client.get(server.url("/fits")).send().await.expect("it fits");
    assert_eq!(fits.body.len(), 1000);
}

#[tokio::test]
async fn the_bound_holds_for_what_is_decompressed() {
    let server = Server::start(|_| {
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        for _ in 0..1000 {
            gzip.write_all(&[0; 1000]).expect("memory takes it");
        }
        let body = gzip.finish().expect("memory takes it");
        assert!(body.len() < 10_000);
        Response::builder().header("content-encoding", "gzip").body(body.into()).expect("it is valid")
    })
    .await;
    let failure = client(10_000).get(server.url("/")).send().await.expect_err("it is too large");
    assert!(matches!(failure.reason, Reason::TooLarge { .. }), "{failure}");
}

#[tokio::test]
async fn a_dropped_request_leaves_no_file() {
    let server = Server::start(|_| {
        let half = stream::iter([Ok::<_, std::io::Error>(Bytes::from_static(&[b'x'; 100]))]);
        ok(Body::from_stream(half.chain(stream::pending())))
    })
    .await;
    let folder = tempfile::tempdir().expect("there is room");
    let sent = client(1000).get(server.url("/")).store(Store::File(folder.path().to_owned())).send();
    tokio::select! {
        _ = sent => panic!("it has no end"),
        () = async { while names_in(folder.path()) == 0 { tokio::task::yield_now().await } } => {}
    }
    // The file is closed and removed by a thread that may still be writing to it.
    while names_in(folder.path()) > 0 {
        tokio::task::yield_now().await;
    }
}

/// A runtime for long bodies, beside that of the test.
fn workers() -> Runtime {
    Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("there are threads")
}

/// Waits until it has that many tasks.
async fn until_tasks(workers: &Runtime, tasks: usize) {
    let there = async {
        while workers.metrics().num_alive_tasks() != tasks {
            tokio::task::yield_now().await;
        }
    };
    timeout(Duration::from_secs(10), there).await.unwrap_or_else(|_| panic!("there are never {tasks} tasks"));
}

/// A server whose bodies of 200 000 bytes go on in their middle when the gate opens.
async fn halves(gate: watch::Receiver<bool>) -> Server {
    let half = || Ok::<_, std::io::Error>(Bytes::from_static(&[b'x'; 100_000]));
    Server::start(move |_| {
        let mut gate = gate.clone();
        let rest = stream::once(async move {
            let _ = gate.wait_for(|open| *open).await;
            half()
        });
        ok(Body::from_stream(stream::iter([half()]).chain(rest)))
    })
    .await
}

#[tokio::test]
async fn what_is_long_goes_on_among_the_workers() {
    let (open, gate) = watch::channel(false);
    let server = halves(gate).await;
    let (folder, workers) = (tempfile::tempdir().expect("there is room"), workers());
    let client =
        Client::builder().rate("1000/s").workers(workers.handle().clone()).build().expect("it is valid");
    for store in [Store::Memory, Store::File(folder.path().to_owned())] {
        open.send_replace(false);
        let sent = tokio::spawn(client.get(server.url("/")).store(store).send());
        until_tasks(&workers, 1).await;
        open.send_replace(true);
        let answer = sent.await.expect("it does not panic").expect("it is answered");
        let body = match &answer.body {
            Stored::File { path, .. } => std::fs::read(path).expect("it is there"),
            memory => memory.bytes().expect("it is in memory").to_vec(),
        };
        assert!(body == [b'x'; 200_000], "{} bytes", body.len());
        until_tasks(&workers, 0).await;
    }
    workers.shutdown_background();
}

#[tokio::test]
async fn the_workers_drop_what_is_dropped() {
    let (_open, gate) = watch::channel(false);
    let server = halves(gate).await;
    let (folder, workers) = (tempfile::tempdir().expect("there is room"), workers());
    let client =
        Client::builder().rate("1000/s").workers(workers.handle().clone()).build().expect("it is valid");
    for store in [Store::Memory, Store::File(folder.path().to_owned())] {
        tokio::select! {
            _ = client.get(server.url("/")).store(store).send() => panic!("it has no end"),
            () = until_tasks(&workers, 1) => {}
        }
        until_tasks(&workers, 0).await;
    }
    while names_in(folder.path()) > 0 {
        tokio::task::yield_now().await;
    }
    workers.shutdown_background();
}

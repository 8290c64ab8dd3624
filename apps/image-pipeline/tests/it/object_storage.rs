//! A real S3 server, and one that fails half of the time.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};

use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use s3s::auth::SimpleAuth;
use s3s::service::{S3Service, S3ServiceBuilder};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;

use crate::place::{Ended, Place, Report as _};

/// A server on a free port, until it is dropped.
struct Server {
    _runtime: Runtime,
    address: SocketAddr,
    requests: Arc<AtomicU64>,
    root: PathBuf,
}

/// With what a server answers a request, by its method and how often it was asked for the same before, instead of serving it.
type Fails = fn(&Method, u64) -> Option<StatusCode>;

// === impl Server ===

impl Server {
    /// Serves the folder `s3` of a place, with one bucket in it, `pictures`.
    fn start(place: &Place, fails: Fails) -> Self {
        let root = place.path("s3");
        std::fs::create_dir_all(root.join("pictures")).unwrap();
        let mut builder = S3ServiceBuilder::new(s3s_fs::FileSystem::new(&root).unwrap());
        builder.set_auth(SimpleAuth::from_single("key", "secret"));
        let (service, requests) = (builder.build(), Arc::<AtomicU64>::default());
        let runtime = Runtime::new().unwrap();
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap();
        runtime.spawn(serve(listener, service, Arc::clone(&requests), fails));
        Self { _runtime: runtime, address, requests, root: root.join("pictures") }
    }

    fn command(&self, place: &Place, arguments: &str) -> Command {
        let mut command = place.command(arguments);
        command
            .env("AWS_ACCESS_KEY_ID", "key")
            .env("AWS_SECRET_ACCESS_KEY", "secret")
            .env("AWS_ENDPOINT_URL", format!("http://{}", self.address));
        command
    }

    fn run(&self, place: &Place, arguments: &str) -> Ended {
        self.command(place, arguments).output().unwrap().into()
    }
}

async fn serve(listener: TcpListener, service: S3Service, requests: Arc<AtomicU64>, fails: Fails) {
    let asked = Arc::<Mutex<HashMap<(Method, String), u64>>>::default();
    while let Ok((socket, _)) = listener.accept().await {
        let (service, requests, asked) = (service.clone(), Arc::clone(&requests), Arc::clone(&asked));
        let answer = service_fn(move |request: Request<Incoming>| {
            let service = service.clone();
            requests.fetch_add(1, Relaxed);
            let same = (request.method().clone(), request.uri().to_string());
            let before = *asked.lock().unwrap().entry(same).and_modify(|times| *times += 1).or_default();
            async move {
                if let Some(status) = fails(request.method(), before) {
                    // As S3: what asks for the head of an object gets no reason.
                    let says = status == StatusCode::FORBIDDEN && request.method() != Method::HEAD;
                    let denied = "<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>";
                    let body = if says { s3s::Body::from(denied.to_owned()) } else { s3s::Body::empty() };
                    let mut answer = Response::new(body);
                    *answer.status_mut() = status;
                    return Ok(answer);
                }
                service.call(request.map(s3s::Body::from)).await
            }
        });
        tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(socket), answer));
    }
}

const ARGUMENTS: &str = "run in --output s3://pictures/a/b --width 100 --report json";

#[test]
fn results_are_uploaded_below_the_prefix_and_kept_by_the_next_run() {
    let place = Place::with_photos(5);
    place.copy("camera.png", "in/sub/ü 1+1.png");
    let server = Server::start(&place, |_, _| None);
    let ended = server.run(&place, ARGUMENTS);
    assert_eq!((ended.code(), ended.counts()), (Some(0), [6, 0, 0, 0]), "{ended:#?}");
    place.done("run in --output out --width 100");
    for file in place.files("out") {
        let uploaded = std::fs::read(server.root.join("a/b").join(&file));
        assert!(uploaded.is_ok_and(|bytes| bytes == place.read(&format!("out/{file}"))), "{file}");
    }
    let again = server.run(&place, ARGUMENTS);
    assert_eq!((again.code(), again.counts()), (Some(0), [0, 6, 0, 0]), "{again:#?}");
    let again = server.run(&place, &format!("{ARGUMENTS} --overwrite"));
    assert_eq!(again.counts(), [6, 0, 0, 0], "{again:#?}");
}

#[test]
fn a_server_that_fails_half_of_the_time_is_got_through() {
    let place = Place::with_photos(20);
    let server =
        Server::start(&place, |_, before| (before % 2 == 0).then_some(StatusCode::SERVICE_UNAVAILABLE));
    let ended = server.run(&place, ARGUMENTS);
    assert_eq!((ended.code(), ended.counts()), (Some(0), [20, 0, 0, 0]), "{ended:#?}");
    assert!(server.requests.load(Relaxed) >= 80, "a look and an upload each, and as many in vain");
}

#[test]
fn a_wrong_key_ends_the_run_with_the_reason() {
    let place = Place::with_photos(30);
    let server = Server::start(&place, |_, _| None);
    let arguments = "run in --output s3://pictures --width 50 --overwrite --workers 1 --report json";
    let mut command = server.command(&place, arguments);
    let ended: Ended = command.env("AWS_SECRET_ACCESS_KEY", "wrong").output().unwrap().into();
    let [written, _, failed, not_started] = ended.counts();
    assert_eq!((ended.code(), written), (Some(1), 0), "{ended:#?}");
    assert!(failed > 0 && not_started > 0, "it does not go on in vain: {ended:#?}");
    assert!(ended.stderr.contains("cannot be uploaded, tried once"), "{ended:#?}");
}

#[test]
fn without_credentials_the_run_ends_and_says_which_to_set() {
    let place = Place::with_photos(30);
    let server = Server::start(&place, |_, _| None);
    let arguments = "run in --output s3://pictures/a --width 50 --workers 1 --report json";
    let mut command = server.command(&place, arguments);
    command.env_remove("AWS_ACCESS_KEY_ID").env_remove("AWS_SECRET_ACCESS_KEY");
    // Where a machine in a cloud is asked for its role; this one knows of none.
    command.env("AWS_METADATA_ENDPOINT", format!("http://{}", server.address));
    let ended: Ended = command.output().unwrap().into();
    let [written, _, failed, not_started] = ended.counts();
    assert_eq!((ended.code(), written), (Some(1), 0), "{ended:#?}");
    assert!(failed > 0 && not_started > 0, "it does not go on in vain: {ended:#?}");
    let said =
        "there are no credentials for s3://pictures/a: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY";
    assert!(ended.stderr.contains(said), "{ended:#?}");
}

#[test]
fn a_name_that_is_no_key_is_refused_by_name() {
    let place = Place::new();
    place.copy("hopper.jpg", "in/good.jpg");
    place.copy("hopper.jpg", "in/two\nlines.jpg");
    let server = Server::start(&place, |_, _| None);
    let ended = server.run(&place, ARGUMENTS);
    assert_eq!((ended.code(), ended.counts()), (Some(1), [1, 0, 1, 0]), "{ended:#?}");
    assert!(
        ended.stderr.contains("cannot be a name in object storage: it has a control character"),
        "{ended:#?}"
    );
}

#[test]
fn credentials_that_may_not_list_are_told_which_permission_they_lack() {
    let place = Place::with_photos(30);
    let server = Server::start(&place, |method, _| (method == Method::HEAD).then_some(StatusCode::FORBIDDEN));
    let ended = server.run(&place, &format!("{ARGUMENTS} --workers 1"));
    assert_eq!(ended.code(), Some(1), "{ended:#?}");
    let said = ended.stderr.lines().find(|line| line.starts_with("error: in/")).unwrap_or_default();
    assert!(said.starts_with("error: in/0.jpg: cannot see whether a/b/0.jpg is there: "), "{ended:#?}");
    assert!(said.contains("they lack s3:ListBucket on the bucket") && said.contains("--overwrite"), "{said}");
    assert!(ended.report()["not_started"].as_u64() > Some(0), "it does not go on in vain: {ended:#?}");
    // As it says.
    let again = server.run(&place, &format!("{ARGUMENTS} --overwrite"));
    assert_eq!((again.code(), again.counts()), (Some(0), [30, 0, 0, 0]), "{again:#?}");
}

#[test]
fn credentials_that_may_not_write_are_told_which_permission_they_lack() {
    let place = Place::with_photos(3);
    let server = Server::start(&place, |method, _| (method == Method::PUT).then_some(StatusCode::FORBIDDEN));
    let ended = server.run(&place, &format!("{ARGUMENTS} --workers 1"));
    assert_eq!((ended.code(), ended.counts()[0]), (Some(1), 0), "{ended:#?}");
    assert!(ended.stderr.contains("the credentials need s3:PutObject there"), "{ended:#?}");
}

#[test]
fn settings_that_no_request_can_be_made_with_are_refused_before_work_starts() {
    let place = Place::with_photos(1);
    let server = Server::start(&place, |_, _| None);
    let mut said = String::new();
    for (arguments, variable, value) in [
        ("in -o s3://pictures --endpoint 127.0.0.1:9000", "", ""),
        ("in -o s3://pictures --endpoint localhost:9000", "", ""),
        ("in -o s3://pictures --endpoint ftp://localhost", "", ""),
        ("in -o s3://pictures", "AWS_ENDPOINT_URL", "http://"),
        ("in -o s3://pictures", "AWS_REGION", "here\n"),
        ("in -o s3://pictures", "AWS_ACCESS_KEY_ID", "key\r"),
        ("in -o s3://pictures", "AWS_SESSION_TOKEN", "t\u{f6}ken"),
        ("in -o s3://pict\u{fc}res/a", "", ""),
        ("in -o s3://pic?tures", "", ""),
    ] {
        for command in ["run", "check"] {
            let mut program = server.command(&place, &format!("{command} {arguments}"));
            if !variable.is_empty() {
                program.env(variable, value);
            }
            let ended: Ended = program.output().unwrap().into();
            assert_eq!((ended.code(), ended.stdout.as_str()), (Some(2), ""), "{ended:#?}");
            if command == "run" {
                said += &ended.stderr;
            }
        }
    }
    insta::assert_snapshot!(said);
    // What is empty is not set.
    let mut program = server.command(&place, ARGUMENTS);
    let ended: Ended = program.env("AWS_SESSION_TOKEN", "").env("AWS_REGION", "").output().unwrap().into();
    assert_eq!((ended.code(), ended.counts()), (Some(0), [1, 0, 0, 0]), "{ended:#?}");
}

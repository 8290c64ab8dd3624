//! A server for what nginx lacks: it says what it allows, changes its mind, breaks off, redirects, is slow; and counts
//! what it does.

mod limit;
mod reset;

use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{ConnectInfo, Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get};
use futures_util::stream;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::sync::Semaphore;

use self::limit::Limit;
pub(crate) use self::limit::{Allowed, Says};
use self::reset::{Reset, Resettable};

/// The server, on a free port. Ended when dropped.
pub(crate) struct Server {
    shared: Arc<Shared>,
    port: u16,
    _runtime: Runtime,
}

struct Shared {
    limit: Mutex<Limit>,
    counts: Mutex<Counts>,
    /// Requests to `/held` and the like are answered so far as somebody adds to it.
    held: Semaphore,
}

/// What the server has done.
#[derive(Debug, Clone, Default)]
pub(crate) struct Counts {
    pub(crate) answered: u64,
    pub(crate) refused: u64,
    /// How often each path came through the limit.
    pub(crate) paths: HashMap<String, u64>,
    /// Requests that are being answered.
    pub(crate) in_flight: u64,
    /// What was sent with the last request to each path, as far as it is looked at.
    pub(crate) authorizations: HashMap<String, Option<String>>,
}

/// A body of 8 MB.
static LARGE: [u8; 8 << 20] = [b'x'; 8 << 20];

// === impl Server ===

impl Server {
    /// Everything is allowed.
    pub(crate) fn free() -> Self {
        Self::start(Allowed::Free, Says::Nothing)
    }

    pub(crate) fn start(allowed: Allowed, says: Says) -> Self {
        let shared = Arc::new(Shared {
            limit: Mutex::new(Limit::new(allowed, says)),
            counts: Mutex::default(),
            held: Semaphore::new(0),
        });
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let port = listener.local_addr().unwrap().port();
        let router = routes(&shared);
        let service = router.into_make_service_with_connect_info::<Reset>();
        runtime.spawn(async move { axum::serve(Resettable(listener), service).await });
        Self { shared, port, _runtime: runtime }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    pub(crate) fn counts(&self) -> Counts {
        self.shared.counts.lock().unwrap().clone()
    }

    /// From now on that is allowed.
    pub(crate) fn allow(&self, allowed: Allowed) {
        *self.shared.limit.lock().unwrap() = Limit::new(allowed, Says::Nothing);
    }

    /// Lets so many more requests to `/held` and the like through.
    pub(crate) fn release(&self, count: usize) {
        self.shared.held.add_permits(count);
    }
}

fn routes(shared: &Arc<Shared>) -> Router {
    Router::new()
        .route("/item/{n}", any(|Path(n): Path<String>, body: Bytes| async move { item(&n, &body) }))
        .route("/held/{n}", get(held))
        .route("/held-status/{n}", get(held_status))
        .route("/held-to/{*url}", get(held_to))
        .route("/status/{n}", get(|Path(n): Path<u16>| async move { StatusCode::from_u16(n).unwrap() }))
        .route("/bytes", get(|| async { vec![0_u8, 0xff, 0xfe] }))
        .route("/large/{n}", get(|| async { Bytes::from_static(&LARGE) }))
        .route("/late/{n}", any(|_: Bytes| async { tokio::time::sleep(Duration::from_secs(1)).await }))
        .route("/slow", get(|| async { slow() }))
        .route("/broken/{n}", any(broken))
        .route("/reset/{n}", get(reset))
        .route(
            "/endless",
            get(|| async {
                Body::from_stream(stream::repeat_with(|| io::Result::Ok(Bytes::from_static(&[b'x'; 65536]))))
            }),
        )
        .route(
            "/to/{*url}",
            get(|Path(url): Path<String>| async move { (StatusCode::FOUND, [(header::LOCATION, url)]) }),
        )
        .layer(from_fn_with_state(Arc::clone(shared), limited))
        .with_state(Arc::clone(shared))
}

/// Counts, and refuses what is not allowed.
async fn limited(State(shared): State<Arc<Shared>>, request: axum::extract::Request, next: Next) -> Response {
    let decision = shared.limit.lock().unwrap().ask();
    if !decision.is_allowed {
        shared.counts.lock().unwrap().refused += 1;
        return (StatusCode::TOO_MANY_REQUESTS, decision.headers, "slow down\n").into_response();
    }
    {
        let mut counts = shared.counts.lock().unwrap();
        let path = request.uri().path().to_owned();
        let authorization = request.headers().get(header::AUTHORIZATION);
        let authorization = authorization.map(|value| value.to_str().unwrap().to_owned());
        counts.authorizations.insert(path.clone(), authorization);
        *counts.paths.entry(path).or_default() += 1;
        counts.in_flight += 1;
    }
    let mut response = next.run(request).await;
    let mut counts = shared.counts.lock().unwrap();
    counts.in_flight -= 1;
    counts.answered += 1;
    response.headers_mut().extend(decision.headers);
    response
}

fn item(n: &str, body: &Bytes) -> Response {
    let mut headers = HeaderMap::new();
    headers.insert(header::ETAG, format!("\"{n}\"").parse().unwrap());
    let text = String::from_utf8_lossy(body);
    (headers, format!("item {n}{}{text}\n", if text.is_empty() { "" } else { ": " })).into_response()
}

async fn held(State(shared): State<Arc<Shared>>, Path(n): Path<String>) -> Response {
    shared.held.acquire().await.unwrap().forget();
    item(&n, &Bytes::new())
}

async fn held_status(State(shared): State<Arc<Shared>>, Path(n): Path<u16>) -> StatusCode {
    shared.held.acquire().await.unwrap().forget();
    StatusCode::from_u16(n).unwrap()
}

async fn held_to(State(shared): State<Arc<Shared>>, Path(url): Path<String>) -> Response {
    shared.held.acquire().await.unwrap().forget();
    (StatusCode::FOUND, [(header::LOCATION, url)]).into_response()
}

/// A body that comes in small pieces.
fn slow() -> Body {
    Body::from_stream(stream::unfold(0, |n| async move {
        tokio::time::sleep(Duration::from_millis(20)).await;
        (n < 10).then(|| (io::Result::Ok(Bytes::from(format!("{n}"))), n + 1))
    }))
}

/// A body that breaks off the first time that it is asked for.
async fn broken(State(shared): State<Arc<Shared>>, Path(n): Path<String>) -> Response {
    let path = format!("/broken/{n}");
    if shared.counts.lock().unwrap().paths[&path] > 1 {
        return item(&n, &Bytes::new());
    }
    let pieces = [Ok(Bytes::from_static(b"half of")), Err(io::Error::other("it breaks off"))];
    ([(header::CONTENT_LENGTH, "1000")], Body::from_stream(stream::iter(pieces))).into_response()
}

/// Resets the connection without an answer, for one in a hundred, the first time.
async fn reset(
    State(shared): State<Arc<Shared>>,
    ConnectInfo(reset): ConnectInfo<Reset>,
    Path(n): Path<u64>,
) -> Response {
    let is_first = shared.counts.lock().unwrap().paths[&format!("/reset/{n}")] == 1;
    if n % 100 == 50 && is_first {
        reset.at_the_end();
        let cut = stream::iter([Err::<Bytes, _>(io::Error::other("the end"))]);
        return ([(header::CONTENT_LENGTH, "10")], Body::from_stream(cut)).into_response();
    }
    item(&n.to_string(), &Bytes::new())
}

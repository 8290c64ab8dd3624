//! A server on a free port that answers as it is told, and remembers who asked.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::ConnectInfo;
use axum::http::{HeaderMap, Method, Request, Response, StatusCode};
use futures_util::{StreamExt as _, stream};
use tokio::sync::watch;
use tokio::time::Instant;

/// It goes on until the runtime of the test ends.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    hits: Arc<Mutex<Vec<Hit>>>,
}

/// A request as it came.
#[derive(Debug, Clone)]
pub(crate) struct Hit {
    /// How many came before it.
    pub(crate) number: usize,
    pub(crate) at: Instant,
    pub(crate) from: SocketAddr,
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    pub(crate) status: StatusCode,
}

/// What it answers.
pub(crate) type Answer = Response<Body>;

// === impl Server ===

impl Server {
    /// On 127.0.0.1.
    pub(crate) async fn start(answer: impl Fn(&Hit) -> Answer + Send + Sync + 'static) -> Self {
        Self::start_on("127.0.0.1", answer).await
    }

    pub(crate) async fn start_on(
        host: &str,
        answer: impl Fn(&Hit) -> Answer + Send + Sync + 'static,
    ) -> Self {
        let listener = tokio::net::TcpListener::bind((host, 0)).await.expect("a free port");
        let address = listener.local_addr().expect("it is bound");
        let hits: Arc<Mutex<Vec<Hit>>> = Arc::default();
        let (log, answer) = (hits.clone(), Arc::new(answer));
        let handler = move |ConnectInfo(from): ConnectInfo<SocketAddr>, request: Request<Body>| {
            let (log, answer) = (log.clone(), answer.clone());
            async move {
                let (parts, body) = request.into_parts();
                let body = axum::body::to_bytes(body, 1 << 20).await.unwrap_or_default();
                let mut log = log.lock().expect("nobody panics with it");
                let mut hit = Hit {
                    number: log.len(),
                    at: Instant::now(),
                    from,
                    method: parts.method,
                    path: parts.uri.path().to_owned(),
                    headers: parts.headers,
                    body,
                    status: StatusCode::OK,
                };
                let answer = answer(&hit);
                hit.status = answer.status();
                log.push(hit);
                answer
            }
        };
        let service = Router::new().fallback(handler).into_make_service_with_connect_info::<SocketAddr>();
        tokio::spawn(async move { axum::serve(listener, service).await });
        Self { address, hits }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// The same under a name, which the client must know.
    pub(crate) fn url_as(&self, name: &str, path: &str) -> String {
        format!("http://{name}:{}{path}", self.address.port())
    }

    pub(crate) fn hits(&self) -> Vec<Hit> {
        self.hits.lock().expect("nobody panics with it").clone()
    }

    pub(crate) fn refused(&self) -> usize {
        self.hits().iter().filter(|hit| hit.status == 429).count()
    }

    /// Waits until that many have come.
    pub(crate) async fn until(&self, hits: usize) {
        while self.hits().len() < hits {
            tokio::task::yield_now().await;
        }
    }
}

pub(crate) fn status(status: u16) -> Answer {
    Response::builder().status(status).body(Body::from(status.to_string())).expect("it is valid")
}

pub(crate) fn with_header(status: u16, name: &str, value: &str) -> Answer {
    Response::builder().status(status).header(name, value).body(Body::empty()).expect("it is valid")
}

pub(crate) fn ok(body: impl Into<Body>) -> Answer {
    Response::new(body.into())
}

/// An answer that ends when it is let go.
pub(crate) fn held(gate: &watch::Receiver<bool>) -> Answer {
    let mut gate = gate.clone();
    ok(Body::from_stream(stream::once(async move {
        let _ = gate.wait_for(|open| *open).await;
        Ok::<_, std::io::Error>(Bytes::from_static(b"at last"))
    })))
}

/// Half of a body, and then the end of the connection.
pub(crate) fn broken() -> Answer {
    let half = stream::iter([Ok(Bytes::from_static(b"half of "))]);
    let end = stream::once(async {
        // What has come so far is sent while there is nothing more.
        tokio::task::yield_now().await;
        Err(std::io::Error::other("that is all"))
    });
    ok(Body::from_stream(half.chain(end)))
}

/// Nothing, for ever.
pub(crate) fn silent() -> Answer {
    ok(Body::from_stream(stream::pending::<Result<Bytes, std::io::Error>>()))
}

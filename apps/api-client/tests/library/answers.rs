use std::io::Write as _;

use api_client::{Client, Reason, Request};
use axum::body::Body;
use axum::http::{Method, Response};
use futures_util::future::join_all;

use crate::server::{Server, ok, status};

fn client() -> Client {
    Client::builder().rate("1000/s").burst(100).build().expect("it is valid")
}

#[tokio::test]
async fn an_answer_is_the_callers_own() {
    let server = Server::start(|hit| ok(format!("you asked for {}", hit.path))).await;
    let client = client();
    let answers = (0..50).map(|n| client.get(server.url(&format!("/{n}"))).send());
    for (n, answer) in join_all(answers).await.into_iter().enumerate() {
        let answer = answer.expect("it is answered");
        assert_eq!(answer.text(), Some(format!("you asked for /{n}").as_str()));
        assert_eq!((answer.attempts, answer.refused), (1, 0));
        assert!(answer.queued <= answer.took);
    }
}

#[tokio::test]
async fn an_answer_that_says_no_is_an_answer() {
    let server = Server::start(|_| status(404)).await;
    let answer = client().get(server.url("/")).send().await.expect("it is answered");
    assert_eq!((answer.status.as_u16(), answer.attempts), (404, 1));
    assert_eq!(answer.text(), Some("404"));
}

#[tokio::test]
async fn what_is_no_http_is_not_asked() {
    let client = client();
    for url in ["file:///etc/passwd", "ftp://127.0.0.1/", "data:,x", "127.0.0.1", "http://", ""] {
        let failure = client.get(url).send().await.expect_err("it is no url");
        assert!(matches!(failure.reason, Reason::Url { .. }), "{url}: {failure}");
        assert_eq!(failure.attempts, 0);
    }
    let failure =
        client.get("http://127.0.0.1/").header("no header", "x").send().await.expect_err("it is none");
    assert!(failure.to_string().contains("no header"), "{failure}");
}

/// A part of the body would be sent as if it were the whole, or what is not there be waited for.
#[tokio::test]
async fn a_length_that_is_not_the_bodys_is_not_sent() {
    let server = Server::start(|hit| ok(hit.body.clone())).await;
    let client = client();
    for length in ["3", "9", "x"] {
        let post = client.post(server.url("/")).header("content-length", length).body("hello");
        let failure = post.send().await.expect_err("it contradicts itself");
        assert!(matches!(&failure.reason, Reason::Length { told, is: 5 } if told == length), "{failure:?}");
        assert_eq!(failure.attempts, 0);
    }
    let get =
        client.get(server.url("/")).header("content-length", "5").header("transfer-encoding", "chunked");
    assert!(matches!(get.send().await.expect_err("there is no body").reason, Reason::Length { is: 0, .. }));
    assert!(server.hits().is_empty());
    let post = client.post(server.url("/")).header("content-length", "5").body("hello");
    assert_eq!(post.send().await.expect("it is answered").text(), Some("hello"));
}

/// Some servers answer 411 to a `POST` that does not say that it has no body.
#[tokio::test]
async fn what_usually_has_a_body_says_that_it_has_none() {
    let server = Server::start(|_| ok("x")).await;
    let client = client();
    let methods = [Method::POST, Method::PUT, Method::PATCH, Method::GET, Method::DELETE, Method::HEAD];
    let mut told = Vec::new();
    for method in methods {
        client.request(Request::new(method, server.url("/"))).await.expect("it is answered");
        told.push(server.hits().last().expect("it came").headers.get("content-length").cloned());
    }
    let none = || Some("0".parse().expect("it is a header"));
    assert_eq!(told, [none(), none(), none(), None, None, None]);
    // Told already, and not twice.
    client.post(server.url("/")).header("content-length", "0").send().await.expect("it is answered");
    let hits = server.hits();
    let told = hits.last().expect("it came").headers.get_all("content-length").iter();
    assert_eq!(told.collect::<Vec<_>>(), ["0"]);
}

/// The same answer would come again, and be refused again by what reads it.
#[tokio::test]
async fn a_head_that_is_too_large_is_not_asked_for_again() {
    let server = Server::start(|hit| {
        let mut answer = ok("x");
        for n in 0..if hit.path == "/many" { 101 } else { 90 } {
            // Twice what may be read: the last look at what has come may see as much again.
            let value = "v".repeat(if hit.path == "/long" { 10_000 } else { 1 });
            answer.headers_mut().append("x-more", format!("{n}{value}").parse().expect("it is valid"));
        }
        answer
    })
    .await;
    let client = client();
    for path in ["/many", "/long"] {
        let failure = client.get(server.url(path)).send().await.expect_err("nobody reads that");
        assert!(matches!(failure.reason, Reason::HeadTooLarge), "{path}: {failure:?}");
        assert_eq!(failure.attempts, 1);
    }
    assert_eq!(client.get(server.url("/")).send().await.expect("it is answered").text(), Some("x"));
    assert_eq!(server.hits().len(), 3);
    // Who needs more says so.
    let client =
        Client::builder().connections(|http| http.http1_max_headers(200)).build().expect("it is valid");
    assert!(client.get(server.url("/many")).send().await.is_ok());
}

/// By HTTP/2 as much as by HTTP/1, and not the 16 KB that its library allows by itself.
#[tokio::test]
async fn a_head_is_as_large_by_any_protocol() {
    let server = Server::start(|_| {
        let mut answer = ok("x");
        for n in 0..60 {
            let value = format!("{n}{}", "v".repeat(5000));
            answer.headers_mut().append("x-more", value.parse().expect("it is valid"));
        }
        answer
    })
    .await;
    for second in [false, true] {
        let builder = Client::builder().retries(0);
        let builder =
            builder.connections(move |http| if second { http.http2_prior_knowledge() } else { http });
        let answer = builder.build().expect("it is valid").get(server.url("/")).send().await;
        assert!(answer.is_ok(), "HTTP/2 {second}: {answer:?}");
    }
}

#[tokio::test]
async fn connections_are_used_again() {
    let server = Server::start(|_| ok("x")).await;
    let client = client();
    for _ in 0..10 {
        client.get(server.url("/")).send().await.expect("it is answered");
    }
    let mut from: Vec<_> = server.hits().iter().map(|hit| hit.from).collect();
    from.dedup();
    assert_eq!(from.len(), 1);
}

#[tokio::test]
async fn bodies_are_decompressed() {
    let body = "a word a word a word".repeat(1000);
    for coding in ["gzip", "deflate", "br", "zstd"] {
        let compressed = compressed(coding, body.as_bytes());
        assert!(compressed.len() < body.len() / 10, "{coding}: {} bytes", compressed.len());
        let server = Server::start(move |hit| {
            let accepts = hit.headers["accept-encoding"].to_str().expect("it is text");
            assert!(accepts.split(',').any(|accepted| accepted.trim() == coding), "{coding}: {accepts}");
            let body = Body::from(compressed.clone());
            Response::builder().header("content-encoding", coding).body(body).expect("it is valid")
        })
        .await;
        let answer = client().get(server.url("/")).send().await.expect("it is answered");
        assert_eq!(answer.text(), Some(&*body), "{coding}");
    }
}

fn compressed(coding: &str, body: &[u8]) -> Vec<u8> {
    use flate2::Compression;
    use flate2::write::{GzEncoder, ZlibEncoder};
    let memory = "memory takes it";
    match coding {
        "gzip" => {
            let mut gzip = GzEncoder::new(Vec::new(), Compression::default());
            gzip.write_all(body).expect(memory);
            gzip.finish().expect(memory)
        }
        // What HTTP calls deflate is zlib.
        "deflate" => {
            let mut zlib = ZlibEncoder::new(Vec::new(), Compression::default());
            zlib.write_all(body).expect(memory);
            zlib.finish().expect(memory)
        }
        "br" => {
            let mut brotli = brotli::CompressorWriter::new(Vec::new(), 4096, 5, 20);
            brotli.write_all(body).expect(memory);
            brotli.into_inner()
        }
        "zstd" => zstd::encode_all(body, 0).expect(memory),
        other => panic!("{other} is not known"),
    }
}

#[tokio::test]
async fn http_2_is_spoken() {
    let server = Server::start(|_| ok("x")).await;
    let client = Client::builder()
        .rate("1000/s")
        .connections(|http| http.http2_prior_knowledge())
        .build()
        .expect("it is valid");
    let answers = (0..20).map(|_| client.get(server.url("/")).send());
    assert!(join_all(answers).await.iter().all(Result::is_ok));
    let mut from: Vec<_> = server.hits().iter().map(|hit| hit.from).collect();
    from.dedup();
    assert_eq!(from.len(), 1, "all of them on one connection");
}

#[tokio::test]
async fn what_is_sent_is_what_was_given() {
    let server = Server::start(|hit| ok(hit.body.clone())).await;
    let posted = client()
        .post(server.url("/orders"))
        .header("content-type", "text/plain")
        .idempotency_key("k-1")
        .body("3 apples")
        .send()
        .await
        .expect("it is answered");
    assert_eq!(posted.text(), Some("3 apples"));
    let hit = &server.hits()[0];
    assert_eq!((hit.method.as_str(), &*hit.path), ("POST", "/orders"));
    assert_eq!(
        (&hit.headers["idempotency-key"], &hit.headers["content-type"]),
        (&"k-1".parse().unwrap(), &"text/plain".parse().unwrap())
    );
}

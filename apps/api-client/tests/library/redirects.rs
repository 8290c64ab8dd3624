use api_client::{Builder, Client, Failure, Reason, RedirectRefused, Request, Response};
use axum::http::{Method, header};

use crate::server::{Server, ok, with_header};

fn builder() -> Builder {
    Client::builder().rate("1000/s").retries(0)
}

fn refused(answer: Result<Response, Failure>) -> RedirectRefused {
    match answer.expect_err("it is not followed").reason {
        Reason::Redirect { why, .. } => why,
        other => panic!("{other}"),
    }
}

/// Leads elsewhere from `/`, and answers with what it got otherwise.
async fn leads_to(status: u16, to: String) -> Server {
    Server::start(move |hit| match &*hit.path {
        "/" => with_header(status, "location", &to),
        _ => ok(format!("{} {}", hit.method, hit.body.len())),
    })
    .await
}

#[tokio::test]
async fn a_redirect_is_followed_and_told() {
    let server = leads_to(302, "/there?a=b".to_owned()).await;
    let answer = builder().build().expect("valid").get(server.url("/")).send().await.expect("it is answered");
    assert_eq!((answer.url, answer.attempts), (server.url("/there?a=b"), 2));
}

#[tokio::test]
async fn methods_and_bodies_go_along_as_with_browsers() {
    let client = builder().build().expect("it is valid");
    for (status, method, arrives) in [
        (301, Method::POST, "GET 0"),
        (302, Method::POST, "GET 0"),
        (303, Method::PUT, "GET 0"),
        (307, Method::POST, "POST 8"),
        (308, Method::POST, "POST 8"),
        (302, Method::PUT, "PUT 8"),
    ] {
        let server = leads_to(status, "/there".to_owned()).await;
        let answer = client.request(Request::new(method, server.url("/")).body("3 apples")).await;
        assert_eq!(answer.expect("it is answered").text(), Some(arrives), "{status}");
    }
}

#[tokio::test]
async fn secrets_stay_with_the_host_they_were_given_for() {
    let other = Server::start(|_| ok("x")).await;
    let server = leads_to(307, other.url("/")).await;
    let client = builder().build().expect("it is valid");
    let url = server.url("/").replace("http://", "http://name:word@");
    let mut request = Request::get(url)
        .header("proxy-authorization", "p")
        .header("x-api-key", "k-123")
        .secret_header("x-customer", "k-123")
        .header("accept-language", "de");
    // Those that nobody has marked.
    request.headers.insert(header::COOKIE, "session=k-123".parse().expect("it is a header"));
    request.headers.insert("private-token", "k-123".parse().expect("it is a header"));
    assert!(!format!("{request:?}").contains("k-123"), "{request:?}");
    let answer = client.request(request).await.expect("it is answered");
    assert_eq!(answer.url, other.url("/"));
    let (first, second) = (&server.hits()[0].headers, &other.hits()[0].headers);
    for secret in
        ["authorization", "cookie", "private-token", "proxy-authorization", "x-api-key", "x-customer"]
    {
        assert!(first.contains_key(secret), "{secret} was given for it");
        assert!(!second.contains_key(secret), "{secret} was not");
    }
    assert_eq!(second["accept-language"], "de");
    assert_eq!(second[header::HOST], other.address.to_string());
}

#[tokio::test]
async fn secrets_that_were_left_behind_do_not_come_back() {
    let (tell, told) = std::sync::mpsc::channel::<String>();
    let told = std::sync::Mutex::new(told);
    let other = Server::start(move |_| {
        let back = told.lock().expect("nobody panics").recv().expect("it was told");
        with_header(307, "location", &back)
    })
    .await;
    let server = leads_to(307, other.url("/")).await;
    tell.send(server.url("/end")).expect("it listens");
    let client = builder().build().expect("it is valid");
    client.get(server.url("/")).header("authorization", "secret").send().await.expect("it is answered");
    let hits = server.hits();
    assert!(hits[0].headers.contains_key("authorization"));
    assert!(!hits[1].headers.contains_key("authorization"));
}

#[tokio::test]
async fn secrets_go_along_on_the_same_host() {
    let server = leads_to(302, "/there".to_owned()).await;
    let client = builder().build().expect("it is valid");
    client.get(server.url("/")).secret_header("x-api-key", "k-123").send().await.expect("it is answered");
    assert_eq!(server.hits()[1].headers["x-api-key"], "k-123");
}

#[tokio::test]
async fn only_http_is_followed() {
    let client = builder().build().expect("it is valid");
    for to in ["file:///etc/passwd", "ftp://127.0.0.1/", "data:,x"] {
        let server = leads_to(302, to.to_owned()).await;
        assert_eq!(refused(client.get(server.url("/")).send().await), RedirectRefused::Scheme, "{to}");
    }
}

#[tokio::test]
async fn what_is_no_url_is_not_shown() {
    let client = builder().build().expect("it is valid");
    for to in ["http://[", "http://me:s3cret@h:99999/?token=s3cret", "http://[\u{9b}31m/"] {
        let server = leads_to(302, to.to_owned()).await;
        let failure = client.get(server.url("/")).send().await.expect_err("it is not followed");
        assert_eq!(failure.to_string(), "a redirect to *** is not followed: it is no url", "{to}");
    }
}

#[tokio::test]
async fn what_is_not_ascii_is_followed_as_browsers_do_it() {
    let server = leads_to(302, "/zürich?q=ü".to_owned()).await;
    let answer = builder().build().expect("valid").get(server.url("/")).send().await.expect("it is answered");
    assert_eq!(answer.url, server.url("/z%C3%BCrich?q=%C3%BC"));
}

#[tokio::test]
async fn who_is_led_in_a_circle_stops() {
    let server = leads_to(302, "/".to_owned()).await;
    let client = builder().max_redirects(5).build().expect("it is valid");
    assert_eq!(refused(client.get(server.url("/")).send().await), RedirectRefused::TooMany);
    assert_eq!(server.hits().len(), 6);
    let client = builder().max_redirects(0).build().expect("it is valid");
    let answer = client.get(server.url("/")).send().await.expect("it is an answer");
    assert_eq!(answer.status.as_u16(), 302);
}

/// 127.0.0.1 counts as public, and 127.0.0.2 does not.
fn guarded() -> Builder {
    let local = |last| [127, 0, 0, last].into();
    builder()
        .public_address(local(1))
        .resolve("public.test", [local(1)])
        .resolve("private.test", [local(2)])
        .resolve("both.test", [local(2), local(1)])
}

#[tokio::test]
async fn a_public_server_does_not_lead_to_a_private_address() {
    let private = Server::start_on("127.0.0.2", |_| ok("for the house only")).await;
    let client = guarded().build().expect("it is valid");
    for to in
        [private.url("/"), private.url_as("private.test", "/"), private.url_as("[::ffff:127.0.0.2]", "/")]
    {
        let server = leads_to(302, to.clone()).await;
        assert_eq!(
            refused(client.get(server.url_as("public.test", "/")).send().await),
            RedirectRefused::Private,
            "{to}"
        );
    }
    assert_eq!(private.hits().len(), 0);
}

#[tokio::test]
async fn a_public_server_leads_to_a_private_address_if_it_may() {
    let private = Server::start_on("127.0.0.2", |_| ok("for the house only")).await;
    let server = leads_to(302, private.url_as("private.test", "/")).await;
    let client = guarded().allow_private_redirects(true).build().expect("it is valid");
    let answer = client.get(server.url_as("public.test", "/")).send().await.expect("it is followed");
    assert_eq!(answer.text(), Some("for the house only"));
}

#[tokio::test]
async fn a_private_server_may_lead_to_a_private_address() {
    let private = Server::start_on("127.0.0.2", |_| ok("for the house only")).await;
    let to = private.url("/");
    let server = Server::start_on("127.0.0.2", move |_| with_header(302, "location", &to)).await;
    let client = guarded().build().expect("it is valid");
    client.get(server.url("/")).send().await.expect("it is followed");
}

#[tokio::test]
async fn a_connection_that_is_open_to_a_private_address_is_not_used_for_it() {
    let private = Server::start_on("127.0.0.2", |_| ok("for the house only")).await;
    let url = private.url_as("private.test", "/");
    let client = guarded().build().expect("it is valid");
    client.get(&*url).send().await.expect("it was asked for by name");
    let server = leads_to(302, url).await;
    assert_eq!(refused(client.get(server.url_as("public.test", "/")).send().await), RedirectRefused::Private);
    assert_eq!(private.hits().len(), 1);
}

#[tokio::test]
async fn what_a_public_server_led_to_leads_to_no_private_address_either() {
    let private = Server::start_on("127.0.0.2", |_| ok("for the house only")).await;
    let second = leads_to(302, private.url_as("private.test", "/")).await;
    let first = leads_to(302, second.url_as("public.test", "/")).await;
    let client = guarded().build().expect("it is valid");
    assert_eq!(refused(client.get(first.url_as("public.test", "/")).send().await), RedirectRefused::Private);
}

#[tokio::test]
async fn of_several_addresses_the_public_one_is_asked() {
    let target = Server::start(|_| ok("public")).await;
    let server = leads_to(302, target.url_as("both.test", "/")).await;
    let client = guarded().build().expect("it is valid");
    let answer = client.get(server.url_as("public.test", "/")).send().await.expect("it is followed");
    assert_eq!(answer.text(), Some("public"));
}

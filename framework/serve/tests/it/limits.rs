//! What a client may not do: too much, too long, too slow, too many at a time.

use std::time::Duration;

use nowfold_serve::{Limits, Server};
use serde_json::json;

use crate::client::{Client, get, post};
use crate::support::start;
use crate::world::World;

const FEATURES: &str = "/v1/actors/member-111/features";

fn serve(change: impl FnOnce(&mut Limits)) -> Server {
    let mut limits = Limits::default();
    change(&mut limits);
    start(World::new().app().limits(limits))
}

/// What a server says to raw bytes: the status, or none when it closes without a word.
fn status(server: &Server, text: &str) -> Option<u16> {
    let mut client = Client::connect(server.address());
    client.write(text);
    client.read(false).map(|reply| reply.status)
}

#[test]
fn refuses_requests_that_are_too_long() {
    let server = serve(|_| {});
    let uri = format!("{FEATURES}?features={}", "x".repeat(4 << 10));
    assert_eq!(get(server.address(), &uri).error(), (414, "NF032".to_owned()));
    let body = json!({"actors": ["x".repeat(64 << 10)]});
    let reply = post(server.address(), "/v1/features", &body);
    assert_eq!((reply.error(), reply.header("connection")), ((413, "NF032".to_owned()), Some("close")));
    let head = format!("GET /livez HTTP/1.1\r\nhost: localhost\r\nx: {}\r\n\r\n", "y".repeat(16 << 10));
    assert_eq!(status(&server, &head), Some(431));
    let headers: String = (0..65).map(|i| format!("x{i}: y\r\n")).collect();
    assert_eq!(status(&server, &format!("GET /livez HTTP/1.1\r\n{headers}\r\n")), Some(431));
    assert_eq!(get(server.address(), "/livez").status, 200);
}

#[test]
fn refuses_a_long_body_that_does_not_say_its_length() {
    let server = serve(|limits| limits.body_bytes = 1_000);
    let mut client = Client::connect(server.address());
    client.write("POST /v1/features HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\n");
    let chunk = format!("{:x}\r\n{}\r\n", 600, "x".repeat(600));
    client.write(&chunk);
    client.write(&chunk);
    client.write("0\r\n\r\n");
    assert_eq!(client.read(true).unwrap().error(), (413, "NF032".to_owned()));
}

#[test]
fn refuses_requests_that_are_not_http() {
    let server = serve(|_| {});
    let cases = [
        "\r\n\r\n \r\n\r\n",
        "GET\r\n\r\n",
        "GET /livez HTTP/9.9\r\n\r\n",
        "GET /livez HTTP/1.1\r\nno colon\r\n\r\n",
        "GET /live\0z HTTP/1.1\r\n\r\n",
        "POST /v1/features HTTP/1.1\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\nhello",
        "POST /v1/features HTTP/1.1\r\ncontent-length: -1\r\n\r\n",
        "POST /v1/features HTTP/1.1\r\ntransfer-encoding: gzip\r\n\r\n",
        "\x16\x03\x01\x02\0\x01\0\x01\u{fc}\x03\x03",
    ];
    for text in cases {
        assert!(matches!(status(&server, text), Some(400 | 505) | None), "{text:?}: {:?}", status(&server, text));
    }
    // Both lengths at once: what follows the chunks must not become a second request.
    let mut client = Client::connect(server.address());
    client.write(
        "POST /v1/features HTTP/1.1\r\nhost: localhost\r\ncontent-length: 60\r\ntransfer-encoding: chunked\r\n\r\n",
    );
    client.write("0\r\n\r\nGET /metrics HTTP/1.1\r\nhost: localhost\r\n\r\n");
    assert!(client.read(true).is_none_or(|reply| reply.status == 400));
    assert!(client.is_closed());
}

#[test]
fn refuses_bodies_that_are_not_questions() {
    let server = serve(|_| {});
    let deep = format!("{}{}", "[".repeat(10_000), "]".repeat(10_000));
    for body in ["", "{", "null", "[1]", "\u{0}", "{\"actors\": \"a\"}", "{\"actors\": [1]}", &deep] {
        let reply = Client::connect(server.address()).send("POST", "/v1/features", Some(body));
        assert_eq!(reply.error(), (400, "NF016".to_owned()), "{body:.20}");
    }
}

#[test]
fn closes_connections_that_do_not_finish_their_head() {
    let server = serve(|limits| limits.head_timeout = Duration::from_millis(200));
    let mut silent = Client::connect(server.address());
    let mut slow = Client::connect(server.address());
    slow.write("GET /livez HTTP/1.1\r\nx: ");
    let mut idle = Client::connect(server.address());
    assert_eq!(idle.send("GET", "/livez", None).status, 200);
    assert!(silent.is_closed() && slow.is_closed() && idle.is_closed());
    assert_eq!(get(server.address(), "/livez").status, 200);
}

#[test]
fn closes_connections_that_drip_their_head() {
    let server = serve(|limits| limits.head_timeout = Duration::from_millis(200));
    let mut client = Client::connect(server.address());
    let started = std::time::Instant::now();
    client.write("GET /livez HTTP/1.1\r\n");
    let mut n = 0;
    while client.is_open_for(Duration::from_millis(20)) {
        n += 1;
        client.write(&format!("x{n}: y\r\n"));
        assert!(started.elapsed() < Duration::from_secs(20), "dripping kept the connection open");
    }
}

#[test]
fn gives_up_on_bodies_that_do_not_arrive() {
    let server = serve(|limits| limits.request_timeout = Duration::from_millis(200));
    let mut client = Client::connect(server.address());
    client.write("POST /v1/features HTTP/1.1\r\nhost: localhost\r\ncontent-length: 100\r\n\r\n{");
    let reply = client.read(true).unwrap();
    assert_eq!(reply.error(), (408, "NF033".to_owned()));
    assert!(client.is_closed());
}

#[test]
fn takes_no_more_connections_than_the_limit() {
    let server = serve(|limits| limits.connections = 4);
    let mut clients: Vec<_> = (0..4).map(|_| Client::connect(server.address())).collect();
    clients.iter_mut().for_each(|client| assert_eq!(client.send("GET", "/livez", None).status, 200));
    let mut refused = Client::connect(server.address());
    let reply = refused.read(true).unwrap();
    assert_eq!((reply.status, reply.header("retry-after")), (503, Some("1")));
    assert!(refused.is_closed());
    drop(clients.pop());
    crate::support::eventually("a connection to be free", || {
        Client::connect(server.address()).try_send("GET", "/livez").is_some_and(|reply| reply.status == 200)
    });
}

#[test]
fn takes_no_more_requests_than_the_limit() {
    let server = serve(|limits| limits.requests = 1);
    let mut waiting = Client::connect(server.address());
    waiting.write("POST /v1/features HTTP/1.1\r\nhost: localhost\r\ncontent-length: 13\r\n\r\n");
    crate::support::eventually("a request to be refused", || {
        let reply = get(server.address(), FEATURES);
        reply.status == 503 && reply.error().1 == "NF034" && reply.header("retry-after") == Some("1")
    });
    waiting.write("{\"actors\":[]}");
    assert_eq!(waiting.read(true).unwrap().status, 200);
    assert_eq!(get(server.address(), FEATURES).status, 200);
}

//! Just enough of two protocols, over std's TCP, to know that a server really answers.

use std::io::{Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

/// How long a server may take for one connect, read or write.
const ANSWER_WITHIN: Duration = Duration::from_secs(3);
/// No answer read here is near this size; a larger length means that something else speaks there.
const MAX_ANSWER_BYTES: usize = 1 << 20;

const API_VERSIONS: i16 = 18;
const METADATA: i16 = 3;
const CLIENT_ID: &str = "xtask";
const CORRELATION: i32 = 7;

/// Asks a Kafka broker at `host:port` for its supported requests and then for the cluster's live brokers.
///
/// The port opens, and `ApiVersions` is answered, before the broker is part of its own cluster; only then do clients
/// find a broker in the metadata. Shapes: the [protocol guide](https://kafka.apache.org/protocol), version 0 of both.
///
/// # Errors
/// When nothing listens, the answer is not Kafka's, or no broker is live yet.
pub(crate) fn kafka_answers(address: &str) -> Result<()> {
    let mut stream = connect(address)?;
    let mut call = |api, body: &[u8]| kafka_call(&mut stream, api, body).with_context(|| no_answer(address));
    let versions = call(API_VERSIONS, &[])?;
    let error_code = number::<2>(&versions, 0).map(i16::from_be_bytes)?;
    ensure!(error_code == 0, "ApiVersions answered error {error_code}");
    let every_topic: [u8; 4] = 0_i32.to_be_bytes();
    let metadata = call(METADATA, &every_topic)?;
    let n_brokers = number::<4>(&metadata, 0).map(i32::from_be_bytes)?;
    ensure!(n_brokers > 0, "the broker answers, but is not yet part of its cluster");
    Ok(())
}

/// Sends one request with header version 1 and gives the body of its answer.
fn kafka_call(stream: &mut TcpStream, api: i16, body: &[u8]) -> Result<Vec<u8>> {
    stream.write_all(&kafka_request(api, body)?)?;
    let mut length = [0; 4];
    stream.read_exact(&mut length)?;
    let length = usize::try_from(i32::from_be_bytes(length)).context("a negative length is not Kafka's answer")?;
    ensure!((4..=MAX_ANSWER_BYTES).contains(&length), "a length of {length} bytes is not Kafka's answer");
    let mut answer = vec![0; length];
    stream.read_exact(&mut answer)?;
    let correlation = number::<4>(&answer, 0).map(i32::from_be_bytes)?;
    ensure!(correlation == CORRELATION, "correlation id {correlation} is not the one that was sent");
    Ok(answer.split_off(4))
}

/// Length, api key, api version 0, correlation id, client id, body; all numbers big-endian.
fn kafka_request(api: i16, body: &[u8]) -> Result<Vec<u8>> {
    let mut request = Vec::new();
    request.extend(api.to_be_bytes());
    request.extend(0_i16.to_be_bytes());
    request.extend(CORRELATION.to_be_bytes());
    request.extend(i16::try_from(CLIENT_ID.len())?.to_be_bytes());
    request.extend(CLIENT_ID.as_bytes());
    request.extend(body);
    let mut framed = i32::try_from(request.len())?.to_be_bytes().to_vec();
    framed.append(&mut request);
    Ok(framed)
}

fn number<const N: usize>(bytes: &[u8], at: usize) -> Result<[u8; N]> {
    let slice = bytes.get(at..at.saturating_add(N)).context("the answer is too short")?;
    Ok(slice.try_into()?)
}

/// One HTTP/1.0 request to a plain `http://host:port/path` URL; gives the body of an answer with status 200.
///
/// # Errors
/// When nothing listens, the answer is not HTTP, or its status is not 200.
pub(crate) fn http(method: &str, url: &str, body: &str) -> Result<String> {
    let rest = url.strip_prefix("http://").with_context(|| format!("{url} is not a plain http:// URL"))?;
    let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
    let mut stream = connect(host)?;
    // HTTP/1.0 rules out a chunked answer and a connection that stays open.
    let request = format!(
        "{method} /{path} HTTP/1.0\r\nHost: {host}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes())?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).with_context(|| no_answer(host))?;
    let answer = String::from_utf8_lossy(&answer);
    let (head, body) = answer.split_once("\r\n\r\n").with_context(|| not_http(&answer))?;
    match head.split(' ').nth(1) {
        Some("200") => Ok(body.to_owned()),
        _ => bail!("{method} {url} answered: {}", head.lines().next().unwrap_or_default()),
    }
}

fn not_http(answer: &str) -> String {
    format!(
        "the answer is not HTTP: {} bytes, beginning {:?}",
        answer.len(),
        answer.chars().take(80).collect::<String>()
    )
}

fn no_answer(host: &str) -> String {
    format!("{host} accepts a connection but gives no good answer within {} s", ANSWER_WITHIN.as_secs())
}

fn connect(host: &str) -> Result<TcpStream> {
    let address = host.to_socket_addrs().with_context(|| format!("{host} is no host:port"))?.next();
    let address = address.with_context(|| format!("{host} has no address"))?;
    let stream =
        TcpStream::connect_timeout(&address, ANSWER_WITHIN).with_context(|| format!("cannot connect to {host}"))?;
    stream.set_read_timeout(Some(ANSWER_WITHIN))?;
    stream.set_write_timeout(Some(ANSWER_WITHIN))?;
    Ok(stream)
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::thread::JoinHandle;

    use super::*;

    /// Says whether these bytes are one whole request.
    type IsWhole = fn(&[u8]) -> bool;

    const KAFKA: IsWhole = |bytes| bytes.len() >= 4 && bytes.len() == 4 + usize::from(bytes[3]);
    const HTTP: IsWhole = |bytes| bytes.ends_with(b"\r\n\r\n");

    /// Accepts one connection and gives these answers to the requests on it.
    fn listener(is_whole: IsWhole, answers: Vec<Vec<u8>>) -> (String, JoinHandle<()>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let thread = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            for answer in answers {
                let (mut request, mut byte) = (Vec::new(), [0]);
                while !is_whole(&request) {
                    stream.read_exact(&mut byte).unwrap();
                    request.extend(byte);
                }
                stream.write_all(&answer).unwrap();
            }
        });
        (address, thread)
    }

    fn framed(body: &[u8]) -> Vec<u8> {
        let length = i32::try_from(body.len() + 4).unwrap();
        [&length.to_be_bytes(), &CORRELATION.to_be_bytes(), body].concat()
    }

    #[test]
    fn encodes_the_api_versions_request() {
        let request = kafka_request(API_VERSIONS, &[]).unwrap();
        assert_eq!(request, b"\x00\x00\x00\x0f\x00\x12\x00\x00\x00\x00\x00\x07\x00\x05xtask");
    }

    #[test]
    fn a_broker_is_ready_only_when_the_metadata_names_one() {
        for (n_brokers, ready) in [(1, true), (0, false)] {
            let metadata = framed(&i32::to_be_bytes(n_brokers));
            let (address, server) = listener(KAFKA, vec![framed(&[0; 6]), metadata]);
            assert_eq!(kafka_answers(&address).is_ok(), ready);
            server.join().unwrap();
        }
    }

    #[test]
    fn an_http_server_is_not_taken_for_kafka() {
        let (address, server) = listener(KAFKA, vec![b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec()]);
        let error = format!("{:#}", kafka_answers(&address).unwrap_err());
        assert!(error.contains("not Kafka's answer"), "{error}");
        server.join().unwrap();
    }

    #[test]
    fn http_gives_the_body_of_a_200_and_an_error_for_all_else() {
        for (status, ok) in [("200 OK", true), ("503 Service Unavailable", false)] {
            let (address, server) = listener(HTTP, vec![format!("HTTP/1.1 {status}\r\n\r\n[]").into_bytes()]);
            let answer = http("GET", &format!("http://{address}/subjects"), "");
            assert_eq!(answer.ok().as_deref(), ok.then_some("[]"));
            server.join().unwrap();
        }
    }
}

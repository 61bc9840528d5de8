//! Questions over HTTP: their paths, their parameters and their bodies.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::sync::{Arc, Mutex, OnceLock};

use nowfold::core::dsl::StreamsBuilder;
use nowfold::core::serde::{Nullable, Pair, Utf8};
use nowfold::core::time::{Timestamp, hours, minutes};
use nowfold::operators::{ActionSource, Actions, feature};
use nowfold::runtime::{AppState, StateCell};
use nowfold::schemas::{Action, ActionCodec};
use nowfold::serve::{App, Server};
use nowfold::testkit::TestDriver;

const NOW: Timestamp = Timestamp::from_millis(1_795_428_000_123);

/// The first line is the target of the request: with a line behind it these are the body of a POST, else it is a GET.
/// The server answers it, and never with a fault of its own.
pub fn question(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let (target, body) = text.split_once('\n').map_or((text, None), |(target, body)| (target, Some(body)));
    let is_target = target.starts_with('/') && target.bytes().all(|byte| byte.is_ascii_graphic());
    if !is_target || target.len() > 2_000 || target.contains("watch") {
        return;
    }
    let status = ask(target, body).unwrap_or_else(|error| panic!("no answer: {error}"));
    assert!(status < 500, "the server answers {status}");
}

fn ask(target: &str, body: Option<&str>) -> io::Result<u16> {
    static CONNECTION: Mutex<Option<Connection>> = Mutex::new(None);
    let method = if body.is_some() { "POST" } else { "GET" };
    let body = body.unwrap_or("");
    let length = body.len();
    let request = format!("{method} {target} HTTP/1.1\r\nhost: localhost\r\ncontent-length: {length}\r\n\r\n{body}");
    let mut kept = CONNECTION.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    // The server closes a connection on which it hears nothing for a while, so one that was kept may be gone.
    let answered = kept.take().and_then(|connection| exchange(connection, &request).ok());
    let (status, again) = match answered {
        Some(answered) => answered,
        None => exchange(BufReader::new(TcpStream::connect(server().address())?), &request)?,
    };
    *kept = again;
    Ok(status)
}

type Connection = BufReader<TcpStream>;

/// The status, and the connection if it can be used again.
fn exchange(mut connection: Connection, request: &str) -> io::Result<(u16, Option<Connection>)> {
    connection.get_mut().write_all(request.as_bytes())?;
    let (status, stays) = read_response(&mut connection)?;
    match status {
        0 => Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the connection ends without an answer")),
        status => Ok((status, stays.then_some(connection))),
    }
}

/// The status, and whether the connection can be used again.
fn read_response(connection: &mut Connection) -> io::Result<(u16, bool)> {
    let (mut line, mut status, mut length, mut stays) = (String::new(), 0, None, true);
    while connection.read_line(&mut line)? > 2 {
        let lower = line.trim().to_ascii_lowercase();
        if let Some(rest) = lower.strip_prefix("http/1.1 ") {
            status = rest.get(..3).and_then(|code| code.parse().ok()).unwrap_or(0);
        }
        if let Some(text) = lower.strip_prefix("content-length:") {
            length = text.trim().parse().ok();
        }
        stays &= lower != "connection: close";
        line.clear();
    }
    let Some(length) = length else { return Ok((status, false)) };
    connection.take(length).read_to_end(&mut Vec::new())?;
    Ok((status, stays))
}

fn server() -> &'static Server {
    static SERVER: OnceLock<Server> = OnceLock::new();
    SERVER.get_or_init(|| {
        let started = app().and_then(|app| Ok(Server::start(([127, 0, 0, 1], 0).into(), app)?));
        started.unwrap_or_else(|error| panic!("no server: {error}"))
    })
}

/// A store of a few actions, at an instant that stands still.
fn app() -> Result<App, Box<dyn std::error::Error>> {
    let builder = StreamsBuilder::new("asked");
    builder.actions("actions").materialize(Actions::named("activity").retention(hours(97)).features([
        feature("applied").mean("object.embedding").verb("apply").within(hours(24)),
        feature("counts").count_by("verb").within([hours(1), hours(24), hours(96)]),
    ]));
    let topology = builder.build()?;
    let driver = TestDriver::new(topology.clone()).log_append_time("actions").starting_at(NOW);
    let input = driver.input::<Arc<str>, _>("actions", Pair::new(Utf8, Nullable(ActionCodec::new())));
    for age in 1..40_u64 {
        let verb = if age % 3 == 0 { "apply" } else { "view" };
        let action = Action::new("ann", verb, format!("job-{}", age % 7)).at(NOW.minus(minutes(age * 31)));
        let action = action.id(format!("e{age}")).object_attribute("embedding", vec![0.5, -1.0]);
        input.pipe("ann", action.object_attribute("price", 1.5), NOW)?;
    }
    Ok(App::new(driver.hub(), driver.clock(), Arc::new(StateCell::new(AppState::Running))).topology(topology))
}

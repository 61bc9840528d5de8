//! Slow HTTP clients beside ingestion.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use nowfold::operators::chain::EventChains;
use nowfold::prelude::*;
use nowfold::runtime::SystemClock;

use super::support::{Click, job_feed, until};

const PATIENCE: Duration = Duration::from_secs(120);
const CLICKS: usize = 20_000;
const CLIENTS: usize = 120;

fn held(app: &Streams) -> usize {
    let len = |handle: &nowfold::core::query::PartitionHandle| {
        handle.reader.downcast_ref::<EventChains>().map_or(0, EventChains::len)
    };
    app.hub().with_store("activity", |_, entry| entry.partitions.values().map(len).sum()).unwrap()
}

/// How long it takes until so many more clicks are in the store.
fn ingest(app: &Streams, round: usize) -> Duration {
    let (before, started) = (held(app), Instant::now());
    let mut producer = app.producer("clicks", Json::<Option<String>, Click>::new()).unwrap();
    let now = SystemClock.now();
    for i in 0..CLICKS {
        let member = format!("member-{}", i % 1_000);
        let click = Click::new(&member, "view", &format!("job-{round}-{i}"), now.as_millis());
        producer.send(&Some(member), &click, now).unwrap();
    }
    producer.flush(PATIENCE).unwrap();
    until(PATIENCE, || format!("{} of {CLICKS}", held(app) - before), || held(app) == before + CLICKS);
    started.elapsed()
}

/// A client that drips its head, or reads a long answer a byte at a time, and comes again when it is shut out. Counts
/// the bytes that it got through.
fn slow_client(at: SocketAddr, number: usize, ends: Arc<AtomicBool>, dripped: Arc<AtomicUsize>) -> JoinHandle<()> {
    std::thread::spawn(move || {
        let mut open: Option<TcpStream> = None;
        while !ends.load(Ordering::Relaxed) {
            let went = match &mut open {
                Some(stream) if number.is_multiple_of(2) => stream.write(b"x").is_ok(),
                Some(stream) => stream.read(&mut [0]).is_ok_and(|n| n > 0),
                None => false,
            };
            if went {
                dripped.fetch_add(1, Ordering::Relaxed);
            } else {
                open = TcpStream::connect(at).ok();
                let request: &[u8] = match number % 2 {
                    0 => b"GET /v1/",
                    _ => b"GET /v1/actors/member-1/actions?within=96h&limit=1000 HTTP/1.1\r\nhost: localhost\r\n\r\n",
                };
                open = open.filter(|mut stream| stream.write_all(request).is_ok());
            }
            std::thread::park_timeout(Duration::from_millis(20));
        }
    })
}

#[test]
fn slow_clients_do_not_slow_ingestion() {
    let app = Streams::start(job_feed(), Config::embedded().http(([127, 0, 0, 1], 0).into())).unwrap();
    app.await_running(PATIENCE).unwrap();
    ingest(&app, 0);
    let alone = (1..4).map(|round| ingest(&app, round)).min().unwrap();
    let (ends, dripped) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let at = app.http_address().unwrap();
    let clients: Vec<_> = (0..CLIENTS).map(|n| slow_client(at, n, ends.clone(), dripped.clone())).collect();
    until(PATIENCE, || "the clients do not get through".to_owned(), || dripped.load(Ordering::Relaxed) > 5 * CLIENTS);
    let beside = (4..7).map(|round| ingest(&app, round)).min().unwrap();
    ends.store(true, Ordering::Relaxed);
    clients.into_iter().for_each(|client| client.join().unwrap());
    println!("{CLICKS} clicks took {alone:?} alone and {beside:?} beside {CLIENTS} slow clients");
    // Timeouts of the server are seconds: had ingestion waited for a client once, it would take longer.
    assert!(beside < alone * 4 + Duration::from_millis(500), "{beside:?} beside slow clients, {alone:?} alone");
    app.close().unwrap();
}

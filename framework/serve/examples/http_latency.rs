//! What a lookup over HTTP takes on the loopback address while a worker writes.
//!
//! ```console
//! $ cargo run --release -p nowfold-serve --example http_latency -- [QUERIES_PER_SECOND] [RECORDS_PER_SECOND] [SECONDS]
//! ```
//!
//! 100,000 actors with five actions each of 64-element embeddings (shared by 2,000 objects), three features over five
//! windows, all asked for. Queries and records are sent on a fixed schedule, whatever came of those before; a latency
//! counts from the time when its query was due, so that a stall shows in every query that it delayed ("due"). The time
//! from writing the request to reading its answer ("sent") leaves out how late the client itself woke up. Before, the same
//! schedule asks a thread that knows one answer of the same length by heart: the floor of this machine at this moment.

#![expect(clippy::indexing_slicing, clippy::cast_possible_truncation, reason = "a panic ends the run")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use nowfold_core::partition::partition_for_key;
use nowfold_core::query::{Lag, PartitionHandle, ProgressCell, Readiness, StoreHub};
use nowfold_core::time::{Clock, Timestamp, hours};
use nowfold_operators::chain::{Appended, ChainConfig, EventChains};
use nowfold_operators::feature::{FeatureSet, feature};
use nowfold_runtime::{AppState, StateCell, SystemClock};
use nowfold_schemas::action::{Action, Attribute};
use nowfold_serve::{App, Server};

const ACTORS: u64 = 100_000;
const PARTITIONS: i32 = 4;
const CLIENTS: u32 = 8;
const DIM: usize = 64;
const OBJECTS: u64 = 2_000;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let numbers: Vec<u32> = std::env::args().skip(1).map(|number| number.parse()).collect::<Result<_, _>>()?;
    let number = |i: usize, default| numbers.get(i).copied().unwrap_or(default);
    let (queries, records, seconds) = (number(0, 5_000), number(1, 20_000), number(2, 10));

    let mut worker = Worker::new();
    let started = Instant::now();
    (0..5 * ACTORS).for_each(|_| worker.apply());
    println!("{} events in {:.1} s", 5 * ACTORS, started.elapsed().as_secs_f64());

    let state = Arc::new(StateCell::new(AppState::Running));
    let server = Server::start("127.0.0.1:0".parse()?, App::new(worker.hub.clone(), Arc::new(SystemClock), state))?;
    let stop = Arc::new(AtomicBool::new(false));
    let writer = thread::spawn({
        let stop = stop.clone();
        move || worker.run(records, &stop)
    });
    run("floor", floor(server.address())?, queries, seconds)?;
    run("server", server.address(), queries, seconds)?;
    stop.store(true, Ordering::Relaxed);
    let written = writer.join().map_err(|_| "the writer panicked")?;
    println!("{written} records written meanwhile");
    Ok(())
}

/// Asks from all clients at once and prints how long it took.
fn run(what: &str, address: SocketAddr, queries: u32, seconds: u32) -> Result<(), Box<dyn std::error::Error>> {
    let each = queries / CLIENTS;
    let clients: Vec<_> = (0..CLIENTS).map(|id| thread::spawn(move || ask(address, id, each, seconds))).collect();
    let (mut due, mut sent) = (Vec::new(), Vec::new());
    for client in clients {
        let (client_due, client_sent) = client.join().map_err(|_| "a client panicked")??;
        due.extend(client_due);
        sent.extend(client_sent);
    }
    println!("{what}: {} queries in {seconds} s", due.len());
    print("due", due);
    print("sent", sent);
    Ok(())
}

/// A server with a thread for each connection that answers every request with the bytes of one real answer.
fn floor(server: SocketAddr) -> std::io::Result<SocketAddr> {
    let mut stream = BufReader::new(TcpStream::connect(server)?);
    stream.get_mut().write_all(b"GET /v1/actors/member-1/features HTTP/1.1\r\nhost: localhost\r\n\r\n")?;
    let mut body = Vec::new();
    read(&mut stream, &mut body)?;
    println!("answers have {} bytes", body.len());
    let mut answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", body.len()).into_bytes();
    answer.append(&mut body);
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let answer = answer.clone();
            thread::spawn(move || repeat(&stream, &answer));
        }
    });
    Ok(address)
}

fn repeat(stream: &TcpStream, answer: &[u8]) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let (mut reader, mut writer, mut line) = (BufReader::new(stream), stream, String::new());
    while reader.read_line(&mut line)? > 0 {
        if line == "\r\n" {
            writer.write_all(answer)?;
        }
        line.clear();
    }
    Ok(())
}

/// Writes actions of random actors into a store, and tells of it.
struct Worker {
    hub: Arc<StoreHub>,
    partitions: Vec<(Arc<EventChains>, Arc<ProgressCell>, i64)>,
    embeddings: Vec<Attribute>,
    random: u64,
    n: u64,
}

impl Worker {
    fn new() -> Self {
        let config = ChainConfig::new(hours(97));
        let features = FeatureSet::compile(
            "activity",
            &config,
            [
                feature("applied").mean("object.embedding").verb("apply").within(hours(24)),
                feature("counts").count_by("verb").within([hours(1), hours(24), hours(96)]),
                feature("taste")
                    .weighted_mean("object.embedding", [("apply", 1.0), ("dismiss", -1.0)])
                    .within(hours(96)),
            ],
        );
        let hub = Arc::new(StoreHub::new());
        let features = Arc::new(features.unwrap_or_else(|errors| panic!("{errors}")));
        hub.declare("activity".into(), "actions".into(), PARTITIONS, features);
        let open = |partition| {
            let (chains, progress) = (Arc::new(EventChains::new(config.clone())), Arc::new(ProgressCell::restoring()));
            let handle = PartitionHandle { reader: chains.clone(), progress: progress.clone() };
            hub.open(&"activity".into(), partition, &handle);
            (chains, progress, 0)
        };
        let partitions = (0..PARTITIONS).map(open).collect();
        let mut worker = Self { hub: hub.clone(), partitions, embeddings: Vec::new(), random: 42, n: 0 };
        let numbers = |worker: &mut Self| (0..DIM).map(|_| worker.random(1_000) as f32 / 1_000.0).collect::<Vec<_>>();
        worker.embeddings = (0..OBJECTS).map(|_| Attribute::Vector(numbers(&mut worker).into())).collect();
        worker
    }

    /// One more action, up to an hour before now.
    fn apply(&mut self) {
        let actor = format!("member-{}", self.random(ACTORS));
        let verb = ["view", "apply", "dismiss", "save"][self.random(4) as usize];
        let object = self.random(OBJECTS);
        let now = SystemClock.now();
        let time = Timestamp::from_millis(now.as_millis() - self.random(3_600_000).cast_signed());
        let action = Action::new(&*actor, verb, format!("job-{object}")).at(time).id(format!("e{}", self.n));
        let action = action.object_attribute("embedding", self.embeddings[object as usize].clone());
        let partition = partition_for_key(actor.as_bytes(), PARTITIONS) as usize;
        let (chains, progress, offset) = &mut self.partitions[partition];
        chains.apply(&action, Appended::new(*offset, now));
        progress.update(|progress| {
            progress.readiness = Readiness::Running;
            (progress.applied, progress.lag, progress.known_at) = (Some(*offset), Lag::None, now);
        });
        (*offset, self.n) = (*offset + 1, self.n + 1);
    }

    /// Writes in steps of a millisecond until told to stop; returns the number of records.
    fn run(mut self, per_second: u32, stop: &AtomicBool) -> u64 {
        let (started, before) = (Instant::now(), self.n);
        while !stop.load(Ordering::Relaxed) {
            let wanted = (started.elapsed().as_secs_f64() * f64::from(per_second)) as u64;
            while self.n - before < wanted {
                self.apply();
            }
            thread::sleep(Duration::from_millis(1));
        }
        self.n - before
    }

    /// SplitMix64, below `n`.
    fn random(&mut self, n: u64) -> u64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.random;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % n
    }
}

type Latencies = (Vec<Duration>, Vec<Duration>);

/// Asks on one connection, on schedule; each client's schedule begins a little later than the one before.
fn ask(address: SocketAddr, id: u32, per_second: u32, seconds: u32) -> std::io::Result<Latencies> {
    let mut stream = BufReader::new(TcpStream::connect(address)?);
    stream.get_ref().set_nodelay(true)?;
    let step = Duration::from_secs(1) / per_second;
    let started = Instant::now() + step * id / CLIENTS;
    let (mut due, mut sent) = (Vec::new(), Vec::new());
    let mut body = Vec::new();
    for i in 0..per_second * seconds {
        let at = started + step * i;
        thread::sleep(at.saturating_duration_since(Instant::now()));
        let written = Instant::now();
        let actor = u64::from(i).wrapping_mul(7_919).wrapping_add(u64::from(id) * 104_729) % ACTORS;
        let head = format!("GET /v1/actors/member-{actor}/features HTTP/1.1\r\nhost: localhost\r\n\r\n");
        stream.get_mut().write_all(head.as_bytes())?;
        read(&mut stream, &mut body)?;
        due.push(at.elapsed());
        sent.push(written.elapsed());
    }
    Ok((due, sent))
}

fn read(stream: &mut BufReader<TcpStream>, body: &mut Vec<u8>) -> std::io::Result<()> {
    let (mut line, mut length) = (String::new(), 0);
    loop {
        line.clear();
        stream.read_line(&mut line)?;
        match line.trim_end().split_once(' ') {
            Some(("HTTP/1.1", status)) => assert_eq!(status, "200 OK"),
            Some((name, value)) if name.eq_ignore_ascii_case("content-length:") => length = value.parse().unwrap_or(0),
            Some(_) => {}
            None => break,
        }
    }
    body.resize(length, 0);
    stream.read_exact(body)
}

fn print(what: &str, mut latencies: Vec<Duration>) {
    latencies.sort();
    let at = |share: f64| latencies[((latencies.len() - 1) as f64 * share) as usize].as_secs_f64() * 1_000.0;
    let [p50, p90, p99, p999, max] = [0.5, 0.9, 0.99, 0.999, 1.0].map(at);
    println!("{what:>5}  p50 {p50:.3} ms  p90 {p90:.3} ms  p99 {p99:.3} ms  p99.9 {p999:.3} ms  max {max:.3} ms");
}

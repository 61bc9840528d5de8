//! A stateful DSL job in processes of its own on a real Kafka: two repartitions, a table join and a windowed count, while
//! a third process joins and one is killed, exactly-once, or stopped in order, under either guarantee. The totals are held
//! against a recount of the records that were produced, which shares nothing with the DSL.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use nowfold::core::names::{Offset, TopicPartition};
use nowfold::core::record::{LogRecord, OutputRecord};
use nowfold::core::serde::SerdeEnv;
use nowfold::kafka::{Kafka, KafkaConfig};
use nowfold::prelude::*;
use nowfold::runtime::broker::{Broker, PartitionReader, TopicSpec};
use nowfold::runtime::{Guarantee, Platform, RuntimeConfig, Streams as Runtime, SystemClock};

use super::support::{test_kafka, until};

const PATIENCE: Duration = Duration::from_secs(90);
const PREFIX: &str = "NOWFOLD_TEST_PROCESS_PREFIX";
/// Set where the job runs at-least-once.
const AT_LEAST_ONCE: &str = "NOWFOLD_TEST_PROCESS_AT_LEAST_ONCE";
const PARTITIONS: i32 = 4;
/// Three sub-topologies of four partitions each.
const N_TASKS: usize = 12;
const N_PAGES: usize = 40;
const MINUTE_MS: i64 = 60_000;
const SECTIONS: [&str; 3] = ["news", "sport", "games"];

/// Visits by user, rekeyed by page, joined with the page's section, counted by section and minute.
fn topology(prefix: &str) -> Topology {
    let app = StreamsBuilder::new(&format!("{prefix}-app"));
    let sections = app.table(format!("{prefix}-pages"), "pages", Plain::<String, String>::new());
    let windows = TimeWindows::tumbling(minutes(1)).grace(hours(24));
    app.stream(format!("{prefix}-visits"), Plain::<String, String>::new())
        .select_key("page", |_, page| page.clone())
        .repartition("by-page", Plain::<String, String>::new())
        .join_table("with-section", &sections, |_, _, section| section)
        .group_by("by-section", |_, section| section.clone(), Plain::<String, String>::new())
        .windowed(windows)
        .count("counts")
        .to_stream("changes")
        .to(format!("{prefix}-counts"), TimeWindowed::new(Plain::<String, Option<i64>>::new(), windows));
    app.build().unwrap()
}

/// At-least-once, what a member did since its last commit is done again when its session runs out, as it may on a busy
/// machine: only those who wait for a killed one have short sessions.
fn session_timeout(guarantee: Guarantee) -> Duration {
    match guarantee {
        Guarantee::ExactlyOnce => Duration::from_secs(6),
        Guarantee::AtLeastOnce => Duration::from_secs(60),
    }
}

fn connect(bootstrap: &str, guarantee: Guarantee) -> Kafka {
    let mut config = KafkaConfig::new(bootstrap);
    config.session_timeout = session_timeout(guarantee);
    Kafka::connect(config).unwrap()
}

/// The child of the tests below, nothing by itself: says how many tasks it has, until its input ends.
#[test]
fn one_process_of_the_job() {
    let Ok(prefix) = std::env::var(PREFIX) else { return };
    let defaults = match std::env::var_os(AT_LEAST_ONCE) {
        Some(_) => RuntimeConfig::default(),
        None => RuntimeConfig::exactly_once(),
    };
    let kafka = connect(&test_kafka("processes").unwrap(), defaults.guarantee);
    let platform = Platform { broker: Arc::new(kafka), clock: Arc::new(SystemClock), serdes: SerdeEnv::default() };
    let (commit_interval, transaction_timeout) = (Duration::from_millis(50), Duration::from_secs(5));
    let config = RuntimeConfig { commit_interval, transaction_timeout, ..defaults };
    let app = Runtime::start(topology(&prefix), platform, config).unwrap();
    let (stopped, stop) = (Arc::new(AtomicBool::new(false)), std::thread::current());
    let ended = stopped.clone();
    std::thread::spawn(move || {
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
        ended.store(true, Ordering::Release);
        stop.unpark();
    });
    while !stopped.load(Ordering::Acquire) {
        assert!(!app.state().is_final(), "{}", app.state());
        let n_tasks = if app.state().name() == "running" { app.task_ids().len() } else { 0 };
        println!("\ntasks {n_tasks}");
        std::thread::park_timeout(Duration::from_millis(50));
    }
    app.close().unwrap();
}

/// What the processes of a job say beside how many tasks they have.
type Said = Arc<Mutex<Vec<String>>>;

/// A process of the job, and how many tasks it runs.
struct Member {
    child: Child,
    n_tasks: Arc<AtomicUsize>,
}

impl Member {
    fn start(prefix: &str, guarantee: Guarantee, said: &Said) -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", "processes::one_process_of_the_job", "--nocapture"]).env(PREFIX, prefix);
        if guarantee == Guarantee::AtLeastOnce {
            command.env(AT_LEAST_ONCE, "");
        }
        if std::env::var_os("RUST_LOG").is_none() {
            command.env("RUST_LOG", "nowfold_runtime=info,nowfold_kafka=info");
        }
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let (lines, n_tasks) = (BufReader::new(child.stdout.take().unwrap()).lines(), Arc::new(AtomicUsize::new(0)));
        let (known, heard, id) = (n_tasks.clone(), said.clone(), child.id());
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok).filter(|line| !line.is_empty()) {
                match line.strip_prefix("tasks ").and_then(|n| n.parse().ok()) {
                    Some(n) => known.store(n, Ordering::Relaxed),
                    None => heard.lock().unwrap().push(format!("{id}: {line}")),
                }
            }
        });
        Self { child, n_tasks }
    }

    fn n_tasks(&self) -> usize {
        self.n_tasks.load(Ordering::Relaxed)
    }

    /// Lets the process finish, commit and leave.
    fn stop(mut self) {
        drop(self.child.stdin.take());
        assert!(self.child.wait().unwrap().success(), "the process did not end in order");
    }

    fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

/// Waits until these processes run all tasks, none of them without any.
#[track_caller]
fn await_shares(members: &[&Member]) {
    let shares = || members.iter().map(|member| member.n_tasks()).collect::<Vec<_>>();
    let shared = || {
        let shares = shares();
        shares.iter().sum::<usize>() == N_TASKS && !shares.contains(&0)
    };
    until(PATIENCE, || format!("the processes have {:?} tasks", shares()), shared);
}

/// Visits by section and start of the minute.
type Totals = BTreeMap<(String, i64), i64>;

/// Visits that flow until they are stopped.
struct Visits {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Totals>,
}

impl Visits {
    /// Every fifth page has no section; its visits are in no total.
    fn start(kafka: Kafka, prefix: &str) -> Self {
        let start_ms = SystemClock.now().as_millis() - 60 * MINUTE_MS;
        let section = |page: usize| SECTIONS.get(page % SECTIONS.len()).copied().filter(|_| !page.is_multiple_of(5));
        let mut producer = kafka.producer().unwrap();
        for (page, section) in (0..N_PAGES).filter_map(|page| Some((page, section(page)?))) {
            let row = record(&format!("{prefix}-pages"), &format!("page-{page}"), section, start_ms - 1);
            producer.send(row).unwrap();
        }
        assert!(producer.flush(PATIENCE).unwrap().is_empty());
        let (stop, topic) = (Arc::new(AtomicBool::new(false)), format!("{prefix}-visits"));
        let stopped = stop.clone();
        let thread = std::thread::spawn(move || {
            let (mut random, mut totals) = (fastrand::Rng::with_seed(42), Totals::new());
            while !stopped.load(Ordering::Relaxed) {
                let page = random.usize(..N_PAGES);
                let at_ms = SystemClock.now().as_millis() - random.i64(0..20 * MINUTE_MS);
                let visit = record(&topic, &format!("user-{}", random.u32(..500)), &format!("page-{page}"), at_ms);
                producer.send(visit).unwrap();
                if let Some(section) = section(page) {
                    *totals.entry((section.to_owned(), at_ms - at_ms.rem_euclid(MINUTE_MS))).or_default() += 1;
                }
                std::thread::park_timeout(Duration::from_micros(500));
            }
            let refused = producer.flush(PATIENCE).unwrap();
            assert!(refused.is_empty(), "{} visits are refused: {:?}", refused.len(), refused.first());
            totals
        });
        Self { stop, thread }
    }

    fn finish(self) -> Totals {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().unwrap()
    }
}

fn record(topic: &str, key: &str, value: &str, at_ms: i64) -> OutputRecord {
    OutputRecord {
        topic: topic.into(),
        partition: None,
        key: Some(key.to_owned().into()),
        value: Some(value.to_owned().into()),
        timestamp: Timestamp::from_millis(at_ms),
        headers: [].into_iter().collect(),
    }
}

/// The last count of each window on the topic of counts.
struct Counts {
    readers: Vec<Box<dyn PartitionReader>>,
    totals: Totals,
}

impl Counts {
    fn open(kafka: &Kafka, prefix: &str) -> Self {
        let open = |partition| {
            let at = TopicPartition::new(format!("{prefix}-counts"), partition);
            kafka.reader(&at, Offset::default(), Arc::new(|| {})).unwrap()
        };
        Self { readers: (0..PARTITIONS).map(open).collect(), totals: Totals::new() }
    }

    fn read(&mut self) -> &Totals {
        let mut records = Vec::new();
        for reader in &mut self.readers {
            while reader.poll(10_000, &mut records).unwrap() > 0 {}
        }
        self.totals.extend(records.iter().map(total));
        &self.totals
    }
}

/// Kafka Streams' bytes: the key, then the start of its window; a count is a 64-bit integer. All big-endian.
fn total(record: &LogRecord) -> ((String, i64), i64) {
    let number = |bytes: &[u8]| i64::from_be_bytes(bytes.try_into().unwrap());
    let (section, start) = record.key.as_deref().unwrap().split_last_chunk::<8>().unwrap();
    let section = String::from_utf8(section.to_vec()).unwrap();
    ((section, number(start)), number(record.value.as_deref().unwrap()))
}

fn run(test: &str, guarantee: Guarantee, end: impl Fn(Member)) {
    let Some(bootstrap) = test_kafka("processes") else { return };
    let (kafka, prefix) = (connect(&bootstrap, guarantee), format!("{test}-{}", std::process::id()));
    for name in ["visits", "pages", "counts"] {
        let name = format!("{prefix}-{name}").into();
        kafka.create_topic(&TopicSpec { name, partitions: Some(PARTITIONS), config: BTreeMap::new() }).unwrap();
    }
    let (visits, mut counts) = (Visits::start(kafka.clone(), &prefix), Counts::open(&kafka, &prefix));
    let said = Said::default();
    let start = || Member::start(&prefix, guarantee, &said);
    let [first, second] = [0, 1].map(|_| start());
    await_shares(&[&first, &second]);
    let third = start();
    await_shares(&[&first, &second, &third]);
    end(first);
    await_shares(&[&second, &third]);
    let truth = visits.finish();
    assert!(truth.values().sum::<i64>() > 500, "visits did flow: {truth:?}");
    let started = Instant::now();
    while *counts.read() != truth {
        let why = || format!("found {:?} while\n{}", counts.totals, said.lock().unwrap().join("\n"));
        assert!(started.elapsed() < PATIENCE, "expected {truth:?}\n{}", why());
        std::thread::park_timeout(Duration::from_millis(10));
    }
    second.stop();
    third.stop();
    assert_eq!(*counts.read(), truth, "what comes at the end changes nothing");
}

#[test]
fn totals_are_right_while_a_process_joins_and_another_is_killed() {
    run("killed-job", Guarantee::ExactlyOnce, Member::kill);
}

#[test]
fn totals_are_right_while_processes_come_and_go_in_order() {
    run("stopped-job", Guarantee::ExactlyOnce, Member::stop);
}

/// What ends in order has committed all that it did: nothing is processed twice, although a crash could do that.
#[test]
fn totals_are_right_at_least_once_while_processes_come_and_go_in_order() {
    run("alo-stopped-job", Guarantee::AtLeastOnce, Member::stop);
}

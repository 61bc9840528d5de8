//! How fast the embedded log takes and gives records, in memory and with a data directory.
//!
//! Run: `cargo run --release -p nowfold-embedded --example throughput [records, default 2000000]`
//! Expect: lines with records per second of wall time, and per second of CPU time where the kernel tells that (Linux):
//! on a busy machine only the latter means much. Records of 200 bytes (key 10, value 190), one partition per thread.

use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use bytes::Bytes;
use nowfold_core::names::{TopicName, TopicPartition};
use nowfold_core::record::{Headers, OutputRecord};
use nowfold_core::time::Timestamp;
use nowfold_embedded::EmbeddedLog;
use nowfold_runtime::SystemClock;
use nowfold_runtime::broker::{Broker, TopicSpec};

const TOPIC: &str = "throughput";

fn main() -> Result<()> {
    let n = std::env::args().nth(1).map_or(Ok(2_000_000), |n| n.parse()).context("the number of records")?;
    let clock = Arc::new(SystemClock);
    for threads in [1, 2] {
        report(&format!("memory, {threads} threads"), n, threads, &EmbeddedLog::new(clock.clone()))?;
    }
    let dir = tempfile::tempdir()?;
    report("data directory, 1 threads", n, 1, &EmbeddedLog::open(dir.path(), clock.clone())?)?;
    let cost = measure(|| EmbeddedLog::open(dir.path(), clock.clone()).map(drop).context("opening"))?;
    print("data directory", "opened with", 2 * n, cost);
    Ok(())
}

/// Appends, reads, and does both at once.
fn report(case: &str, n: usize, partitions: i32, log: &EmbeddedLog) -> Result<()> {
    let config = [("retention.ms".to_owned(), "-1".to_owned())].into();
    log.create_topic(&TopicSpec { name: TOPIC.into(), partitions: Some(partitions), config })?;
    let n_each = n / usize::try_from(partitions)?;
    print(case, "appended", n, on_threads(partitions, |p| append(log, p, n_each))?);
    print(case, "read", n, on_threads(partitions, |p| read(log, p, 0, n_each))?);
    let end = i64::try_from(n_each)?;
    let both = |thread| if thread == 0 { append(log, 0, n_each) } else { read(log, 0, end, n_each) };
    print(case, "appended, read as they come", n_each, on_threads(2, both)?);
    Ok(())
}

/// What work took: seconds on the clock, and seconds of all its threads' CPU time.
#[derive(Clone, Copy)]
struct Cost {
    wall: f64,
    cpu: Option<f64>,
}

fn print(case: &str, what: &str, n: usize, cost: Cost) {
    let cpu = cost.cpu.map_or("unknown".into(), |cpu| format!("{:>10.0}", n as f64 / cpu));
    println!("{case:26} {what:28} {:>10.0} /s {cpu} /CPU-s", n as f64 / cost.wall);
}

fn measure(work: impl FnOnce() -> Result<()>) -> Result<Cost> {
    let (start, cpu) = (Instant::now(), cpu_seconds());
    work()?;
    let cpu = cpu_seconds().zip(cpu).map(|(after, before)| after - before);
    Ok(Cost { wall: start.elapsed().as_secs_f64(), cpu })
}

/// CPU time of this thread: the first number of its schedstat, in nanoseconds.
fn cpu_seconds() -> Option<f64> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    Some(text.split(' ').next()?.parse::<f64>().ok()? / 1e9)
}

/// Does the work of each number on a thread of its own.
fn on_threads(n: i32, work: impl Fn(i32) -> Result<()> + Sync) -> Result<Cost> {
    let (start, work) = (Instant::now(), &work);
    let costs = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..n).map(|i| scope.spawn(move || measure(|| work(i)))).collect();
        let join = |thread: std::thread::ScopedJoinHandle<'_, Result<Cost>>| thread.join().ok().context("panicked")?;
        threads.into_iter().map(join).collect::<Result<Vec<_>>>()
    })?;
    Ok(Cost { wall: start.elapsed().as_secs_f64(), cpu: costs.iter().map(|cost| cost.cpu).sum() })
}

fn append(log: &EmbeddedLog, partition: i32, n: usize) -> Result<()> {
    let mut producer = log.producer()?;
    let topic = TopicName::from(TOPIC);
    for i in 0..n {
        // A buffer of its own for each record, as a serializer makes it.
        let buffer = Bytes::from(vec![b'x'; 200]);
        let record = OutputRecord {
            topic: topic.clone(),
            partition: Some(partition),
            key: Some(buffer.slice(..10)),
            value: Some(buffer.slice(10..)),
            timestamp: Timestamp::from_millis(i64::try_from(i)?),
            headers: Headers::new(),
        };
        producer.send(record).map_err(|failure| failure.error)?;
    }
    producer.flush(Duration::from_secs(10))?;
    Ok(())
}

fn read(log: &EmbeddedLog, partition: i32, from: i64, n: usize) -> Result<()> {
    let (wake, woken) = mpsc::channel();
    let waker = Arc::new(move || _ = wake.send(()));
    let mut reader = log.reader(&TopicPartition::new(TOPIC, partition), from, waker)?;
    let (mut records, mut n_read, mut n_bytes) = (Vec::new(), 0, 0);
    while n_read < n {
        records.clear();
        if reader.poll(1_000, &mut records)? == 0 {
            woken.recv()?;
        }
        n_read += records.len();
        n_bytes += records.iter().map(|record| record.size_bytes()).sum::<usize>();
    }
    anyhow::ensure!(n_bytes == n_read * 200, "every byte is read");
    Ok(())
}

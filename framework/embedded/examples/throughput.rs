//! How fast the embedded log takes and gives records, in memory and with a data directory.
//!
//! Run: `cargo run --release -p nowfold-embedded --example throughput [records, default 2000000]`
//! Expect: a line per case with records per second, 200-byte records (key 10, value 190), one partition per writer.

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
    for writers in [1, 2] {
        report(&format!("memory, {writers} writers"), n, writers, &EmbeddedLog::new(clock.clone()))?;
    }
    let dir = tempfile::tempdir()?;
    report("data directory, 1 writers", n, 1, &EmbeddedLog::open(dir.path(), clock.clone())?)?;
    let start = Instant::now();
    EmbeddedLog::open(dir.path(), clock)?;
    println!("{:28} {:>9.0} records/s", "data directory, opening", rate(n, start));
    Ok(())
}

/// Appends, reads, and does both at once.
fn report(case: &str, n: usize, partitions: i32, log: &EmbeddedLog) -> Result<()> {
    let config = [("retention.ms".to_owned(), "-1".to_owned())].into();
    log.create_topic(&TopicSpec { name: TOPIC.into(), partitions: Some(partitions), config })?;
    let n_each = n / usize::try_from(partitions)?;
    let appending = on_threads(partitions, |p| append(log, p, n_each))?;
    let reading = on_threads(partitions, |p| read(log, p, 0, n_each))?;
    let (end, start) = (i64::try_from(n_each)?, Instant::now());
    std::thread::scope(|scope| {
        let reader = scope.spawn(|| read(log, 0, end, n_each));
        append(log, 0, n_each)?;
        reader.join().map_err(|_| anyhow::anyhow!("the reader panicked"))?
    })?;
    println!("{case:28} {:>9.0} appends/s {:>9.0} reads/s", n as f64 / appending, n as f64 / reading);
    println!("{:28} {:>9.0} records/s appended and read at once", "", rate(n_each, start));
    Ok(())
}

/// Seconds until `work` is done for every partition, each on a thread of its own.
fn on_threads(partitions: i32, work: impl Fn(i32) -> Result<()> + Sync) -> Result<f64> {
    let (start, work) = (Instant::now(), &work);
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..partitions).map(|p| scope.spawn(move || work(p))).collect();
        threads.into_iter().try_for_each(|t| t.join().map_err(|_| anyhow::anyhow!("a thread panicked"))?)
    })?;
    Ok(start.elapsed().as_secs_f64())
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

fn rate(n: usize, start: Instant) -> f64 {
    n as f64 / start.elapsed().as_secs_f64()
}

//! What it costs: idle processes, wake-up latency, throughput against a raw consumer loop.

use std::sync::Arc;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use nowfold_core::names::{TopicName, TopicPartition};
use nowfold_kafka::{Kafka, KafkaConfig};
use nowfold_runtime::broker::{Broker, PartitionReader, TransactionalSpec, Waker};
use nowfold_runtime::membership::OffsetCommit;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::{Message, Offset, TopicPartitionList};

use crate::child::{self, Process};
use crate::raw;
use crate::support::{connect, eventually, fill, reader, record, send_all, topic};

/// CPU time of this process so far, all threads, in steps of 10 ms.
fn cpu() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    // User and system time are the 12th and 13th field after the command.
    let fields = stat.rsplit(')').next().unwrap().split_whitespace().skip(11).take(2);
    let ticks: u64 = fields.map(|field| field.parse::<u64>().unwrap()).sum();
    Duration::from_millis(ticks * 10)
}

#[test]
fn idle_process_hardly_uses_the_cpu() {
    let Some(kafka) = connect() else { return };
    let topic = topic(&kafka, "idle", 8);
    (0..8).for_each(|partition| fill(&kafka, &topic, partition, 100));
    let mut child = Process::run("costs::child_that_idles", topic.as_str());
    let per_second: f64 = child.wait_for("idle-ms-per-s").parse().unwrap();
    eprintln!("8 idle readers and a member: {per_second:.1} ms of CPU per second");
    assert!(per_second < 50.0, "{per_second} ms of CPU per second");
}

/// Reads eight partitions to their ends and owns them, then waits for 10 s as a runtime would: for wakers.
#[test]
#[ignore = "run by another test in a process of its own"]
fn child_that_idles() {
    let Some(topic) = child::task().map(TopicName::from) else { return };
    let kafka = connect().unwrap();
    let (woken, wakes) = mpsc::channel();
    let open = |partition| {
        let woken = woken.clone();
        let waker: Waker = Arc::new(move || _ = woken.send(()));
        kafka.reader(&TopicPartition::new(topic.as_str(), partition), 0, waker).unwrap()
    };
    let mut readers: Vec<_> = (0..8).map(open).collect();
    let mut member = kafka.join(topic.as_str(), std::slice::from_ref(&topic)).unwrap();
    let mut poll_all = || readers.iter_mut().map(|reader| reader.poll(1_000, &mut Vec::new()).unwrap()).sum::<usize>();
    let mut seen = 0;
    eventually("everything is read", || {
        seen += poll_all();
        (seen == 800).then_some(())
    });
    eventually("the member owns its partitions", || member.poll(Duration::from_millis(100)).unwrap());
    let (start, before) = (Instant::now(), cpu());
    while start.elapsed() < Duration::from_secs(10) {
        if wakes.recv_timeout(Duration::from_millis(500)).is_ok() {
            poll_all();
        }
        member.poll(Duration::ZERO).unwrap();
    }
    println!("\nidle-ms-per-s {:.1}", (cpu() - before).as_secs_f64() * 1e3 / start.elapsed().as_secs_f64());
}

/// librdkafka's own waiting for records, in a flush or a commit, goes in steps of 100 ms.
#[test]
fn transactions_and_flushes_do_not_wait_in_steps_of_100_ms() {
    let Some(kafka) = connect() else { return };
    let topic = topic(&kafka, "transactions", 4);
    let mut member = kafka.join(topic.as_str(), std::slice::from_ref(&topic)).unwrap();
    eventually("the member owns its partitions", || member.poll(Duration::from_millis(100)).unwrap());
    let spec = TransactionalSpec { id: topic.to_string(), timeout: Duration::from_secs(10) };
    let mut producer = kafka.transactional_producer(&spec).unwrap();
    let mut steps = [const { Vec::new() }; 3];
    for round in 0..60 {
        producer.begin().unwrap();
        for i in 0..1_000 {
            producer.send(record(&topic, i % 4, vec![7; 200])).unwrap();
        }
        let mut lap = Instant::now();
        let mut take = |step: usize| {
            steps[step].push(lap.elapsed());
            lap = Instant::now();
        };
        assert!(producer.flush(Duration::from_secs(10)).unwrap().is_empty());
        take(0);
        let partition = |partition| TopicPartition::new(topic.as_str(), partition);
        let offset = |number| OffsetCommit { partition: partition(number), offset: round, metadata: String::new() };
        let offsets: Vec<_> = (0..4).map(offset).collect();
        producer.send_offsets(&member.generation().unwrap(), &offsets, Duration::from_secs(10)).unwrap();
        take(1);
        producer.commit(Duration::from_secs(10)).unwrap();
        take(2);
        member.poll(Duration::ZERO).unwrap();
    }
    let mut sums: Vec<_> = (0..60).map(|i| steps.iter().map(|step| step[i]).sum::<Duration>()).collect();
    sums.sort();
    for (name, step) in ["flush", "send offsets", "commit"].iter().zip(&mut steps) {
        step.sort();
        eprintln!("{name}: p50 {:?}, p90 {:?}", percentile(step, 50), percentile(step, 90));
    }
    eprintln!("sum: p50 {:?}, p90 {:?}", percentile(&sums, 50), percentile(&sums, 90));
    assert!(percentile(&sums, 10) < Duration::from_millis(90), "no transaction is faster than a step: {sums:?}");
    member.leave(Duration::from_secs(10)).unwrap();
}

fn percentile(sorted: &[Duration], percent: usize) -> Duration {
    *sorted.get((sorted.len() - 1) * percent / 100).unwrap()
}

/// One record at a time: sent, waker called, polled.
fn latencies(kafka: &Kafka, topic: &TopicName, n: usize) -> Vec<Duration> {
    let (woken, wakes) = mpsc::channel();
    let waker: Waker = Arc::new(move || _ = woken.send(()));
    let mut reader = kafka.reader(&TopicPartition::new(topic.as_str(), 0), 0, waker).unwrap();
    let mut producer = kafka.producer().unwrap();
    let one = |i: usize| {
        let start = Instant::now();
        send_all(&mut *producer, [record(topic, 0, i.to_string())]);
        while reader.poll(10, &mut Vec::new()).unwrap() == 0 {
            wakes.recv_timeout(Duration::from_secs(10)).unwrap();
        }
        start.elapsed()
    };
    let mut all: Vec<_> = (0..n).map(one).collect();
    all.sort();
    all
}

#[test]
#[ignore = "a measurement; its figures are for a quiet machine"]
fn measures_wake_up_latency() {
    let Some(kafka) = connect() else { return };
    let topic = topic(&kafka, "latency", 1);
    latencies(&kafka, &topic, 100);
    for _ in 0..3 {
        let all = latencies(&kafka, &topic, 2_000);
        let (p50, p99) = (percentile(&all, 50), percentile(&all, 99));
        eprintln!("sent to polled, linger 5 ms: p50 {p50:.2?}, p99 {p99:.2?}, most {:.2?}", percentile(&all, 100));
    }
}

const PARTITIONS: i32 = 4;
const PER_PARTITION: usize = 250_000;

fn filled(kafka: &Kafka) -> TopicName {
    let topic = topic(kafka, "throughput", PARTITIONS);
    let mut producer = kafka.producer().unwrap();
    let record = |i: usize| record(&topic, i32::try_from(i % 4).unwrap(), vec![u8::try_from(i % 251).unwrap(); 352]);
    send_all(&mut *producer, (0..PER_PARTITION * 4).map(record));
    topic
}

/// Touches every byte, so that no copy is saved by not looking.
fn touch(bytes: Option<&[u8]>) -> u64 {
    bytes.unwrap_or_default().iter().map(|byte| u64::from(*byte)).sum()
}

fn raw_loop(topic: &TopicName) -> u64 {
    let mut config = raw::client();
    config.set("group.id", topic.as_str()).set("fetch.queue.backoff.ms", "5").set("enable.auto.commit", "false");
    let consumer: BaseConsumer = config.create().unwrap();
    let mut list = TopicPartitionList::new();
    for partition in 0..PARTITIONS {
        list.add_partition_offset(topic.as_str(), partition, Offset::Beginning).unwrap();
    }
    consumer.assign(&list).unwrap();
    let mut sum = 0;
    for _ in 0..PER_PARTITION * 4 {
        let message = loop {
            if let Some(message) = consumer.poll(Duration::from_secs(1)) {
                break message.unwrap();
            }
        };
        sum += touch(message.key()) + touch(message.payload());
    }
    sum
}

fn reader_loop(topic: &TopicName) -> u64 {
    let kafka = Kafka::connect(KafkaConfig::new(crate::support::address().unwrap())).unwrap();
    let mut readers: Vec<Box<dyn PartitionReader>> = (0..PARTITIONS).map(|p| reader(&kafka, topic, p, 0)).collect();
    let (mut sum, mut n, mut batch) = (0, 0, Vec::new());
    while n < PER_PARTITION * 4 {
        let before = n;
        for reader in &mut readers {
            n += reader.poll(512, &mut batch).unwrap();
            for record in batch.drain(..) {
                sum += touch(record.key.as_deref()) + touch(record.value.as_deref());
            }
        }
        if n == before {
            std::thread::park_timeout(Duration::from_millis(1));
        }
    }
    sum
}

#[test]
#[ignore = "a measurement; its figures are for a quiet machine"]
fn measures_throughput_against_a_raw_loop() {
    let Some(kafka) = connect() else { return };
    let topic = filled(&kafka);
    drop(kafka);
    let measure = |name: &str, run: &dyn Fn(&TopicName) -> u64| {
        let (start, before) = (Instant::now(), cpu());
        let sum = run(&topic);
        let (wall, used) = (start.elapsed(), cpu() - before);
        let rate = 1.0 / used.as_secs_f64();
        eprintln!("{name}: {rate:.2} M records per CPU-second, {:.2} M/s", 1.0 / wall.as_secs_f64());
        (sum, rate)
    };
    for _ in 0..5 {
        let (raw_sum, raw) = measure("raw loop", &raw_loop);
        let (sum, ours) = measure("readers ", &reader_loop);
        assert_eq!(sum, raw_sum, "the same bytes");
        eprintln!("ratio {:.2}", ours / raw);
    }
}

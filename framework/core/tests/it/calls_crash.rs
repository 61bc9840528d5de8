//! Crashes at any step of a task that has calls under way, by a shell that draws what happens next.

use std::collections::{BTreeMap, BTreeSet};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use nowfold_core::dsl::{AsyncIo, StreamsBuilder};
use nowfold_core::names::{Offset, TopicPartition};
use nowfold_core::processor::{ChangelogWrite, ProcessError, Processor, ProcessorContext};
use nowfold_core::record::{Headers, LogRecord, OutputRecord, Record, TimestampType};
use nowfold_core::state::StoreSpec;
use nowfold_core::task::{Call, Task};
use nowfold_core::time::seconds;
use nowfold_core::topology::Topology;

use crate::support::{Texts, at, text};

/// Counts the records of each key and appends the count.
struct Count(&'static str);

impl Processor<String, String, String, String> for Count {
    fn process(
        &mut self,
        cx: &mut ProcessorContext<'_, '_, String, String>,
        record: Record<String, String>,
    ) -> Result<(), ProcessError> {
        let mut store = cx.key_value(self.0)?;
        let n = store.get(record.key.as_bytes())?.map_or(0, |n| n[0]) + 1;
        store.put(Bytes::from(record.key.clone()), Bytes::copy_from_slice(&[n]))?;
        let value = format!("{} {n}", record.value);
        cx.forward(record.with_value(value))
    }
}

fn topology(with_stores: bool) -> Topology {
    let app = StreamsBuilder::new("app");
    let mut stream = app.stream("in", text());
    let count = |stream: Texts, store: &'static str| -> Texts {
        app.state_store(StoreSpec::key_value(store));
        stream.process(store, move || Count(store), &[store])
    };
    if with_stores {
        stream = count(stream, "before");
    }
    let call = |_: &String, value: &String| std::future::ready(Ok::<_, ProcessError>(value.clone()));
    stream = stream.map_values_async("call", AsyncIo::new(4, seconds(5)), call);
    if with_stores {
        stream = count(stream, "after");
    }
    stream.to("out", text());
    app.build().unwrap()
}

const N_KEYS: usize = 4;
const N_RECORDS: usize = 120;

fn record(offset: usize, key: usize) -> LogRecord {
    LogRecord {
        offset: Offset::try_from(offset).unwrap(),
        key: Some(Bytes::from(format!("k{key}"))),
        value: Some(Bytes::from(format!("v{offset}"))),
        timestamp: at(i64::try_from(offset).unwrap()),
        timestamp_type: TimestampType::CreateTime,
        headers: Headers::new(),
    }
}

/// What a crash leaves.
#[derive(Default)]
struct Stored {
    outputs: Vec<OutputRecord>,
    changelog: Vec<ChangelogWrite>,
    committed: Offset,
}

struct Shell {
    topology: Topology,
    input: Vec<LogRecord>,
    exactly_once: bool,
    stored: Stored,
    /// Exactly-once: what the open transaction holds.
    open: Stored,
    task: Task,
    calls: Vec<Call>,
    next: usize,
    random: fastrand::Rng,
}

fn source() -> TopicPartition {
    TopicPartition::new("in", 0)
}

impl Shell {
    fn new(seed: u64, topology: Topology, exactly_once: bool) -> Self {
        let mut random = fastrand::Rng::with_seed(seed);
        let input = (0..N_RECORDS).map(|offset| record(offset, random.usize(0..N_KEYS))).collect();
        let task = Task::new(&topology, &topology.subtopologies()[0], 0, |_| 1);
        let (stored, open) = (Stored::default(), Stored::default());
        let mut shell = Self { topology, input, exactly_once, stored, open, task, calls: Vec::new(), next: 0, random };
        shell.start();
        shell
    }

    /// Starts from what is stored.
    fn start(&mut self) {
        self.task = Task::new(&self.topology, &self.topology.subtopologies()[0], 0, |_| 1);
        self.open = Stored::default();
        self.calls.clear();
        for (offset, write) in (0..).zip(&self.stored.changelog) {
            let ChangelogWrite { store, key, value, timestamp } = write.clone();
            let record = LogRecord { key: Some(key), value, timestamp, offset, ..record(0, 0) };
            self.task.restore(&store, &record).unwrap();
        }
        self.task.begin(&source(), self.stored.committed, None);
        self.next = usize::try_from(self.stored.committed).unwrap();
    }

    fn process(&mut self, max: usize) {
        let upto = (self.next + self.random.usize(0..5)).min(self.input.len());
        self.task.add(&source(), self.input[self.next..upto].to_vec());
        self.next = upto;
        self.task.process(at(0), max).unwrap();
        let effects = self.task.take_effects();
        self.calls.extend(effects.calls);
        let target = if self.exactly_once { &mut self.open } else { &mut self.stored };
        target.outputs.extend(effects.outputs);
        target.changelog.extend(effects.changelog);
    }

    fn complete(&mut self) {
        if self.calls.is_empty() {
            return;
        }
        let Call { id, mut future } = self.calls.swap_remove(self.random.usize(0..self.calls.len()));
        let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(Waker::noop())) else { return };
        self.task.complete(id, output);
    }

    fn commit(&mut self) {
        if self.exactly_once && !self.task.is_at_rest() {
            return;
        }
        let offsets = self.task.offsets();
        self.task.committed();
        let Stored { outputs, changelog, .. } = std::mem::take(&mut self.open);
        self.stored.outputs.extend(outputs);
        self.stored.changelog.extend(changelog);
        if let [(_, offset)] = offsets[..] {
            assert!(offset >= self.stored.committed, "a commit never goes back");
            self.stored.committed = offset;
        }
        self.assert_nothing_is_lost();
    }

    /// Every record before the committed offset has its result stored.
    fn assert_nothing_is_lost(&self) {
        let stored: BTreeSet<_> = self.results().into_iter().map(|(_, words)| words[0].clone()).collect();
        for offset in 0..self.stored.committed {
            assert!(stored.contains(&format!("v{offset}")), "the result of offset {offset} is lost");
        }
    }

    /// Keys and words of the stored results.
    fn results(&self) -> Vec<(String, Vec<String>)> {
        let text = |bytes: &Option<Bytes>| String::from_utf8(bytes.clone().unwrap().to_vec()).unwrap();
        let words = |output: &OutputRecord| text(&output.value).split(' ').map(str::to_owned).collect();
        self.stored.outputs.iter().map(|output| (text(&output.key), words(output))).collect()
    }

    fn step(&mut self) {
        match self.random.u8(0..40) {
            0 => self.start(),
            1..=4 => self.commit(),
            5..=20 => self.complete(),
            // As a worker does that wants the task to come to rest.
            21..=24 => {
                while !self.task.is_at_rest() {
                    self.complete();
                    self.process(0);
                }
                self.commit();
            }
            _ => {
                let max = self.random.usize(0..4);
                self.process(max);
            }
        }
    }

    fn run(&mut self) {
        (0..300).for_each(|_| self.step());
        while self.stored.committed < Offset::try_from(self.input.len()).unwrap() {
            self.process(3);
            self.complete();
            self.commit();
        }
    }
}

fn seeds() -> u64 {
    std::env::var("NOWFOLD_CASES").ok().and_then(|n| n.parse().ok()).unwrap_or(100_u64).min(500)
}

#[test]
fn at_least_once_a_crash_at_any_step_loses_no_result() {
    for with_stores in [false, true] {
        for seed in 0..seeds() {
            let mut shell = Shell::new(seed, topology(with_stores), false);
            shell.run();
        }
    }
}

#[test]
fn exactly_once_a_crash_at_any_step_loses_and_doubles_no_result_and_no_count() {
    for seed in 0..seeds() {
        let mut shell = Shell::new(seed, topology(true), true);
        shell.run();
        let mut keys: BTreeMap<_, Vec<_>> = BTreeMap::new();
        shell.results().into_iter().for_each(|(key, words)| keys.entry(key).or_default().push(words));
        for (key, found) in keys {
            let inputs = shell.input.iter().filter(|record| record.key.as_deref() == Some(key.as_bytes()));
            let expected: Vec<_> = (1..)
                .zip(inputs)
                .map(|(n, record)| vec![format!("v{}", record.offset), n.to_string(), n.to_string()])
                .collect();
            assert_eq!(found, expected, "seed {seed}, {key}");
        }
    }
}

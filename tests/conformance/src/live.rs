//! Cases on a real Kafka, through the runtime: each an application with topics of its own.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use nowfold_core::names::{Offset, TopicName, TopicPartition};
use nowfold_core::serde::SerdeEnv;
use nowfold_core::time::{Clock, Timestamp};
use nowfold_core::topology::Topology;
use nowfold_kafka::{Kafka, KafkaConfig};
use nowfold_runtime::broker::{Broker, Producer, TopicSpec};
use nowfold_runtime::{AppState, Platform, RuntimeConfig, Streams, SystemClock};
use nowfold_testkit::ManualClock;
use parking_lot::Mutex;

use crate::apart::Apart;
use crate::case::{Case, Step};
use crate::catalogue::{Built, Plan, Sink};
use crate::check::{Difference, FailedStep, Outputs, Results, Verdict, compare, verdict};
use crate::show::{Found, output, raw};

/// How long an application may take to start, and the effects of one record to be complete.
const PATIENCE: Duration = Duration::from_secs(60);

/// How long a look at the application's progress waits for the next one.
const LOOK: Duration = Duration::from_millis(1);

/// A Kafka, and where this run's cases have their topics.
pub(crate) struct Live {
    kafka: Kafka,
    prefix: String,
    origin_ms: i64,
}

impl Live {
    pub(crate) fn connect(bootstrap: &str) -> Result<Self, String> {
        let mut config = KafkaConfig::new(bootstrap);
        // A partition that is read from now on waits until the fetch that is under way has ended.
        config.raw.insert("fetch.wait.max.ms".to_owned(), "20".to_owned());
        // Records are sent one by one.
        config.raw.insert("linger.ms".to_owned(), "0".to_owned());
        let kafka = Kafka::connect(config).map_err(|error| error.to_string())?;
        let origin_ms = SystemClock.now().as_millis();
        Ok(Self { kafka, prefix: format!("conformance-{}-{origin_ms}", std::process::id()), origin_ms })
    }

    /// Runs the cases, `n_jobs` at a time; the verdicts are in the order of the cases.
    pub(crate) fn run_all(&self, cases: &[Case], n_jobs: usize) -> Vec<Verdict> {
        let (next, verdicts) = (AtomicUsize::new(0), Mutex::new(BTreeMap::new()));
        std::thread::scope(|scope| {
            for _ in 0..n_jobs.max(1) {
                scope.spawn(|| {
                    while let (number, Some(case)) = taken(&next, cases) {
                        let verdict = self.run_case(number, case);
                        verdicts.lock().insert(number, verdict);
                    }
                });
            }
        });
        verdicts.into_inner().into_values().collect()
    }

    fn run_case(&self, number: usize, case: &Case) -> Verdict {
        if case.input.iter().any(|step| matches!(step, Step::Advance { .. })) {
            return Verdict::NeedsClock;
        }
        verdict(case, Plan::build(&case.topology, &case.params), |built| {
            let broker = Apart::new(Arc::new(self.kafka.clone()), format!("{}-{number}-", self.prefix), self.origin_ms);
            let broker = Arc::new(broker);
            let outcome = run(case, built, &broker);
            let deleted = self.kafka.delete_topics(&broker.created());
            outcome.and_then(|()| deleted.map_err(|error| error.to_string()))
        })
    }
}

fn taken<'a>(next: &AtomicUsize, cases: &'a [Case]) -> (usize, Option<&'a Case>) {
    let number = next.fetch_add(1, Ordering::Relaxed);
    (number, cases.get(number))
}

/// Runs one case as an application, and compares while its stores can be asked.
fn run(case: &Case, built: Built, broker: &Arc<Apart>) -> Result<(), Difference> {
    let Built { topology, stores, sinks } = built;
    create_topics(case, &topology, broker.as_ref())?;
    let app = Application::start(topology, broker.clone())?;
    let ran = match app.steps(case)? {
        Some(failed) => Err(failed),
        None => {
            let outputs = read_outputs(case, &sinks, broker.as_ref())?;
            Ok(Results { outputs, sees_steps: false, stores, hub: app.streams.hub() })
        }
    };
    let has_failed = ran.is_err();
    compare(case, ran)?;
    let closed = app.streams.close();
    if has_failed { Ok(()) } else { closed.map(drop).map_err(|error| error.to_string()) }
}

/// The topics that an application does not create itself, each with one partition.
fn create_topics(case: &Case, topology: &Topology, broker: &dyn Broker) -> Result<(), Difference> {
    let required = topology.requirements().iter().filter(|wanted| wanted.create.is_none());
    let mut names: BTreeSet<_> = required.map(|wanted| wanted.name.clone()).collect();
    names.extend(case.sinks().map(TopicName::from));
    for name in names {
        let spec = TopicSpec { name, partitions: Some(1), config: BTreeMap::new() };
        broker.create_topic(&spec).map_err(|error| error.to_string())?;
    }
    Ok(())
}

fn read_outputs(case: &Case, sinks: &[(String, Sink)], broker: &dyn Broker) -> Result<Outputs, Difference> {
    let read = |topic: &String| {
        let records = read_all(broker, topic)?.into_iter();
        let outputs = records.map(|found| output(0, found, Sink::of(sinks, topic), case.compare_headers));
        Ok((topic.clone(), outputs.collect()))
    };
    case.sinks().map(read).collect()
}

/// Everything that lies on a topic.
fn read_all(broker: &dyn Broker, topic: &str) -> Result<Vec<Found>, Difference> {
    let (partition, text) =
        (TopicPartition::new(topic, 0), |error: nowfold_runtime::broker::BrokerError| error.to_string());
    let end = broker.watermarks(&partition).map_err(text)?.high;
    let thread = std::thread::current();
    let mut reader = broker.reader(&partition, 0, Arc::new(move || thread.unpark())).map_err(text)?;
    let (started, mut records) = (Instant::now(), Vec::new());
    while reader.position() < end {
        if started.elapsed() > PATIENCE {
            return Err(format!("{topic} cannot be read to its end {end}: {} records came", records.len()));
        }
        if reader.poll(1_000, &mut records).map_err(text)? == 0 {
            std::thread::park_timeout(LOOK);
        }
    }
    Ok(records.into_iter().map(Found::from).collect())
}

/// A case's application, and the producer of its input.
struct Application {
    streams: Streams,
    broker: Arc<Apart>,
    /// The topics that must be processed to their ends.
    inputs: BTreeSet<TopicName>,
}

impl Application {
    fn start(topology: Topology, broker: Arc<Apart>) -> Result<Self, Difference> {
        let sources = topology.subtopologies().iter().flat_map(|part| &part.sources);
        let mut inputs: BTreeSet<_> = sources.map(|source| source.topic.clone()).collect();
        inputs.extend(topology.global_topics().map(|(topic, _)| topic.clone()));
        let clock = Arc::new(ManualClock::new(Timestamp::from_millis(0)));
        let platform = Platform { broker: broker.clone(), clock, serdes: SerdeEnv::default() };
        let commit_interval = Duration::from_millis(2);
        let (n_workers, default_partitions, discovery) = (1, 1, false);
        let config =
            RuntimeConfig { n_workers, default_partitions, commit_interval, discovery, ..RuntimeConfig::default() };
        let streams = Streams::start(topology, platform, config).map_err(|error| error.to_string())?;
        streams.await_running(PATIENCE).map_err(|error| error.to_string())?;
        Ok(Self { streams, broker, inputs })
    }

    /// Sends each record when the effects of the one before are complete. Tells which failed, if one did.
    fn steps(&self, case: &Case) -> Result<Option<FailedStep>, Difference> {
        let mut producer = self.broker.producer().map_err(|error| error.to_string())?;
        for (step, input) in case.input.iter().enumerate() {
            let Step::Record(input) = input else { continue };
            send(producer.as_mut(), raw(input))?;
            if let Some(cause) = self.complete().map_err(|why| format!("step {step}: {why}"))? {
                return Ok(Some(FailedStep { step, cause }));
            }
        }
        Ok(None)
    }

    /// Waits until everything that was sent is processed through all internal topics and all that it led to is stored;
    /// tells why the application has failed, if it did.
    fn complete(&self) -> Result<Option<String>, Difference> {
        let (started, mut last) = (Instant::now(), None);
        loop {
            if let AppState::Failed { reason } = self.streams.state() {
                return Ok(Some(reason));
            }
            // Ends only grow: without progress, what was not complete is not complete.
            let completed = Some(self.streams.completed());
            if completed != last {
                if self.is_at_all_ends(completed.as_ref())? {
                    return Ok(None);
                }
                last = completed;
            } else if started.elapsed() > PATIENCE {
                return Err(format!("its effects are not complete after {PATIENCE:?}: {:?}", self.streams));
            } else {
                std::thread::park_timeout(LOOK);
            }
        }
    }

    fn is_at_all_ends(&self, completed: Option<&BTreeMap<TopicPartition, Offset>>) -> Result<bool, Difference> {
        for topic in &self.inputs {
            let partition = TopicPartition { topic: topic.clone(), partition: 0 };
            let Some(&done) = completed.and_then(|all| all.get(&partition)) else { return Ok(false) };
            let end = self.broker.watermarks(&partition).map_err(|error| error.to_string())?.high;
            if done < end {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

fn send(producer: &mut dyn Producer, record: nowfold_core::record::OutputRecord) -> Result<(), Difference> {
    producer.send(record).map_err(|failure| failure.error.to_string())?;
    let refused = producer.flush(PATIENCE).map_err(|error| error.to_string())?;
    refused.into_iter().next().map_or(Ok(()), |failure| Err(failure.error.to_string()))
}

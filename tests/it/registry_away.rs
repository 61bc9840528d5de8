//! A schema registry that does not answer: what needs it waits, the rest goes on, nothing is lost.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use nowfold::core::names::TopicName;
use nowfold::core::record::OutputRecord;
use nowfold::core::serde::{Format, SchemaRegistry, SerdeEnv, SerdeError, Serializer};
use nowfold::embedded::EmbeddedLog;
use nowfold::operators::Features;
use nowfold::prelude::*;
use nowfold::runtime::broker::{Broker, TopicSpec};
use nowfold::runtime::{Platform, RuntimeConfig, Streams as Runtime, SystemClock};

use super::support::{Click, until};

const PATIENCE: Duration = Duration::from_secs(30);

/// A registry with one schema under every id; while it is away, no new one is given out.
#[derive(Default)]
struct Registry {
    away: AtomicBool,
    schema: Mutex<Option<Arc<str>>>,
}

impl Registry {
    fn check(&self) -> Result<(), SerdeError> {
        if self.away.load(Ordering::Relaxed) {
            return Err(SerdeError::RegistryUnavailable { cause: "it is away".into() });
        }
        Ok(())
    }
}

impl SchemaRegistry for Registry {
    fn schema(&self, _: u32) -> Result<Arc<str>, SerdeError> {
        self.check()?;
        Ok(self.schema.lock().unwrap().clone().unwrap())
    }

    fn register(&self, _: &str, schema: &str) -> Result<u32, SerdeError> {
        self.check()?;
        *self.schema.lock().unwrap() = Some(schema.into());
        Ok(1)
    }
}

fn start(log: &EmbeddedLog, topology: Topology, registry: &Arc<Registry>) -> Runtime {
    let serdes = SerdeEnv { registry: Some(registry.clone()) };
    let platform = Platform { broker: Arc::new(log.clone()), clock: Arc::new(SystemClock), serdes };
    Runtime::start(topology, platform, RuntimeConfig { n_workers: 6, ..RuntimeConfig::default() }).unwrap()
}

fn count(app: &Runtime, member: &str) -> u64 {
    let features = Features::new(app.hub(), app.clock(), "activity");
    features.of(member).map_or(0, |answer| answer.count("all").unwrap())
}

fn features() -> Actions {
    Actions::named("activity").features([feature("all").count().within(hours(96))])
}

#[test]
fn input_waits_for_a_registry_that_is_away_at_the_start() {
    let log = EmbeddedLog::new(Arc::new(SystemClock));
    let clicks = TopicSpec { name: "clicks".into(), partitions: Some(2), config: BTreeMap::new() };
    log.create_topic(&clicks).unwrap();
    let registry = Arc::new(Registry::default());
    registry.away.store(true, Ordering::Relaxed);
    let app = StreamsBuilder::new("waiting");
    app.stream("clicks", Json::<(), Click>::new())
        .to_actions("standardize", |(), c| Action::new(c.member, c.kind, c.job).at_ms(c.at_ms))
        .through("actions")
        .materialize(features());
    let app = start(&log, app.build().unwrap(), &registry);
    let mut producer = Producer::open(&log, &SerdeEnv::default(), "clicks", Json::<String, Click>::new()).unwrap();
    for i in 0..300 {
        let now = SystemClock.now();
        let click = Click::new(&format!("member-{}", i % 3), "apply", "job", now.as_millis() - 1_000);
        producer.send(&click.member, &click, now).unwrap();
    }
    producer.flush(PATIENCE).unwrap();
    app.await_running(Duration::from_millis(1_500)).ok();
    assert!(!app.state().is_final(), "{}", app.state());
    registry.away.store(false, Ordering::Relaxed);
    for member in ["member-0", "member-1", "member-2"] {
        until(PATIENCE, || format!("{}; {}", count(&app, member), app.state()), || count(&app, member) == 100);
    }
    app.close().unwrap();
}

/// Members that belong to each partition of two.
fn member_of(partition: i32) -> String {
    let is_there = |member: &String| nowfold::core::partition::partition_for_key(member.as_bytes(), 2) == partition;
    (0..).map(|i| format!("member-{i}")).find(is_there).unwrap()
}

#[test]
fn a_partition_waits_for_a_schema_while_the_other_goes_on() {
    let log = EmbeddedLog::new(Arc::new(SystemClock));
    let registry = Arc::new(Registry::default());
    let serdes = SerdeEnv { registry: Some(registry.clone()) };
    let app = StreamsBuilder::new("waiting");
    app.actions("actions").materialize(features());
    let topology = app.build().unwrap();
    let config = topology.requirements().iter().flat_map(|topic| &topic.rules);
    let config = config.map(|rule| (rule.key.to_owned(), rule.expected.remedy())).collect();
    log.create_topic(&TopicSpec { name: "actions".into(), partitions: Some(2), config }).unwrap();
    let app = start(&log, topology, &registry);
    let codec = ActionCodec::new();
    codec.configure(&serdes).unwrap();
    let mut producer = log.producer().unwrap();
    let mut send = |partition: i32, id: &str, schema: u32| {
        let now = SystemClock.now();
        let action = Action::new(member_of(partition), "view", "job").at_ms(now.as_millis() - 1_000).id(id).sequence(0);
        let topic = TopicName::from("actions");
        let mut value = codec.serialize(&topic, &action).unwrap().unwrap().to_vec();
        value[1..5].copy_from_slice(&schema.to_be_bytes());
        let key = Some(member_of(partition).into_bytes().into());
        let (partition, value, headers) = (Some(partition), Some(value.into()), Default::default());
        producer.send(OutputRecord { topic, partition, key, value, timestamp: now, headers }).unwrap();
    };
    let [first, second] = [0, 1].map(member_of);
    (0..2).for_each(|partition| send(partition, "known", 1));
    until(PATIENCE, || app.state().to_string(), || count(&app, &first) == 1 && count(&app, &second) == 1);
    registry.away.store(true, Ordering::Relaxed);
    send(1, "unknown", 2);
    (0..100).for_each(|i| send(0, &format!("known-{i}"), 1));
    send(1, "behind", 1);
    until(PATIENCE, || count(&app, &first).to_string(), || count(&app, &first) == 101);
    assert_eq!(count(&app, &second), 1, "the order of the partition holds");
    registry.away.store(false, Ordering::Relaxed);
    until(PATIENCE, || count(&app, &second).to_string(), || count(&app, &second) == 3);
    app.close().unwrap();
}

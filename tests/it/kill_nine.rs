//! Kill -9 of the mapping half between flush and commit, on a real Kafka, with input that has no ids.
//!
//! A child process runs the pipeline on a broker whose n-th commit kills the process: every output of the batch is stored
//! by then, and none of its offsets. What the next process sends again must count once.

use std::collections::BTreeMap;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use nowfold::core::names::{Offset, TopicName, TopicPartition};
use nowfold::core::serde::SerdeEnv;
use nowfold::kafka::{Kafka, KafkaConfig};
use nowfold::operators::Features;
use nowfold::operators::position::Position;
use nowfold::prelude::*;
use nowfold::runtime::broker::{
    Broker, BrokerError, Committed, PartitionReader, Producer as Appender, TopicInfo, TopicSpec, Waker, Watermarks,
};
use nowfold::runtime::membership::{Membership, MembershipEvent, OffsetCommit};
use nowfold::runtime::{Platform, RuntimeConfig, Streams as Runtime, SystemClock};

use super::support::{Click, test_kafka};

const N_CLICKS: usize = 6_000;
const N_MEMBERS: usize = 97;
const PREFIX: &str = "NOWFOLD_TEST_KILL_PREFIX";
const KILLING_COMMIT: &str = "NOWFOLD_TEST_KILL_AT";

fn topology(prefix: &str) -> Topology {
    let app = StreamsBuilder::new(&format!("{prefix}-app"));
    app.stream(format!("{prefix}-clicks"), Json::<(), Click>::new())
        .to_actions("standardize", |(), c| Action::new(c.member, c.kind, c.job).at_ms(c.at_ms))
        .through(format!("{prefix}-actions"))
        .materialize(Actions::named("activity").features([feature("all").count().within(hours(96))]));
    app.build().unwrap()
}

fn connect(bootstrap: &str) -> Kafka {
    let mut config = KafkaConfig::new(bootstrap);
    config.session_timeout = Duration::from_secs(6);
    Kafka::connect(config).unwrap()
}

fn start(broker: Arc<dyn Broker>, prefix: &str) -> Runtime {
    let platform = Platform { broker, clock: Arc::new(SystemClock), serdes: SerdeEnv::default() };
    let config = RuntimeConfig { commit_interval: Duration::from_millis(10), batch: 50, ..RuntimeConfig::default() };
    Runtime::start(topology(prefix), platform, config).unwrap()
}

/// Clicks without ids: equal ones are different events. Returns the true count of each member.
fn write_clicks(kafka: &Kafka, prefix: &str) -> BTreeMap<String, u64> {
    let name = format!("{prefix}-clicks");
    let topic = TopicSpec { name: name.as_str().into(), partitions: Some(4), config: BTreeMap::new() };
    kafka.create_topic(&topic).unwrap();
    let mut clicks = Producer::open(kafka, &SerdeEnv::default(), &name, Json::<String, Click>::new()).unwrap();
    let (now, mut truth) = (SystemClock.now(), BTreeMap::new());
    for i in 0..N_CLICKS {
        let member = format!("member-{}", i * i % N_MEMBERS);
        let click = Click::new(&member, "apply", &format!("job-{}", i % 7), now.as_millis() - 1_000);
        clicks.send(&member, &click, now).unwrap();
        *truth.entry(member).or_default() += 1;
    }
    clicks.flush(Duration::from_secs(30)).unwrap();
    truth
}

#[test]
fn kill_9_between_flush_and_commit_counts_every_event_once() {
    let Some(bootstrap) = test_kafka("kill_nine") else { return };
    let prefix = format!("kill-{}", std::process::id());
    let kafka = connect(&bootstrap);
    let truth = write_clicks(&kafka, &prefix);
    for commit in [1, 2, 3, 5] {
        assert!(dies_at(&prefix, commit), "the child ended before its commit {commit}");
    }
    let app = start(Arc::new(kafka.clone()), &prefix);
    app.await_running(Duration::from_secs(90)).unwrap();
    let features = Features::new(app.hub(), app.clock(), "activity").pausing_with(Arc::new(std::thread::sleep));
    let all = actions_end(&kafka, &prefix);
    let count = |member: &String| {
        let query = features.query(member).at_least(&all).wait_up_to(Duration::from_secs(30));
        query.select(["all"]).get().unwrap().count("all").unwrap()
    };
    let counts = truth.keys().map(|member| (member.clone(), count(member)));
    assert_eq!(counts.collect::<BTreeMap<_, _>>(), truth);
    let stored: i64 = (0..4).map(|p| end(&kafka, &format!("{prefix}-actions"), p)).sum();
    assert!(stored > N_CLICKS as i64, "the kills made some events go out twice: {stored} records");
    app.close().unwrap();
}

/// The last action of each partition. All clicks are mapped by now: the application runs, so their offsets are committed.
fn actions_end(kafka: &Kafka, prefix: &str) -> Position {
    let topic = format!("{prefix}-actions");
    let ends = (0..4).map(|p| (TopicPartition::new(topic.as_str(), p), end(kafka, &topic, p) - 1));
    ends.fold(Position::new(), |position, (partition, last)| position.with(partition, last))
}

fn end(kafka: &Kafka, topic: &str, partition: i32) -> Offset {
    kafka.watermarks(&TopicPartition::new(topic, partition)).unwrap().high
}

/// Runs a child that must be killed by its own commit number `commit`.
fn dies_at(prefix: &str, commit: u32) -> bool {
    let mut child = Command::new(std::env::current_exe().unwrap());
    child.args(["--exact", "kill_nine::a_process_that_dies_at_its_nth_commit", "--nocapture"]);
    child.env(PREFIX, prefix).env(KILLING_COMMIT, commit.to_string()).stdout(Stdio::null());
    let status = child.status().unwrap();
    std::os::unix::process::ExitStatusExt::signal(&status) == Some(9)
}

/// The child of the test above; nothing by itself.
#[test]
fn a_process_that_dies_at_its_nth_commit() {
    let (Ok(prefix), Ok(commit)) = (std::env::var(PREFIX), std::env::var(KILLING_COMMIT)) else { return };
    let bootstrap = test_kafka("kill_nine").unwrap();
    let left = Arc::new(AtomicU32::new(commit.parse().unwrap()));
    let app = start(Arc::new(KillingBroker { inner: connect(&bootstrap), left }), &prefix);
    let _ = app.state_cell().wait(Duration::from_secs(90), nowfold::runtime::AppState::is_final);
}

/// Kafka, but the n-th commit is a kill -9.
#[derive(Debug)]
struct KillingBroker {
    inner: Kafka,
    left: Arc<AtomicU32>,
}

#[derive(Debug)]
struct KillingMembership {
    inner: Box<dyn Membership>,
    left: Arc<AtomicU32>,
}

impl Broker for KillingBroker {
    fn describe(&self) -> String {
        self.inner.describe()
    }

    fn topics(&self, names: &[TopicName], timeout: Duration) -> Result<Vec<Option<TopicInfo>>, BrokerError> {
        self.inner.topics(names, timeout)
    }

    fn create_topic(&self, spec: &TopicSpec) -> Result<(), BrokerError> {
        self.inner.create_topic(spec)
    }

    fn delete_records(&self, before: &[(TopicPartition, Offset)]) -> Result<(), BrokerError> {
        self.inner.delete_records(before)
    }

    fn watermarks(&self, partition: &TopicPartition) -> Result<Watermarks, BrokerError> {
        self.inner.watermarks(partition)
    }

    fn committed(&self, group: &str, partitions: &[TopicPartition]) -> Result<Vec<Option<Committed>>, BrokerError> {
        self.inner.committed(group, partitions)
    }

    fn reader(
        &self,
        partition: &TopicPartition,
        offset: Offset,
        waker: Waker,
    ) -> Result<Box<dyn PartitionReader>, BrokerError> {
        self.inner.reader(partition, offset, waker)
    }

    fn producer(&self) -> Result<Box<dyn Appender>, BrokerError> {
        self.inner.producer()
    }

    fn join(&self, group: &str, topics: &[TopicName]) -> Result<Box<dyn Membership>, BrokerError> {
        let inner = self.inner.join(group, topics)?;
        Ok(Box::new(KillingMembership { inner, left: self.left.clone() }))
    }
}

impl Membership for KillingMembership {
    fn poll(&mut self, timeout: Duration) -> Result<Option<MembershipEvent>, BrokerError> {
        self.inner.poll(timeout)
    }

    fn release(&mut self) -> Result<(), BrokerError> {
        self.inner.release()
    }

    fn commit(&mut self, offsets: &[OffsetCommit]) -> Result<(), BrokerError> {
        let of_raw = offsets.iter().any(|offset| offset.partition.topic.as_str().ends_with("-clicks"));
        if of_raw && self.left.fetch_sub(1, Ordering::Relaxed) == 1 {
            Command::new("kill").args(["-9", &std::process::id().to_string()]).status().unwrap();
            loop {
                std::thread::park();
            }
        }
        self.inner.commit(offsets)
    }

    fn leave(self: Box<Self>, timeout: Duration) -> Result<(), BrokerError> {
        self.inner.leave(timeout)
    }
}

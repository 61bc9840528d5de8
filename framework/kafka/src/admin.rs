//! Topics and committed offsets: asked through clients that live as long as the question.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use futures::executor::block_on;
use nowfold_core::names::{TopicName, TopicPartition};
use nowfold_runtime::broker::{BrokerError, Committed, TopicInfo, TopicSpec};
use rdkafka::admin::{AdminClient, AdminOptions, ConfigResource, NewTopic, ResourceSpecifier, TopicReplication};
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::KafkaError;
use rdkafka::types::RDKafkaErrorCode as Code;
use rdkafka::{Offset, TopicPartitionList};

use crate::client::{self, Context, Role};
use crate::config::KafkaConfig;
use crate::error;
use crate::lane::DataConsumer;
use crate::owned::Kind;
use crate::topics;

/// Between two looks at a topic that is being created.
const BETWEEN_LOOKS: Duration = Duration::from_millis(10);

/// The role of an admin client.
struct Administering;

impl Role for Administering {
    const NAME: &'static str = "admin";
    const KIND: Kind = Kind::Producer;
}

/// The role of a consumer that asks for a group's offsets.
pub(crate) struct Asking;

impl Role for Asking {
    const NAME: &'static str = "offsets";
    const KIND: Kind = Kind::Consumer;
}

impl ConsumerContext for Context<Asking> {}

/// A consumer that asks for the ends of logs as they are, open transactions included.
pub(crate) type EndConsumer = BaseConsumer<Context<Asking>>;

pub(crate) fn end_consumer(config: &KafkaConfig) -> Result<EndConsumer, BrokerError> {
    client::create(config, &[("isolation.level", "read_uncommitted".to_owned())], Asking)
}

/// A client that is dropped on a thread of its own, since closing one takes up to 100 ms.
struct Brief<T: Send + 'static>(Option<T>);

impl<T: Send + 'static> Drop for Brief<T> {
    fn drop(&mut self) {
        if let Some(client) = self.0.take() {
            // Without a thread, the closure with the client in it is dropped here and now.
            _ = std::thread::Builder::new().name("kafka-close".into()).spawn(move || drop(client));
        }
    }
}

type Admin = AdminClient<Context<Administering>>;

fn with_admin<T>(config: &KafkaConfig, ask: impl FnOnce(&Admin) -> Result<T, BrokerError>) -> Result<T, BrokerError> {
    let admin: Brief<Admin> = Brief(Some(client::create(config, &[], Administering)?));
    admin.0.as_ref().map_or_else(|| Err(gone()), ask)
}

fn gone() -> BrokerError {
    BrokerError::Fatal { operation: "use a Kafka client".into(), cause: "it is closed".into() }
}

/// Topics with partitions and effective configuration; `None` for a missing one.
pub(crate) fn topics(
    config: &KafkaConfig,
    consumer: &DataConsumer,
    names: &[TopicName],
    timeout: Duration,
) -> Result<Vec<Option<TopicInfo>>, BrokerError> {
    let start = Instant::now();
    let left = || timeout.saturating_sub(start.elapsed()).max(Duration::from_millis(1));
    let mut found = BTreeMap::new();
    for name in names {
        if let Some(partitions) = topics::fetch(consumer, name, left())? {
            found.insert(name.clone(), partitions);
        }
    }
    let mut configs = configurations(config, found.keys(), left())?;
    let describe = |(name, partitions): (TopicName, i32)| {
        let config = configs.remove(&name)?;
        Some((name.clone(), TopicInfo { name, partitions, config }))
    };
    let described: BTreeMap<_, _> = found.into_iter().filter_map(describe).collect();
    Ok(names.iter().map(|name| described.get(name).cloned()).collect())
}

/// Effective configurations by topic. A topic that vanished meanwhile is left out.
fn configurations<'a>(
    config: &KafkaConfig,
    names: impl Iterator<Item = &'a TopicName>,
    timeout: Duration,
) -> Result<BTreeMap<TopicName, BTreeMap<String, String>>, BrokerError> {
    let names: Vec<_> = names.collect();
    if names.is_empty() {
        return Ok(BTreeMap::new());
    }
    let asked: Vec<_> = names.iter().map(|name| ResourceSpecifier::Topic(name.as_str())).collect();
    let options = AdminOptions::new().request_timeout(Some(client::timeout(timeout)));
    let operation = "ask for topic configurations";
    let answers = with_admin(config, |admin| {
        block_on(admin.describe_configs(&asked, &options)).map_err(|error| error::failed(operation, &error))
    })?;
    let mut found = BTreeMap::new();
    for (name, answer) in names.into_iter().zip(answers) {
        match answer {
            // This is how a missing topic is described.
            Ok(resource) if resource.entries.is_empty() => {}
            Ok(resource) => _ = found.insert(name.clone(), entries(resource)),
            Err(code) if error::is_unknown_topic(code) => {}
            Err(code) => {
                let operation = format!("ask for the configuration of topic {name:?}");
                return Err(error::failed(operation, &KafkaError::AdminOp(code)));
            }
        }
    }
    Ok(found)
}

fn entries(resource: ConfigResource) -> BTreeMap<String, String> {
    resource.entries.into_iter().filter_map(|entry| Some((entry.name, entry.value?))).collect()
}

/// Creates a topic and waits until the leaders of all its partitions serve it.
pub(crate) fn create_topic(config: &KafkaConfig, consumer: &DataConsumer, spec: &TopicSpec) -> Result<(), BrokerError> {
    match with_admin(config, |admin| create(config, admin, spec))? {
        Ok(()) | Err(Code::TopicAlreadyExists) => {}
        Err(code) => return Err(not_created(spec, code)),
    }
    let start = Instant::now();
    let left = || config.request_timeout.saturating_sub(start.elapsed()).max(BETWEEN_LOOKS);
    let mut partitions = topics::fetch(consumer, &spec.name, left())?;
    while partitions.is_none() && left() > BETWEEN_LOOKS {
        std::thread::sleep(BETWEEN_LOOKS);
        partitions = topics::fetch(consumer, &spec.name, left())?;
    }
    for partition in (0..partitions.unwrap_or(0)).map(|partition| TopicPartition::new(spec.name.as_str(), partition)) {
        topics::watermarks(consumer, &partition, left())?;
    }
    partitions.map(drop).ok_or_else(|| BrokerError::Unavailable {
        operation: format!("create topic {:?}", spec.name),
        cause: format!("the cluster does not show it after {:.1} s", start.elapsed().as_secs_f64()),
    })
}

/// Asks with the broker's own replication factor, and with a plain one where the broker is too old to be left the choice.
fn create(config: &KafkaConfig, admin: &Admin, spec: &TopicSpec) -> Result<Result<(), Code>, BrokerError> {
    let answer = create_with(config, admin, spec, spec.partitions.unwrap_or(-1), -1)?;
    let Err(Code::InvalidReplicationFactor | Code::InvalidPartitions | Code::UnsupportedFeature) = answer else {
        return Ok(answer);
    };
    if spec.partitions.is_some_and(|partitions| partitions < 1) {
        return Ok(answer);
    }
    let timeout = client::timeout(config.request_timeout);
    let metadata = admin.inner().fetch_metadata(Some("nowfold"), timeout);
    let metadata = metadata.map_err(|error| error::failed("count the brokers", &error))?;
    let replicas = i32::try_from(metadata.brokers().len()).unwrap_or(1).clamp(1, 3);
    create_with(config, admin, spec, spec.partitions.unwrap_or(1), replicas)
}

fn create_with(
    config: &KafkaConfig,
    admin: &Admin,
    spec: &TopicSpec,
    partitions: i32,
    replicas: i32,
) -> Result<Result<(), Code>, BrokerError> {
    let timeout = Some(client::timeout(config.request_timeout));
    let options = AdminOptions::new().request_timeout(timeout).operation_timeout(timeout);
    let topic = NewTopic::new(spec.name.as_str(), partitions, TopicReplication::Fixed(replicas));
    let topic = spec.config.iter().fold(topic, |topic, (key, value)| topic.set(key, value));
    let answer = block_on(admin.create_topics([&topic], &options));
    let answers = match answer {
        Err(KafkaError::AdminOp(code)) if !error::is_transient(code) => return Ok(Err(code)),
        other => other.map_err(|error| error::failed(format!("create topic {:?}", spec.name), &error))?,
    };
    Ok(answers.into_iter().next().map_or(Ok(()), |answer| answer.map(drop).map_err(|(_, code)| code)))
}

fn not_created(spec: &TopicSpec, code: Code) -> BrokerError {
    let partitions = spec.partitions.map_or_else(|| "the default number of".into(), |count| count.to_string());
    let settings: Vec<_> = spec.config.iter().map(|(key, value)| format!("{key}={value}")).collect();
    let operation = format!("create topic {:?} with {partitions} partitions and [{}]", spec.name, settings.join(", "));
    error::failed(operation, &KafkaError::AdminOp(code))
}

/// Deletes topics; those that are not there are passed over.
pub(crate) fn delete_topics(config: &KafkaConfig, names: &[TopicName]) -> Result<(), BrokerError> {
    if names.is_empty() {
        return Ok(());
    }
    let timeout = Some(client::timeout(config.request_timeout));
    let options = AdminOptions::new().request_timeout(timeout).operation_timeout(timeout);
    let asked: Vec<_> = names.iter().map(TopicName::as_str).collect();
    let answers = with_admin(config, |admin| {
        block_on(admin.delete_topics(&asked, &options)).map_err(|error| error::failed("delete topics", &error))
    })?;
    let refused = answers.into_iter().filter_map(Result::err).find(|(_, code)| !error::is_unknown_topic(*code));
    refused
        .map_or(Ok(()), |(name, code)| Err(error::failed(format!("delete topic {name:?}"), &KafkaError::AdminOp(code))))
}

/// Lets partitions begin at the given offsets.
pub(crate) fn delete_records(
    config: &KafkaConfig,
    before: &[(TopicPartition, nowfold_core::names::Offset)],
) -> Result<(), BrokerError> {
    if before.is_empty() {
        return Ok(());
    }
    let operation = |partition: &str| format!("delete records of {partition}");
    let mut list = TopicPartitionList::with_capacity(before.len());
    for (at, offset) in before {
        let added = list.add_partition_offset(at.topic.as_str(), at.partition, Offset::Offset(*offset));
        added.map_err(|error| error::failed(operation(&at.to_string()), &error))?;
    }
    let timeout = Some(client::timeout(config.request_timeout));
    let options = AdminOptions::new().request_timeout(timeout).operation_timeout(timeout);
    let answer = with_admin(config, |admin| {
        let all = format!("{} partitions", before.len());
        block_on(admin.delete_records(&list, &options)).map_err(|error| error::failed(operation(&all), &error))
    })?;
    answer.elements().iter().try_for_each(|element| {
        let at = format!("{}-{}", element.topic(), element.partition());
        element.error().map_err(|error| error::failed(operation(&at), &error))
    })
}

/// A group's committed positions, past every transaction that is still open.
pub(crate) fn committed(
    config: &KafkaConfig,
    group: &str,
    partitions: &[TopicPartition],
) -> Result<Vec<Option<Committed>>, BrokerError> {
    if partitions.is_empty() {
        return Ok(Vec::new());
    }
    let asking = || format!("ask for the committed offsets of group {group:?}");
    let settings = client::consumer_settings(group);
    let consumer: BaseConsumer<Context<Asking>> = client::create(config, &settings, Asking)?;
    let consumer = Brief(Some(consumer));
    let mut list = TopicPartitionList::with_capacity(partitions.len());
    for partition in partitions {
        list.add_partition(partition.topic.as_str(), partition.partition);
    }
    let client = consumer.0.as_ref().ok_or_else(gone)?;
    let answer = client.committed_offsets(list, client::timeout(config.request_timeout));
    let answer = answer.map_err(|error| error::failed(asking(), &error))?;
    partitions.iter().map(|partition| one_committed(&answer, partition, asking)).collect()
}

fn one_committed(
    answer: &TopicPartitionList,
    partition: &TopicPartition,
    asking: impl Fn() -> String,
) -> Result<Option<Committed>, BrokerError> {
    let Some(element) = answer.find_partition(partition.topic.as_str(), partition.partition) else { return Ok(None) };
    match element.error() {
        Err(error) if error::code(&error).is_some_and(error::is_unknown_topic) => return Ok(None),
        Err(error) => return Err(error::failed(format!("{}, {partition}", asking()), &error)),
        Ok(()) => {}
    }
    Ok(match element.offset() {
        Offset::Offset(offset) => Some(Committed { offset, metadata: element.metadata().to_owned() }),
        _ => None,
    })
}

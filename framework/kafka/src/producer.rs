//! Appending records.

use std::fmt;
use std::time::{Duration, Instant};

use nowfold_core::names::TopicName;
use nowfold_core::record::OutputRecord;
use nowfold_runtime::broker::{BrokerError, DeliveryFailure, Producer};
use parking_lot::Mutex;
use rdkafka::error::KafkaError;
use rdkafka::message::DeliveryResult;
use rdkafka::producer::{BaseProducer, Producer as _, ProducerContext};
use rdkafka::types::RDKafkaErrorCode as Code;

use crate::broker::Kafka;
use crate::client::{self, Context, Role};
use crate::convert::{self, Sent};
use crate::error;
use crate::missing::Met;
use crate::owned::Kind;

/// Delivery reports are taken after this many records, so that they do not pile up between flushes.
const SERVE_EVERY: u32 = 64;
/// How long `send` waits for room in the local queue.
const QUEUE_FULL_LIMIT: Duration = Duration::from_secs(60);
/// Between two looks for delivery reports. rdkafka's poll with a timeout returns no earlier than that, and keeps a processor
/// busy for the last millisecond of it.
const BETWEEN_POLLS: Duration = Duration::from_micros(200);

/// The role of a producer.
#[derive(Default)]
pub(crate) struct Producing {
    failures: Mutex<Vec<(OutputRecord, Code)>>,
}

impl Role for Producing {
    const NAME: &'static str = "producer";
    const KIND: Kind = Kind::Producer;
}

impl ProducerContext for Context<Producing> {
    type DeliveryOpaque = Box<Sent>;

    fn delivery(&self, result: &DeliveryResult<'_>, sent: Box<Sent>) {
        if let Err((error, message)) = result {
            let code = error::code(error).unwrap_or(Code::Unknown);
            self.role.failures.lock().push((convert::output_record(message, &sent), code));
        }
    }
}

/// An idempotent producer.
pub(crate) struct KafkaProducer {
    producer: BaseProducer<Context<Producing>>,
    kafka: Kafka,
    /// Topics that exist, so that a missing one is noticed at once and not after librdkafka has waited for it.
    met: Met,
    since_served: u32,
}

impl KafkaProducer {
    pub(crate) fn open(kafka: Kafka) -> Result<Self, BrokerError> {
        Self::open_with(kafka, &[])
    }

    /// Opens a producer with further settings.
    pub(crate) fn open_with(kafka: Kafka, more: &[(&'static str, String)]) -> Result<Self, BrokerError> {
        let own = [("enable.idempotence", "true"), ("acks", "all"), ("partitioner", "murmur2_random")];
        let mut settings: Vec<_> = own.map(|(key, value)| (key, value.to_owned())).into();
        settings.extend_from_slice(more);
        let producer = client::create(kafka.config(), &settings, Producing::default())?;
        Ok(Self { producer, kafka, met: Met::default(), since_served: 0 })
    }

    /// The client underneath.
    pub(crate) fn client(&self) -> &BaseProducer<Context<Producing>> {
        &self.producer
    }

    fn check_topic(&mut self, topic: &TopicName) -> Result<(), BrokerError> {
        if self.met.is_there(topic) {
            return Ok(());
        }
        let n_partitions = match self.kafka.partition_count(topic) {
            Err(BrokerError::UnknownTopic { .. }) => return Err(self.unknown(topic)),
            answer => answer?,
        };
        if self.met.is_empty() {
            self.warm_up(topic)?;
        }
        self.met.found(topic, n_partitions);
        Ok(())
    }

    /// The cluster does not know the topic. One that was there is waited for: a broker that has just started has to learn
    /// of it again.
    fn unknown(&mut self, topic: &TopicName) -> BrokerError {
        if !self.met.lost(topic, Instant::now()) {
            return self.kafka.unknown_topic(topic);
        }
        BrokerError::Unavailable {
            operation: format!("produce to {topic:?}"),
            cause: "the topic was there and is unknown now, as to a broker that has just started".into(),
        }
    }

    /// Lets librdkafka get its producer id now: it asks when an answer about topics comes, or half a second later. The
    /// first answer comes from the bootstrap connection, which is closed with it; the second from a broker.
    fn warm_up(&self, topic: &TopicName) -> Result<(), BrokerError> {
        let timeout = client::timeout(self.kafka.config().request_timeout);
        for _ in 0..2 {
            let answer = self.producer.client().fetch_metadata(Some(topic.as_str()), timeout);
            answer.map_err(|error| error::failed(format!("ask for topic {topic:?}"), &error))?;
        }
        Ok(())
    }

    fn queue(&mut self, record: &OutputRecord) -> Result<(), BrokerError> {
        let mut full_since = None;
        loop {
            let Err((error, _)) = self.producer.send(convert::base_record(record)) else { return Ok(()) };
            let code = error::code(&error).unwrap_or(Code::Unknown);
            if code != Code::QueueFull {
                return Err(self.explain(record, code));
            }
            if full_since.get_or_insert_with(Instant::now).elapsed() >= QUEUE_FULL_LIMIT {
                return Err(BrokerError::Unavailable {
                    operation: format!("queue a record for {:?}", record.topic),
                    cause: format!("the local queue has been full for {} s", QUEUE_FULL_LIMIT.as_secs()),
                });
            }
            self.serve();
        }
    }

    /// Takes the delivery reports that are there, and waits a little for more.
    fn serve(&self) {
        self.producer.poll(Duration::ZERO);
        if self.producer.in_flight_count() > 0 {
            std::thread::sleep(BETWEEN_POLLS);
        }
    }

    fn explain(&mut self, record: &OutputRecord, code: Code) -> BrokerError {
        let topic = &record.topic;
        // The client says so of partitions that its broker does not name for the moment, too.
        let had = || record.partition.is_none_or(|partition| self.met.had(topic, partition));
        if error::is_unknown_topic(code) && (code != Code::UnknownPartition || had()) {
            return self.unknown(topic);
        }
        let mut cause = code.to_string();
        if code == Code::MessageSizeTooLarge {
            cause.push_str(
                "; topics limit the batch that a record travels in: raise max.message.bytes of the topic, or set \
                 batch.size (and message.max.bytes for larger records) of the client",
            );
        }
        if error::is_refusal(code) {
            return BrokerError::Refused { topic: topic.clone(), cause };
        }
        if code == Code::Fatal {
            let cause = self.producer.client().fatal_error().map_or(cause, |(_, reason)| reason);
            return BrokerError::Fatal { operation: format!("produce to {topic:?}"), cause };
        }
        error::failed(format!("produce to {topic:?}"), &KafkaError::MessageProduction(code))
    }

    fn failures(&mut self) -> Vec<DeliveryFailure> {
        let failures = std::mem::take(&mut *self.producer.context().role.failures.lock());
        let explained = failures.into_iter().map(|(record, code)| {
            let error = self.explain(&record, code);
            DeliveryFailure { record, error }
        });
        explained.collect()
    }
}

impl Producer for KafkaProducer {
    fn send(&mut self, record: OutputRecord) -> Result<(), DeliveryFailure> {
        if let Err(error) = self.check_topic(&record.topic).and_then(|()| self.queue(&record)) {
            return Err(DeliveryFailure { record, error });
        }
        self.since_served += 1;
        if self.since_served >= SERVE_EVERY {
            self.since_served = 0;
            self.producer.poll(Duration::ZERO);
        }
        Ok(())
    }

    /// Polls until nothing is in flight: rdkafka's own flush waits in steps of 100 ms.
    fn flush(&mut self, timeout: Duration) -> Result<Vec<DeliveryFailure>, BrokerError> {
        let start = Instant::now();
        loop {
            let in_flight = self.producer.in_flight_count();
            if in_flight == 0 {
                return Ok(self.failures());
            }
            if start.elapsed() >= timeout {
                return Err(BrokerError::Unavailable {
                    operation: "flush the Kafka producer".into(),
                    cause: format!("{in_flight} records are still in flight after {:.1} s", timeout.as_secs_f64()),
                });
            }
            self.serve();
        }
    }
}

impl fmt::Debug for KafkaProducer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KafkaProducer")
            .field("kafka", &self.kafka)
            .field("in_flight", &self.producer.in_flight_count())
            .finish_non_exhaustive()
    }
}

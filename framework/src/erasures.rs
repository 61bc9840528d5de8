//! Writing erasures to the actions topic.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use nowfold_core::names::TopicPartition;
use nowfold_core::record::{Headers, OutputRecord};
use nowfold_core::serde::{Format, Produced, SerdeEnv, Serializer};
use nowfold_core::time::Clock;
use nowfold_operators::erase::EraseLog;
use nowfold_runtime::broker::{Broker, Producer};
use nowfold_schemas::ActionCodec;
use nowfold_schemas::action::Action;

/// How long the broker may take to store an erasure.
const STORED_WITHIN: Duration = Duration::from_secs(10);

/// Writes erasures with a producer of its own, opened with the first one. It belongs to the application: handles that
/// outlive that must not keep its log open.
pub(crate) struct EraseWriter {
    broker: Arc<dyn Broker>,
    serdes: SerdeEnv,
    clock: Arc<dyn Clock>,
    producer: Mutex<Option<Box<dyn Producer>>>,
}

impl EraseWriter {
    /// Writes to topics of this log.
    pub(crate) fn new(broker: Arc<dyn Broker>, serdes: SerdeEnv, clock: Arc<dyn Clock>) -> Arc<Self> {
        Arc::new(Self { broker, serdes, clock, producer: Mutex::new(None) })
    }

    /// What a handle needs to write, as long as the application is there.
    pub(crate) fn log(self: &Arc<Self>) -> EraseLog {
        let writer = Arc::downgrade(self);
        Arc::new(move |partition, erase| match writer.upgrade() {
            Some(writer) => writer.write(partition, erase),
            None => Err("the application has been closed".to_owned()),
        })
    }

    fn write(&self, partition: &TopicPartition, erase: &Action) -> Result<(), String> {
        let record = self.record(partition, erase)?;
        let mut slot = self.producer.lock().unwrap_or_else(PoisonError::into_inner);
        let mut producer = match slot.take() {
            Some(producer) => producer,
            None => self.broker.producer().map_err(|error| error.to_string())?,
        };
        producer.send(record).map_err(|failure| failure.error.to_string())?;
        let failures = producer.flush(STORED_WITHIN).map_err(|error| error.to_string())?;
        match failures.into_iter().next() {
            Some(failure) => Err(failure.error.to_string()),
            None => {
                // One that failed is not used again: what it still holds must not arrive after its error was told.
                *slot = Some(producer);
                Ok(())
            }
        }
    }

    fn record(&self, partition: &TopicPartition, erase: &Action) -> Result<OutputRecord, String> {
        let codec = ActionCodec::new().pair();
        codec.configure(&self.serdes).map_err(|error| error.to_string())?;
        let topic = partition.topic.clone();
        let (key, value) = serializers(&codec);
        Ok(OutputRecord {
            key: key.serialize(&topic, &erase.actor).map_err(|error| error.to_string())?,
            value: value.serialize(&topic, erase).map_err(|error| error.to_string())?,
            topic,
            partition: Some(partition.partition),
            timestamp: self.clock.now(),
            headers: Headers::new(),
        })
    }
}

type Serializers = (Arc<dyn Serializer<Arc<str>>>, Arc<dyn Serializer<Action>>);

fn serializers(codec: &impl Produced<Arc<str>, Action>) -> Serializers {
    (codec.key_serializer(), codec.value_serializer())
}

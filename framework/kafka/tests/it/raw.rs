//! What the ports do not offer and tests need: transactions, purging and deleting topics, through rdkafka itself.

use std::time::Duration;

use futures::executor::block_on;
use nowfold_core::names::{Offset, TopicName};
use rdkafka::admin::{AdminClient, AdminOptions};
use rdkafka::client::DefaultClientContext;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rdkafka::{ClientConfig, Offset as KafkaOffset, TopicPartitionList};

use crate::support::{PATIENCE, address, fresh};

pub(crate) fn client() -> ClientConfig {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", address().unwrap());
    config
}

fn admin() -> AdminClient<DefaultClientContext> {
    client().create().unwrap()
}

/// Drops the records of partition 0 before `offset`.
pub(crate) fn delete_records(topic: &TopicName, offset: Offset) {
    let mut list = TopicPartitionList::new();
    list.add_partition_offset(topic.as_str(), 0, KafkaOffset::Offset(offset)).unwrap();
    let answer = block_on(admin().delete_records(&list, &AdminOptions::new())).unwrap();
    answer.elements().iter().for_each(|element| element.error().unwrap());
}

pub(crate) fn delete_topic(topic: &TopicName) {
    for answer in block_on(admin().delete_topics(&[topic.as_str()], &AdminOptions::new())).unwrap() {
        answer.unwrap();
    }
}

/// A producer with a transaction open.
pub(crate) struct Transaction(BaseProducer);

impl Transaction {
    pub(crate) fn begin() -> Self {
        let mut config = client();
        config.set("transactional.id", fresh("transaction"));
        let producer: BaseProducer = config.create().unwrap();
        producer.init_transactions(PATIENCE).unwrap();
        producer.begin_transaction().unwrap();
        Self(producer)
    }

    /// Stores `values` in partition 0, inside the transaction.
    pub(crate) fn send(&self, topic: &TopicName, values: &[&str]) {
        for value in values {
            let record = BaseRecord::<(), str>::to(topic.as_str()).partition(0).payload(value);
            self.0.send(record).map_err(|(error, _)| error).unwrap();
        }
        while self.0.in_flight_count() > 0 {
            self.0.poll(Duration::from_millis(1));
        }
    }

    pub(crate) fn commit(self) {
        self.0.commit_transaction(PATIENCE).unwrap();
    }

    pub(crate) fn abort(self) {
        self.0.abort_transaction(PATIENCE).unwrap();
    }
}

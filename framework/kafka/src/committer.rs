//! Commits with a bound: librdkafka's own waits for the coordinator to come back.

use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::time::Duration;

use nowfold_core::names::TopicPartition;
use nowfold_runtime::broker::BrokerError;
use nowfold_runtime::membership::OffsetCommit;
use rdkafka::consumer::{CommitMode, Consumer};
use rdkafka::types::RDKafkaErrorCode as Code;
use rdkafka::{Offset, TopicPartitionList};

use crate::error;
use crate::member::MemberConsumer;

type Answer = Result<(), Code>;

/// A thread that commits for one member.
///
/// A commit that got no answer in time is still under way: it may yet be applied, under the generation of that moment.
/// So nothing else is committed, and nothing released, before its answer is in.
pub(crate) struct Committer {
    requests: Sender<TopicPartitionList>,
    answers: Receiver<Answer>,
    under_way: bool,
    timeout: Duration,
}

impl Committer {
    /// Starts the thread, which keeps `open` until it ends.
    pub(crate) fn start(
        consumer: Arc<MemberConsumer>,
        open: Sender<()>,
        timeout: Duration,
    ) -> Result<Self, BrokerError> {
        let (requests, received) = mpsc::channel::<TopicPartitionList>();
        let (sender, answers) = mpsc::channel();
        let run = move || {
            for list in received {
                let answer = consumer.commit(&list, CommitMode::Sync);
                let answer = answer.map_err(|error| error::code(&error).unwrap_or(Code::Unknown));
                if sender.send(answer).is_err() {
                    break;
                }
            }
            drop((consumer, open));
        };
        let thread = std::thread::Builder::new().name("kafka-commit".into()).spawn(run);
        thread.map_err(|error| BrokerError::Fatal {
            operation: "start the thread that commits offsets".into(),
            cause: error.to_string(),
        })?;
        Ok(Self { requests, answers, under_way: false, timeout })
    }

    /// Waits for a commit that is still under way.
    ///
    /// # Errors
    /// [`BrokerError::Unavailable`] when it stays so.
    pub(crate) fn settle(&mut self) -> Result<(), BrokerError> {
        if self.under_way {
            // What became of it was its own caller's question.
            _ = self.answer()?;
        }
        Ok(())
    }

    pub(crate) fn commit(&mut self, list: &TopicPartitionList) -> Result<Answer, BrokerError> {
        self.settle()?;
        self.under_way = self.requests.send(list.clone()).is_ok();
        self.answer()
    }

    fn answer(&mut self) -> Result<Answer, BrokerError> {
        match self.answers.recv_timeout(self.timeout) {
            Ok(answer) => {
                self.under_way = false;
                Ok(answer)
            }
            Err(RecvTimeoutError::Timeout) => Err(BrokerError::Unavailable {
                operation: "commit offsets".into(),
                cause: format!("the coordinator has not answered for {:.1} s", self.timeout.as_secs_f64()),
            }),
            Err(RecvTimeoutError::Disconnected) => Err(BrokerError::Fatal {
                operation: "commit offsets".into(),
                cause: "the thread that commits them has ended".into(),
            }),
        }
    }
}

/// Offsets as librdkafka takes them.
pub(crate) fn list(offsets: &[OffsetCommit]) -> Result<TopicPartitionList, BrokerError> {
    let mut list = TopicPartitionList::with_capacity(offsets.len());
    for OffsetCommit { partition: TopicPartition { topic, partition }, offset, metadata } in offsets {
        let mut element = list.add_partition(topic.as_str(), *partition);
        element.set_offset(Offset::Offset(*offset)).map_err(|_| BrokerError::Fatal {
            operation: format!("commit offset {offset} of {topic}-{partition}"),
            cause: "an offset is not negative".into(),
        })?;
        if !metadata.is_empty() {
            element.set_metadata(metadata);
        }
    }
    Ok(list)
}

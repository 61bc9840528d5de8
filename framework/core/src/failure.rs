//! A record's failure is data: where it happened, and what the user's handler decides.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use crate::names::{Offset, TopicName, TopicPartition};
use crate::record::{Headers, LogRecord, OutputRecord};
use crate::time::Timestamp;

/// Where on its way a record failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Stage {
    /// Its bytes could not be decoded.
    Decode,
    /// A processor refused it.
    Process,
    /// A result could not be encoded, or the broker refused it.
    Produce,
    /// A store did not admit it (too late, from the future, without a usable time).
    Admission,
}

impl Stage {
    /// The stage's name in metrics, logs and dead letters.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Decode => "decode",
            Self::Process => "process",
            Self::Produce => "produce",
            Self::Admission => "admission",
        }
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What becomes of a record that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Stop the task: the record is not passed over. The next start meets it again.
    Fail,
    /// Drop the record and count it.
    Skip,
    /// Let the record wait at the head of its partition and try it again shortly, until the handler says otherwise. Nothing
    /// that it did stays. Where nothing can wait (rows of global tables, results that the broker refused) it is `Fail`.
    Retry,
    /// Like `Retry`, after a wait of at least this long (wall clock). Other tasks go on meanwhile, and the group is kept; the
    /// records behind it in the task wait with it. [`Retries`](crate::retry::Retries) makes a handler that bounds the attempts.
    RetryAfter(Duration),
    /// Send the original bytes with the cause to the dead-letter topic and go on.
    DeadLetter,
}

impl Verdict {
    /// Whether the record comes again, and how long to wait before, if the verdict says.
    pub(crate) const fn retries(self) -> Option<Option<Duration>> {
        match self {
            Self::Retry => Some(None),
            Self::RetryAfter(wait) => Some(Some(wait)),
            Self::Fail | Self::Skip | Self::DeadLetter => None,
        }
    }
}

/// A failed record, as a handler sees it.
#[derive(Debug)]
pub struct Failure<'a> {
    /// Where it failed.
    pub stage: Stage,
    /// The node of the topology.
    pub node: &'a str,
    /// The partition it was read from.
    pub source: &'a TopicPartition,
    /// The record as read.
    pub record: &'a LogRecord,
    /// The cause, a sentence.
    pub cause: &'a str,
    /// How often the record has been tried by this task since it was opened, this time included: 1 at first. Always 1
    /// where nothing can wait.
    pub attempt: u32,
}

/// Decides about failed records of one stage.
pub type FailureHandler = Arc<dyn Fn(&Failure<'_>) -> Verdict + Send + Sync>;

/// The user's handlers; `None` is the default of the stage.
#[derive(Clone, Default)]
pub struct FailureHandlers {
    /// For records that cannot be decoded.
    pub decode: Option<FailureHandler>,
    /// For records that a processor refuses.
    pub process: Option<FailureHandler>,
    /// For results that cannot be encoded or are refused by the broker.
    pub produce: Option<FailureHandler>,
}

impl FailureHandlers {
    /// The verdict on a failure; `default` where the user set no handler.
    pub fn decide(&self, failure: &Failure<'_>, default: Verdict) -> Verdict {
        let handler = match failure.stage {
            Stage::Decode => self.decode.as_ref(),
            Stage::Process => self.process.as_ref(),
            Stage::Produce => self.produce.as_ref(),
            Stage::Admission => None,
        };
        handler.map_or(default, |decide| decide(failure))
    }

    /// Whether the user set any.
    pub fn is_empty(&self) -> bool {
        self.decode.is_none() && self.process.is_none() && self.produce.is_none()
    }
}

impl fmt::Debug for FailureHandlers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FailureHandlers")
            .field("decode", &self.decode.is_some())
            .field("process", &self.process.is_some())
            .field("produce", &self.produce.is_some())
            .finish()
    }
}

/// Headers of a dead letter, beside the record's own.
pub mod dead_letter {
    /// Topic that the record was read from.
    pub const TOPIC: &str = "nowfold-error-topic";
    /// Partition that the record was read from, in decimal.
    pub const PARTITION: &str = "nowfold-error-partition";
    /// Offset of the record, in decimal.
    pub const OFFSET: &str = "nowfold-error-offset";
    /// [`Stage`](super::Stage) of the failure.
    pub const STAGE: &str = "nowfold-error-stage";
    /// Node of the topology.
    pub const NODE: &str = "nowfold-error-node";
    /// The cause, a sentence.
    pub const CAUSE: &str = "nowfold-error-cause";
    /// How often the record was tried, in decimal; absent when once.
    pub const ATTEMPTS: &str = "nowfold-error-attempts";
}

impl Failure<'_> {
    /// The record for the dead-letter topic: the original key, value, timestamp and headers, and where and why it failed.
    /// A negative timestamp becomes 0, since no log takes it.
    pub fn to_dead_letter(&self, topic: &TopicName) -> OutputRecord {
        OutputRecord {
            topic: topic.clone(),
            partition: None,
            key: self.record.key.clone(),
            value: self.record.value.clone(),
            timestamp: self.record.timestamp.max(Timestamp::from_millis(0)),
            headers: self.headers(),
        }
    }

    fn headers(&self) -> Headers {
        let mut headers = self.record.headers.clone();
        let mut put = |name: &str, text: String| headers.push(name, Some(Bytes::from(text)));
        put(dead_letter::TOPIC, self.source.topic.to_string());
        put(dead_letter::PARTITION, self.source.partition.to_string());
        put(dead_letter::OFFSET, self.record.offset.to_string());
        put(dead_letter::STAGE, self.stage.to_string());
        put(dead_letter::NODE, self.node.to_owned());
        put(dead_letter::CAUSE, self.cause.to_owned());
        if self.attempt > 1 {
            put(dead_letter::ATTEMPTS, self.attempt.to_string());
        }
        headers
    }
}

/// A failure that stops a task. Displays as a sentence that names partition, offset and node.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "NF040 {stage} failed at node {node:?} for {source_partition} offset {offset}: {cause}. Set a handler to skip or dead-letter such records, or mend the cause and start again"
)]
pub struct TaskFailure {
    /// Where it failed.
    pub stage: Stage,
    /// The node.
    pub node: String,
    /// The partition it was read from.
    pub source_partition: TopicPartition,
    /// The record's offset.
    pub offset: Offset,
    /// The cause, a sentence.
    pub cause: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(stage: Stage, handlers: &FailureHandlers) -> Verdict {
        let (source, record) = (TopicPartition::new("t", 0), LogRecord::empty());
        let failure = Failure { stage, node: "n", source: &source, record: &record, cause: "c", attempt: 1 };
        handlers.decide(&failure, Verdict::Fail)
    }

    #[test]
    fn each_stage_asks_its_own_handler_and_else_takes_the_default() {
        let skip: FailureHandler = Arc::new(|_| Verdict::Skip);
        let handlers = FailureHandlers { process: Some(skip), ..FailureHandlers::default() };
        assert_eq!(check(Stage::Process, &handlers), Verdict::Skip);
        for stage in [Stage::Decode, Stage::Produce, Stage::Admission] {
            assert_eq!(check(stage, &handlers), Verdict::Fail, "{stage}");
        }
        assert!(!handlers.is_empty() && FailureHandlers::default().is_empty());
    }

    #[test]
    fn a_failure_that_stops_a_task_reads_as_a_sentence() {
        let failure = TaskFailure {
            stage: Stage::Decode,
            node: "clicks".into(),
            source_partition: TopicPartition::new("clicks", 3),
            offset: 7,
            cause: "value: not a valid JSON".into(),
        };
        assert_eq!(
            failure.to_string(),
            "NF040 decode failed at node \"clicks\" for clicks-3 offset 7: value: not a valid JSON. \
             Set a handler to skip or dead-letter such records, or mend the cause and start again"
        );
    }
}

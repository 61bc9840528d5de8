//! Dead letters, read back.

use nowfold_core::failure::dead_letter;
use nowfold_core::names::{Offset, TopicPartition};
use nowfold_core::record::LogRecord;

/// A record on the dead-letter topic: what failed, where and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadLetter {
    /// The partition that the record was read from.
    pub source: TopicPartition,
    /// Its offset there.
    pub offset: Offset,
    /// The stage that failed: `decode`, `process`, `produce` or `admission`.
    pub stage: String,
    /// The node that failed.
    pub node: String,
    /// The cause, a sentence.
    pub cause: String,
    /// The dead letter itself: original key, value and headers, and the headers that tell the above.
    pub record: LogRecord,
}

impl DeadLetter {
    /// Reads a record of a dead-letter topic; `None` when it is not one.
    pub fn parse(record: &LogRecord) -> Option<Self> {
        let text = |name| {
            let value = record.headers.last(name)?.value.as_ref()?;
            std::str::from_utf8(value).ok().map(str::to_owned)
        };
        let partition = text(dead_letter::PARTITION)?.parse().ok()?;
        Some(Self {
            source: TopicPartition::new(text(dead_letter::TOPIC)?, partition),
            offset: text(dead_letter::OFFSET)?.parse().ok()?,
            stage: text(dead_letter::STAGE)?,
            node: text(dead_letter::NODE)?,
            cause: text(dead_letter::CAUSE)?,
            record: record.clone(),
        })
    }
}

//! How far queries have seen the actions topic.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use nowfold_core::names::{Offset, TopicPartition};
use serde::ser::{Serialize, Serializer};

/// Last applied offset by partition, inclusive. Answers carry one; a question may require one.
///
/// As text it reads `actions-5:120394,actions-6:7`, in JSON `{"actions-5": 120394, "actions-6": 7}`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Position(BTreeMap<TopicPartition, Offset>);

/// A text that is not a position.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not a position; write TOPIC-PARTITION:OFFSET, several with commas, such as actions-5:120394")]
pub struct PositionError {
    /// What was written.
    pub text: String,
}

impl Position {
    /// Nothing seen.
    pub fn new() -> Self {
        Self::default()
    }

    /// The position with this partition at `offset`, or further if it was.
    #[must_use]
    pub fn with(mut self, partition: TopicPartition, offset: Offset) -> Self {
        self.advance(partition, offset);
        self
    }

    /// Moves a partition on to `offset`; never back.
    pub fn advance(&mut self, partition: TopicPartition, offset: Offset) {
        let at = self.0.entry(partition).or_insert(offset);
        *at = offset.max(*at);
    }

    /// The last offset seen of a partition.
    pub fn get(&self, partition: &TopicPartition) -> Option<Offset> {
        self.0.get(partition).copied()
    }

    /// Partitions and offsets in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&TopicPartition, Offset)> {
        self.0.iter().map(|(partition, offset)| (partition, *offset))
    }

    /// Whether nothing was seen.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, (partition, offset)) in self.iter().enumerate() {
            let comma = if number > 0 { "," } else { "" };
            write!(f, "{comma}{partition}:{offset}")?;
        }
        Ok(())
    }
}

impl FromStr for Position {
    type Err = PositionError;

    fn from_str(text: &str) -> Result<Self, PositionError> {
        let mut position = Self::new();
        for part in text.split(',').filter(|part| !part.is_empty()) {
            let (partition, offset) = parse(part).ok_or_else(|| PositionError { text: text.to_owned() })?;
            position.advance(partition, offset);
        }
        Ok(position)
    }
}

fn parse(part: &str) -> Option<(TopicPartition, Offset)> {
    let (partition, offset) = part.trim().rsplit_once(':')?;
    let (topic, partition) = partition.rsplit_once('-')?;
    Some((TopicPartition::new(topic, partition.parse().ok()?), offset.parse().ok()?))
}

impl Serialize for Position {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter().map(|(partition, offset)| (partition.to_string(), offset)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_it_writes() {
        let position =
            Position::new().with(TopicPartition::new("my-actions", 5), 7).with(TopicPartition::new("b", 0), 1);
        assert_eq!(position.to_string(), "b-0:1,my-actions-5:7");
        assert_eq!(position.to_string().parse(), Ok(position));
    }

    #[test]
    fn refuses_other_text() {
        for text in ["actions", "actions-5", "actions:5", "actions-x:5", "actions-5:x"] {
            assert!(text.parse::<Position>().is_err(), "{text:?}");
        }
    }
}

//! What a topology needs of its topics: which must exist, which are created, which settings would lose state.

use std::collections::BTreeMap;

use crate::names::TopicName;

/// What the application does with a topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum TopicRole {
    /// Read; owned by others, never created here.
    Source,
    /// Written; owned by others, never created here.
    Sink,
    /// Written and read by this application.
    Intermediate,
    /// Written and read by this application under a name that it made up: purged when it is processed.
    Repartition,
    /// Repeats a store's writes.
    Changelog,
    /// Takes records that failed.
    DeadLetters,
}

/// How many partitions a created topic gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PartitionCount {
    /// As many as the largest of these topics has.
    LargestOf(Vec<TopicName>),
    /// This many.
    Fixed(i32),
}

/// A setting without which state would be lost or wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicRule {
    /// The topic configuration, such as `cleanup.policy`.
    pub key: &'static str,
    /// What its value must be.
    pub expected: Expected,
    /// The error's code, such as `NF131`.
    pub code: &'static str,
    /// What happens otherwise, a clause: `only one action per actor would survive`.
    pub consequence: &'static str,
}

/// What a topic setting must be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expected {
    /// Exactly this text.
    Exactly(&'static str),
    /// A comma-separated list that contains this word.
    Containing(&'static str),
    /// A number of milliseconds at least this large; -1 is unlimited.
    AtLeastMs(i64),
}

impl Expected {
    /// Whether `value` fulfils it.
    pub fn admits(&self, value: &str) -> bool {
        match self {
            Self::Exactly(expected) => value == *expected,
            Self::Containing(word) => value.split(',').any(|part| part.trim() == *word),
            Self::AtLeastMs(ms) => value.parse::<i64>().is_ok_and(|actual| actual == -1 || actual >= *ms),
        }
    }

    /// A value that fulfils it, for the fix.
    pub fn remedy(&self) -> String {
        match self {
            Self::Exactly(text) | Self::Containing(text) => (*text).to_owned(),
            Self::AtLeastMs(ms) => ms.to_string(),
        }
    }
}

/// A topic that the topology uses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicRequirement {
    /// Its name.
    pub name: TopicName,
    /// What it is used for.
    pub role: TopicRole,
    /// How it is created when absent; `None`: it must exist.
    pub create: Option<TopicBlueprint>,
    /// What is checked when it exists.
    pub rules: Vec<TopicRule>,
}

/// How an absent topic is created.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicBlueprint {
    /// Number of partitions.
    pub partitions: PartitionCount,
    /// Configuration under Kafka's names.
    pub config: BTreeMap<String, String>,
}

impl TopicBlueprint {
    /// A blueprint with these settings.
    pub fn new(partitions: PartitionCount, config: &[(&str, &str)]) -> Self {
        let config = config.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        Self { partitions, config }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_admitted_or_mended() {
        let cases = [
            (Expected::Exactly("delete"), "delete", true),
            (Expected::Exactly("delete"), "compact,delete", false),
            (Expected::Containing("compact"), "compact", true),
            (Expected::Containing("compact"), "delete, compact", true),
            (Expected::Containing("compact"), "compacted", false),
            (Expected::AtLeastMs(1_000), "1000", true),
            (Expected::AtLeastMs(1_000), "-1", true),
            (Expected::AtLeastMs(1_000), "999", false),
            (Expected::AtLeastMs(1_000), "-2", false),
            (Expected::AtLeastMs(1_000), "soon", false),
        ];
        for (expected, value, admitted) in cases {
            assert_eq!(expected.admits(value), admitted, "{expected:?} {value}");
            assert!(expected.admits(&expected.remedy()), "{expected:?}");
        }
    }
}

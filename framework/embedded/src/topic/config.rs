//! A topic's configuration under Kafka's names, with Kafka 4's defaults.

use std::collections::BTreeMap;

use nowfold_core::record::TimestampType;

/// How a setting's value is checked.
#[derive(Clone, Copy)]
enum Kind {
    /// A whole number of at least this much.
    Number(i64),
    /// A number from 0 to 1.
    Ratio,
    /// A list of `delete` and `compact`.
    Policy,
    /// `CreateTime` or `LogAppendTime`.
    TimestampType,
    /// Known to Kafka and shown as given, but without effect here.
    Ignored,
}

/// Kafka 4's topic settings; the sizes and times that this log acts on are `Number`s.
/// Source: <https://kafka.apache.org/41/configuration/topic-configs/>.
const SETTINGS: &[(&str, &str, Kind)] = &[
    ("cleanup.policy", "delete", Kind::Policy),
    ("compression.type", "producer", Kind::Ignored),
    ("delete.retention.ms", "86400000", Kind::Number(0)),
    ("file.delete.delay.ms", "60000", Kind::Ignored),
    ("flush.messages", "9223372036854775807", Kind::Ignored),
    ("flush.ms", "9223372036854775807", Kind::Ignored),
    ("index.interval.bytes", "4096", Kind::Ignored),
    ("max.compaction.lag.ms", "9223372036854775807", Kind::Ignored),
    ("max.message.bytes", "1048588", Kind::Number(0)),
    ("message.timestamp.after.max.ms", "3600000", Kind::Number(0)),
    ("message.timestamp.before.max.ms", "9223372036854775807", Kind::Number(0)),
    ("message.timestamp.type", "CreateTime", Kind::TimestampType),
    ("min.cleanable.dirty.ratio", "0.5", Kind::Ratio),
    ("min.compaction.lag.ms", "0", Kind::Number(0)),
    ("min.insync.replicas", "1", Kind::Ignored),
    ("preallocate", "false", Kind::Ignored),
    ("retention.bytes", "-1", Kind::Number(-1)),
    ("retention.ms", "604800000", Kind::Number(-1)),
    ("segment.bytes", "1073741824", Kind::Number(1)),
    ("segment.index.bytes", "10485760", Kind::Ignored),
    ("segment.jitter.ms", "0", Kind::Ignored),
    ("segment.ms", "604800000", Kind::Number(1)),
    ("unclean.leader.election.enable", "false", Kind::Ignored),
];

/// A topic's effective configuration. Times in milliseconds, sizes in bytes.
#[derive(Clone, Debug)]
pub(crate) struct TopicConfig {
    /// Every setting as text, defaults included.
    pub(crate) effective: BTreeMap<String, String>,
    pub(crate) deletes: bool,
    pub(crate) compacts: bool,
    pub(crate) timestamp_type: TimestampType,
    /// `None`: for ever.
    pub(crate) retention_ms: Option<i64>,
    /// `None`: any size.
    pub(crate) retention_bytes: Option<u64>,
    pub(crate) segment_ms: i64,
    pub(crate) segment_bytes: u64,
    pub(crate) max_message_bytes: u64,
    pub(crate) delete_retention_ms: i64,
    pub(crate) min_compaction_lag_ms: i64,
    pub(crate) min_dirty_ratio: f64,
    pub(crate) timestamp_before_max_ms: i64,
    pub(crate) timestamp_after_max_ms: i64,
}

impl TopicConfig {
    /// Kafka's defaults with these settings in their place; an unknown name or a bad value is an error for people.
    pub(crate) fn new(overrides: &BTreeMap<String, String>) -> Result<Self, String> {
        let mut effective: BTreeMap<_, _> = SETTINGS.iter().map(|(name, default, _)| (*name, *default)).collect();
        for (name, value) in overrides {
            let Some((name, _, kind)) = SETTINGS.iter().find(|(known, ..)| known == name) else {
                return Err(format!("unknown topic setting {name:?}"));
            };
            check(name, value, *kind)?;
            effective.insert(name, value);
        }
        Ok(Self::from_checked(&effective))
    }

    fn from_checked(effective: &BTreeMap<&str, &str>) -> Self {
        let text = |name| effective.get(name).copied().unwrap_or_default();
        let number = |name| text(name).parse::<i64>().unwrap_or_default();
        let size = |name| u64::try_from(number(name)).ok();
        Self {
            deletes: policies(text("cleanup.policy")).any(|policy| policy == "delete"),
            compacts: policies(text("cleanup.policy")).any(|policy| policy == "compact"),
            timestamp_type: match text("message.timestamp.type") {
                "LogAppendTime" => TimestampType::LogAppendTime,
                _ => TimestampType::CreateTime,
            },
            retention_ms: Some(number("retention.ms")).filter(|ms| *ms >= 0),
            retention_bytes: size("retention.bytes"),
            segment_ms: number("segment.ms"),
            segment_bytes: size("segment.bytes").unwrap_or(u64::MAX),
            max_message_bytes: size("max.message.bytes").unwrap_or(u64::MAX),
            delete_retention_ms: number("delete.retention.ms"),
            min_compaction_lag_ms: number("min.compaction.lag.ms"),
            min_dirty_ratio: text("min.cleanable.dirty.ratio").parse().unwrap_or_default(),
            timestamp_before_max_ms: number("message.timestamp.before.max.ms"),
            timestamp_after_max_ms: number("message.timestamp.after.max.ms"),
            effective: effective.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
        }
    }
}

fn policies(list: &str) -> impl Iterator<Item = &str> {
    list.split(',').map(str::trim)
}

fn check(name: &str, value: &str, kind: Kind) -> Result<(), String> {
    let (good, expected) = match kind {
        Kind::Number(least) => {
            (value.parse::<i64>().is_ok_and(|n| n >= least), format!("a whole number of at least {least}"))
        }
        Kind::Ratio => (value.parse::<f64>().is_ok_and(|r| (0.0..=1.0).contains(&r)), "a number from 0 to 1".into()),
        Kind::Policy => {
            (policies(value).all(|p| ["delete", "compact"].contains(&p)), "delete, compact or both with a comma".into())
        }
        Kind::TimestampType => (["CreateTime", "LogAppendTime"].contains(&value), "CreateTime or LogAppendTime".into()),
        Kind::Ignored => (true, "a single line".into()),
    };
    if good && !value.contains(['\n', '\r']) {
        Ok(())
    } else {
        Err(format!("topic setting {name} is {value:?}, expected {expected}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(settings: &[(&str, &str)]) -> Result<TopicConfig, String> {
        TopicConfig::new(&settings.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect())
    }

    #[test]
    fn defaults_are_kafkas() {
        let config = config(&[]).unwrap();
        assert!(config.deletes && !config.compacts);
        assert_eq!(config.retention_ms, Some(7 * 24 * 3_600_000));
        assert_eq!(config.retention_bytes, None);
        assert_eq!(config.segment_bytes, 1 << 30);
        assert_eq!(config.max_message_bytes, (1 << 20) + 12);
        assert_eq!(config.timestamp_type, TimestampType::CreateTime);
    }

    #[test]
    fn takes_both_policies_and_no_limit() {
        let config = config(&[("cleanup.policy", "compact, delete"), ("retention.ms", "-1")]).unwrap();
        assert!(config.deletes && config.compacts);
        assert_eq!(config.retention_ms, None);
        assert_eq!(config.effective["cleanup.policy"], "compact, delete");
    }

    #[test]
    fn refuses_unknown_names_and_bad_values() {
        for (name, value) in [
            ("retention.hours", "1"),
            ("retention.ms", "-2"),
            ("retention.ms", "1h"),
            ("cleanup.policy", "keep"),
            ("cleanup.policy", ""),
            ("message.timestamp.type", "EventTime"),
            ("min.cleanable.dirty.ratio", "NaN"),
            ("compression.type", "a\nb"),
            ("cleanup.policy", "compact,\ndelete"),
        ] {
            let error = config(&[(name, value)]).unwrap_err();
            assert!(error.contains(name), "{error}");
        }
    }
}

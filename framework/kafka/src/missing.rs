//! Topics that were there, and that the cluster does not know for the moment.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use nowfold_core::names::{Partition, TopicName};

/// How long a topic that was there may be unknown: a broker that has just started has to learn of it again, and answers
/// until then that there is none of that name.
const UNKNOWN_WITHIN: Duration = Duration::from_secs(15);

/// The topics that a client has met.
#[derive(Debug, Default)]
pub(crate) struct Met {
    /// With the number of their partitions.
    there: BTreeMap<TopicName, Partition>,
    /// Those that were there, and since when they are not.
    missing: BTreeMap<TopicName, (Partition, Instant)>,
}

impl Met {
    pub(crate) fn is_there(&self, topic: &TopicName) -> bool {
        self.there.contains_key(topic)
    }

    /// Whether nothing was ever there.
    pub(crate) fn is_empty(&self) -> bool {
        self.there.is_empty() && self.missing.is_empty()
    }

    /// Whether the topic has or had such a partition.
    pub(crate) fn had(&self, topic: &TopicName, partition: Partition) -> bool {
        let n = self.there.get(topic).or_else(|| self.missing.get(topic).map(|(n, _)| n));
        n.is_some_and(|n| (0..*n).contains(&partition))
    }

    pub(crate) fn found(&mut self, topic: &TopicName, n_partitions: Partition) {
        self.missing.remove(topic);
        self.there.insert(topic.clone(), n_partitions);
    }

    /// The cluster does not know the topic `now`; says whether it may come back by itself.
    pub(crate) fn lost(&mut self, topic: &TopicName, now: Instant) -> bool {
        if let Some(n) = self.there.remove(topic) {
            self.missing.insert(topic.clone(), (n, now));
        }
        self.missing.get(topic).is_some_and(|(_, since)| now.saturating_duration_since(*since) < UNKNOWN_WITHIN)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topic_that_was_there_may_come_back_for_a_while_and_one_that_never_was_may_not() {
        let (mut met, [clicks, bets], now) = (Met::default(), ["clicks", "bets"].map(TopicName::from), Instant::now());
        assert!(!met.lost(&clicks, now), "it never was there");
        assert!(met.is_empty());
        met.found(&clicks, 2);
        assert!(met.is_there(&clicks) && !met.is_there(&bets));
        assert!(met.lost(&clicks, now));
        assert!(met.had(&clicks, 1) && !met.had(&clicks, 2) && !met.had(&bets, 0));
        assert!(!met.is_there(&clicks) && !met.is_empty());
        assert!(met.lost(&clicks, now + UNKNOWN_WITHIN / 2));
        assert!(!met.lost(&clicks, now + UNKNOWN_WITHIN), "it is gone");
        met.found(&clicks, 2);
        assert!(met.lost(&clicks, now + UNKNOWN_WITHIN), "it was there again");
    }
}

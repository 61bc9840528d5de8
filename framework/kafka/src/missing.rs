//! Topics that were there, and that the cluster does not know for the moment.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use nowfold_core::names::TopicName;

/// How long a topic that was there may be unknown: a broker that has just started has to learn of it again, and answers
/// until then that there is none of that name.
const UNKNOWN_WITHIN: Duration = Duration::from_secs(15);

/// The topics that a client has met.
#[derive(Debug, Default)]
pub(crate) struct Met {
    there: BTreeSet<TopicName>,
    /// Those that were there, and since when they are not.
    missing: BTreeMap<TopicName, Instant>,
}

impl Met {
    pub(crate) fn is_there(&self, topic: &TopicName) -> bool {
        self.there.contains(topic)
    }

    /// Whether nothing was ever there.
    pub(crate) fn is_empty(&self) -> bool {
        self.there.is_empty() && self.missing.is_empty()
    }

    pub(crate) fn found(&mut self, topic: &TopicName) {
        self.missing.remove(topic);
        self.there.insert(topic.clone());
    }

    /// The cluster does not know the topic `now`; says whether it may come back by itself.
    pub(crate) fn lost(&mut self, topic: &TopicName, now: Instant) -> bool {
        if self.there.remove(topic) {
            self.missing.insert(topic.clone(), now);
        }
        self.missing.get(topic).is_some_and(|since| now.saturating_duration_since(*since) < UNKNOWN_WITHIN)
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
        met.found(&clicks);
        assert!(met.is_there(&clicks) && !met.is_there(&bets));
        assert!(met.lost(&clicks, now));
        assert!(!met.is_there(&clicks) && !met.is_empty());
        assert!(met.lost(&clicks, now + UNKNOWN_WITHIN / 2));
        assert!(!met.lost(&clicks, now + UNKNOWN_WITHIN), "it is gone");
        met.found(&clicks);
        assert!(met.lost(&clicks, now + UNKNOWN_WITHIN), "it was there again");
    }
}

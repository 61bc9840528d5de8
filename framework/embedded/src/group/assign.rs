//! Who gets which partition: balanced over all partitions together, and as few as possible change hands
//! (the cooperative sticky assignor of KIP-54 and KIP-429; its exact picks are its own).

use std::collections::{BTreeMap, BTreeSet};

use nowfold_core::names::{TopicName, TopicPartition};

/// A member's number within its group, in order of joining.
pub(super) type MemberId = u64;

/// What a member asks for and has.
#[derive(Clone, Debug, Default)]
pub(super) struct Share {
    pub(super) topics: BTreeSet<TopicName>,
    pub(super) partitions: BTreeSet<TopicPartition>,
}

impl Share {
    fn of_topic(&self, topic: &TopicName) -> usize {
        self.partitions.iter().filter(|partition| partition.topic == *topic).count()
    }
}

/// Changes the members' partitions so that every partition of `topics` (name to number of partitions) has one owner
/// among those that subscribe to it, and no partition could move to a member that has at least two fewer.
/// No partition may be given to two members before.
pub(super) fn rebalance(members: &mut BTreeMap<MemberId, Share>, topics: &BTreeMap<TopicName, i32>) {
    for share in members.values_mut() {
        let subscribed = &share.topics;
        share.partitions.retain(|partition| {
            subscribed.contains(&partition.topic)
                && topics.get(&partition.topic).is_some_and(|n| partition.partition < *n)
        });
    }
    give_out_free(members, topics);
    while let Some((from, to, partition)) = best_move(members) {
        if let Some(share) = members.get_mut(&from) {
            share.partitions.remove(&partition);
        }
        if let Some(share) = members.get_mut(&to) {
            share.partitions.insert(partition);
        }
    }
}

fn give_out_free(members: &mut BTreeMap<MemberId, Share>, topics: &BTreeMap<TopicName, i32>) {
    let owned: BTreeSet<_> = members.values().flat_map(|share| share.partitions.iter().cloned()).collect();
    let all = topics.iter().flat_map(|(topic, n)| (0..*n).map(|p| TopicPartition::new(topic.as_str(), p)));
    for partition in all.filter(|partition| !owned.contains(partition)) {
        let subscribers = members.values_mut().filter(|share| share.topics.contains(&partition.topic));
        if let Some(share) = subscribers.min_by_key(|share| share.partitions.len()) {
            share.partitions.insert(partition);
        }
    }
}

/// A move that evens two members out: from the fullest that can give, to the emptiest that can take, of the topic
/// of which the giver has most compared with the taker.
fn best_move(members: &BTreeMap<MemberId, Share>) -> Option<(MemberId, MemberId, TopicPartition)> {
    let pairs = members.iter().flat_map(|from| members.iter().map(move |to| (from, to)));
    let mut pairs: Vec<_> =
        pairs.filter(|((_, from), (_, to))| from.partitions.len() >= to.partitions.len() + 2).collect();
    pairs.sort_by_key(|((_, from), (_, to))| to.partitions.len().abs_diff(from.partitions.len()));
    pairs.into_iter().rev().find_map(|((from_id, from), (to_id, to))| {
        let movable = from.partitions.iter().filter(|partition| to.topics.contains(&partition.topic));
        let partition = movable.max_by_key(|partition| {
            let surplus = from.of_topic(&partition.topic) + to.partitions.len() - to.of_topic(&partition.topic);
            (surplus, *partition)
        })?;
        Some((*from_id, *to_id, partition.clone()))
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use proptest::test_runner::RngSeed;

    use super::*;

    type Members = BTreeMap<MemberId, Share>;

    fn topics(counts: &[(&str, i32)]) -> BTreeMap<TopicName, i32> {
        counts.iter().map(|(name, n)| (TopicName::from(name), *n)).collect()
    }

    fn subscriber(topics: &[&str]) -> Share {
        Share { topics: topics.iter().map(TopicName::from).collect(), partitions: BTreeSet::new() }
    }

    fn sizes(members: &Members) -> Vec<usize> {
        members.values().map(|share| share.partitions.len()).collect()
    }

    #[test]
    fn newcomer_takes_its_part_of_every_topic() {
        let topics = topics(&[("a", 4), ("b", 4)]);
        let mut members = Members::from([(1, subscriber(&["a", "b"]))]);
        rebalance(&mut members, &topics);
        assert_eq!(sizes(&members), [8]);
        members.insert(2, subscriber(&["a", "b"]));
        rebalance(&mut members, &topics);
        for share in members.values() {
            assert_eq!((share.of_topic(&"a".into()), share.of_topic(&"b".into())), (2, 2));
        }
    }

    #[test]
    fn members_get_only_what_they_subscribe_to() {
        let topics = topics(&[("a", 2), ("b", 3), ("unwanted", 9)]);
        let mut members = Members::from([(1, subscriber(&["a"])), (2, subscriber(&["a", "b"]))]);
        rebalance(&mut members, &topics);
        assert_eq!(sizes(&members), [2, 3]);
        assert_eq!(members[&1].of_topic(&"b".into()), 0);
    }

    #[test]
    fn more_members_than_partitions_leave_some_idle() {
        let mut members: Members = (1..=3).map(|id| (id, subscriber(&["a"]))).collect();
        rebalance(&mut members, &topics(&[("a", 2)]));
        assert_eq!(sizes(&members), [1, 1, 0]);
    }

    fn config() -> ProptestConfig {
        ProptestConfig { rng_seed: RngSeed::Fixed(1), failure_persistence: None, ..ProptestConfig::default() }
    }

    proptest! {
        #![proptest_config(config())]

        /// Members with one and the same subscription come and go; after each change the split is even, complete, and
        /// nobody lost more than the change made necessary.
        #[test]
        fn stays_even_and_sticky_as_members_come_and_go(
            counts in proptest::collection::vec(0i32..9, 1..4),
            changes in proptest::collection::vec(any::<bool>(), 1..12),
        ) {
            let names = ["a", "b", "c"];
            let topics = topics(&names.into_iter().zip(counts.iter().copied()).collect::<Vec<_>>());
            let total = usize::try_from(counts.iter().sum::<i32>()).unwrap();
            let mut members = Members::new();
            for (id, joins) in (0..).zip(changes) {
                if joins { members.insert(id, subscriber(&names)); } else { members.pop_first(); }
                let before = members.clone();
                rebalance(&mut members, &topics);
                if members.is_empty() { continue; }
                prop_assert_eq!(sizes(&members).iter().sum::<usize>(), total);
                let distinct: BTreeSet<_> = members.values().flat_map(|share| &share.partitions).collect();
                prop_assert_eq!(distinct.len(), total);
                let even = total / members.len();
                prop_assert!(sizes(&members).iter().all(|n| *n == even || *n == even + 1), "{:?}", sizes(&members));
                for (id, share) in &members {
                    let old = &before[id].partitions;
                    let given_up = old.difference(&share.partitions).count();
                    prop_assert_eq!(given_up, old.len().saturating_sub(share.partitions.len()), "gives or takes, not both");
                }
            }
        }
    }
}

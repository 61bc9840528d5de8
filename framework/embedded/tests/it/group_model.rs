//! Random lives of group members: whatever they do, no partition has two owners, and in the end all have one.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use nowfold_core::names::TopicPartition;
use nowfold_embedded::EmbeddedLog;
use nowfold_runtime::broker::{Broker, BrokerError};
use nowfold_runtime::membership::{Membership, MembershipEvent, OffsetCommit};
use proptest::prelude::*;
use proptest::test_runner::RngSeed;

use crate::support::{HandClock, create, log, partition};

const PARTITIONS: i32 = 7;

#[derive(Clone, Debug)]
enum Op {
    Join,
    Poll(usize),
    Release(usize),
    Leave(usize),
    /// Dropped without a word.
    Crash(usize),
    /// Expel the owner of a partition.
    Expel(i32),
    Advance(i64),
    /// Everybody tries to commit.
    Check,
}

fn ops() -> impl Strategy<Value = Vec<Op>> {
    let op = prop_oneof![
        2 => Just(Op::Join),
        12 => (0usize..6).prop_map(Op::Poll),
        6 => (0usize..6).prop_map(Op::Release),
        1 => (0usize..6).prop_map(Op::Leave),
        1 => (0usize..6).prop_map(Op::Crash),
        1 => (0..PARTITIONS).prop_map(Op::Expel),
        2 => (0i64..4_000).prop_map(Op::Advance),
        4 => Just(Op::Check),
    ];
    proptest::collection::vec(op, 1..120)
}

/// A member, and the sum of what it was told.
struct Member {
    membership: Box<dyn Membership>,
    owned: BTreeSet<TopicPartition>,
    releasing: Option<Vec<TopicPartition>>,
}

impl Member {
    fn poll(&mut self) {
        let event = self.membership.poll(Duration::ZERO).unwrap();
        assert!(event.is_none() || self.releasing.is_none(), "an event before the last one was released: {event:?}");
        match event {
            None => {}
            // Nothing is left for a member that has just joined.
            Some(MembershipEvent::Assigned(new)) if new.is_empty() => assert!(self.owned.is_empty()),
            Some(MembershipEvent::Assigned(new)) => {
                assert!(new.iter().all(|partition| self.owned.insert(partition.clone())));
            }
            Some(MembershipEvent::Revoked(old)) => {
                assert!(!old.is_empty() && old.iter().all(|partition| self.owned.contains(partition)));
                self.releasing = Some(old);
            }
            Some(MembershipEvent::Lost(old)) => {
                assert_eq!(BTreeSet::from_iter(old), std::mem::take(&mut self.owned), "all of it is lost");
                self.releasing = Some(Vec::new());
            }
        }
    }

    fn release(&mut self) {
        self.membership.release().unwrap();
        for partition in self.releasing.take().unwrap_or_default() {
            self.owned.remove(&partition);
        }
    }

    /// Commits for everything owned; `false` when fenced.
    fn commits(&mut self) -> bool {
        let commit = |partition: &TopicPartition| OffsetCommit {
            partition: partition.clone(),
            offset: 1,
            metadata: String::new(),
        };
        let commits: Vec<_> = self.owned.iter().map(commit).collect();
        match self.membership.commit(&commits) {
            Ok(()) => true,
            Err(BrokerError::Fenced { .. }) => false,
            Err(error) => panic!("{error}"),
        }
    }
}

struct Run {
    log: EmbeddedLog,
    clock: Arc<HandClock>,
    members: Vec<Member>,
}

impl Run {
    fn apply(&mut self, op: &Op) {
        let n = self.members.len();
        match *op {
            Op::Join if n < 6 => {
                let membership = self.log.join("g", &["t".into()]).unwrap();
                self.members.push(Member { membership, owned: BTreeSet::new(), releasing: None });
            }
            Op::Poll(i) if i < n => self.members[i].poll(),
            Op::Release(i) if i < n => self.members[i].release(),
            Op::Leave(i) if i < n => self.members.remove(i).membership.leave(Duration::ZERO).unwrap(),
            Op::Crash(i) if i < n => drop(self.members.remove(i)),
            Op::Expel(number) => _ = self.log.faults().expel_owner("g", &partition("t", number)),
            Op::Advance(ms) => self.clock.advance(ms),
            Op::Check => self.check(),
            _ => {}
        }
    }

    /// Those who may commit own nothing in common.
    fn check(&mut self) {
        let mut owned = BTreeSet::new();
        for member in &mut self.members {
            if member.commits() {
                member
                    .owned
                    .iter()
                    .for_each(|partition| assert!(owned.insert(partition), "{partition} has two owners"));
            }
        }
    }

    /// When members only do what they are told, each gets its share.
    fn settle(&mut self) {
        // Who crashed is found out in steps that leave the others time to show that they are there.
        for _ in 0..4 {
            self.clock.advance(4_000);
            for _ in 0..4 {
                self.members.iter_mut().for_each(|member| {
                    member.poll();
                    member.release();
                });
            }
        }
        self.check();
        let n = self.members.len();
        let sizes: Vec<_> = self.members.iter().map(|member| member.owned.len()).collect();
        let total = usize::try_from(PARTITIONS).unwrap();
        assert_eq!(sizes.iter().sum::<usize>(), if n == 0 { 0 } else { total }, "{sizes:?}");
        assert!(sizes.iter().all(|size| (total / n..=total.div_ceil(n)).contains(size)), "uneven: {sizes:?}");
    }
}

fn config() -> ProptestConfig {
    ProptestConfig { rng_seed: RngSeed::Fixed(3), failure_persistence: None, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn no_partition_has_two_owners_and_in_the_end_all_have_one(ops in ops()) {
        let (log, clock) = log();
        create(&log, "t", PARTITIONS, &[]);
        let mut run = Run { log, clock, members: Vec::new() };
        ops.iter().for_each(|op| run.apply(op));
        run.settle();
    }
}

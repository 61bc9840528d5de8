//! Group members beyond the contract suite: deaths, static membership, patience.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::{Duration, Instant};

use nowfold_core::names::{TopicName, TopicPartition};
use nowfold_kafka::{GroupProtocol, Kafka, KafkaConfig};
use nowfold_runtime::broker::{Broker, BrokerError};
use nowfold_runtime::membership::{Membership, MembershipEvent, OffsetCommit};

use crate::child::{self, Process};
use crate::support::{PATIENCE, connect, connect_with, eventually, fresh, topic};

const SHORT: Duration = Duration::from_millis(20);

/// A member and what it owns; whatever is revoked is released at once.
struct Member {
    membership: Box<dyn Membership>,
    owned: BTreeSet<TopicPartition>,
}

impl Member {
    fn join(kafka: &Kafka, group: &str, topic: &TopicName) -> Self {
        Self { membership: kafka.join(group, std::slice::from_ref(topic)).unwrap(), owned: BTreeSet::new() }
    }

    fn drive(&mut self) {
        match self.membership.poll(SHORT).unwrap() {
            Some(MembershipEvent::Assigned(partitions)) => self.owned.extend(partitions),
            Some(MembershipEvent::Revoked(partitions) | MembershipEvent::Lost(partitions)) => {
                self.owned.retain(|owned| !partitions.contains(owned));
                self.membership.release().unwrap();
            }
            None => {}
        }
    }

    fn until_it_owns(&mut self, count: usize) {
        eventually("the member owns its partitions", || {
            self.drive();
            (self.owned.len() == count).then_some(())
        });
    }
}

fn quick(config: &mut KafkaConfig) {
    config.session_timeout = Duration::from_secs(6);
    config.max_poll_interval = Duration::from_secs(6);
}

#[test]
fn partitions_of_a_killed_process_move_when_its_session_is_over() {
    let Some(kafka) = connect_with(GroupProtocol::Classic, quick) else { return };
    let topic = topic(&kafka, "killed", 4);
    let mut victim = Process::run("members::child_that_joins", topic.as_str());
    victim.wait_for("owns 4");
    let mut heir = Member::join(&kafka, topic.as_str(), &topic);
    heir.until_it_owns(2);
    let start = Instant::now();
    victim.kill();
    heir.until_it_owns(4);
    assert!(start.elapsed() > Duration::from_secs(3), "the group waits for the session: {:?}", start.elapsed());
    heir.membership.leave(PATIENCE).unwrap();
}

/// Joins the group that is named like its topic and stays until it is killed.
#[test]
#[ignore = "run by another test in a process of its own"]
fn child_that_joins() {
    let Some(topic) = child::task().map(TopicName::from) else { return };
    let kafka = connect_with(GroupProtocol::Classic, quick).unwrap();
    let mut member = Member::join(&kafka, topic.as_str(), &topic);
    loop {
        let before = member.owned.len();
        member.drive();
        if member.owned.len() != before {
            println!("\nowns {}", member.owned.len());
        }
    }
}

fn dropped_member_hands_over(protocol: GroupProtocol) {
    let Some(kafka) = connect_with(protocol, |_| {}) else { return };
    let topic = topic(&kafka, "dropped", 4);
    let mut first = Member::join(&kafka, topic.as_str(), &topic);
    first.until_it_owns(4);
    let start = Instant::now();
    drop(first);
    assert!(start.elapsed() < Duration::from_secs(1), "dropping does not wait: {:?}", start.elapsed());
    let mut second = Member::join(&kafka, topic.as_str(), &topic);
    second.until_it_owns(4);
    assert!(start.elapsed() < Duration::from_secs(9), "nor do the others: {:?}", start.elapsed());
}

#[test]
fn dropped_member_of_a_classic_group_hands_over_at_once() {
    dropped_member_hands_over(GroupProtocol::Classic);
}

#[test]
fn dropped_member_of_a_consumer_group_hands_over_at_once() {
    dropped_member_hands_over(GroupProtocol::Consumer);
}

#[test]
fn static_member_comes_back_to_its_partitions() {
    let named =
        |name: &'static str| connect_with(GroupProtocol::Classic, move |config| config.instance_id = Some(name.into()));
    let (Some(one), Some(other)) = (named("one"), named("other")) else { return };
    let topic = topic(&one, "static", 4);
    let mut first = Member::join(&one, topic.as_str(), &topic);
    let mut second = Member::join(&other, topic.as_str(), &topic);
    eventually("both own their half", || {
        first.drive();
        second.drive();
        (first.owned.len() == 2 && second.owned.len() == 2).then_some(())
    });
    let before = first.owned.clone();
    first.membership.leave(PATIENCE).unwrap();
    let mut again = Member::join(&one, topic.as_str(), &topic);
    eventually("the member is back", || {
        again.drive();
        second.drive();
        assert_eq!(second.owned.len(), 2, "nothing moves");
        (again.owned == before).then_some(())
    });
}

#[test]
fn second_holder_of_an_instance_id_fences_the_first() {
    let named = || connect_with(GroupProtocol::Classic, |config| config.instance_id = Some("same".into()));
    let (Some(kafka), Some(again)) = (named(), named()) else { return };
    let topic = topic(&kafka, "holder", 1);
    let mut first = Member::join(&kafka, topic.as_str(), &topic);
    first.until_it_owns(1);
    let mut second = Member::join(&again, topic.as_str(), &topic);
    let error = eventually("the first is told", || {
        second.drive();
        first.membership.poll(SHORT).err()
    });
    assert!(matches!(error, BrokerError::Fenced { .. }), "{error}");
    assert!(first.membership.poll(SHORT).is_err(), "it stays so");
}

#[test]
fn revocation_that_is_held_too_long_is_given_up() {
    let Some(kafka) = connect_with(GroupProtocol::Classic, quick) else { return };
    let topic = topic(&kafka, "held", 4);
    let mut slow = Member::join(&kafka, topic.as_str(), &topic);
    slow.until_it_owns(4);
    let mut heir = Member::join(&kafka, topic.as_str(), &topic);
    let revoked = eventually("partitions are revoked", || {
        heir.drive();
        slow.membership.poll(SHORT).unwrap()
    });
    let MembershipEvent::Revoked(partitions) = revoked else { panic!("{revoked:?}") };
    // The owner is alive and polls; it just does not release.
    eventually("the heir gets them over its head", || {
        assert_eq!(slow.membership.poll(SHORT).unwrap_or_default(), None, "nothing comes before the release");
        heir.drive();
        heir.owned.is_superset(&partitions.iter().cloned().collect()).then_some(())
    });
    let late = partitions.iter().map(|partition| OffsetCommit {
        partition: partition.clone(),
        offset: 1,
        metadata: String::new(),
    });
    let error = slow.membership.commit(&late.collect::<Vec<_>>()).unwrap_err();
    assert!(matches!(error, BrokerError::Fenced { .. }), "{error}");
    let error = slow.membership.release().unwrap_err();
    assert!(matches!(error, BrokerError::Fenced { .. }), "{error}");
}

/// Commits one offset after the other, until it is told to stop; the number of the last one that was taken is in `taken`.
fn commit_on(member: &mut Member, taken: &AtomicI64, stop: &AtomicBool) -> Result<(), BrokerError> {
    let partition = member.owned.first().cloned().unwrap();
    for offset in 1.. {
        if stop.load(Ordering::Acquire) {
            break;
        }
        member.membership.commit(&[OffsetCommit { partition: partition.clone(), offset, metadata: String::new() }])?;
        taken.store(offset, Ordering::Release);
        std::thread::park_timeout(Duration::from_millis(5));
    }
    Ok(())
}

/// A member that joins anew sends its commits behind its request to join, which the broker answers when all have joined.
#[test]
fn commit_while_the_group_forms_anew_is_taken() {
    let Some(kafka) = connect_with(GroupProtocol::Classic, |_| {}) else { return };
    let topic = topic(&kafka, "between", 6);
    let join = || Member::join(&kafka, topic.as_str(), &topic);
    let (mut first, mut second) = (join(), join());
    eventually("both own their half", || {
        [&mut first, &mut second].into_iter().for_each(Member::drive);
        (first.owned.len() == 3 && second.owned.len() == 3).then_some(())
    });
    let (mut third, mut held) = (join(), None);
    eventually("the first has given up a partition, and the second is asked to", || {
        [&mut first, &mut third].into_iter().for_each(Member::drive);
        held = held.take().or_else(|| second.membership.poll(SHORT).unwrap());
        (first.owned.len() == 2 && held.is_some()).then_some(())
    });
    let (taken, stop) = (Arc::new(AtomicI64::new(0)), Arc::new(AtomicBool::new(false)));
    let (number, end) = (taken.clone(), stop.clone());
    let commits = std::thread::spawn(move || commit_on(&mut first, &number, &end));
    let mut last = (0, Instant::now());
    eventually("a commit waits until all have joined", || {
        let number = taken.load(Ordering::Acquire);
        last = if number == last.0 { last } else { (number, Instant::now()) };
        (last.1.elapsed() > Duration::from_secs(1)).then_some(())
    });
    second.membership.release().unwrap();
    third.until_it_owns(2);
    stop.store(true, Ordering::Release);
    commits.join().unwrap().unwrap();
    assert!(taken.load(Ordering::Acquire) > last.0, "commits go on in the new generation");
}

#[test]
fn polled_member_stays_longer_than_its_poll_interval() {
    let Some(kafka) = connect_with(GroupProtocol::Classic, quick) else { return };
    let topic = topic(&kafka, "patient", 1);
    let mut member = Member::join(&kafka, topic.as_str(), &topic);
    member.until_it_owns(1);
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(14) {
        assert_eq!(member.membership.poll(Duration::from_millis(500)).unwrap(), None);
    }
}

#[test]
fn joining_for_a_missing_topic_names_it() {
    let Some(kafka) = connect() else { return };
    let missing = TopicName::from(fresh("missing"));
    let error = kafka.join(missing.as_str(), std::slice::from_ref(&missing)).unwrap_err();
    assert!(matches!(&error, BrokerError::UnknownTopic { topic, .. } if *topic == missing), "{error}");
}

#[test]
fn metadata_that_is_too_long_is_refused() {
    let Some(kafka) = connect() else { return };
    let topic = topic(&kafka, "metadata", 1);
    let mut member = Member::join(&kafka, topic.as_str(), &topic);
    member.until_it_owns(1);
    let commit = |length| {
        [OffsetCommit { partition: TopicPartition::new(topic.as_str(), 0), offset: 1, metadata: "x".repeat(length) }]
    };
    member.membership.commit(&commit(4_096)).unwrap();
    let error = member.membership.commit(&commit(4_097)).unwrap_err();
    assert!(matches!(error, BrokerError::Fatal { .. }), "{error}");
}

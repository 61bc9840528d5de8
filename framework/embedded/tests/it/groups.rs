//! Groups: sessions by the log's clock, expulsion, new topics.

use std::sync::Arc;
use std::time::Duration;

use nowfold_core::names::TopicPartition;
use nowfold_embedded::{EmbeddedLog, Options};
use nowfold_runtime::broker::{Broker, BrokerError};
use nowfold_runtime::membership::{Membership, MembershipEvent, OffsetCommit};

use crate::support::{HandClock, create, log, partition};

const NOW: Duration = Duration::ZERO;

fn join(log: &EmbeddedLog) -> Box<dyn Membership> {
    log.join("g", &["t".into()]).unwrap()
}

fn partitions(numbers: impl IntoIterator<Item = i32>) -> Vec<TopicPartition> {
    numbers.into_iter().map(|number| partition("t", number)).collect()
}

fn commit_of(offset: i64) -> OffsetCommit {
    OffsetCommit { partition: partition("t", 0), offset, metadata: String::new() }
}

#[test]
fn hands_over_partition_by_partition() {
    let (log, _) = log();
    create(&log, "t", 4, &[]);
    let mut first = join(&log);
    assert_eq!(first.poll(NOW).unwrap(), Some(MembershipEvent::Assigned(partitions(0..4))));
    assert_eq!(first.poll(NOW).unwrap(), None);
    let mut second = join(&log);
    assert_eq!(second.poll(NOW).unwrap(), None, "all four have an owner");
    assert_eq!(first.poll(NOW).unwrap(), Some(MembershipEvent::Revoked(partitions(2..4))));
    assert_eq!(first.poll(NOW).unwrap(), None, "one event at a time");
    assert_eq!(second.poll(NOW).unwrap(), None);
    first.release().unwrap();
    assert_eq!(second.poll(NOW).unwrap(), Some(MembershipEvent::Assigned(partitions(2..4))));
    first.leave(NOW).unwrap();
    assert_eq!(second.poll(NOW).unwrap(), Some(MembershipEvent::Assigned(partitions(0..2))));
}

#[test]
fn dropped_member_is_expelled_after_its_session() {
    let (log, clock) = log();
    create(&log, "t", 2, &[]);
    let mut crashed = join(&log);
    assert!(crashed.poll(NOW).unwrap().is_some());
    let mut heir = join(&log);
    drop(crashed);
    clock.advance(10_000);
    assert_eq!(heir.poll(NOW).unwrap(), None, "ten seconds are still within the session");
    clock.advance(1);
    assert_eq!(heir.poll(NOW).unwrap(), Some(MembershipEvent::Assigned(partitions(0..2))));
}

#[test]
fn late_member_hears_what_it_lost_and_comes_back() {
    let (log, clock) = log();
    create(&log, "t", 2, &[]);
    let mut late = join(&log);
    assert!(late.poll(NOW).unwrap().is_some());
    clock.advance(10_001);
    log.maintain(nowfold_core::time::Clock::now(&*clock));
    assert!(matches!(late.commit(&[commit_of(1)]), Err(BrokerError::Fenced { .. })));
    assert_eq!(late.poll(NOW).unwrap(), Some(MembershipEvent::Lost(partitions(0..2))));
    assert!(matches!(late.commit(&[commit_of(1)]), Err(BrokerError::Fenced { .. })), "fenced until it rejoins");
    assert_eq!(late.poll(NOW).unwrap(), None, "no further event before release");
    late.release().unwrap();
    assert_eq!(late.poll(NOW).unwrap(), Some(MembershipEvent::Assigned(partitions(0..2))));
    late.commit(&[commit_of(2)]).unwrap();
    assert_eq!(log.committed("g", &partitions([0])).unwrap()[0].as_ref().map(|c| c.offset), Some(2));
}

#[test]
fn expelled_while_giving_up_loses_the_rest() {
    let (log, _) = log();
    create(&log, "t", 2, &[]);
    let mut first = join(&log);
    assert!(first.poll(NOW).unwrap().is_some());
    let mut second = join(&log);
    assert_eq!(first.poll(NOW).unwrap(), Some(MembershipEvent::Revoked(partitions([1]))));
    assert!(log.faults().expel_owner("g", &partition("t", 1)));
    assert_eq!(second.poll(NOW).unwrap(), Some(MembershipEvent::Assigned(partitions(0..2))));
    first.release().unwrap();
    assert_eq!(first.poll(NOW).unwrap(), Some(MembershipEvent::Lost(partitions([0]))));
    first.release().unwrap();
    assert_eq!(first.poll(NOW).unwrap(), None);
    assert_eq!(second.poll(NOW).unwrap(), Some(MembershipEvent::Revoked(partitions([1]))));
}

#[test]
fn waiting_member_is_alive_however_far_the_clock_moves() {
    let (log, clock) = log();
    create(&log, "t", 1, &[]);
    let mut waiting = join(&log);
    assert!(waiting.poll(NOW).unwrap().is_some());
    let waiter = std::thread::spawn(move || (waiting.poll(Duration::from_secs(60)).unwrap(), waiting));
    // The second look at the clock can only come from inside the waiting.
    clock.wait_for_reads(2);
    let mut second = join(&log);
    assert_eq!(second.poll(NOW).unwrap(), Some(MembershipEvent::Assigned(Vec::new())));
    for _ in 0..5 {
        clock.advance(3_600_000);
        assert_eq!(second.poll(Duration::from_millis(25)).unwrap(), None, "it has heard that nothing is left for it");
        log.maintain(nowfold_core::time::Clock::now(&*clock));
    }
    assert!(!waiter.is_finished(), "nothing happened to it");
    assert!(log.faults().expel_owner("g", &partition("t", 0)));
    let (event, _waiting) = waiter.join().unwrap();
    assert_eq!(event, Some(MembershipEvent::Lost(partitions([0]))), "expulsion wakes it");
}

/// As from Kafka: an application without partitions must not wait for ever to hear that it has none.
#[test]
fn member_for_which_nothing_is_left_hears_so_once_each_time_it_joins() {
    let (log, _) = log();
    let mut member = join(&log);
    for _ in 0..2 {
        assert_eq!(member.poll(NOW).unwrap(), Some(MembershipEvent::Assigned(Vec::new())));
        assert_eq!(member.poll(NOW).unwrap(), None);
        assert!(log.faults().expel_all("g"));
    }
}

#[test]
fn new_topic_is_given_to_those_who_wait_for_it() {
    let (log, _) = log();
    let mut member = join(&log);
    assert_eq!(member.poll(NOW).unwrap(), Some(MembershipEvent::Assigned(Vec::new())));
    assert_eq!(member.poll(NOW).unwrap(), None);
    let waiter = std::thread::spawn(move || member.poll(Duration::from_secs(60)).unwrap());
    create(&log, "t", 3, &[]);
    assert_eq!(waiter.join().unwrap(), Some(MembershipEvent::Assigned(partitions(0..3))));
}

#[test]
fn session_timeout_is_a_setting() {
    let clock = HandClock::at(0);
    let options = Options { session_timeout: Duration::MAX, ..Options::default() };
    let log = EmbeddedLog::with_options(options, Arc::<HandClock>::clone(&clock));
    create(&log, "t", 1, &[]);
    let mut idle = join(&log);
    assert!(idle.poll(NOW).unwrap().is_some());
    clock.set(i64::MAX);
    log.maintain(nowfold_core::time::Timestamp::MAX);
    idle.commit(&[commit_of(1)]).unwrap();
}

#[test]
fn injected_commit_failure_stores_nothing() {
    let (log, _) = log();
    create(&log, "t", 1, &[]);
    let mut member = join(&log);
    log.faults().fail_commits(1);
    let error = member.commit(&[commit_of(4)]).unwrap_err();
    assert!(error.is_retriable(), "{error:?}");
    assert_eq!(log.committed("g", &partitions([0])).unwrap(), [None]);
    member.commit(&[commit_of(4)]).unwrap();
    assert_eq!(log.committed("g", &partitions([0])).unwrap()[0].as_ref().map(|c| c.offset), Some(4));
}

#[test]
fn commits_are_checked() {
    let (log, _) = log();
    create(&log, "t", 1, &[]);
    let mut member = join(&log);
    let missing = OffsetCommit { partition: partition("missing", 0), offset: 1, metadata: String::new() };
    assert!(matches!(member.commit(&[commit_of(1), missing]), Err(BrokerError::UnknownTopic { .. })));
    let long = OffsetCommit { metadata: "x".repeat(4_097), ..commit_of(1) };
    assert!(matches!(member.commit(&[long]), Err(BrokerError::Refused { .. })));
    assert_eq!(log.committed("g", &partitions([0])).unwrap(), [None], "all or nothing");
}

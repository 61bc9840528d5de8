//! The contract suite of the ports, under both group protocols.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use nowfold_kafka::{GroupProtocol, Kafka};
use nowfold_runtime::contract::{CASES, Case, TRANSACTIONS, expelled_member_is_fenced};
use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::{Offset, TopicPartitionList};

use crate::support::{address, connect_with, eventually, fresh};

/// Cases wait for the group most of the time, so several run at once.
const AT_ONCE: usize = 4;

fn run_all(protocol: GroupProtocol, cases: &[Case]) {
    let Some(kafka) = connect_with(protocol, |_| {}) else { return };
    let scratch = fresh("contract");
    let (next, failed) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let work = || {
        while let Some(case) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
            if catch_unwind(AssertUnwindSafe(|| case.run(&kafka, &scratch))).is_err() {
                failed.fetch_add(1, Ordering::Relaxed);
                eprintln!("FAILED under {protocol:?}: {}", case.name);
            }
        }
    };
    std::thread::scope(|scope| (0..AT_ONCE).for_each(|_| _ = scope.spawn(work)));
    assert_eq!(failed.into_inner(), 0, "cases failed, named above");
}

#[test]
fn keeps_the_contract_with_classic_groups() {
    run_all(GroupProtocol::Classic, CASES);
}

#[test]
fn keeps_the_contract_with_consumer_groups() {
    run_all(GroupProtocol::Consumer, CASES);
}

#[test]
fn keeps_the_contract_of_transactions_with_classic_groups() {
    run_all(GroupProtocol::Classic, TRANSACTIONS);
}

#[test]
fn keeps_the_contract_of_transactions_with_consumer_groups() {
    run_all(GroupProtocol::Consumer, TRANSACTIONS);
}

/// A commit of nobody is taken by an empty group only.
fn is_empty(group: &str, topic: &str) -> bool {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", address().unwrap())
        .set("group.id", group)
        .set("enable.auto.commit", "false")
        .create()
        .unwrap();
    let mut list = TopicPartitionList::new();
    list.add_partition_offset(topic, 0, Offset::Offset(1)).unwrap();
    consumer.commit(&list, CommitMode::Sync).is_ok()
}

fn expelled(protocol: GroupProtocol) {
    let quick = Duration::from_secs(6);
    let kafka: Option<Kafka> = connect_with(protocol, |config| {
        config.session_timeout = quick;
        config.max_poll_interval = quick;
    });
    let Some(kafka) = kafka else { return };
    // Nobody polls the member, so it leaves when its poll interval is over. The case's topic has the group's name.
    let expel = |group: &str| eventually("the group is empty", || is_empty(group, group).then_some(()));
    expelled_member_is_fenced(&kafka, &fresh("expelled"), &expel);
}

#[test]
fn fences_a_member_that_a_classic_group_expelled() {
    expelled(GroupProtocol::Classic);
}

#[test]
fn fences_a_member_that_a_consumer_group_expelled() {
    expelled(GroupProtocol::Consumer);
}

//! Transactions: all or nothing, fenced, bounded in time.

use std::time::Duration;

use nowfold_core::names::{TopicName, TopicPartition};

use super::PATIENCE;
use super::offsets::{commit_of, committed};
use super::support::{
    Member, create, eventually, fill, ok, partitions, read, read_partition, reader, record, settle, values,
};
use crate::broker::{Broker, BrokerError, TransactionalProducer, TransactionalSpec};

const LONG: Duration = Duration::from_secs(60);

#[track_caller]
fn open(broker: &dyn Broker, id: &str, timeout: Duration) -> Box<dyn TransactionalProducer> {
    let spec = TransactionalSpec { id: id.to_owned(), timeout };
    ok(broker.transactional_producer(&spec), "opening a transactional producer")
}

#[track_caller]
fn send(producer: &mut dyn TransactionalProducer, topic: &TopicName, partition: i32, values: &[&str]) {
    for value in values {
        ok(producer.send(record(topic, Some(partition), "k", value)), "sending in a transaction");
    }
    assert!(ok(producer.flush(PATIENCE), "flushing a transaction").is_empty());
}

#[track_caller]
fn begin(producer: &mut dyn TransactionalProducer) {
    ok(producer.begin(), "beginning a transaction");
}

#[track_caller]
fn commit(producer: &mut dyn TransactionalProducer) {
    ok(producer.commit(PATIENCE), "committing a transaction");
}

fn at(topic: &TopicName, partition: i32) -> TopicPartition {
    TopicPartition { topic: topic.clone(), partition }
}

/// What can be read of a partition up to the end that its log has once all transactions are over.
#[track_caller]
fn content(broker: &dyn Broker, topic: &TopicName, partition: i32) -> Vec<String> {
    let partition = at(topic, partition);
    let end = ok(broker.log_end(&partition), "asking for the log's end");
    let mut reader = reader(broker, &partition, 0);
    let mut records = Vec::new();
    eventually("the reader comes to the end", || {
        ok(reader.poll(100, &mut records), "polling a reader");
        (reader.position() >= end).then_some(())
    });
    assert!(ok(broker.watermarks(&partition), "asking for watermarks").high >= end, "all is decided");
    values(&records)
}

pub(super) fn transactions_are_read_once_committed(broker: &dyn Broker, scratch: &str) {
    let topic = create(broker, scratch, 2, &[]);
    let mut member = Member::join(broker, scratch, std::slice::from_ref(&topic));
    settle(&mut [&mut member], &partitions(&topic, 2), 2);
    let mut producer = open(broker, scratch, LONG);
    begin(&mut *producer);
    send(&mut *producer, &topic, 0, &["a", "b"]);
    send(&mut *producer, &topic, 1, &["c"]);
    let generation = ok(member.membership.generation(), "taking the generation");
    let offsets = [commit_of(&at(&topic, 0), 7, "seven"), commit_of(&at(&topic, 1), 8, "")];
    ok(producer.send_offsets(&generation, &offsets, PATIENCE), "sending offsets");

    let mut early = reader(broker, &at(&topic, 0), 0);
    assert_eq!(ok(early.poll(10, &mut Vec::new()), "polling a reader"), 0, "nothing is readable before the commit");
    let marks = ok(broker.watermarks(&at(&topic, 0)), "asking for watermarks");
    assert_eq!((marks.low, marks.high), (0, 0), "the end that readers see");
    assert_eq!(ok(broker.log_end(&at(&topic, 0)), "asking for the log's end"), 2);
    commit(&mut *producer);
    assert_eq!(values(&read(&mut *early, 2)), ["a", "b"]);
    assert_eq!(content(broker, &topic, 0), ["a", "b"]);
    assert_eq!(content(broker, &topic, 1), ["c"]);
    let stable = |partition| eventually_committed(broker, scratch, &at(&topic, partition));
    assert_eq!((stable(0), stable(1)), (Some((7, "seven".into())), Some((8, String::new()))));
    member.leave();
}

/// The committed offset, once no transaction is about to change it.
#[track_caller]
fn eventually_committed(broker: &dyn Broker, group: &str, partition: &TopicPartition) -> Option<(i64, String)> {
    let stable = || broker.committed(group, std::slice::from_ref(partition));
    eventually("the offset is stable", || match stable() {
        Err(error) if error.is_retriable() => None,
        answer => Some(ok(answer, "asking for a committed offset")),
    });
    committed(broker, group, partition)
}

pub(super) fn aborted_records_and_offsets_vanish(broker: &dyn Broker, scratch: &str) {
    let topic = create(broker, scratch, 1, &[]);
    let mut member = Member::join(broker, scratch, std::slice::from_ref(&topic));
    settle(&mut [&mut member], &partitions(&topic, 1), 1);
    ok(member.membership.commit(&[commit_of(&at(&topic, 0), 3, "before")]), "committing");
    let mut producer = open(broker, scratch, LONG);
    for round in 0..3 {
        begin(&mut *producer);
        send(&mut *producer, &topic, 0, &["aborted", "too"]);
        let generation = ok(member.membership.generation(), "taking the generation");
        ok(producer.send_offsets(&generation, &[commit_of(&at(&topic, 0), 9, "")], PATIENCE), "sending offsets");
        ok(producer.abort(PATIENCE), "aborting");
        begin(&mut *producer);
        send(&mut *producer, &topic, 0, &[&round.to_string()]);
        commit(&mut *producer);
    }
    assert_eq!(content(broker, &topic, 0), ["0", "1", "2"]);
    assert_eq!(eventually_committed(broker, scratch, &at(&topic, 0)), Some((3, "before".into())));
    member.leave();
}

pub(super) fn records_behind_an_open_transaction_wait_for_it(broker: &dyn Broker, scratch: &str) {
    let topic = create(broker, scratch, 1, &[]);
    fill(broker, &topic, 1);
    let mut producers = [open(broker, &format!("{scratch}-1"), LONG), open(broker, &format!("{scratch}-2"), LONG)];
    let [first, second] = &mut producers;
    begin(&mut **first);
    begin(&mut **second);
    send(&mut **first, &topic, 0, &["first"]);
    send(&mut **second, &topic, 0, &["second"]);
    fill(broker, &topic, 1);
    commit(&mut **second);
    assert_eq!(values(&read_partition(broker, &topic, 0)), ["0"], "the first transaction holds back all behind it");
    ok(first.abort(PATIENCE), "aborting");
    assert_eq!(content(broker, &topic, 0), ["0", "second", "0"]);
}

pub(super) fn a_newer_producer_of_an_id_fences_the_older(broker: &dyn Broker, scratch: &str) {
    let topic = create(broker, scratch, 1, &[]);
    let mut older = open(broker, scratch, LONG);
    begin(&mut *older);
    send(&mut *older, &topic, 0, &["committed"]);
    commit(&mut *older);
    begin(&mut *older);
    send(&mut *older, &topic, 0, &["lost"]);
    let mut newer = open(broker, scratch, LONG);
    assert_eq!(content(broker, &topic, 0), ["committed"], "what the older had open is aborted");
    match older.commit(PATIENCE) {
        Err(error @ BrokerError::ProducerFenced { .. }) => assert!(!error.is_retriable()),
        other => panic!("expected ProducerFenced, got {other:?}"),
    }
    begin(&mut *newer);
    send(&mut *newer, &topic, 0, &["newer"]);
    commit(&mut *newer);
    assert_eq!(content(broker, &topic, 0), ["committed", "newer"]);
}

pub(super) fn offsets_of_a_member_that_left_are_refused(broker: &dyn Broker, scratch: &str) {
    let topic = create(broker, scratch, 1, &[]);
    let all = partitions(&topic, 1);
    let join = || Member::join(broker, scratch, std::slice::from_ref(&topic));
    let mut member = join();
    settle(&mut [&mut member], &all, 1);
    let old = ok(member.membership.generation(), "taking the generation");
    member.leave();
    let mut heir = join();
    settle(&mut [&mut heir], &all, 1);
    let mut producer = open(broker, scratch, LONG);
    begin(&mut *producer);
    send(&mut *producer, &topic, 0, &["refused"]);
    match producer.send_offsets(&old, &[commit_of(&at(&topic, 0), 5, "")], PATIENCE) {
        Err(error @ BrokerError::Fenced { .. }) => assert!(!error.is_retriable()),
        other => panic!("expected Fenced, got {other:?}"),
    }
    ok(producer.abort(PATIENCE), "aborting");
    begin(&mut *producer);
    send(&mut *producer, &topic, 0, &["taken"]);
    let fresh = ok(heir.membership.generation(), "taking the generation");
    ok(producer.send_offsets(&fresh, &[commit_of(&at(&topic, 0), 6, "")], PATIENCE), "sending offsets");
    commit(&mut *producer);
    assert_eq!(content(broker, &topic, 0), ["taken"], "the producer is as good as before");
    assert_eq!(eventually_committed(broker, scratch, &at(&topic, 0)), Some((6, String::new())));
    heir.leave();
}

pub(super) fn a_transaction_that_takes_too_long_is_aborted(broker: &dyn Broker, scratch: &str) {
    let topic = create(broker, scratch, 1, &[]);
    let mut producer = open(broker, scratch, Duration::from_secs(1));
    begin(&mut *producer);
    send(&mut *producer, &topic, 0, &["too late"]);
    fill(broker, &topic, 1);
    assert_eq!(content(broker, &topic, 0), ["0"], "what waited behind it is readable");
    match producer.commit(PATIENCE) {
        Err(BrokerError::ProducerFenced { .. } | BrokerError::MustAbort { .. }) => {}
        other => panic!("expected that nothing is committed, got {other:?}"),
    }
    drop(producer);
    let mut again = open(broker, scratch, LONG);
    begin(&mut *again);
    send(&mut *again, &topic, 0, &["again"]);
    commit(&mut *again);
    assert_eq!(content(broker, &topic, 0), ["0", "again"]);
}

pub(super) fn many_small_transactions_follow_each_other(broker: &dyn Broker, scratch: &str) {
    let topic = create(broker, scratch, 1, &[]);
    let mut producer = open(broker, scratch, LONG);
    for i in 0..50 {
        begin(&mut *producer);
        if i % 5 != 0 {
            send(&mut *producer, &topic, 0, &[&i.to_string()]);
        }
        if i % 2 == 0 { commit(&mut *producer) } else { ok(producer.abort(PATIENCE), "aborting") }
    }
    let kept = (0..50).filter(|i| i % 5 != 0 && i % 2 == 0).map(|i| i.to_string());
    assert_eq!(content(broker, &topic, 0), kept.collect::<Vec<_>>());
    ok(producer.abort(PATIENCE), "aborting nothing");
}

pub(super) fn a_refused_record_leaves_the_rest_of_its_transaction(broker: &dyn Broker, scratch: &str) {
    let topic = create(broker, scratch, 1, &[]);
    let missing = TopicName::from(format!("{scratch}-missing"));
    let mut producer = open(broker, scratch, LONG);
    begin(&mut *producer);
    send(&mut *producer, &topic, 0, &["before"]);
    let refused = producer.send(record(&missing, None, "k", "v"));
    assert!(matches!(refused, Err(failure) if matches!(failure.error, BrokerError::UnknownTopic { .. })));
    send(&mut *producer, &topic, 0, &["after"]);
    commit(&mut *producer);
    assert_eq!(content(broker, &topic, 0), ["before", "after"]);
}

//! Transactions of the embedded log: their time, faults, and interleavings against a model.

use std::collections::BTreeMap;
use std::time::Duration;

use nowfold_core::names::Offset;
use nowfold_embedded::EmbeddedLog;
use nowfold_runtime::broker::{Broker, BrokerError, TransactionalProducer, TransactionalSpec};
use proptest::prelude::*;

use crate::support::{append, content, create, log, partition, reader, record};

fn open(log: &EmbeddedLog, id: &str) -> Box<dyn TransactionalProducer> {
    let spec = TransactionalSpec { id: id.to_owned(), timeout: Duration::from_secs(10) };
    log.transactional_producer(&spec).unwrap()
}

#[test]
fn a_dead_producers_transaction_holds_the_log_until_its_time_is_over() {
    let (log, clock) = log();
    create(&log, "t", 1, &[]);
    let mut dead = open(&log, "dead");
    dead.begin().unwrap();
    dead.send(record("t", "k", "never", 0)).unwrap();
    drop(dead);
    append(&log, record("t", "k", "behind", 0)).unwrap();
    let mut reader = reader(&log, &partition("t", 0), 0);
    let mut records = Vec::new();
    clock.advance(10_000);
    assert_eq!(reader.poll(10, &mut records).unwrap(), 0);
    assert_eq!((reader.position(), log.log_end(&partition("t", 0)).unwrap()), (0, 2));
    clock.advance(1);
    assert_eq!(reader.poll(10, &mut records).unwrap(), 0, "this poll finds out that the time is over");
    assert_eq!(reader.poll(10, &mut records).unwrap(), 1);
    assert_eq!(content(&log, "t"), ["1 k=behind"]);
    assert_eq!(log.watermarks(&partition("t", 0)).unwrap().high, 3, "the marker has an offset");
}

#[test]
fn a_failed_append_spoils_its_transaction() {
    let (log, _) = log();
    create(&log, "t", 1, &[]);
    let mut producer = open(&log, "id");
    producer.begin().unwrap();
    log.faults().fail_appends(1);
    producer.send(record("t", "k", "fails", 0)).unwrap();
    producer.send(record("t", "k", "stored", 0)).unwrap();
    assert_eq!(producer.flush(Duration::ZERO).unwrap().len(), 1);
    assert!(matches!(producer.commit(Duration::ZERO), Err(BrokerError::MustAbort { .. })));
    producer.abort(Duration::ZERO).unwrap();
    assert!(content(&log, "t").is_empty());
    producer.begin().unwrap();
    producer.send(record("t", "k", "again", 0)).unwrap();
    producer.commit(Duration::ZERO).unwrap();
    assert_eq!(content(&log, "t"), ["2 k=again"]);
}

#[test]
fn a_commit_whose_answer_was_lost_is_done_and_can_be_asked_again() {
    let (log, _) = log();
    create(&log, "t", 1, &[]);
    let mut producer = open(&log, "id");
    producer.begin().unwrap();
    producer.send(record("t", "k", "once", 0)).unwrap();
    log.faults().lose_answers(1);
    assert!(producer.commit(Duration::ZERO).unwrap_err().is_retriable());
    assert_eq!(content(&log, "t"), ["0 k=once"]);
    producer.commit(Duration::ZERO).unwrap();
    producer.begin().unwrap();
    producer.commit(Duration::ZERO).unwrap();
}

#[test]
fn transactions_and_data_directories_are_refused_together() {
    let dir = tempfile::tempdir().unwrap();
    let log = EmbeddedLog::open(dir.path(), crate::support::HandClock::at(0)).unwrap();
    let spec = TransactionalSpec { id: "id".into(), timeout: Duration::from_secs(10) };
    let error = log.transactional_producer(&spec).unwrap_err();
    assert!(error.to_string().contains("data directory"), "{error}");
}

/// What happens to one partition.
#[derive(Clone, Debug)]
enum Op {
    Begin(usize),
    Send(usize),
    Plain,
    End(usize, bool),
    /// A new producer takes the id.
    Reopen(usize),
    Read,
}

fn ops() -> impl Strategy<Value = Vec<Op>> {
    let who = 0..3_usize;
    let op = prop_oneof![
        1 => who.clone().prop_map(Op::Begin),
        4 => who.clone().prop_map(Op::Send),
        2 => Just(Op::Plain),
        2 => (who.clone(), any::<bool>()).prop_map(|(who, commit)| Op::End(who, commit)),
        1 => who.prop_map(Op::Reopen),
        2 => Just(Op::Read),
    ];
    proptest::collection::vec(op, 1..60)
}

/// Kafka's rules in their plainest form: a list of offsets, each with what became of it.
#[derive(Default)]
struct Model {
    /// Each offset's value, and the transaction that still decides over it; `None` for what is never read.
    log: Vec<(Option<String>, Option<usize>)>,
    open: BTreeMap<usize, bool>,
}

impl Model {
    fn end(&mut self, who: usize, commit: bool) {
        if self.open.remove(&who) != Some(true) {
            return;
        }
        for (value, owner) in self.log.iter_mut().filter(|(_, owner)| *owner == Some(who)) {
            *owner = None;
            if !commit {
                *value = None;
            }
        }
        self.log.push((None, None));
    }

    fn stable_end(&self) -> usize {
        self.log.iter().position(|(_, owner)| owner.is_some()).unwrap_or(self.log.len())
    }

    fn readable(&self) -> Vec<String> {
        let stable = self.log.iter().take(self.stable_end()).enumerate();
        stable.filter_map(|(offset, (value, _))| Some(format!("{offset} k={}", value.as_ref()?))).collect()
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn interleaved_transactions_read_as_in_the_model(ops in ops(), segment_bytes in 1..60_u32) {
        let (log, _) = log();
        create(&log, "t", 1, &[("segment.bytes", &segment_bytes.to_string())]);
        let mut producers: Vec<_> = (0..3).map(|who| open(&log, &who.to_string())).collect();
        let (mut model, mut reader, mut read) = (Model::default(), reader(&log, &partition("t", 0), 0), Vec::new());
        for (n, op) in ops.into_iter().enumerate() {
            match op {
                Op::Begin(who) => {
                    prop_assert_eq!(producers[who].begin().is_err(), model.open.contains_key(&who));
                    model.open.entry(who).or_insert(false);
                }
                Op::Send(who) => {
                    let sent = producers[who].send(record("t", "k", &n.to_string(), 0));
                    prop_assert_eq!(sent.is_ok(), model.open.contains_key(&who));
                    if let Some(wrote) = model.open.get_mut(&who) {
                        *wrote = true;
                        model.log.push((Some(n.to_string()), Some(who)));
                    }
                }
                Op::Plain => {
                    append(&log, record("t", "k", &n.to_string(), 0)).unwrap();
                    model.log.push((Some(n.to_string()), None));
                }
                Op::End(who, true) => {
                    prop_assert_eq!(producers[who].commit(Duration::ZERO).is_ok(), model.open.contains_key(&who));
                    model.end(who, true);
                }
                Op::End(who, false) => {
                    producers[who].abort(Duration::ZERO).unwrap();
                    model.end(who, false);
                }
                Op::Reopen(who) => {
                    let newer = open(&log, &who.to_string());
                    prop_assert!(producers[who].begin().is_err(), "the older one is fenced");
                    producers[who] = newer;
                    model.end(who, false);
                }
                Op::Read => {
                    reader.poll(3, &mut read).unwrap();
                }
            }
            prop_assert_eq!(content(&log, "t"), model.readable());
            let log_end = log.log_end(&partition("t", 0)).unwrap();
            prop_assert_eq!(usize::try_from(log_end).unwrap(), model.log.len());
            let high: Offset = log.watermarks(&partition("t", 0)).unwrap().high;
            prop_assert_eq!(usize::try_from(high).unwrap(), model.stable_end());
        }
        while reader.poll(3, &mut read).unwrap() > 0 {}
        prop_assert_eq!(crate::support::words(&read), model.readable());
        prop_assert_eq!(usize::try_from(reader.position()).unwrap(), model.stable_end());
    }
}

//! What query handles see of the driver's stores.

use nowfold_core::query::{Lag, QueryError, Readiness};
use nowfold_core::record::Record;
use nowfold_core::serde::Plain;
use nowfold_core::time::{Timestamp, hours};
use nowfold_testkit::TestDriver;

use crate::support::{at, counting, lookup};

#[test]
fn publishes_stores_with_their_progress() {
    let driver = TestDriver::new(counting()).starting_at(at(50));
    let hub = driver.hub();
    driver.input("in", Plain::<String, String>::new()).pipe("a", "x", at(1)).unwrap();
    assert_eq!(lookup(&driver, "counts", "a"), Some(vec![1].into()));
    let (partition, handle) = hub.owner_of("counts", b"a").unwrap();
    let progress = handle.progress.get();
    assert_eq!((partition.to_string().as_str(), progress.applied), ("in-0", Some(0)));
    assert_eq!((progress.readiness, progress.lag, progress.known_at), (Readiness::Running, Lag::None, at(50)));
    driver.advance(hours(3)).unwrap();
    assert!(!handle.progress.get().is_stale(driver.now()));
}

#[test]
fn tells_how_far_a_store_is_behind_while_records_wait() {
    let driver = TestDriver::new(counting()).partitions("in", 2);
    let (_, handle) = driver.hub().owner_of("counts", b"a").unwrap();
    assert_eq!((handle.progress.get().readiness, handle.progress.get().applied), (Readiness::Running, None));
    let input = driver.input("in", Plain::<String, String>::new());
    driver.append(input.encode(&Record::new("a".into(), "x".into(), at(7))));
    assert_eq!(handle.progress.get().lag, Lag::Since(at(7)));
    driver.process().unwrap();
    assert_eq!((handle.progress.get().lag, handle.progress.get().applied), (Lag::None, Some(0)));
}

#[test]
fn says_from_when_on_events_may_be_missing_in_a_store_rebuilt_after_retention_cut_the_log() {
    let driver = TestDriver::new(counting());
    let input = driver.input("in", Plain::<String, String>::new());
    (1..=3).for_each(|ms| input.pipe("a", "x", at(ms)).unwrap());
    let floor = || driver.hub().owner_of("counts", b"a").unwrap().1.progress.get().log_floor;
    driver.truncate("in", 0, 2);
    driver.process().unwrap();
    assert_eq!(floor(), Timestamp::MIN, "the store has read what is deleted now");
    driver.restart().unwrap();
    assert_eq!(floor(), at(3));
}

#[test]
fn withdraws_and_republishes_stores_on_a_restart() {
    let driver = TestDriver::new(counting());
    driver.input("in", Plain::<String, String>::new()).pipe("a", "x", at(1)).unwrap();
    let hub = driver.hub();
    let (_, before) = hub.owner_of("counts", b"a").unwrap();
    driver.restart().unwrap();
    let (_, after) = hub.owner_of("counts", b"a").unwrap();
    assert!(!std::sync::Arc::ptr_eq(&before.progress, &after.progress));
    assert_eq!(after.progress.get().applied, Some(0));
    assert!(matches!(hub.owner_of("other", b"a"), Err(QueryError::UnknownStore { .. })));
}

//! Stores whose rows end, in topologies: what processors, changelogs and restarts see of it.

use nowfold_core::dsl::{Materialized, StreamsBuilder};
use nowfold_core::serde::{Nullable, Pair, Plain, Utf8};
use nowfold_core::state::{ExpiringMap, KeyValueReader, TimeToLive};
use nowfold_core::time::millisecs;
use nowfold_testkit::TestDriver;

use crate::support::{at, read, text};

/// Counts by key; the rows of the counts live for 100 ms.
fn counting(ttl: TimeToLive) -> TestDriver {
    let app = StreamsBuilder::new("app");
    app.stream("in", text())
        .group_by_key("by-key", text())
        .count(Materialized::named("counts").time_to_live(ttl))
        .to_stream("changes")
        .to("out", Plain::<String, Option<i64>>::new());
    TestDriver::new(app.build().unwrap())
}

fn counts(driver: &TestDriver) -> Vec<(String, i64)> {
    let pairs = driver.output("out", Plain::<String, Option<i64>>::new()).read_pairs();
    pairs.into_iter().map(|(key, n)| (key, n.unwrap())).collect()
}

fn rows(driver: &TestDriver) -> usize {
    driver.reader::<ExpiringMap>("counts", 0).unwrap().len().unwrap()
}

fn deleted(driver: &TestDriver) -> Vec<String> {
    let changelog = driver.output::<String, Option<String>>("app-counts-changelog", Pair::new(Utf8, Nullable(Utf8)));
    changelog.read_pairs().into_iter().filter(|(_, value)| value.is_none()).map(|(key, _)| key).collect()
}

#[test]
fn a_row_that_ended_begins_anew_and_is_deleted_in_the_changelog() {
    let driver = counting(TimeToLive::of(millisecs(100)));
    let input = driver.input("in", text());
    for (key, ms) in [("a", 1_000), ("a", 1_050), ("b", 1_149), ("a", 1_149), ("b", 1_260), ("a", 1_260)] {
        input.pipe(key, "v", at(ms)).unwrap();
    }
    let expected = [("a", 1), ("a", 2), ("b", 1), ("a", 3), ("b", 1), ("a", 1)];
    assert_eq!(counts(&driver), expected.map(|(key, n)| (key.to_owned(), n)));
    let mut deleted = deleted(&driver);
    deleted.sort();
    assert_eq!(deleted, ["a", "b"]);
}

#[test]
fn by_stream_time_an_idle_task_keeps_its_rows_and_by_wall_clock_it_does_not() {
    for (ttl, left) in [(TimeToLive::of(millisecs(100)), 1), (TimeToLive::of(millisecs(100)).by_wall_clock(), 0)] {
        let driver = counting(ttl).starting_at(at(1_000));
        driver.input("in", text()).pipe("a", "v", at(1_000)).unwrap();
        driver.advance(millisecs(99)).unwrap();
        assert_eq!(rows(&driver), 1);
        driver.advance(millisecs(1)).unwrap();
        assert_eq!((rows(&driver), deleted(&driver).len()), (left, 1 - left));
    }
}

#[test]
fn a_restart_brings_back_the_rows_that_are_alive_and_no_other() {
    let driver = counting(TimeToLive::of(millisecs(100)));
    let input = driver.input("in", text());
    for (key, ms) in [("a", 1_000), ("b", 1_080), ("c", 1_120)] {
        input.pipe(key, "v", at(ms)).unwrap();
    }
    counts(&driver);
    driver.restart().unwrap();
    assert_eq!(rows(&driver), 2);
    ["a", "b"].iter().for_each(|key| input.pipe(*key, "v", at(1_121)).unwrap());
    assert_eq!(counts(&driver), [("a".to_owned(), 1), ("b".to_owned(), 2)]);
}

#[test]
fn a_table_whose_rows_end_is_joined_as_long_as_they_live() {
    let app = StreamsBuilder::new("app");
    let named = Materialized::named("names").time_to_live(TimeToLive::of(millisecs(100)));
    let rows = app.stream("rows", Plain::<String, Option<String>>::new());
    let names = rows.to_table(named, text());
    let joined = app.stream("in", text()).left_join_table("named", &names, |_, _, name| name.unwrap_or_default());
    joined.to("out", text());
    let driver = TestDriver::new(app.build().unwrap());
    driver.input("rows", Plain::<String, Option<String>>::new()).pipe("k", Some("Kim".to_owned()), at(1_000)).unwrap();
    let input = driver.input("in", text());
    [1_099, 1_100].iter().for_each(|ms| input.pipe("k", "v", at(*ms)).unwrap());
    let values: Vec<_> = read(&driver, "out").into_iter().map(|(_, name)| name).collect();
    assert_eq!(values, ["Kim", ""]);
}

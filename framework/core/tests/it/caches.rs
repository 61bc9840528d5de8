//! Record caches: what of the changes of a row is told below and in the changelog, and when.

use nowfold_core::dsl::{KTable, Materialized, StreamsBuilder};
use nowfold_core::serde::{Nullable, Pair, Plain, Utf8};
use nowfold_core::time::{minutes, seconds};
use nowfold_core::window::TimeWindows;
use nowfold_testkit::TestDriver;

use crate::support::{at, number, text};

/// Large enough for every test that does not fill it.
const LARGE: usize = 1 << 20;

fn counts() -> Plain<String, Option<i64>> {
    Plain::new()
}

fn read(driver: &TestDriver) -> Vec<(String, Option<i64>)> {
    driver.output("out", counts()).read_pairs()
}

fn changelog(driver: &TestDriver) -> Vec<(String, Option<i64>)> {
    driver.output::<String, Option<i64>>("app-sums-changelog", counts()).read_pairs()
}

fn some(pairs: &[(&str, i64)]) -> Vec<(String, Option<i64>)> {
    pairs.iter().map(|(key, n)| ((*key).to_owned(), Some(*n))).collect()
}

/// Sums by key; a sum of 0 deletes the row.
fn sums(app: &StreamsBuilder, store: Materialized) -> KTable<String, i64> {
    let add = |_: &String, n: &i64, sum: i64| Some(sum + n).filter(|sum| *sum != 0);
    app.stream("in", number()).group_by_key("by-key", number()).aggregate(store, || 0, add, number())
}

fn summing(store: Materialized) -> TestDriver {
    let app = StreamsBuilder::new("app");
    sums(&app, store).to_stream("changes").to("out", counts());
    TestDriver::new(app.build().unwrap())
}

fn pipe(driver: &TestDriver, pairs: &[(&str, i64)]) {
    let input = driver.input("in", number());
    pairs.iter().zip(1..).for_each(|((key, n), ms)| input.pipe(*key, *n, at(ms)).unwrap());
}

#[test]
fn without_a_cache_every_change_is_told() {
    for store in [Materialized::named("sums"), Materialized::named("sums").cached(0)] {
        let driver = summing(store);
        pipe(&driver, &[("a", 1), ("a", 2)]);
        assert_eq!((read(&driver), changelog(&driver).len()), (some(&[("a", 1), ("a", 3)]), 2));
    }
}

#[test]
fn a_commit_tells_the_last_value_of_each_row_in_the_order_of_the_last_changes() {
    let driver = summing(Materialized::named("sums").cached(LARGE));
    pipe(&driver, &[("a", 1), ("b", 1), ("c", 1), ("a", 2)]);
    assert_eq!((read(&driver), changelog(&driver)), (vec![], vec![]));
    driver.commit();
    assert_eq!(read(&driver), some(&[("b", 1), ("c", 1), ("a", 3)]));
    assert_eq!(changelog(&driver), some(&[("a", 3), ("b", 1), ("c", 1)]));
    assert_eq!(driver.committed("in", 0), Some(4));
    driver.commit();
    assert_eq!((read(&driver), changelog(&driver)), (vec![], vec![]));
}

#[test]
fn a_result_has_the_timestamp_and_headers_of_the_last_change() {
    let driver = summing(Materialized::named("sums").cached(LARGE));
    pipe(&driver, &[("a", 1), ("a", 2)]);
    let mut last = driver.input("in", number()).encode(&nowfold_core::record::Record::new("a".to_owned(), 3, at(9)));
    last.headers.push("own", Some("header".into()));
    driver.pipe_raw(last).unwrap();
    driver.commit();
    let [found] = <[_; 1]>::try_from(driver.output("out", counts()).read_all()).unwrap();
    assert_eq!((found.value, found.timestamp), (Some(6), at(9)));
    assert_eq!(found.headers.last("own").unwrap().value, Some("header".into()));
}

#[test]
fn a_full_cache_tells_all_of_it_without_a_commit() {
    let driver = summing(Materialized::named("sums").cached(800));
    let keys: Vec<_> = (0..20).map(|i| format!("k{i}")).collect();
    keys.iter().for_each(|key| pipe(&driver, &[(key, 1), (key, 1)]));
    let told = read(&driver);
    assert!((10..20).contains(&told.len()), "{} rows are told, the newest wait", told.len());
    assert!(told.iter().all(|(_, n)| *n == Some(2) || *n == Some(1)), "{told:?}");
    driver.commit();
    let last = told.into_iter().chain(read(&driver)).collect::<std::collections::BTreeMap<_, _>>();
    assert_eq!((last.len(), last.values().all(|n| *n == Some(2))), (20, true));
}

#[test]
fn the_old_value_is_that_before_the_first_change() {
    let app = StreamsBuilder::new("app");
    let by_parity = sums(&app, Materialized::named("sums").cached(LARGE)).group_by(
        "by-parity",
        |_, sum| (if sum % 2 == 0 { "even" } else { "odd" }.to_owned(), *sum),
        number(),
    );
    let total = |_: &String, n: &i64, sum: i64| sum + n;
    let less = |_: &String, n: &i64, sum: i64| sum - n;
    by_parity.aggregate("totals", || 0, total, less, number()).to_stream("changes").to("out", counts());
    let driver = TestDriver::new(app.build().unwrap());
    let last = || -> std::collections::BTreeMap<_, _> {
        driver.process().unwrap();
        driver.commit();
        driver.process().unwrap();
        read(&driver).into_iter().collect()
    };
    pipe(&driver, &[("a", 1), ("a", 2), ("b", 10)]);
    driver.commit();
    assert_eq!(last(), [("even".to_owned(), Some(10)), ("odd".to_owned(), Some(3))].into());
    pipe(&driver, &[("a", 4), ("a", 1)]);
    driver.commit();
    assert_eq!(last(), [("even".to_owned(), Some(18)), ("odd".to_owned(), Some(0))].into(), "3 is subtracted, 8 added");
}

#[test]
fn a_row_that_came_and_went_is_not_told_and_one_that_was_told_is_deleted() {
    let driver = summing(Materialized::named("sums").cached(LARGE));
    pipe(&driver, &[("a", 1), ("a", -1), ("b", 1)]);
    driver.commit();
    assert_eq!(read(&driver), some(&[("b", 1)]));
    pipe(&driver, &[("b", 2), ("b", -3)]);
    driver.commit();
    assert_eq!(read(&driver), [("b".to_owned(), None)]);
}

#[test]
fn a_crash_loses_what_was_held_back_and_its_input_comes_again() {
    let driver = summing(Materialized::named("sums").cached(LARGE));
    pipe(&driver, &[("a", 1)]);
    driver.commit();
    pipe(&driver, &[("a", 2), ("a", 3)]);
    driver.crash_before_commit().unwrap();
    driver.commit();
    assert_eq!(read(&driver), some(&[("a", 1), ("a", 6)]), "nothing is counted twice: the changelog was not ahead");
}

#[test]
fn reads_of_the_store_see_each_change_at_once() {
    let app = StreamsBuilder::new("app");
    let names = app.stream("rows", Plain::<String, Option<String>>::new());
    let names = names.to_table(Materialized::named("names").cached(LARGE), text());
    app.stream("visits", text()).join_table("named", &names, |_, _, name| name).to("named-visits", text());
    names.to_stream("changes").to("out", Pair::new(Utf8, Nullable(Utf8)));
    let driver = TestDriver::new(app.build().unwrap());
    let rows = driver.input("rows", Plain::<String, Option<String>>::new());
    rows.pipe("k", Some("Kim".to_owned()), at(1)).unwrap();
    driver.input("visits", text()).pipe("k", "v", at(2)).unwrap();
    assert_eq!(driver.output("named-visits", text()).read_pairs(), [("k".to_owned(), "Kim".to_owned())]);
    assert_eq!(driver.records("out").len(), 0);
    driver.commit();
    assert_eq!(driver.records("out").len(), 1);
}

#[test]
fn windows_have_a_row_each() {
    let app = StreamsBuilder::new("app");
    let windows = TimeWindows::tumbling(minutes(1)).grace(minutes(1));
    app.stream("in", number())
        .group_by_key("by-key", number())
        .windowed(windows)
        .count(Materialized::named("sums").cached(LARGE))
        .to_stream("changes")
        .map("flat", |window, n| (format!("{}@{}", window.key, window.window.start.as_millis()), n))
        .to("out", counts());
    let driver = TestDriver::new(app.build().unwrap());
    let input = driver.input("in", number());
    [0, 1, 60_000, 2].iter().for_each(|ms| input.pipe("a", 1, at(*ms)).unwrap());
    assert_eq!(read(&driver), []);
    driver.commit();
    assert_eq!(read(&driver), some(&[("a@60000", 1), ("a@0", 3)]));
}

#[test]
fn a_cache_of_the_application_is_that_of_every_store_added_behind_it() {
    let app = StreamsBuilder::new("app");
    app.cache_stores(LARGE);
    sums(&app, "sums".into()).to_stream("changes").to("out", counts());
    let driver = TestDriver::new(app.build().unwrap());
    pipe(&driver, &[("a", 1), ("a", 2)]);
    driver.advance(seconds(60)).unwrap();
    assert_eq!(read(&driver), []);
    driver.commit();
    assert_eq!(read(&driver), some(&[("a", 3)]));
}

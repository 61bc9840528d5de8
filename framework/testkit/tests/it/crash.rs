//! Restarts and crashes.

use nowfold_core::dsl::StreamsBuilder;
use nowfold_core::serde::Plain;
use nowfold_testkit::TestDriver;

use crate::support::{at, counting, lookup, text};

#[test]
fn restores_a_store_from_its_changelog_after_a_restart() {
    let driver = TestDriver::new(counting()).partitions("in", 3);
    let input = driver.input("in", Plain::<String, String>::new());
    let out = driver.output("out", Plain::<String, i64>::new());
    ["a", "b", "a"].iter().for_each(|key| input.pipe(*key, "x", at(1)).unwrap());
    out.read_all();
    driver.restart().unwrap();
    assert_eq!(out.read_all(), [], "committed input is not processed again");
    assert_eq!(lookup(&driver, "counts", "a"), Some(vec![2].into()));
    input.pipe("a", "x", at(2)).unwrap();
    assert_eq!(out.read_pairs(), [("a".into(), 3)]);
}

#[test]
fn processes_input_since_the_last_commit_again_after_a_crash() {
    let driver = TestDriver::new(counting());
    let input = driver.input("in", Plain::<String, String>::new());
    let out = driver.output("out", Plain::<String, i64>::new());
    input.pipe("a", "x", at(1)).unwrap();
    driver.commit();
    input.pipe("a", "x", at(2)).unwrap();
    driver.crash_before_commit().unwrap();
    let counts: Vec<_> = out.read_pairs().into_iter().map(|(_, n)| n).collect();
    assert_eq!(counts, [1, 2, 3], "the changelog is ahead of the committed offset, as under at-least-once");
}

#[test]
fn rebuilds_a_table_silently_up_to_the_committed_offset() {
    let app = StreamsBuilder::new("names");
    let names = app.table("names", "names", Plain::<String, String>::new());
    text(&app, "in").left_join_table("named", &names, |_, _, name| name.unwrap_or_default()).to("out", Plain::new());
    let driver = TestDriver::new(app.build().unwrap());
    let (visits, rows) =
        (driver.input("in", Plain::<String, String>::new()), driver.input("names", Plain::<String, String>::new()));
    rows.pipe("k", "Kim", at(1)).unwrap();
    rows.pipe("l", "Lee", at(1)).unwrap();
    rows.delete("l", at(2)).unwrap();
    driver.restart().unwrap();
    visits.pipe("k", "v", at(3)).unwrap();
    visits.pipe("l", "v", at(3)).unwrap();
    let joined = driver.output("out", Plain::<String, String>::new()).read_pairs();
    assert_eq!(joined, [("k".into(), "Kim".into()), ("l".into(), String::new())]);
}

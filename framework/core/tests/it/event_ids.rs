//! Ids that a task stamps: equal when a record is processed again, different for all things made of it.

use std::collections::BTreeSet;

use nowfold_core::dsl::{KStream, StreamsBuilder, Through};
use nowfold_core::processor::{ProcessError, Processor, ProcessorContext};
use nowfold_core::record::Record;
use nowfold_testkit::TestDriver;

use crate::support::{Texts, at, driver, pipe, read, text};

/// Replaces the value with the record's next event id, `n` times.
struct Stamp(usize);

impl Processor<String, String, String, String> for Stamp {
    fn process(
        &mut self,
        cx: &mut ProcessorContext<'_, '_, String, String>,
        record: Record<String, String>,
    ) -> Result<(), ProcessError> {
        for _ in 0..self.0 {
            let id = cx.next_event_id();
            cx.forward(record.clone().with_value(id))?;
        }
        Ok(())
    }
}

fn stamp(stream: Texts, name: &str, n: usize) -> KStream<String, String> {
    stream.process(name, move || Stamp(n), &[])
}

fn ids(driver: &TestDriver) -> Vec<String> {
    read(driver, "out").into_iter().map(|(_, value)| value).collect()
}

fn assert_unique(ids: &[String]) {
    assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), ids.len(), "{ids:?}");
}

#[test]
fn an_id_names_topic_partition_offset_timestamp_and_index() {
    let driver = driver(|_, input| stamp(input, "stamp", 2).to("out", text()));
    pipe(&driver, &[("k", "a"), ("k", "b")]);
    assert_eq!(ids(&driver), ["in/0/0/1/0", "in/0/0/1/1", "in/0/1/2/0", "in/0/1/2/1"]);
}

/// Two hops with several records each; a second path from the same input; ids at every place.
fn branching(app: &StreamsBuilder, input: Texts) {
    let words = |s: Texts, name: &str| s.flat_map_values(name, |_, v| [v.clone(), v.clone(), v]);
    let first = words(input.clone(), "words").through(Through::topic("mid"), text());
    let second = words(first, "more-words").through(Through::topic("mid-2"), text());
    let short = input.clone().through(Through::topic("short"), text());
    let below = second.merge("meet", short);
    let direct = stamp(input, "direct", 2);
    stamp(below, "below", 2).to("out", text());
    direct.to("out", text());
    let _ = app;
}

#[test]
fn ids_are_unique_after_flat_map_and_across_paths_that_meet_again() {
    let driver = driver(branching);
    pipe(&driver, &[("k", "a"), ("k", "b")]);
    let ids = ids(&driver);
    assert_eq!(ids.len(), 2 * (3 * 3 + 1 + 1) * 2);
    assert_unique(&ids);
    assert!(ids.iter().all(|id| id.starts_with("in/0/")), "{ids:?}");
}

#[test]
fn ids_are_the_same_when_records_are_processed_again() {
    let driver = driver(branching);
    pipe(&driver, &[("k", "a"), ("k", "b")]);
    let before: BTreeSet<_> = ids(&driver).into_iter().collect();
    driver.crash_before_commit().unwrap();
    let after: Vec<_> = ids(&driver);
    assert!(after.len() > before.len(), "the intermediate topics hold each record twice");
    assert_eq!(after.into_iter().collect::<BTreeSet<_>>(), before);
}

/// What a lookup finds may differ when a record is processed again; ids of its siblings must not.
#[test]
fn ids_do_not_depend_on_what_became_of_a_sibling() {
    let app = StreamsBuilder::new("app");
    let names = app.global_table("names", text());
    let input = app.stream("in", text());
    let looked_up = stamp(input.clone(), "one", 1)
        .join_global("known", &names, |k, _| k.clone(), |_, v, _| v)
        .through(Through::topic("mid"), text());
    looked_up.to("seen", text());
    stamp(input, "two", 1).through(Through::topic("mid-2"), text()).to("out", text());
    let driver = TestDriver::new(app.build().unwrap());
    pipe(&driver, &[("k", "a")]);
    let missed = (ids(&driver), driver.records("mid-2").pop().unwrap().record.headers);
    driver.input("names", text()).pipe("k", "Kim", at(1)).unwrap();
    driver.crash_before_commit().unwrap();
    assert_eq!(read(&driver, "seen").len(), 1);
    let found = (ids(&driver), driver.records("mid-2").pop().unwrap().record.headers);
    assert_eq!(found.0.last(), missed.0.last());
    assert_eq!(found.1, missed.1, "the origin that goes along");
}

/// Two records of one origin must not look like one to an application that reads the sink.
#[test]
fn the_origin_does_not_leave_the_application() {
    let driver = driver(|_, input| {
        let twice = input.through(Through::topic("mid"), text()).flat_map_values("twice", |_, v| [v.clone(), v]);
        twice.to("out", text());
    });
    pipe(&driver, &[("k", "a")]);
    assert!(driver.records("mid")[0].record.headers.last("nowfold-origin").is_some());
    assert!(driver.records("out").iter().all(|stored| stored.record.headers.is_empty()));
}

#[test]
fn a_foreign_header_of_the_same_name_is_no_origin() {
    let driver = driver(|_, input| stamp(input, "stamp", 1).to("out", text()));
    for text in ["", "no slashes", "t/x/0/0/0", "t/0/0/0", "\u{fffd}"] {
        let mut record = crate::support::raw("in", Some("k"), Some(b"v"), 9);
        record.headers.push("nowfold-origin", Some(text.as_bytes().to_vec().into()));
        driver.pipe_raw(record).unwrap();
    }
    let ids = ids(&driver);
    assert!(ids.iter().enumerate().all(|(i, id)| *id == format!("in/0/{i}/9/0")), "{ids:?}");
}

//! Global stores that a processor of the user's own fills.

use bytes::Bytes;
use nowfold_core::dsl::{GlobalStore, StreamsBuilder};
use nowfold_core::failure::Verdict;
use nowfold_core::processor::{ProcessError, Processor, ProcessorContext};
use nowfold_core::record::Record;
use nowfold_core::state::{KeyValueReader, MemoryMap, StoreSpec};
use nowfold_core::topology::TopologyFault;
use nowfold_testkit::TestDriver;

use crate::support::{at, pairs, read, text};

/// Gathers the values of each key, and how many records the processor itself has seen under `n`.
#[derive(Default)]
struct Gather {
    n: u8,
}

impl Processor<String, String, (), ()> for Gather {
    fn process(
        &mut self,
        cx: &mut ProcessorContext<'_, '_, (), ()>,
        record: Record<String, String>,
    ) -> Result<(), ProcessError> {
        self.n += 1;
        let mut store = cx.key_value("gathered")?;
        let known = store.get(record.key.as_bytes())?.unwrap_or_default();
        store.put(Bytes::from(record.key), [&known[..], record.value.as_bytes()].concat().into())?;
        store.put(Bytes::from_static(b"n"), vec![b'0' + self.n].into())?;
        if record.value == "!" {
            return Err(ProcessError::new("it shouts"));
        }
        Ok(())
    }
}

/// `names` gathered; `in` answered from there.
fn gathering(fails: bool) -> (TestDriver, GlobalStore) {
    let app = StreamsBuilder::new("app");
    let store = app.global_store("names", text(), StoreSpec::key_value("gathered"), Gather::default);
    let kept = store.clone();
    let found = app.stream("in", text()).map_values("found", move |key, _| row(&kept, key));
    found.to("out", text());
    if fails {
        app.on_process_error(|_| Verdict::Fail);
    }
    (TestDriver::new(app.build().unwrap()).partitions("names", 3), store)
}

fn row(store: &GlobalStore, key: &str) -> String {
    let row = store.reader::<MemoryMap>().unwrap().get(key.as_bytes()).unwrap();
    row.map_or_else(String::new, |row| String::from_utf8_lossy(&row).into_owned())
}

fn pipe(driver: &TestDriver, topic: &str, key: &str, value: &str) {
    driver.input(topic, text()).pipe(key, value, at(1)).unwrap();
}

#[test]
fn records_of_all_partitions_go_through_the_processor_before_a_stream_asks() {
    let (driver, _) = gathering(false);
    for (key, value) in [("a", "1"), ("b", "2"), ("c", "3"), ("a", "4")] {
        pipe(&driver, "names", key, value);
    }
    ["a", "b", "c", "d"].into_iter().for_each(|key| pipe(&driver, "in", key, "?"));
    assert_eq!(read(&driver, "out"), pairs(&[("a", "14"), ("b", "2"), ("c", "3"), ("d", "")]));
}

#[test]
fn a_restart_fills_the_store_anew_by_the_same_processor() {
    let (driver, store) = gathering(false);
    pipe(&driver, "names", "a", "1");
    pipe(&driver, "names", "a", "2");
    assert_eq!((row(&store, "a"), row(&store, "n")), ("12".to_owned(), "2".to_owned()));
    driver.restart().unwrap();
    assert_eq!((row(&store, "a"), row(&store, "n")), ("12".to_owned(), "2".to_owned()));
}

#[test]
fn a_refused_record_is_skipped_and_leaves_nothing() {
    let (driver, store) = gathering(false);
    pipe(&driver, "names", "a", "1");
    pipe(&driver, "names", "a", "!");
    assert_eq!((row(&store, "a"), row(&store, "n")), ("1".to_owned(), "1".to_owned()));
    assert_eq!(driver.count("global_decode"), 1);
}

#[test]
fn a_handler_may_stop_at_a_refused_record() {
    let (driver, _) = gathering(true);
    let failure = driver.input("names", text()).pipe("a", "!", at(1)).unwrap_err();
    assert!(failure.cause.contains("it shouts"), "{failure}");
}

#[test]
fn the_name_of_a_global_store_is_taken() {
    let app = StreamsBuilder::new("app");
    app.state_store(StoreSpec::key_value("gathered"));
    let _ = app.global_store("names", text(), StoreSpec::key_value("gathered"), Gather::default);
    app.stream("in", text()).to("out", text());
    let error = app.build().unwrap_err();
    assert_eq!(error.faults(), [TopologyFault::DuplicateStore { name: "gathered".into() }]);
}

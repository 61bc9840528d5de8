//! Topologies that several tests use.

use nowfold_core::dsl::{KStream, StreamsBuilder};
use nowfold_core::processor::{ProcessError, Processor, ProcessorContext};
use nowfold_core::record::Record;
use nowfold_core::serde::Plain;
use nowfold_core::state::{KeyValueReader, StoreSpec};
use nowfold_core::time::Timestamp;
use nowfold_core::topology::Topology;

pub(crate) fn at(ms: i64) -> Timestamp {
    Timestamp::from_millis(ms)
}

pub(crate) fn text(app: &StreamsBuilder, topic: &str) -> KStream<String, String> {
    app.stream(topic, Plain::<String, String>::new())
}

/// Counts the records of each key in a store with a changelog topic.
pub(crate) struct Counter;

impl Processor<String, String, String, i64> for Counter {
    fn process(
        &mut self,
        cx: &mut ProcessorContext<'_, '_, String, i64>,
        record: Record<String, String>,
    ) -> Result<(), ProcessError> {
        let mut store = cx.key_value("counts")?;
        let key = bytes::Bytes::from(record.key.clone().into_bytes());
        let seen = store.get(&key)?.map_or(0, |count| i64::from(count[0]));
        store.put(key, vec![u8::try_from(seen + 1).unwrap()].into())?;
        cx.forward(record.with_value(seen + 1))
    }
}

/// `in` counted by key into `out`.
pub(crate) fn counting() -> Topology {
    let app = StreamsBuilder::new("counting");
    app.state_store(StoreSpec::key_value("counts"));
    text(&app, "in").process("count", || Counter, &["counts"]).to("out", Plain::<String, i64>::new());
    app.build().unwrap()
}

/// Reads one key of a published in-memory store.
pub(crate) fn lookup(driver: &nowfold_testkit::TestDriver, store: &str, key: &str) -> Option<bytes::Bytes> {
    let (_, handle) = driver.hub().owner_of(store, key.as_bytes()).unwrap();
    let reader = handle.reader.downcast::<nowfold_core::state::MemoryMap>().unwrap();
    reader.get(key.as_bytes()).unwrap()
}

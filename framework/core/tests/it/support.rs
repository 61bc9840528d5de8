//! Short forms for topologies of text and whole numbers.

use bytes::Bytes;
use nowfold_core::dsl::{KStream, StreamsBuilder};
use nowfold_core::record::{Headers, OutputRecord};
use nowfold_core::serde::Plain;
use nowfold_core::time::Timestamp;
use nowfold_testkit::TestDriver;

/// Plain text keys and values.
pub(crate) fn text() -> Plain<String, String> {
    Plain::new()
}

/// Plain text keys and big-endian numbers.
pub(crate) fn number() -> Plain<String, i64> {
    Plain::new()
}

pub(crate) fn at(ms: i64) -> Timestamp {
    Timestamp::from_millis(ms)
}

pub(crate) type Texts = KStream<String, String>;

/// A driver of `in`, changed by `make`.
pub(crate) fn driver(make: impl FnOnce(&StreamsBuilder, Texts)) -> TestDriver {
    let app = StreamsBuilder::new("app");
    let input = app.stream("in", text());
    make(&app, input);
    TestDriver::new(app.build().unwrap())
}

/// Pipes `(key, value)` pairs into `in`, at 1 ms, 2 ms and so on.
pub(crate) fn pipe(driver: &TestDriver, pairs: &[(&str, &str)]) {
    let input = driver.input("in", text());
    for (ms, (key, value)) in (1..).zip(pairs) {
        input.pipe(*key, *value, at(ms)).unwrap();
    }
}

/// What was written to a topic since the last call.
pub(crate) fn read(driver: &TestDriver, topic: &str) -> Vec<(String, String)> {
    driver.output(topic, text()).read_pairs()
}

pub(crate) fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|&(key, value)| (key.to_owned(), value.to_owned())).collect()
}

/// A record of any bytes for a topic.
pub(crate) fn raw(topic: &str, key: Option<&str>, value: Option<&[u8]>, ms: i64) -> OutputRecord {
    OutputRecord {
        topic: topic.into(),
        partition: None,
        key: key.map(|key| Bytes::copy_from_slice(key.as_bytes())),
        value: value.map(Bytes::copy_from_slice),
        timestamp: at(ms),
        headers: Headers::new(),
    }
}

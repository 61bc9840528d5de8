//! `map` and `map_values`: one record for each.

use std::sync::Arc;

use super::KStream;
use super::process::each;
use crate::record::Record;

impl<K: 'static, V: 'static> KStream<K, V> {
    /// Turns each record into another with a new key and value. The key counts as changed: a join needs a topic between.
    ///
    /// ```
    /// # use nowfold_core::{dsl::StreamsBuilder, serde::Plain};
    /// let app = StreamsBuilder::new("swap");
    /// app.stream("pairs", Plain::<String, String>::new()).map("swap", |k, v| (v, k)).to("swapped", Plain::new());
    /// # app.build()?;
    /// # Ok::<(), nowfold_core::topology::TopologyError>(())
    /// ```
    pub fn map<K2: 'static, V2: 'static>(
        self,
        name: &str,
        map: impl Fn(K, V) -> (K2, V2) + Send + Sync + 'static,
    ) -> KStream<K2, V2> {
        let map = Arc::new(map);
        self.then(name, true, move || {
            let map = map.clone();
            each(move |cx, record: Record<K, V>| {
                let (key, value) = map(record.key, record.value);
                cx.forward(Record { key, value, timestamp: record.timestamp, headers: record.headers })
            })
        })
    }

    /// Turns each value into another; the key stays.
    pub fn map_values<V2: 'static>(
        self,
        name: &str,
        map: impl Fn(&K, V) -> V2 + Send + Sync + 'static,
    ) -> KStream<K, V2> {
        let map = Arc::new(map);
        self.then(name, false, move || {
            let map = map.clone();
            each(move |cx, record: Record<K, V>| {
                let value = map(&record.key, record.value);
                cx.forward(Record { key: record.key, value, timestamp: record.timestamp, headers: record.headers })
            })
        })
    }
}

//! `flat_map` and `flat_map_values`: any number of records for each.

use std::sync::Arc;

use super::KStream;
use super::process::each;
use crate::record::Record;

impl<K: 'static, V: 'static> KStream<K, V> {
    /// Turns each record into any number of others, in the order of the iterator. The key counts as changed.
    pub fn flat_map<K2: 'static, V2: 'static, I>(
        self,
        name: &str,
        map: impl Fn(K, V) -> I + Send + Sync + 'static,
    ) -> KStream<K2, V2>
    where
        I: IntoIterator<Item = (K2, V2)>,
    {
        let map = Arc::new(map);
        self.then(name, true, move || {
            let map = map.clone();
            each(move |cx, record: Record<K, V>| {
                let (timestamp, headers) = (record.timestamp, record.headers);
                map(record.key, record.value)
                    .into_iter()
                    .try_for_each(|(key, value)| cx.forward(Record { key, value, timestamp, headers: headers.clone() }))
            })
        })
    }

    /// Turns each value into any number of others under the same key.
    ///
    /// ```
    /// # use nowfold_core::{dsl::StreamsBuilder, serde::Plain};
    /// let app = StreamsBuilder::new("words");
    /// app.stream("lines", Plain::<String, String>::new())
    ///     .flat_map_values("split", |_, line| line.split(' ').map(str::to_owned).collect::<Vec<_>>())
    ///     .to("words", Plain::new());
    /// # app.build()?;
    /// # Ok::<(), nowfold_core::topology::TopologyError>(())
    /// ```
    pub fn flat_map_values<V2: 'static, I>(
        self,
        name: &str,
        map: impl Fn(&K, V) -> I + Send + Sync + 'static,
    ) -> KStream<K, V2>
    where
        K: Clone,
        I: IntoIterator<Item = V2>,
    {
        let map = Arc::new(map);
        self.then(name, false, move || {
            let map = map.clone();
            each(move |cx, record: Record<K, V>| {
                let (key, timestamp, headers) = (record.key, record.timestamp, record.headers);
                map(&key, record.value).into_iter().try_for_each(|value| {
                    cx.forward(Record { key: key.clone(), value, timestamp, headers: headers.clone() })
                })
            })
        })
    }
}

//! `select_key`: another key for each record.

use std::sync::Arc;

use super::KStream;
use super::process::each;
use crate::record::Record;

impl<K: 'static, V: 'static> KStream<K, V> {
    /// Gives each record a new key. Equal keys may now lie in different partitions: a join needs a topic between.
    ///
    /// ```
    /// # use nowfold_core::{dsl::StreamsBuilder, serde::Plain};
    /// let app = StreamsBuilder::new("by-initial");
    /// app.stream("names", Plain::<(), String>::new())
    ///     .select_key("initial", |_, name| name.chars().take(1).collect::<String>())
    ///     .to("names-by-initial", Plain::new());
    /// # app.build()?;
    /// # Ok::<(), nowfold_core::topology::TopologyError>(())
    /// ```
    pub fn select_key<K2: 'static>(
        self,
        name: &str,
        select: impl Fn(&K, &V) -> K2 + Send + Sync + 'static,
    ) -> KStream<K2, V> {
        let select = Arc::new(select);
        self.then(name, true, move || {
            let select = select.clone();
            each(move |cx, record: Record<K, V>| {
                let key = select(&record.key, &record.value);
                cx.forward(record.with_key(key))
            })
        })
    }
}

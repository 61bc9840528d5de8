//! `to_stream`: the changes of a table as a stream.

use super::change::Change;
use super::process::each;
use super::{KStream, KTable};
use crate::record::Record;

impl<K: Clone + 'static, V: Clone + 'static> KTable<K, V> {
    /// The table's changes: each row's new value, `None` when it is deleted.
    ///
    /// ```
    /// # use nowfold_core::{dsl::StreamsBuilder, serde::Plain};
    /// let app = StreamsBuilder::new("names");
    /// let names = app.table("names", "names-store", Plain::<String, String>::new());
    /// names.to_stream("changes").to("out", Plain::<String, Option<String>>::new());
    /// # app.build()?;
    /// # Ok::<(), nowfold_core::topology::TopologyError>(())
    /// ```
    pub fn to_stream(&self, name: &str) -> KStream<K, Option<V>> {
        let node = self.follow(name, &[], || {
            each(|cx, record: Record<K, Change<V>>| {
                let Record { key, value, timestamp, headers } = record;
                cx.forward(Record { key, value: value.new, timestamp, headers })
            })
        });
        KStream::new(self.builder.clone(), node)
    }
}

//! `map_values` of a table.

use std::sync::Arc;

use super::KTable;
use super::change::{Change, OldValues};
use super::lookup::{MappedRows, RowMap};
use super::process::each;
use crate::record::Record;

impl<K: Clone + 'static, V: Clone + 'static> KTable<K, V> {
    /// Turns each row's value into another; a function that gives `None` leaves the row out. Nothing is stored: readers of
    /// the new table compute its rows from this one's.
    ///
    /// ```
    /// # use nowfold_core::{dsl::StreamsBuilder, serde::Plain};
    /// let app = StreamsBuilder::new("names");
    /// let names = app.table("names", "names-store", Plain::<String, String>::new());
    /// let lengths = names.map_values("length", |_, name| i64::try_from(name.len()).unwrap_or(0));
    /// lengths.to_stream("changes").to("lengths", Plain::<String, Option<i64>>::new());
    /// # app.build()?;
    /// # Ok::<(), nowfold_core::topology::TopologyError>(())
    /// ```
    pub fn map_values<V2: 'static, R: Into<Option<V2>>>(
        &self,
        name: &str,
        map: impl Fn(&K, V) -> R + Send + Sync + 'static,
    ) -> KTable<K, V2> {
        let map: RowMap<K, V, V2> = Arc::new(move |key, value| map(key, value).into());
        let old = OldValues::from_above(vec![self.old.clone()]);
        let (apply, wanted) = (map.clone(), old.clone());
        let node = self.follow(name, &[], move || {
            let (map, old) = (apply.clone(), wanted.clone());
            each(move |cx, record: Record<K, Change<V>>| {
                let Record { key, value, timestamp, headers } = record;
                let new = value.new.and_then(|value| map(&key, value));
                let old = value.old.filter(|_| old.are_wanted()).and_then(|value| map(&key, value));
                cx.forward(Record { key, value: Change { new, old, is_latest: value.is_latest }, timestamp, headers })
            })
        });
        KTable {
            builder: self.builder.clone(),
            node,
            rows: Arc::new(MappedRows { above: self.reads(), map }),
            old,
            closes_after: self.closes_after,
        }
    }
}

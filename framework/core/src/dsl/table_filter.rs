//! `filter` and `filter_not` of a table.

use std::sync::Arc;

use super::KTable;
use super::change::{Change, OldValues};
use super::lookup::MappedRows;
use super::process::each;
use crate::record::Record;

impl<K: Clone + 'static, V: Clone + 'static> KTable<K, V> {
    /// Keeps the rows for which `keep` holds. A row that stops to pass is deleted; one that never passed sends nothing.
    ///
    /// ```
    /// # use nowfold_core::{dsl::StreamsBuilder, serde::Plain};
    /// let app = StreamsBuilder::new("adults");
    /// let ages = app.table("ages", "ages-store", Plain::<String, i64>::new());
    /// ages.filter("adults", |_, age| *age >= 18).to_stream("changes").to("out", Plain::<String, Option<i64>>::new());
    /// # app.build()?;
    /// # Ok::<(), nowfold_core::topology::TopologyError>(())
    /// ```
    pub fn filter(&self, name: &str, keep: impl Fn(&K, &V) -> bool + Send + Sync + 'static) -> Self {
        let keep = Arc::new(keep);
        self.old.want();
        let check = keep.clone();
        let node = self.follow(name, &[], move || {
            let keep = check.clone();
            each(move |cx, record: Record<K, Change<V>>| {
                let Record { key, value, timestamp, headers } = record;
                let new = value.new.filter(|value| keep(&key, value));
                let old = value.old.filter(|value| keep(&key, value));
                if new.is_none() && old.is_none() {
                    cx.count("filtered");
                    return Ok(());
                }
                cx.forward(Record { key, value: Change { new, old, ..value }, timestamp, headers })
            })
        });
        let map = Arc::new(move |key: &K, value: V| keep(key, &value).then_some(value));
        let rows = Arc::new(MappedRows { above: self.reads(), map });
        KTable {
            builder: self.builder.clone(),
            node,
            rows,
            old: OldValues::from_above(vec![self.old.clone()]),
            closes_after: self.closes_after,
        }
    }

    /// Drops the rows for which `drop` holds.
    pub fn filter_not(&self, name: &str, drop: impl Fn(&K, &V) -> bool + Send + Sync + 'static) -> Self {
        self.filter(name, move |key, value| !drop(key, value))
    }
}

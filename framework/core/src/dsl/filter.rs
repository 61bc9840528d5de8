//! `filter` and `filter_not`: keep some records.

use std::sync::Arc;

use super::KStream;
use super::process::each;

impl<K: 'static, V: 'static> KStream<K, V> {
    /// Keeps the records for which `keep` holds; the others are counted as `filtered`.
    ///
    /// ```
    /// # use nowfold_core::{dsl::StreamsBuilder, serde::Plain};
    /// let app = StreamsBuilder::new("even-numbers");
    /// app.stream("numbers", Plain::<String, i64>::new()).filter("even", |_, n| n % 2 == 0).to("even", Plain::new());
    /// # app.build()?;
    /// # Ok::<(), nowfold_core::topology::TopologyError>(())
    /// ```
    pub fn filter(self, name: &str, keep: impl Fn(&K, &V) -> bool + Send + Sync + 'static) -> Self {
        let keep = Arc::new(keep);
        self.then(name, false, move || {
            let keep = keep.clone();
            each(move |cx, record| {
                if keep(&record.key, &record.value) {
                    return cx.forward(record);
                }
                cx.count("filtered");
                Ok(())
            })
        })
    }

    /// Drops the records for which `drop` holds, and counts them as `filtered`.
    pub fn filter_not(self, name: &str, drop: impl Fn(&K, &V) -> bool + Send + Sync + 'static) -> Self {
        self.filter(name, move |key, value| !drop(key, value))
    }
}

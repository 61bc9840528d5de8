//! `join_global` and `left_join_global`: a stream looks up a global table by any key it can name.

use std::sync::Arc;

use super::process::each;
use super::{GlobalTable, KStream};
use crate::failure::Stage;
use crate::processor::ProcessError;
use crate::record::Record;

impl<K: 'static, V: 'static> KStream<K, V> {
    /// Joins each record with the row whose key `select` names; records without one are dropped and counted as
    /// `join_miss`. The row is the newest at processing time: there is no time alignment, as in Kafka Streams.
    ///
    /// ```
    /// # use nowfold_core::{dsl::StreamsBuilder, serde::Plain, time::Timestamp};
    /// let app = StreamsBuilder::new("titles");
    /// let titles = app.global_table("titles", Plain::<String, String>::new());
    /// app.stream("views", Plain::<String, String>::new())
    ///     .join_global("with-title", &titles, |_, job| job.clone(), |_, job, title| format!("{job}: {title}"))
    ///     .to("named-views", Plain::new());
    ///
    /// let driver = nowfold_testkit::TestDriver::new(app.build()?);
    /// let named = driver.output("named-views", Plain::<String, String>::new());
    /// driver.input("titles", Plain::<String, String>::new()).pipe("job-7", "baker", Timestamp::from_millis(0))?;
    /// let views = driver.input("views", Plain::<String, String>::new());
    /// views.pipe("ann", "job-7", Timestamp::from_millis(1))?;
    /// views.pipe("ann", "job-8", Timestamp::from_millis(2))?; // no such row: dropped
    /// assert_eq!(named.read_pairs(), [("ann".to_owned(), "job-7: baker".to_owned())]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn join_global<GK: 'static, G: Send + Sync + 'static, O: 'static>(
        self,
        name: &str,
        table: &GlobalTable<GK, G>,
        select: impl Fn(&K, &V) -> GK + Send + Sync + 'static,
        join: impl Fn(&K, V, &G) -> O + Send + Sync + 'static,
    ) -> KStream<K, O> {
        self.lookup_global(name, table, select, move |key, value, row| row.map(|row| join(key, value, row)))
    }

    /// Joins each record with the row whose key `select` names, or with `None`.
    ///
    /// ```
    /// # use nowfold_core::{dsl::StreamsBuilder, serde::Plain, time::Timestamp};
    /// let app = StreamsBuilder::new("titles");
    /// let titles = app.global_table("titles", Plain::<String, String>::new());
    /// app.stream("views", Plain::<String, String>::new())
    ///     .left_join_global("with-title", &titles, |_, job| job.clone(), |_, job, title| {
    ///         format!("{job}: {}", title.map_or("no title", |title| title))
    ///     })
    ///     .to("named-views", Plain::new());
    ///
    /// let driver = nowfold_testkit::TestDriver::new(app.build()?);
    /// let named = driver.output("named-views", Plain::<String, String>::new());
    /// driver.input("views", Plain::<String, String>::new()).pipe("ann", "job-8", Timestamp::from_millis(0))?;
    /// assert_eq!(named.read_pairs(), [("ann".to_owned(), "job-8: no title".to_owned())]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn left_join_global<GK: 'static, G: Send + Sync + 'static, O: 'static>(
        self,
        name: &str,
        table: &GlobalTable<GK, G>,
        select: impl Fn(&K, &V) -> GK + Send + Sync + 'static,
        join: impl Fn(&K, V, Option<&G>) -> O + Send + Sync + 'static,
    ) -> KStream<K, O> {
        self.lookup_global(name, table, select, move |key, value, row| Some(join(key, value, row)))
    }

    fn lookup_global<GK: 'static, G: Send + Sync + 'static, O: 'static>(
        self,
        name: &str,
        table: &GlobalTable<GK, G>,
        select: impl Fn(&K, &V) -> GK + Send + Sync + 'static,
        join: impl Fn(&K, V, Option<&G>) -> Option<O> + Send + Sync + 'static,
    ) -> KStream<K, O> {
        let (table, functions) = (table.clone(), Arc::new((select, join)));
        self.then(name, false, move || {
            let (table, functions) = (table.clone(), functions.clone());
            each(move |cx, record: Record<K, V>| {
                let (select, join) = &*functions;
                let row = table.get(&select(&record.key, &record.value));
                let row = row.map_err(|error| ProcessError::serde(Stage::Process, &error))?;
                match join(&record.key, record.value, row.as_deref()) {
                    Some(value) => {
                        let (key, timestamp, headers) = (record.key, record.timestamp, record.headers);
                        cx.forward(Record { key, value, timestamp, headers })
                    }
                    None => {
                        cx.count("join_miss");
                        Ok(())
                    }
                }
            })
        })
    }
}

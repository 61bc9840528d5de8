//! `for_each`: the end of a stream in a function.

use std::sync::Arc;

use super::KStream;
use super::process::each;
use crate::record::Record;

impl<K: 'static, V: 'static> KStream<K, V> {
    /// Calls `act` for each record and ends the stream. A record that is processed again is acted on again.
    ///
    /// ```
    /// # use nowfold_core::{dsl::StreamsBuilder, serde::Plain, time::Timestamp};
    /// # use std::sync::{Arc, atomic::{AtomicI64, Ordering}};
    /// let total = Arc::new(AtomicI64::new(0));
    /// let sum = total.clone();
    /// let app = StreamsBuilder::new("meter");
    /// app.stream("readings", Plain::<String, i64>::new())
    ///     .for_each("sum", move |_, reading| { sum.fetch_add(reading, Ordering::Relaxed); });
    ///
    /// let driver = nowfold_testkit::TestDriver::new(app.build()?);
    /// driver.input("readings", Plain::<String, i64>::new()).pipe("kitchen", 21, Timestamp::from_millis(0))?;
    /// assert_eq!(total.load(Ordering::Relaxed), 21);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn for_each(self, name: &str, act: impl Fn(K, V) + Send + Sync + 'static) {
        let act = Arc::new(act);
        let _: KStream<(), ()> = self.then(name, true, move || {
            let act = act.clone();
            each(move |_, record: Record<K, V>| {
                act(record.key, record.value);
                Ok(())
            })
        });
    }
}

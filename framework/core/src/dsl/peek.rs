//! `peek`: look at records as they pass.

use std::sync::Arc;

use super::KStream;
use super::process::each;
use crate::record::Record;

impl<K: 'static, V: 'static> KStream<K, V> {
    /// Calls `look` for each record and passes it on unchanged. A record that is processed again is looked at again.
    ///
    /// ```
    /// # use nowfold_core::{dsl::StreamsBuilder, serde::Plain, time::Timestamp};
    /// # use std::sync::{Arc, atomic::{AtomicUsize, Ordering}};
    /// let seen = Arc::new(AtomicUsize::new(0));
    /// let count = seen.clone();
    /// let app = StreamsBuilder::new("watch");
    /// app.stream("clicks", Plain::<String, String>::new())
    ///     .peek("count", move |_, _| { count.fetch_add(1, Ordering::Relaxed); })
    ///     .to("copies", Plain::new());
    ///
    /// let driver = nowfold_testkit::TestDriver::new(app.build()?);
    /// let copies = driver.output("copies", Plain::<String, String>::new());
    /// driver.input("clicks", Plain::<String, String>::new()).pipe("ann", "job-7", Timestamp::from_millis(0))?;
    /// assert_eq!(seen.load(Ordering::Relaxed), 1);
    /// assert_eq!(copies.read_pairs(), [("ann".to_owned(), "job-7".to_owned())]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn peek(self, name: &str, look: impl Fn(&K, &V) + Send + Sync + 'static) -> Self {
        let look = Arc::new(look);
        self.then(name, false, move || {
            let look = look.clone();
            each(move |cx, record: Record<K, V>| {
                look(&record.key, &record.value);
                cx.forward(record)
            })
        })
    }
}

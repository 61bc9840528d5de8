//! `to_dead_letters`: the end of a stream of failures in the dead-letter topic.

use std::fmt::Display;
use std::sync::Arc;

use super::process::each;
use super::{Failed, KStream};
use crate::failure::Stage;
use crate::record::Record;

impl<K: 'static, V: 'static> KStream<K, Failed<V>> {
    /// Ends the failures of [`try_map_values`](KStream::try_map_values) in the dead-letter topic, as a handler's
    /// [`DeadLetter`](crate::failure::Verdict::DeadLetter) would: each as the record that was read, with its bytes, place
    /// and headers, stage `process`, this node's name and the cause. Counted as `dead_letter`. The topic is
    /// `<application>-dead-letters` unless the builder says otherwise.
    ///
    /// ```
    /// # use nowfold_core::{dsl::StreamsBuilder, serde::Plain};
    /// let app = StreamsBuilder::new("parse");
    /// let lines = app.stream("lines", Plain::<String, String>::new());
    /// let (numbers, failed) = lines.try_map_values("parse", |_, line| line.parse::<i64>());
    /// numbers.to("numbers", Plain::new());
    /// failed.to_dead_letters("not-a-number");
    /// assert_eq!(app.build()?.dead_letter_topic().map(|topic| topic.as_str()), Some("parse-dead-letters"));
    /// # Ok::<(), nowfold_core::topology::TopologyError>(())
    /// ```
    pub fn to_dead_letters(self, name: &str) {
        self.into_dead_letters(name, |failed| failed.cause.clone());
    }
}

impl<K: 'static, V: 'static> KStream<K, V> {
    /// Ends any stream in the dead-letter topic: each record as it was read by this task, with the cause that `why` gives.
    /// Otherwise like [`to_dead_letters`](KStream::to_dead_letters).
    pub fn into_dead_letters<C: Display>(self, name: &str, why: impl Fn(&V) -> C + Send + Sync + 'static) {
        let (why, builder) = (Arc::new(why), self.builder.clone());
        let _: KStream<(), ()> = self.then(name, true, move || {
            let why = why.clone();
            each(move |cx, record: Record<K, V>| {
                cx.dead_letter(Stage::Process, &why(&record.value).to_string());
                Ok(())
            })
        });
        builder.0.borrow_mut().writes_dead_letters = true;
    }
}

//! `map_values_judged`: a map that may fail, with the failures judged by the process handler.

use std::sync::Arc;

use super::KStream;
use super::process::each;
use crate::processor::ProcessError;
use crate::record::Record;

impl<K: 'static, V: 'static> KStream<K, V> {
    /// Turns each value into another; the key stays. Where `map` fails, the record has failed at this node, and the
    /// application's process handler decides: fail, skip, dead letter, or try again. Any error becomes a [`ProcessError`]
    /// with `?` or `into`; [`ProcessError::wait`] has the record tried again without asking.
    ///
    /// [`try_map_values`](Self::try_map_values) gives the failures as a stream instead, and asks no handler.
    ///
    /// ```
    /// # use nowfold_core::{dsl::StreamsBuilder, failure::Verdict, retry::Retries, serde::Plain};
    /// let app = StreamsBuilder::new("parse");
    /// app.on_process_error(Retries::up_to(3).then(Verdict::DeadLetter));
    /// app.stream("lines", Plain::<String, String>::new())
    ///     .map_values_judged("parse", |_, line| line.parse::<i64>())
    ///     .to("numbers", Plain::new());
    /// # app.build()?;
    /// # Ok::<(), nowfold_core::topology::TopologyError>(())
    /// ```
    pub fn map_values_judged<V2: 'static, E: Into<ProcessError>>(
        self,
        name: &str,
        map: impl Fn(&K, V) -> Result<V2, E> + Send + Sync + 'static,
    ) -> KStream<K, V2> {
        let map = Arc::new(map);
        self.then(name, false, move || {
            let map = map.clone();
            each(move |cx, record: Record<K, V>| {
                let Record { key, value, timestamp, headers } = record;
                let value = map(&key, value).map_err(Into::into)?;
                cx.forward(Record { key, value, timestamp, headers })
            })
        })
    }
}

//! `try_map_values`: a map that may fail, with the failures as a stream of their own.

use std::sync::Arc;

use super::KStream;
use super::process::each;
use crate::record::Record;
use crate::task::node::TypedNode;
use crate::topology::graph::NodeKind;

/// A value that could not be mapped, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failed<V> {
    /// The value as it was.
    pub value: V,
    /// The error's text.
    pub cause: String,
}

impl<K: 'static, V: 'static> KStream<K, V> {
    /// Turns each value into another; where `map` fails, the value goes to the second stream with the error's text. No
    /// handler is asked, since the failure is an ordinary result: send it where you like, or to the dead-letter topic with
    /// [`to_dead_letters`](KStream::to_dead_letters). The nodes are `{name}`, `{name}-ok` and `{name}-failed`.
    ///
    /// ```
    /// # use nowfold_core::{dsl::StreamsBuilder, serde::Plain};
    /// let app = StreamsBuilder::new("parse");
    /// let lines = app.stream("lines", Plain::<String, String>::new());
    /// let (numbers, failed) = lines.try_map_values("parse", |_, line| line.parse::<i64>());
    /// numbers.to("numbers", Plain::new());
    /// failed.map_values("why", |_, failed| format!("{}: {}", failed.value, failed.cause)).to("bad-lines", Plain::new());
    /// # app.build()?;
    /// # Ok::<(), nowfold_core::topology::TopologyError>(())
    /// ```
    pub fn try_map_values<V2: 'static, E: std::fmt::Display>(
        self,
        name: &str,
        map: impl Fn(&K, &V) -> Result<V2, E> + Send + Sync + 'static,
    ) -> (KStream<K, V2>, KStream<K, Failed<V>>) {
        let map = Arc::new(map);
        let mapped = self.then::<K, V2, _>(name, false, move || {
            let map = map.clone();
            each(move |cx, record: Record<K, V>| {
                let Record { key, value, timestamp, headers } = record;
                match map(&key, &value) {
                    Ok(value) => cx.raw().forward_to(0, &mut Some(Record { key, value, timestamp, headers })),
                    Err(error) => {
                        let value = Failed { value, cause: error.to_string() };
                        cx.raw().forward_to(1, &mut Some(Record { key, value, timestamp, headers }))
                    }
                }
            })
        });
        let results = mapped.pass(&format!("{name}-ok"));
        let failures = mapped.pass(&format!("{name}-failed"));
        (results, failures)
    }

    /// A child that passes its records on, whatever this stream's own type of values.
    fn pass<V2: 'static>(&self, name: &str) -> KStream<K, V2> {
        let pass = || TypedNode::boxed(each(|cx, record: Record<K, V2>| cx.forward(record)));
        let node = self.builder.0.borrow_mut().add(name, NodeKind::Processor, &[self.node], Arc::new(pass));
        KStream { key_changed_by: self.key_changed_by.clone(), ..KStream::new(self.builder.clone(), node) }
    }
}

//! `process`: a processor of the user's own.

use super::KStream;
use crate::names::StoreName;
use crate::processor::{ProcessError, Processor, ProcessorContext};
use crate::record::Record;

impl<K: 'static, V: 'static> KStream<K, V> {
    /// Adds a processor that `make` makes for each task, connected to `stores`. The key counts as changed.
    ///
    /// ```
    /// use nowfold_core::dsl::StreamsBuilder;
    /// use nowfold_core::processor::{ProcessError, Processor, ProcessorContext};
    /// use nowfold_core::record::Record;
    /// use nowfold_core::serde::Plain;
    ///
    /// struct Twice;
    /// impl Processor<String, i64, String, i64> for Twice {
    ///     fn process(
    ///         &mut self,
    ///         cx: &mut ProcessorContext<'_, '_, String, i64>,
    ///         record: Record<String, i64>,
    ///     ) -> Result<(), ProcessError> {
    ///         cx.forward(record.clone())?;
    ///         cx.forward(record)
    ///     }
    /// }
    ///
    /// let app = StreamsBuilder::new("echo");
    /// app.stream("in", Plain::<String, i64>::new()).process("twice", || Twice, &[]).to("out", Plain::new());
    /// app.build()?;
    /// # Ok::<(), nowfold_core::topology::TopologyError>(())
    /// ```
    pub fn process<K2: 'static, V2: 'static, P>(
        self,
        name: &str,
        make: impl Fn() -> P + Send + Sync + 'static,
        stores: &[&str],
    ) -> KStream<K2, V2>
    where
        P: Processor<K, V, K2, V2> + 'static,
    {
        let result = self.then(name, true, make);
        let stores: Vec<_> = stores.iter().map(|store| StoreName::from(*store)).collect();
        let mut graph = result.builder.0.borrow_mut();
        graph.connect(result.node, &stores);
        graph.lets_make_ids(result.node);
        drop(graph);
        result
    }
}

impl<K: 'static, V: 'static> KStream<K, V> {
    /// Like [`process`](Self::process), for a processor that forwards every record under the key that it was given: the key
    /// does not count as changed, so no repartition follows.
    pub fn process_values<V2: 'static, P>(
        self,
        name: &str,
        make: impl Fn() -> P + Send + Sync + 'static,
        stores: &[&str],
    ) -> KStream<K, V2>
    where
        P: Processor<K, V, K, V2> + 'static,
    {
        let key_changed_by = self.key_changed_by.clone();
        KStream { key_changed_by, ..self.process(name, make, stores) }
    }
}

/// A processor made of one function.
pub(super) struct Each<F>(pub(super) F);

impl<K, V, K2, V2, F> Processor<K, V, K2, V2> for Each<F>
where
    F: FnMut(&mut ProcessorContext<'_, '_, K2, V2>, Record<K, V>) -> Result<(), ProcessError> + Send,
{
    fn process(&mut self, cx: &mut ProcessorContext<'_, '_, K2, V2>, record: Record<K, V>) -> Result<(), ProcessError> {
        (self.0)(cx, record)
    }
}

/// Gives closures the higher-ranked signature that [`Each`] needs.
pub(super) fn each<K, V, K2, V2, F>(f: F) -> Each<F>
where
    F: FnMut(&mut ProcessorContext<'_, '_, K2, V2>, Record<K, V>) -> Result<(), ProcessError> + Send,
{
    Each(f)
}

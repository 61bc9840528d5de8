//! `map_values_async`: a map that waits for something outside, many records at a time.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::time::Duration;

use super::KStream;
use crate::processor::{ProcessError, Processor, ProcessorContext};
use crate::record::Record;
use crate::task::{CallOutput, Caller};

/// How an asynchronous operator calls: how many calls at a time, for how long, and in which order results leave. The words
/// are those of Flink's asynchronous I/O.
///
/// ```
/// use nowfold_core::dsl::AsyncIo;
/// use nowfold_core::time::seconds;
///
/// let io = AsyncIo::new(64, seconds(5)).ordered();
/// # let _ = io;
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AsyncIo {
    capacity: usize,
    timeout: Duration,
    ordered: bool,
}

impl AsyncIo {
    /// At most `capacity` records of a task wait for their results at a time, at least 1; then the task takes no more. A
    /// call that takes longer than `timeout` by wall clock is dropped and has failed; that is looked at about every 100 ms.
    pub fn new(capacity: usize, timeout: Duration) -> Self {
        Self { capacity: capacity.max(1), timeout, ordered: false }
    }

    /// All results of a task leave in the order of their records, as Flink's `orderedWait` does. One slow call then holds
    /// up the results behind it. Without this, only results of equal keys do.
    #[must_use]
    pub fn ordered(self) -> Self {
        Self { ordered: true, ..self }
    }
}

impl<K: Clone + Hash + Send + 'static, V: Send + 'static> KStream<K, V> {
    /// Turns each value into another with a call that may take a while: a lookup over the network, say. Up to
    /// [`AsyncIo::new`]'s capacity of calls are under way at a time for each task (partition), so a slow service costs
    /// latency, not throughput; its backpressure is that the task takes no more records. The key stays.
    ///
    /// `call` makes a future of the record, which runs on the application's tokio runtime, never on the thread of the task.
    ///
    /// **Order.** Results of equal keys leave in the order of their records, others as they come, or all in order with
    /// [`AsyncIo::ordered`]. A result has its record's timestamp and headers, and may leave after records with larger ones.
    ///
    /// **Errors.** A call that fails, or is not over in time, is the record's failure at this node: the process handler
    /// says fail, skip, dead letter, or try again ([`Retries`](crate::retry::Retries)). While a call waits to be made
    /// again, others go on. [`ProcessError::wait`] has it made again without asking.
    ///
    /// **After a crash** nothing is lost: an offset is committed only when the results of all records before it have been
    /// sent. Calls may be made twice. At-least-once, results that had overtaken an earlier record come again;
    /// exactly-once, a commit waits until the calls under way are over, and nothing doubles. So does, at-least-once, the
    /// commit of a task that also has stores with changelogs. See docs/guide/async.md.
    ///
    /// ```
    /// # use nowfold_core::{dsl::{AsyncIo, StreamsBuilder}, processor::ProcessError, serde::Plain, time::seconds};
    /// async fn population(city: String) -> Result<i64, ProcessError> {
    ///     // Ask a service here.
    ///     Ok(city.len() as i64)
    /// }
    ///
    /// let app = StreamsBuilder::new("cities");
    /// app.stream("visits", Plain::<String, String>::new())
    ///     .map_values_async("population", AsyncIo::new(64, seconds(5)), |_, city| population(city.clone()))
    ///     .to("populations", Plain::new());
    /// # app.build()?;
    /// # Ok::<(), nowfold_core::topology::TopologyError>(())
    /// ```
    pub fn map_values_async<V2, E, F>(
        self,
        name: &str,
        io: AsyncIo,
        call: impl Fn(&K, &V) -> F + Send + Sync + 'static,
    ) -> KStream<K, V2>
    where
        V2: Clone + Send + 'static,
        E: Into<ProcessError>,
        F: Future<Output = Result<V2, E>> + Send + 'static,
    {
        let caller = Arc::new(caller::<K, V, V2, E, F>(io, call));
        let builder = self.builder.clone();
        let mapped = self.then(name, false, move || AsyncMap { caller: caller.clone(), ordered: io.ordered });
        if let Some(node) = builder.0.borrow_mut().nodes.get_mut(mapped.node) {
            node.calls = true;
        }
        mapped
    }
}

struct AsyncMap {
    caller: Arc<Caller>,
    ordered: bool,
}

impl<K: Hash + Send + 'static, V: Send + 'static, V2: 'static> Processor<K, V, K, V2> for AsyncMap {
    fn process(&mut self, cx: &mut ProcessorContext<'_, '_, K, V2>, record: Record<K, V>) -> Result<(), ProcessError> {
        let lane = if self.ordered { 0 } else { lane(&record.key) };
        cx.raw().want_call(&self.caller, lane, Box::new(record));
        Ok(())
    }
}

/// Equal keys share a lane; so may, rarely, others, whose results then keep their order, too.
fn lane(key: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    key.hash(&mut hasher);
    hasher.finish()
}

fn caller<K, V, V2, E, F>(io: AsyncIo, call: impl Fn(&K, &V) -> F + Send + Sync + 'static) -> Caller
where
    K: Clone + Send + 'static,
    V: Send + 'static,
    V2: Clone + Send + 'static,
    E: Into<ProcessError>,
    F: Future<Output = Result<V2, E>> + Send + 'static,
{
    Caller {
        capacity: io.capacity,
        timeout: io.timeout,
        call: Box::new(move |record| match record.downcast_ref::<Record<K, V>>() {
            Some(record) => {
                let future = call(&record.key, &record.value);
                Box::pin(async move { CallOutput(future.await.map(|value| Box::new(value) as _).map_err(Into::into)) })
            }
            None => Box::pin(std::future::ready(CallOutput::failed(OTHER_TYPE))),
        }),
        emit: Box::new(|cx, record, result| {
            let both = record.downcast_ref::<Record<K, V>>().zip(result.downcast_ref::<V2>());
            let (record, value) = both.ok_or_else(|| ProcessError::new(OTHER_TYPE))?;
            let (key, headers) = (record.key.clone(), record.headers.clone());
            cx.forward(&mut Some(Record { key, value: value.clone(), timestamp: record.timestamp, headers }))
        }),
    }
}

const OTHER_TYPE: &str = "the record of a call is of another type than the node takes";

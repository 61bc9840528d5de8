//! `global_store`: a store that every process holds whole, filled by a processor of the user's own.

use std::any::Any;
use std::fmt;
use std::sync::Arc;

use parking_lot::Mutex;

use super::StreamsBuilder;
use super::source::{Reader, undecodable};
use crate::names::{StoreName, TopicName, TopicPartition};
use crate::processor::Processor;
use crate::record::{LogRecord, Record};
use crate::serde::{Consumed, Part};
use crate::state::StoreSpec;
use crate::task::global::GlobalTask;
use crate::task::graph::Node;
use crate::task::node::TypedNode;
use crate::topology::{GlobalError, GlobalSpec, TopicRequirement, TopicRole};

/// A store that every process holds whole. Cheap to clone; processors of tasks keep a clone, and only read.
#[derive(Clone)]
pub struct GlobalStore {
    name: StoreName,
    running: Arc<Mutex<GlobalTask>>,
}

impl GlobalStore {
    /// The reading side of the store, such as [`MemoryMap`](crate::state::MemoryMap) of an in-memory key-value store; `None`
    /// when it is of another type. It is safe from any thread, and sees each record's writes at once and together.
    /// Ask for it when you read: a start of the application begins with a new store.
    pub fn reader<R: Any + Send + Sync>(&self) -> Option<Arc<R>> {
        self.running.lock().reader()?.downcast().ok()
    }

    /// The store's name.
    pub fn name(&self) -> &StoreName {
        &self.name
    }
}

impl fmt::Debug for GlobalStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GlobalStore").field("name", &self.name).finish_non_exhaustive()
    }
}

impl StreamsBuilder {
    /// Reads all partitions of a topic into a store by a processor of your own, in every process: to its end before any
    /// task runs, and on from there. There is no changelog: at every start the store begins empty and the processor gets the
    /// topic from its beginning, so what is restored went through the same code as what came live (KIP-1051).
    ///
    /// The store's name connects it to the processor (`cx.key_value(name)` and its kin); the processor forwards to nobody,
    /// and is called with records only, in the order of each partition. A record that it refuses, or that cannot be
    /// decoded, is skipped with a warning, unless the application's handler of that stage says to fail; what it wrote until then is taken back.
    /// What it counts and its dead letters are dropped.
    ///
    /// ```
    /// use bytes::Bytes;
    /// use nowfold_core::dsl::StreamsBuilder;
    /// use nowfold_core::processor::{ProcessError, Processor, ProcessorContext};
    /// use nowfold_core::record::Record;
    /// use nowfold_core::serde::Plain;
    /// use nowfold_core::state::{KeyValueReader, MemoryMap, StoreSpec};
    ///
    /// /// Keeps the longest name of each city.
    /// struct Longest;
    /// impl Processor<String, String, (), ()> for Longest {
    ///     fn process(
    ///         &mut self,
    ///         cx: &mut ProcessorContext<'_, '_, (), ()>,
    ///         record: Record<String, String>,
    ///     ) -> Result<(), ProcessError> {
    ///         let mut longest = cx.key_value("longest")?;
    ///         let known = longest.get(record.key.as_bytes())?.unwrap_or_default();
    ///         if record.value.len() > known.len() {
    ///             longest.put(Bytes::from(record.key), Bytes::from(record.value))?;
    ///         }
    ///         Ok(())
    ///     }
    /// }
    ///
    /// let app = StreamsBuilder::new("cities");
    /// let longest = app.global_store("names", Plain::new(), StoreSpec::key_value("longest"), || Longest);
    /// app.stream("visits", Plain::<String, String>::new())
    ///     .map_values("named", move |city, _| {
    ///         let rows = longest.reader::<MemoryMap>().and_then(|rows| rows.get(city.as_bytes()).ok().flatten());
    ///         rows.map(|name| String::from_utf8_lossy(&name).into_owned()).unwrap_or_default()
    ///     })
    ///     .to("out", Plain::new());
    /// # app.build()?;
    /// # Ok::<(), nowfold_core::topology::TopologyError>(())
    /// ```
    pub fn global_store<K: 'static, V: 'static, P>(
        &self,
        topic: impl Into<TopicName>,
        serdes: impl Consumed<K, V> + 'static,
        store: StoreSpec,
        make: impl Fn() -> P + Send + Sync + 'static,
    ) -> GlobalStore
    where
        P: Processor<K, V, (), ()> + 'static,
    {
        let (topic, name) = (topic.into(), store.name.clone());
        let role = TopicRole::Source;
        self.require(TopicRequirement { name: topic.clone(), role, create: None, rules: Vec::new() });
        let reader: Reader<K, V> = Reader::new(&serdes);
        let label: Arc<str> = name.as_str().into();
        let fresh = move || GlobalTask::new(&label, &store, TypedNode::boxed(make()) as Box<dyn Node>);
        let running = Arc::new(Mutex::new(fresh()));
        let (applying, beginning) = (running.clone(), running.clone());
        let apply = Arc::new(move |topic: &TopicPartition, record: &LogRecord| {
            let decoded = decode(&reader, &topic.topic, record)?;
            applying.lock().process(topic, record, &mut Some(decoded)).map_err(GlobalError::from)
        });
        let begin = Arc::new(move || {
            let mut task = fresh();
            task.init()?;
            *beginning.lock() = task;
            Ok(())
        });
        let mut graph = self.0.borrow_mut();
        graph.check_store(&name);
        graph.global(GlobalSpec {
            name: name.as_str().into(),
            topic,
            apply,
            begin: Some(begin),
            store: Some(name.clone()),
        });
        graph.formats.push(Arc::new(serdes));
        drop(graph);
        GlobalStore { name, running }
    }
}

fn decode<K: 'static, V: 'static>(
    reader: &Reader<K, V>,
    topic: &TopicName,
    record: &LogRecord,
) -> Result<Record<K, V>, GlobalError> {
    let key = reader.key(topic, record).map_err(|error| undecodable(Part::Key, &error))?;
    let value = reader.value(topic, record).map_err(|error| undecodable(Part::Value, &error))?;
    Ok(Record { key, value, timestamp: record.timestamp, headers: record.headers.clone() })
}

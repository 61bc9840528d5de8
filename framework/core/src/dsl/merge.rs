//! `merge`: two streams as one.

use std::rc::Rc;
use std::sync::Arc;

use super::KStream;
use super::process::each;
use crate::record::Record;
use crate::task::node::TypedNode;
use crate::topology::TopologyFault;
use crate::topology::graph::NodeKind;

impl<K: 'static, V: 'static> KStream<K, V> {
    /// The records of both streams. Nothing is promised about their order across the two, beyond that a task takes its
    /// next record from the source with the smallest timestamp.
    ///
    /// ```
    /// # use nowfold_core::{dsl::StreamsBuilder, serde::Plain};
    /// let app = StreamsBuilder::new("all");
    /// let web = app.stream("web", Plain::<String, String>::new());
    /// app.stream("mobile", Plain::new()).merge("both", web).to("clicks", Plain::new());
    /// # app.build()?;
    /// # Ok::<(), nowfold_core::topology::TopologyError>(())
    /// ```
    pub fn merge(self, name: &str, other: Self) -> Self {
        let pass = || TypedNode::boxed(each(|cx, record: Record<K, V>| cx.forward(record)));
        let mut graph = self.builder.0.borrow_mut();
        let same_builder = Rc::ptr_eq(&self.builder.0, &other.builder.0);
        if !same_builder {
            graph.faults.push(TopologyFault::ForeignStream { node: name.to_owned() });
        }
        let parents = if same_builder { vec![self.node, other.node] } else { vec![self.node] };
        let node = graph.add(name, NodeKind::Processor, &parents, Arc::new(pass));
        drop(graph);
        let key_changed_by = self.key_changed_by.or(other.key_changed_by);
        Self { key_changed_by, ..Self::new(self.builder, node) }
    }
}

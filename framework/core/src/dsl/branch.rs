//! `split`: one stream into named branches; the first predicate that holds wins.

use std::sync::Arc;

use super::KStream;
use super::process::each;
use crate::processor::ProcessError;
use crate::record::Record;
use crate::task::graph::{Node, NodeContext};
use crate::task::node::TypedNode;
use crate::topology::graph::NodeKind;

type Predicate<K, V> = Arc<dyn Fn(&K, &V) -> bool + Send + Sync>;

/// A stream being split. Branches are tried in the order in which they were added.
#[must_use = "a split needs branches"]
pub struct Split<K, V> {
    stream: KStream<K, V>,
    name: String,
    predicates: Vec<Predicate<K, V>>,
    branches: Vec<String>,
}

impl<K, V> std::fmt::Debug for Split<K, V> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Split").field("name", &self.name).field("branches", &self.branches).finish_non_exhaustive()
    }
}

impl<K: 'static, V: 'static> KStream<K, V> {
    /// Begins to split the stream; each record goes to the first branch whose predicate holds.
    ///
    /// ```
    /// # use nowfold_core::{dsl::StreamsBuilder, serde::Plain};
    /// let app = StreamsBuilder::new("sort");
    /// let [small, large] = app
    ///     .stream("numbers", Plain::<String, i64>::new())
    ///     .split("by-size")
    ///     .branch("small", |_, n| *n < 10)
    ///     .default_branch("large");
    /// small.to("small", Plain::new());
    /// large.to("large", Plain::new());
    /// # app.build()?;
    /// # Ok::<(), nowfold_core::topology::TopologyError>(())
    /// ```
    pub fn split(self, name: &str) -> Split<K, V> {
        Split { stream: self, name: name.to_owned(), predicates: Vec::new(), branches: Vec::new() }
    }
}

impl<K: 'static, V: 'static> Split<K, V> {
    /// Adds a branch for the records for which `belongs` holds and that no earlier branch took.
    pub fn branch(mut self, name: &str, belongs: impl Fn(&K, &V) -> bool + Send + Sync + 'static) -> Self {
        self.predicates.push(Arc::new(belongs));
        self.branches.push(name.to_owned());
        self
    }

    /// Ends the split with a branch for all other records. The branches come in the order in which they were added.
    ///
    /// # Panics
    /// If `N` is not the number of branches, the default included.
    #[track_caller]
    pub fn default_branch<const N: usize>(self, name: &str) -> [KStream<K, V>; N] {
        self.branch(name, |_, _| true).no_default_branch()
    }

    /// Ends the split; records that no branch took are dropped and counted as `filtered`.
    ///
    /// # Panics
    /// If `N` is not the number of branches.
    #[track_caller]
    pub fn no_default_branch<const N: usize>(self) -> [KStream<K, V>; N] {
        assert_eq!(N, self.branches.len(), "split {:?} has {} branches", self.name, self.branches.len());
        let builder = self.stream.builder.clone();
        let predicates = Arc::new(self.predicates);
        let make = Arc::new(move || Box::new(SplitNode { predicates: predicates.clone() }) as Box<dyn Node>);
        let split = builder.0.borrow_mut().add(&self.name, NodeKind::Processor, &[self.stream.node], make);
        let key_changed_by = self.stream.key_changed_by;
        let mut names = self.branches.into_iter();
        std::array::from_fn(|_| {
            let pass = || TypedNode::boxed(each(|cx, record: Record<K, V>| cx.forward(record)));
            let name = names.next().unwrap_or_default();
            let node = builder.0.borrow_mut().add(&name, NodeKind::Processor, &[split], Arc::new(pass));
            KStream { key_changed_by: key_changed_by.clone(), ..KStream::new(builder.clone(), node) }
        })
    }
}

struct SplitNode<K, V> {
    predicates: Arc<Vec<Predicate<K, V>>>,
}

impl<K: 'static, V: 'static> Node for SplitNode<K, V> {
    fn process(&mut self, cx: &mut NodeContext<'_>, slot: &mut dyn std::any::Any) -> Result<(), ProcessError> {
        let record = slot.downcast_ref::<Option<Record<K, V>>>().and_then(Option::as_ref);
        let record = record.ok_or_else(|| ProcessError::new("the record is of another type than the split takes"))?;
        match self.predicates.iter().position(|belongs| belongs(&record.key, &record.value)) {
            Some(branch) => cx.forward_to(branch, slot),
            None => {
                cx.shared.count("filtered");
                Ok(())
            }
        }
    }
}

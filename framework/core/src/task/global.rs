//! The processor of a global store at work, outside any task.

use std::any::Any;
use std::fmt;
use std::sync::Arc;

use super::graph::{Node, NodeContext};
use super::pending::Pending;
use super::shared::{Shared, StoreSlot};
use super::wiring::Wiring;
use crate::failure::{FailureHandlers, Verdict};
use crate::names::TopicPartition;
use crate::processor::ProcessError;
use crate::record::LogRecord;
use crate::state::StoreSpec;

/// A processor with its store.
pub(crate) struct GlobalTask {
    nodes: Vec<Option<Box<dyn Node>>>,
    wiring: Vec<Wiring>,
    shared: Shared,
}

impl GlobalTask {
    /// A new processor on an empty store.
    pub(crate) fn new(name: &Arc<str>, spec: &StoreSpec, node: Box<dyn Node>) -> Self {
        let store = StoreSlot {
            name: spec.name.clone(),
            store: (spec.factory)(),
            logged: false,
            pending: Pending::default(),
            handed_out: false,
            held_back: None,
        };
        let wiring = Wiring {
            name: name.clone(),
            children: Vec::new(),
            clone_slot: None,
            stores: vec![(spec.name.clone(), 0)],
            sources: Vec::new(),
            id_scope: None,
            default_verdict: Verdict::Fail,
        };
        let shared = Shared::new(vec![store], FailureHandlers::default(), None);
        Self { nodes: vec![Some(node)], wiring: vec![wiring], shared }
    }

    /// Lets the processor begin.
    pub(crate) fn init(&mut self) -> Result<(), ProcessError> {
        let nothing = TopicPartition::new("", 0);
        self.run(&nothing, &LogRecord::empty(), |node, cx| node.init(cx))
    }

    /// Hands over a record, decoded in `slot`. One that fails leaves nothing in the store.
    pub(crate) fn process(
        &mut self,
        source: &TopicPartition,
        record: &LogRecord,
        slot: &mut dyn Any,
    ) -> Result<(), ProcessError> {
        self.run(source, record, |node, cx| {
            cx.shared.advance_stream_time();
            node.process(cx, slot)
        })
    }

    fn run(
        &mut self,
        source: &TopicPartition,
        record: &LogRecord,
        run: impl FnOnce(&mut dyn Node, &mut NodeContext<'_>) -> Result<(), ProcessError>,
    ) -> Result<(), ProcessError> {
        self.shared.begin((source, record.clone()), 1, None);
        let Some(mut node) = self.nodes.first_mut().and_then(Option::take) else { return Ok(()) };
        let mut cx = NodeContext { nodes: &mut self.nodes, wiring: &self.wiring, shared: &mut self.shared, node: 0 };
        let outcome = run(node.as_mut(), &mut cx);
        if let Some(place) = self.nodes.first_mut() {
            *place = Some(node);
        }
        if let (Err(error), Some(wiring)) = (outcome, self.wiring.first()) {
            // It is remembered by `shared` until it is settled.
            let _ = self.shared.failed(wiring, error);
        }
        let stop = self.shared.settle();
        drop(std::mem::take(&mut self.shared.effects));
        stop.map_or(Ok(()), |stop| Err(stop.into_error()))
    }

    /// The reading side of the store.
    pub(crate) fn reader(&self) -> Option<Arc<dyn Any + Send + Sync>> {
        self.shared.stores.first().map(|slot| slot.store.reader())
    }
}

impl fmt::Debug for GlobalTask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GlobalTask").field("node", &self.wiring.first().map(|wiring| &wiring.name)).finish()
    }
}

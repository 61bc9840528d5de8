//! The nodes of one task, and how a record runs through them.
//!
//! Nodes are typed at the door and boxed inside: a record travels as `&mut Option<Record<K, V>>` behind `dyn Any` on the
//! caller's stack, so that forwarding allocates nothing.

use std::any::Any;
use std::sync::Arc;

use super::caches::{Cacher, Row};
use super::calls::{Caller, Wanted};
use super::punctuation::Punctuation;
use super::shared::{Shared, StoreSlot};
use super::wiring::Wiring;
use crate::failure::Stage;
use crate::names::TopicPartition;
use crate::processor::ProcessError;
use crate::record::LogRecord;
use crate::state::{
    Held, LogTo, Logged, LoggedKeyValue, LoggedSession, LoggedVersioned, LoggedWindow, StateStore, StoreError,
};
use crate::time::Timestamp;

/// A node at work. `slot` is an `Option<Record<K, V>>` of the node's input type.
pub(crate) trait Node: Send {
    fn process(&mut self, cx: &mut NodeContext<'_>, slot: &mut dyn Any) -> Result<(), ProcessError>;

    /// Whether the node is a source that tells the timestamps of its records itself.
    fn tells(&self) -> bool {
        false
    }

    /// The timestamp of the source's next record, which [`process`](Self::process) then gets; only asked where
    /// [`tells`](Self::tells). One that has none comes first, so that it is dealt with at once.
    fn tell(&mut self, _source: &TopicPartition, record: &LogRecord) -> Timestamp {
        record.timestamp
    }

    /// Called once, before any record.
    fn init(&mut self, _cx: &mut NodeContext<'_>) -> Result<(), ProcessError> {
        Ok(())
    }

    /// Called when one of the node's schedules is due.
    fn punctuate(&mut self, _cx: &mut NodeContext<'_>, _due: Punctuation) -> Result<(), ProcessError> {
        Ok(())
    }
}

/// Copies a slot so that a second child gets its own record.
pub(crate) type CloneSlot = fn(&dyn Any) -> Option<Box<dyn Any>>;

/// A node's view of the task while it runs.
pub(crate) struct NodeContext<'t> {
    pub(crate) nodes: &'t mut [Option<Box<dyn Node>>],
    pub(crate) wiring: &'t [Wiring],
    pub(crate) shared: &'t mut Shared,
    pub(crate) node: usize,
}

impl NodeContext<'_> {
    pub(crate) fn name(&self) -> &str {
        self.wiring.get(self.node).map_or("", |wiring| &wiring.name)
    }

    /// Keeps the node's own stream time beside the offsets of the next commit.
    pub(crate) fn remember_time(&mut self, time: i64) {
        self.shared.times.insert(self.node, time);
    }

    /// The node's own stream time as of the last commit of an earlier run; `i64::MIN` without one.
    pub(crate) fn recalled_time(&self) -> i64 {
        self.shared.recalled.get(self.name()).copied().unwrap_or(i64::MIN)
    }

    pub(crate) fn has_children(&self) -> bool {
        self.wiring.get(self.node).is_some_and(|wiring| !wiring.children.is_empty())
    }

    /// Hands the record in `slot` to every child. A failure below is judged here, so that siblings still get theirs.
    pub(crate) fn forward(&mut self, slot: &mut dyn Any) -> Result<(), ProcessError> {
        let Some(wiring) = self.wiring.get(self.node) else { return Ok(()) };
        let Some((last, others)) = wiring.children.split_last() else { return Ok(()) };
        for &child in others {
            let Some(mut copy) = wiring.clone_slot.and_then(|clone| clone(slot)) else {
                return Err(ProcessError::new(format!(
                    "node {:?} has several children but no way to copy records",
                    wiring.name
                )));
            };
            self.run(child, copy.as_mut())?;
        }
        self.run(*last, slot)
    }

    /// Hands the record in `slot` to one child only, by its place among the children.
    pub(crate) fn forward_to(&mut self, place: usize, slot: &mut dyn Any) -> Result<(), ProcessError> {
        let child = self.wiring.get(self.node).and_then(|wiring| wiring.children.get(place).copied());
        child.map_or(Ok(()), |child| self.run(child, slot))
    }

    /// Hands the record in `slot` to the child of this name; tells whether there is one.
    pub(crate) fn forward_to_named(&mut self, name: &str, slot: &mut dyn Any) -> Result<bool, ProcessError> {
        let Some(wiring) = self.wiring.get(self.node) else { return Ok(false) };
        let is_named = |child: &&usize| self.wiring.get(**child).is_some_and(|wiring| &*wiring.name == name);
        match wiring.children.iter().find(is_named) {
            Some(&child) => self.run(child, slot).map(|()| true),
            None => Ok(false),
        }
    }

    fn run(&mut self, child: usize, slot: &mut dyn Any) -> Result<(), ProcessError> {
        if self.shared.is_stopped() {
            return Err(ProcessError::new("the task stops at this record"));
        }
        let Some((place, wiring)) = self.nodes.get_mut(child).zip(self.wiring.get(child)) else { return Ok(()) };
        let mut node = place.take().ok_or_else(|| ProcessError::new("a topology has no cycles"))?;
        let mut below =
            NodeContext { nodes: &mut *self.nodes, wiring: self.wiring, shared: &mut *self.shared, node: child };
        let outcome = node.process(&mut below, slot);
        if let Some(place) = self.nodes.get_mut(child) {
            *place = Some(node);
        }
        outcome.or_else(|error| self.shared.failed(wiring, error))
    }

    /// An id for the next thing that this node makes of the present record.
    pub(crate) fn next_event_id(&mut self) -> String {
        let scope = self.wiring.get(self.node).and_then(|wiring| wiring.id_scope.as_deref());
        self.shared.next_event_id(self.node, scope)
    }

    /// Asks for a call for a record of this node. A record that only rebuilds stores calls nobody.
    pub(crate) fn want_call(&mut self, caller: &Arc<Caller>, lane: u64, record: Box<dyn Any + Send>) {
        if self.shared.replaying {
            return;
        }
        let (node, name) = (self.node, self.wiring.get(self.node).map_or("", |wiring| &wiring.name));
        let place = self.shared.next_place(node, name);
        self.shared.calls.want(Wanted { node, caller: caller.clone(), lane, place, record });
    }

    /// Holds back a change of a row of this node's.
    pub(crate) fn cache(&mut self, cacher: &Arc<Cacher>, row: Row) {
        let (node, name) = (self.node, self.wiring.get(self.node).map_or("", |wiring| &wiring.name));
        let place = self.shared.next_place(node, name);
        self.shared.caches.put(node, cacher, row, place);
    }

    pub(crate) fn dead_letter(&mut self, stage: Stage, cause: &str) {
        let name = self.wiring.get(self.node).map_or("", |wiring| &wiring.name);
        self.shared.dead_letter(name, stage, cause);
    }

    /// The store of this name, and where its writes are logged.
    pub(crate) fn store(&mut self, store: &str) -> Result<(&mut StoreSlot, LogTo<'_>), StoreError> {
        let missing = || StoreError::NotConnected { store: store.to_owned(), kind: "state" };
        let wiring = self.wiring.get(self.node).ok_or_else(missing)?;
        let (name, place) = wiring.stores.iter().find(|(name, _)| name.as_str() == store).ok_or_else(missing)?;
        let now = self.shared.source_record().1.timestamp.max(Timestamp::from_millis(0));
        let times = (self.shared.stream_time, self.shared.wall_clock);
        let slot = self.shared.stores.get_mut(*place).ok_or_else(missing)?;
        slot.expire(times, &mut self.shared.effects.changelog);
        let changelog = slot.logged.then_some(&mut self.shared.effects.changelog);
        Ok((slot, LogTo { name, changelog, now }))
    }

    /// The key-value store of this name. Writes are held back until the record is done with.
    pub(crate) fn key_value(&mut self, store: &str) -> Result<LoggedKeyValue<'_>, StoreError> {
        let (slot, log) = self.store(store)?;
        let missing = || StoreError::NotConnected { store: store.to_owned(), kind: "key-value" };
        let inner = slot.store.as_key_value().ok_or_else(missing)?;
        Ok(Logged::new(Held { inner, pending: &mut slot.pending }, log))
    }

    /// The window store of this name.
    pub(crate) fn window(&mut self, store: &str) -> Result<LoggedWindow<'_>, StoreError> {
        self.store_as(store, "window", |store| store.as_window())
    }

    /// The session store of this name.
    pub(crate) fn session(&mut self, store: &str) -> Result<LoggedSession<'_>, StoreError> {
        self.store_as(store, "session", |store| store.as_session())
    }

    /// The versioned store of this name.
    pub(crate) fn versioned(&mut self, store: &str) -> Result<LoggedVersioned<'_>, StoreError> {
        self.store_as(store, "versioned", |store| store.as_versioned())
    }

    /// A store that takes back by itself what a record wrote that comes again.
    fn store_as<'s, S: ?Sized>(
        &'s mut self,
        store: &str,
        kind: &'static str,
        cast: impl FnOnce(&'s mut dyn StateStore) -> Option<&'s mut S>,
    ) -> Result<Logged<'s, &'s mut S>, StoreError> {
        let (slot, log) = self.store(store)?;
        slot.handed_out = true;
        let missing = || StoreError::NotConnected { store: store.to_owned(), kind };
        Ok(Logged::new(cast(slot.store.as_mut()).ok_or_else(missing)?, log))
    }
}

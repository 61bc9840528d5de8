//! Rows of record caches on their way out.

use super::Task;
use super::caches::{Cacher, Entry};
use super::graph::NodeContext;
use crate::failure::TaskFailure;
use crate::time::Timestamp;

impl Task {
    /// Sends out what record caches hold back, so that everything may be committed. To be called before
    /// [`offsets`](Self::offsets), which gives none while rows wait; its effects are to be taken and stored like any. A cause is
    /// returned when a row must wait: the next call tries it again.
    ///
    /// # Errors
    /// [`TaskFailure`] when a row failed and no handler passes over it. The task must then be closed.
    pub fn prepare_commit(&mut self, now: Timestamp) -> Result<Option<String>, TaskFailure> {
        self.shared.wall_clock = now;
        self.shared.log_held_back(None);
        let blocked = self.flush_caches(true)?;
        self.shared.start_calls();
        Ok(blocked)
    }

    /// Sends out the rows of all caches, or of those that are full; a cause is returned when one must wait.
    pub(super) fn flush_caches(&mut self, all: bool) -> Result<Option<String>, TaskFailure> {
        let mut from = 0;
        while let Some((node, cacher)) = self.shared.caches.next(from, all) {
            self.shared.log_held_back(Some(&cacher.store));
            while let Some(entry) = self.shared.caches.pop(node) {
                if let Some(cause) = self.flush_row(node, &cacher, entry)? {
                    return Ok(Some(cause));
                }
            }
            // Rows below come later: nodes stand behind those above them.
            from = node + 1;
        }
        Ok(None)
    }

    fn flush_row(&mut self, node: usize, cacher: &Cacher, mut entry: Entry) -> Result<Option<String>, TaskFailure> {
        let now = self.shared.wall_clock;
        let held = entry.waits.holds(now);
        if held.is_some() {
            self.shared.caches.put_back(node, entry);
            return Ok(held);
        }
        if entry.row.new.is_none() && entry.row.old.is_none() {
            // The row came and went while it was held back: nobody below has heard of it.
            return Ok(None);
        }
        self.shared.resume(&entry.place, entry.waits.attempt());
        let mut cx = NodeContext { nodes: &mut self.nodes, wiring: &self.wiring, shared: &mut self.shared, node };
        if let (Err(error), Some(wiring)) = ((cacher.emit)(&mut cx, &entry.row), self.wiring.get(node)) {
            // An error that stops the task is remembered by `shared` until it is settled.
            let _ = self.shared.failed(wiring, error);
        }
        match self.shared.settle() {
            None => Ok(None),
            Some(stop) if stop.retriable => {
                entry.waits.failed(now, stop.wait, &stop.cause);
                self.shared.caches.put_back(node, entry);
                Ok(Some(stop.cause))
            }
            Some(stop) => {
                let (source, record) = self.shared.source_record();
                let (source, offset) = (source.clone(), record.offset);
                Err(stop.into_failure(source, offset))
            }
        }
    }
}

//! The coordinator of transactions: one session for each transactional id, one producer at a time.
//!
//! A transaction ends in all its partitions and then in its offsets, under the lock of its session. Locks: a session,
//! then a partition, or a group and its offsets.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use nowfold_core::names::TopicPartition;
use nowfold_core::time::{Timestamp, millis};
use nowfold_runtime::broker::{BrokerError, TransactionalSpec};
use nowfold_runtime::membership::OffsetCommit;
use parking_lot::{Mutex, MutexGuard};

use crate::group::Context;
use crate::partition::{Partition, TransactionKey};

/// All transactional ids of a log.
#[derive(Debug, Default)]
pub(crate) struct Transactions {
    sessions: Mutex<BTreeMap<String, Arc<Session>>>,
    /// Transactions that are open: when there are none, nothing can be over its time.
    n_open: Arc<AtomicU64>,
}

/// What a transactional id is about.
#[derive(Debug)]
pub(crate) struct Session {
    id: String,
    key: TransactionKey,
    state: Mutex<State>,
    n_open: Arc<AtomicU64>,
}

#[derive(Debug, Default)]
struct State {
    /// Counts the producers that had the id, and the transactions that took too long: who has an older one is fenced.
    epoch: u64,
    open: Option<Open>,
}

/// An open transaction.
#[derive(Debug)]
pub(crate) struct Open {
    deadline: Timestamp,
    partitions: BTreeMap<TopicPartition, Arc<Partition>>,
    offsets: Vec<(String, Vec<OffsetCommit>)>,
    /// Why it can only be aborted.
    spoiled: Option<String>,
}

impl Transactions {
    /// Gives the id to a new producer: the older one is fenced, and its transaction aborted. `number` is the key of the
    /// first; later ones share it. Returns the session and the producer's epoch.
    pub(crate) fn open(&self, id: &str, number: u64, context: &Context) -> (Arc<Session>, u64) {
        let new = || {
            let state = Mutex::new(State::default());
            Arc::new(Session { id: id.to_owned(), key: number, state, n_open: Arc::clone(&self.n_open) })
        };
        let session = Arc::clone(self.sessions.lock().entry(id.to_owned()).or_insert_with(new));
        let epoch = {
            let mut state = session.state.lock();
            state.epoch += 1;
            session.finish(&mut state, context, false);
            state.epoch
        };
        (session, epoch)
    }

    /// Aborts the transactions whose time is over at `now`.
    pub(crate) fn expire(&self, context: &Context, now: Timestamp) {
        if self.n_open.load(Ordering::Acquire) == 0 {
            return;
        }
        let sessions: Vec<_> = self.sessions.lock().values().cloned().collect();
        for session in sessions {
            // One that is at work just now looks at the time itself.
            if let Some(mut state) = session.state.try_lock() {
                session.expire(&mut state, context, now);
            }
        }
    }
}

impl Session {
    pub(crate) fn key(&self) -> TransactionKey {
        self.key
    }

    /// Opens a transaction of the producer that has `epoch`.
    pub(crate) fn begin(&self, epoch: u64, spec: &TransactionalSpec, now: Timestamp) -> Result<(), BrokerError> {
        let mut state = self.entitled(epoch)?;
        if state.open.is_some() {
            return Err(self.misused("begin", "one is open"));
        }
        let deadline = Timestamp::from_millis(now.as_millis().saturating_add(millis(spec.timeout)));
        state.open = Some(Open { deadline, partitions: BTreeMap::new(), offsets: Vec::new(), spoiled: None });
        self.n_open.fetch_add(1, Ordering::AcqRel);
        Ok(())
    }

    /// Does something in the open transaction of the producer that has `epoch`.
    pub(crate) fn within<T>(
        &self,
        epoch: u64,
        context: &Context,
        change: impl FnOnce(&mut Open) -> Result<T, BrokerError>,
    ) -> Result<T, BrokerError> {
        self.expire(&mut self.state.lock(), context, context.clock.now());
        let mut state = self.entitled(epoch)?;
        state.open.as_mut().map_or_else(|| Err(self.misused("use", "none is open")), change)
    }

    pub(crate) fn commit(&self, epoch: u64, context: &Context) -> Result<(), BrokerError> {
        self.within(epoch, context, |open| match open.spoiled.clone() {
            Some(cause) => Err(BrokerError::MustAbort { id: self.id.clone(), cause }),
            None => Ok(()),
        })?;
        let mut state = self.entitled(epoch)?;
        self.finish(&mut state, context, true);
        Ok(())
    }

    /// Aborts what is open; nothing is fine.
    pub(crate) fn abort(&self, epoch: u64, context: &Context) -> Result<(), BrokerError> {
        let mut state = self.entitled(epoch)?;
        self.finish(&mut state, context, false);
        Ok(())
    }

    fn entitled(&self, epoch: u64) -> Result<MutexGuard<'_, State>, BrokerError> {
        let state = self.state.lock();
        if state.epoch == epoch {
            return Ok(state);
        }
        let cause = format!("epoch {epoch} is over, {} is the present one", state.epoch);
        Err(BrokerError::ProducerFenced { id: self.id.clone(), cause })
    }

    fn expire(&self, state: &mut State, context: &Context, now: Timestamp) {
        if state.open.as_ref().is_some_and(|open| now > open.deadline) {
            tracing::warn!(id = self.id, "a transaction took too long and is aborted");
            state.epoch += 1;
            self.finish(state, context, false);
        }
    }

    fn finish(&self, state: &mut State, context: &Context, commit: bool) {
        let Some(open) = state.open.take() else { return };
        open.partitions.values().for_each(|partition| partition.end_transaction(self.key, commit));
        for (group, offsets) in &open.offsets {
            context.offsets.settle(group, offsets, commit);
        }
        self.n_open.fetch_sub(1, Ordering::AcqRel);
    }

    fn misused(&self, what: &str, cause: &str) -> BrokerError {
        BrokerError::Fatal {
            operation: format!("{what} a transaction of producer {:?}", self.id),
            cause: cause.to_owned(),
        }
    }
}

impl Open {
    /// The transaction writes to this partition.
    pub(crate) fn join(&mut self, partition: &Arc<Partition>) {
        if !self.partitions.contains_key(&partition.id) {
            self.partitions.insert(partition.id.clone(), Arc::clone(partition));
        }
    }

    /// Offsets that are committed with the transaction; until then nobody gets an answer about them.
    pub(crate) fn add_offsets(&mut self, group: &str, offsets: &[OffsetCommit], context: &Context) {
        context.offsets.hold(group, offsets);
        self.offsets.push((group.to_owned(), offsets.to_vec()));
    }

    /// The transaction can only be aborted.
    pub(crate) fn spoil(&mut self, cause: impl ToString) {
        self.spoiled.get_or_insert_with(|| cause.to_string());
    }
}

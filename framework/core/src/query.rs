//! Interactive queries: which store partitions live here, how far each one is, and why a question cannot be answered.
//!
//! The runtime publishes every open store partition in a [`StoreHub`]; query handles read it from any thread and never
//! wait for the worker that owns the store.

use std::any::Any;
use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use parking_lot::Mutex;

use crate::names::{Offset, Partition, StoreName, TopicName, TopicPartition};
use crate::partition::partition_for_key;
use crate::time::{Timestamp, label};

/// Why a query has no answer. Displays with its code, the cause and the next step; see `docs/errors.md`.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum QueryError {
    /// No store of this name is part of the running topology.
    #[error("NF010 there is no store {store:?}; known stores: {known}")]
    UnknownStore {
        /// The name asked for.
        store: String,
        /// The stores there are.
        known: String,
    },
    /// The store has no registered feature of this name.
    #[error("NF011 store {store:?} has no feature {feature:?}; registered: {known}")]
    UnknownFeature {
        /// The store.
        store: StoreName,
        /// The name asked for.
        feature: String,
        /// The features there are.
        known: String,
    },
    /// The partition is still being rebuilt from its topic.
    #[error(
        "NF012 store {store:?} partition {partition} is restoring: {done} of {total} records; retry after {retry_after:?}, or allow stale answers"
    )]
    Restoring {
        /// The store.
        store: StoreName,
        /// The partition.
        partition: Partition,
        /// Records read so far.
        done: u64,
        /// Records to read in all, as known at the start.
        total: u64,
        /// When asking again makes sense.
        retry_after: Duration,
    },
    /// The partition is behind the position that the question requires, also after the bounded wait.
    #[error(
        "NF013 store {store:?} is behind: {partition} is applied up to {}, asked for {wanted}; retry, or ask without at_least",
        .applied.map_or_else(|| "no offset".to_owned(), |offset| offset.to_string())
    )]
    Behind {
        /// The store.
        store: StoreName,
        /// The partition of the actions topic.
        partition: TopicPartition,
        /// Last applied offset, if any.
        applied: Option<Offset>,
        /// Offset that the answer must include.
        wanted: Offset,
    },
    /// The key's partition does not live in this process.
    #[error("NF021 store {store:?} partition {partition} is not here{}", .owner.as_ref().map(|o| format!("; it is owned by {o}")).unwrap_or_default())]
    NotOwner {
        /// The store.
        store: StoreName,
        /// The partition.
        partition: Partition,
        /// Where it lives, if known.
        owner: Option<String>,
    },
    /// The window reaches back further than the store keeps events.
    #[error(
        "NF014 feature {feature:?} reaches back {}, but store {store:?} keeps {} (of which {} is slack for reads); raise retention(..) or shorten the window",
        label(*.needed), label(*.retention), label(*.read_slack)
    )]
    WindowExceedsRetention {
        /// The store.
        store: StoreName,
        /// The feature.
        feature: String,
        /// Largest window plus offset.
        needed: Duration,
        /// What the store keeps.
        retention: Duration,
        /// The part of it kept for clock differences and slow readers.
        read_slack: Duration,
    },
    /// `as_of` lies in the future.
    #[error("NF015 as_of {as_of} is after now ({now}) by more than the allowed skew; ask for a time that has come")]
    AsOfInFuture {
        /// The instant asked for.
        as_of: Timestamp,
        /// Now.
        now: Timestamp,
    },
    /// The question itself is malformed.
    #[error("NF016 {cause}")]
    Invalid {
        /// What is wrong and how to write it.
        cause: String,
    },
}

impl QueryError {
    /// The stable code, such as `NF012`.
    pub fn code(&self) -> &'static str {
        match self {
            Self::UnknownStore { .. } => "NF010",
            Self::UnknownFeature { .. } => "NF011",
            Self::Restoring { .. } => "NF012",
            Self::Behind { .. } => "NF013",
            Self::WindowExceedsRetention { .. } => "NF014",
            Self::AsOfInFuture { .. } => "NF015",
            Self::Invalid { .. } => "NF016",
            Self::NotOwner { .. } => "NF021",
        }
    }

    /// Whether asking again later may succeed.
    pub fn is_retriable(&self) -> bool {
        matches!(self, Self::Restoring { .. } | Self::Behind { .. } | Self::NotOwner { .. })
    }
}

/// Whether a store partition can answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Readiness {
    /// Being rebuilt: records read so far, and in all.
    Restoring {
        /// Records read so far.
        done: u64,
        /// Records to read in all, as known at the start.
        total: u64,
    },
    /// All of its past is in.
    Running,
}

/// How far a store partition is behind its topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lag {
    /// Nothing is known about the topic's end.
    Unknown,
    /// Everything up to the last known end is applied.
    None,
    /// The first record that is not applied was appended at this time.
    Since(Timestamp),
}

/// How far one store partition is. A copy; the store moves on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Whether it can answer.
    pub readiness: Readiness,
    /// Records per second that a restore has read lately; `None` while that is unknown, and once the partition runs.
    pub restore_rate: Option<u64>,
    /// The last applied offset of the partition's topic, inclusive.
    pub applied: Option<Offset>,
    /// How far behind the topic.
    pub lag: Lag,
    /// The same in records, for a copy of a partition that lives elsewhere.
    pub lag_records: Option<u64>,
    /// When `lag` was last known to be true.
    pub known_at: Timestamp,
    /// Events at or before this time may be missing because the log's start had moved on when the store was built;
    /// [`Timestamp::MIN`] when the log was complete.
    pub log_floor: Timestamp,
}

impl Progress {
    /// How long the restore will take at its present rate; `None` while that is unknown or nothing moves.
    pub fn restore_left(&self) -> Option<Duration> {
        let Readiness::Restoring { done, total } = self.readiness else { return None };
        let rate = self.restore_rate.filter(|rate| *rate > 0)?;
        Some(Duration::from_secs(total.saturating_sub(done).div_ceil(rate)))
    }

    /// Milliseconds behind at `now`; `None` when unknown.
    pub fn lag_ms(&self, now: Timestamp) -> Option<i64> {
        match self.lag {
            Lag::Unknown => None,
            Lag::None => Some(0),
            Lag::Since(appended) => Some(now.millis_since(appended).max(0)),
        }
    }

    /// Whether the lag is unknown, or has been known for longer than two seconds (`docs/semantics.md`, section 4).
    pub fn is_stale(&self, now: Timestamp) -> bool {
        self.lag == Lag::Unknown || now.millis_since(self.known_at) > 2_000
    }
}

/// A store partition's progress, written by its worker and read by queries.
#[derive(Debug)]
pub struct ProgressCell(Mutex<Progress>);

impl ProgressCell {
    /// A partition that starts to restore and knows nothing yet.
    pub fn restoring() -> Self {
        Self(Mutex::new(Progress {
            readiness: Readiness::Restoring { done: 0, total: 0 },
            restore_rate: None,
            applied: None,
            lag: Lag::Unknown,
            lag_records: None,
            known_at: Timestamp::MIN,
            log_floor: Timestamp::MIN,
        }))
    }

    /// The present progress.
    pub fn get(&self) -> Progress {
        *self.0.lock()
    }

    /// Changes it; `change` must be short, for readers wait.
    pub fn update(&self, change: impl FnOnce(&mut Progress)) {
        change(&mut self.0.lock());
    }
}

/// A store partition that lives in this process.
#[derive(Clone)]
pub struct PartitionHandle {
    /// The store's own reader; its type is the store's affair.
    pub reader: Arc<dyn Any + Send + Sync>,
    /// How far it is.
    pub progress: Arc<ProgressCell>,
}

impl fmt::Debug for PartitionHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PartitionHandle").field("progress", &self.progress).finish_non_exhaustive()
    }
}

/// A copy of a store partition in another process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StandbyPlace {
    /// Where that process answers queries, as `host:port` or URL.
    pub endpoint: String,
    /// Records that the copy has not applied yet, as it last said.
    pub lag: Option<u64>,
}

/// Where the partitions of stores are that live in other processes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Elsewhere {
    /// Where the owner of each partition is asked.
    pub owners: HashMap<StoreName, BTreeMap<Partition, String>>,
    /// Copies of partitions, those that lack least first.
    pub standbys: HashMap<StoreName, BTreeMap<Partition, Vec<StandbyPlace>>>,
}

/// A store as queries see it.
#[derive(Clone)]
pub struct StoreEntry {
    /// The topic whose partitions the store follows.
    pub topic: TopicName,
    /// Number of partitions of that topic.
    pub n_partitions: i32,
    /// What the store's builder left for queries, such as registered features.
    pub queryable: Arc<dyn Any + Send + Sync>,
    /// Partitions that live here.
    pub partitions: BTreeMap<Partition, PartitionHandle>,
    /// Copies that are kept here of partitions that live elsewhere.
    pub standbys: BTreeMap<Partition, PartitionHandle>,
}

impl fmt::Debug for StoreEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoreEntry")
            .field("topic", &self.topic)
            .field("n_partitions", &self.n_partitions)
            .field("partitions", &self.partitions)
            .field("standbys", &self.standbys)
            .finish_non_exhaustive()
    }
}

/// Every store of an application and the partitions that live here. Reading takes no lock.
#[derive(Debug, Default)]
pub struct StoreHub {
    stores: ArcSwap<HashMap<StoreName, StoreEntry>>,
    source_progress: ArcSwap<Vec<Arc<ProgressCell>>>,
    elsewhere: ArcSwap<Elsewhere>,
}

impl StoreHub {
    /// An empty hub.
    pub fn new() -> Self {
        Self::default()
    }

    /// Announces a store and the number of its partitions; partitions are added as they open.
    pub fn declare(
        &self,
        store: StoreName,
        topic: TopicName,
        n_partitions: i32,
        queryable: Arc<dyn Any + Send + Sync>,
    ) {
        let entry =
            StoreEntry { topic, n_partitions, queryable, partitions: BTreeMap::new(), standbys: BTreeMap::new() };
        self.change(|stores| {
            stores.insert(store.clone(), entry.clone());
        });
    }

    /// Publishes an open partition of a declared store.
    pub fn open(&self, store: &StoreName, partition: Partition, handle: &PartitionHandle) {
        self.change(|stores| {
            if let Some(entry) = stores.get_mut(store) {
                entry.partitions.insert(partition, handle.clone());
            }
        });
    }

    /// Withdraws a partition that leaves this process.
    pub fn close(&self, store: &StoreName, partition: Partition) {
        self.change(|stores| {
            if let Some(entry) = stores.get_mut(store) {
                entry.partitions.remove(&partition);
            }
        });
    }

    /// Publishes a copy of a partition that lives elsewhere.
    pub fn open_standby(&self, store: &StoreName, partition: Partition, handle: &PartitionHandle) {
        self.change(|stores| {
            if let Some(entry) = stores.get_mut(store) {
                entry.standbys.insert(partition, handle.clone());
            }
        });
    }

    /// Withdraws a copy.
    pub fn close_standby(&self, store: &StoreName, partition: Partition) {
        self.change(|stores| {
            if let Some(entry) = stores.get_mut(store) {
                entry.standbys.remove(&partition);
            }
        });
    }

    /// Replaces the progress of the tasks that feed the stores (mapping and enrichment), for `source_lag_ms`.
    pub fn set_sources(&self, sources: Vec<Arc<ProgressCell>>) {
        self.source_progress.store(Arc::new(sources));
    }

    /// Replaces what is known of partitions that live in other processes: where each store's partitions are asked for.
    pub fn set_elsewhere(&self, elsewhere: Elsewhere) {
        self.elsewhere.store(Arc::new(elsewhere));
    }

    /// The copies of a partition in other processes, as far as that is known: those that lack least first.
    pub fn standbys_elsewhere(&self, store: &StoreName, partition: Partition) -> Vec<StandbyPlace> {
        let elsewhere = self.elsewhere.load();
        elsewhere.standbys.get(store).and_then(|places| places.get(&partition)).cloned().unwrap_or_default()
    }

    /// Where a partition that does not live here is asked for, if that is known.
    pub fn elsewhere(&self, store: &StoreName, partition: Partition) -> Option<String> {
        self.elsewhere.load().owners.get(store)?.get(&partition).cloned()
    }

    /// The largest lag over the tasks that feed the stores, in milliseconds; `None` when one of them is unknown or has
    /// been known for longer than two seconds.
    pub fn source_lag_ms(&self, now: Timestamp) -> Option<i64> {
        self.source_progress
            .load()
            .iter()
            .map(|cell| Some(cell.get()).filter(|progress| !progress.is_stale(now))?.lag_ms(now))
            .try_fold(0, |max, lag| Some(max.max(lag?)))
    }

    /// Calls `read` with the store's entry, without copying it.
    ///
    /// # Errors
    /// [`QueryError::UnknownStore`].
    pub fn with_store<R>(&self, store: &str, read: impl FnOnce(&StoreName, &StoreEntry) -> R) -> Result<R, QueryError> {
        let stores = self.stores.load();
        match stores.get_key_value(store) {
            Some((name, entry)) => Ok(read(name, entry)),
            None => Err(QueryError::UnknownStore { store: store.to_owned(), known: joined(stores.keys()) }),
        }
    }

    /// The partition of a store that owns `key`, and its handle.
    ///
    /// # Errors
    /// [`QueryError::UnknownStore`], or [`QueryError::NotOwner`] when the partition does not live here, with its owner if
    /// that is known.
    pub fn owner_of(&self, store: &str, key: &[u8]) -> Result<(TopicPartition, PartitionHandle), QueryError> {
        self.with_store(store, |name, entry| {
            let partition = partition_for_key(key, entry.n_partitions);
            let handle = entry.partitions.get(&partition).cloned();
            handle.map(|handle| (TopicPartition::new(entry.topic.clone(), partition), handle)).ok_or_else(|| {
                let owner = self.elsewhere(name, partition);
                QueryError::NotOwner { store: name.clone(), partition, owner }
            })
        })?
    }

    /// The copy that is kept here of the partition of a key, if there is one.
    pub fn standby_of(&self, store: &str, key: &[u8]) -> Option<(TopicPartition, PartitionHandle)> {
        let found = self.with_store(store, |_, entry| {
            let partition = partition_for_key(key, entry.n_partitions);
            let handle = entry.standbys.get(&partition).cloned()?;
            Some((TopicPartition::new(entry.topic.clone(), partition), handle))
        });
        found.ok().flatten()
    }

    /// Names of all declared stores, sorted.
    pub fn store_names(&self) -> Vec<StoreName> {
        let mut names: Vec<_> = self.stores.load().keys().cloned().collect();
        names.sort();
        names
    }

    fn change(&self, change: impl Fn(&mut HashMap<StoreName, StoreEntry>)) {
        self.stores.rcu(|stores| {
            let mut stores = HashMap::clone(stores);
            change(&mut stores);
            stores
        });
    }
}

fn joined<'a>(names: impl Iterator<Item = &'a StoreName>) -> String {
    let mut names: Vec<_> = names.map(StoreName::as_str).collect();
    names.sort_unstable();
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hub() -> StoreHub {
        let hub = StoreHub::new();
        hub.declare("store".into(), "topic".into(), 2, Arc::new("features"));
        hub
    }

    fn handle(reader: &'static str) -> PartitionHandle {
        PartitionHandle { reader: Arc::new(reader), progress: Arc::new(ProgressCell::restoring()) }
    }

    fn at(ms: i64) -> Timestamp {
        Timestamp::from_millis(ms)
    }

    #[test]
    fn finds_the_partition_that_owns_a_key_while_it_lives_here() {
        let hub = hub();
        let owner = partition_for_key(b"k", 2);
        assert_eq!(
            hub.owner_of("store", b"k").unwrap_err(),
            QueryError::NotOwner { store: "store".into(), partition: owner, owner: None }
        );
        hub.open(&"store".into(), owner, &handle("here"));
        let (partition, found) = hub.owner_of("store", b"k").unwrap();
        assert_eq!(partition, TopicPartition::new("topic", owner));
        assert_eq!(found.reader.downcast_ref::<&str>(), Some(&"here"));
        hub.close(&"store".into(), owner);
        assert!(hub.owner_of("store", b"k").is_err());
    }

    #[test]
    fn names_the_owner_of_a_partition_that_lives_elsewhere_once_it_is_known() {
        let hub = hub();
        let (owner, url) = (partition_for_key(b"k", 2), "http://10.0.0.2:7070".to_owned());
        let place = StandbyPlace { endpoint: "10.0.0.3:7070".to_owned(), lag: Some(7) };
        hub.set_elsewhere(Elsewhere {
            owners: HashMap::from([("store".into(), BTreeMap::from([(owner, url.clone())]))]),
            standbys: HashMap::from([("store".into(), BTreeMap::from([(owner, vec![place.clone()])]))]),
        });
        assert_eq!(hub.standbys_elsewhere(&"store".into(), owner), [place]);
        assert!(hub.standbys_elsewhere(&"store".into(), 1 - owner).is_empty());
        let expected = QueryError::NotOwner { store: "store".into(), partition: owner, owner: Some(url) };
        assert_eq!(hub.owner_of("store", b"k").unwrap_err(), expected);
        hub.open(&"store".into(), owner, &handle("here"));
        assert!(hub.owner_of("store", b"k").is_ok(), "what is here is here, whatever others say");
    }

    #[test]
    fn an_unknown_store_is_answered_with_the_known_ones() {
        let hub = hub();
        hub.declare("other".into(), "topic".into(), 1, Arc::new(()));
        let error = hub.owner_of("stroe", b"k").unwrap_err();
        assert_eq!(error.to_string(), "NF010 there is no store \"stroe\"; known stores: other, store");
        assert!(StoreHub::new().with_store("x", |_, _| ()).unwrap_err().to_string().ends_with("known stores: none"));
        assert_eq!(hub.store_names(), ["other".into(), "store".into()]);
    }

    #[test]
    fn opening_a_partition_of_an_undeclared_store_shows_nothing() {
        let hub = StoreHub::new();
        hub.open(&"store".into(), 0, &handle("here"));
        assert_eq!(hub.store_names(), []);
    }

    #[test]
    fn lag_is_zero_at_the_end_unknown_at_first_and_else_the_age_of_the_first_waiting_record() {
        let cell = ProgressCell::restoring();
        assert_eq!((cell.get().lag_ms(at(5)), cell.get().is_stale(at(5))), (None, true));
        for (lag, now, expected) in [(Lag::None, 9, 0), (Lag::Since(at(4)), 9, 5), (Lag::Since(at(12)), 9, 0)] {
            cell.update(|progress| (progress.lag, progress.known_at) = (lag, at(9)));
            assert_eq!(cell.get().lag_ms(at(now)), Some(expected), "{lag:?}");
        }
        assert_eq!((cell.get().is_stale(at(2_009)), cell.get().is_stale(at(2_010))), (false, true));
    }

    #[test]
    fn source_lag_is_the_largest_and_unknown_when_one_is() {
        let hub = hub();
        assert_eq!(hub.source_lag_ms(at(0)), Some(0));
        let cells: Vec<_> = (0..3).map(|_| Arc::new(ProgressCell::restoring())).collect();
        hub.set_sources(cells.clone());
        let set = |cell: &ProgressCell, lag| cell.update(|progress| (progress.lag, progress.known_at) = (lag, at(10)));
        set(&cells[0], Lag::None);
        set(&cells[1], Lag::Since(at(3)));
        assert_eq!(hub.source_lag_ms(at(10)), None);
        set(&cells[2], Lag::Since(at(6)));
        assert_eq!(hub.source_lag_ms(at(10)), Some(7));
        assert_eq!((hub.source_lag_ms(at(2_010)), hub.source_lag_ms(at(2_011))), (Some(2_007), None));
    }

    #[test]
    fn errors_tell_their_code_and_whether_to_ask_again() {
        let store = || StoreName::from("s");
        let partition = TopicPartition::new("actions", 5);
        let errors = [
            (
                QueryError::Restoring { store: store(), partition: 0, done: 1, total: 2, retry_after: Duration::ZERO },
                true,
            ),
            (QueryError::Behind { store: store(), partition, applied: None, wanted: 3 }, true),
            (QueryError::NotOwner { store: store(), partition: 1, owner: Some("h:1".into()) }, true),
            (QueryError::UnknownFeature { store: store(), feature: "f".into(), known: "g".into() }, false),
            (QueryError::AsOfInFuture { as_of: at(2), now: at(1) }, false),
            (QueryError::Invalid { cause: "no".into() }, false),
        ];
        for (error, retriable) in errors {
            assert!(error.to_string().starts_with(error.code()), "{error}");
            assert_eq!(error.is_retriable(), retriable, "{error}");
        }
    }
}

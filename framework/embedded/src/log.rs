//! The log itself.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use nowfold_core::names::TopicPartition;
use nowfold_core::record::LogRecord;
use nowfold_core::time::{Clock, Timestamp};
use nowfold_runtime::broker::BrokerError;

use crate::disk::DataDir;
use crate::error::OpenError;
use crate::faults::{FaultPlan, Faults};
use crate::group::{Context, Groups, Offsets};
use crate::options::Options;
use crate::partition::Signal;
use crate::topic::Topics;
use crate::transactions::Transactions;

/// An in-process log behind the ports of [`nowfold_runtime::broker`]. Cloning it gives another handle to the same log.
///
/// The log ends, and its data directory is unlocked, when the last handle, producer and member is dropped.
#[derive(Clone, Debug)]
pub struct EmbeddedLog {
    pub(crate) inner: Arc<Inner>,
}

impl Inner {
    /// Aborts the transactions whose time is over. Called by those who may wait for that.
    pub(crate) fn expire_transactions(&self) {
        self.transactions.expire(&self.groups.context, self.clock.now());
    }
}

/// The standard library seeds its hashers at random.
fn random_id() -> String {
    format!("embedded log {:016x}", RandomState::new().build_hasher().finish())
}

/// What the handles share.
#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) options: Options,
    pub(crate) topics: Arc<Topics>,
    pub(crate) groups: Groups,
    pub(crate) faults: Arc<FaultPlan>,
    pub(crate) transactions: Transactions,
    pub(crate) name: String,
    /// What tells it from other logs: its directory, or a random number.
    pub(crate) id: String,
    /// The next producer's number.
    pub(crate) n_producers: AtomicU64,
}

impl EmbeddedLog {
    /// A log in memory, gone when the last handle is dropped.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self::with_options(Options::default(), clock)
    }

    /// Like [`Self::new`], with settings.
    pub fn with_options(options: Options, clock: Arc<dyn Clock>) -> Self {
        match Self::start(None, options, clock) {
            Ok(log) => log,
            Err(error) => unreachable!("a log without a directory opens no file: {error}"),
        }
    }

    /// A log that keeps its topics, records and committed offsets in `dir`, which is created when it does not exist.
    /// Everything is held in memory as well.
    ///
    /// # Errors
    /// [`OpenError`] when another process has the directory open, when it holds something else or a newer format, when
    /// a file is damaged beyond a torn end, or when the operating system refuses.
    pub fn open(dir: impl AsRef<Path>, clock: Arc<dyn Clock>) -> Result<Self, OpenError> {
        Self::open_with_options(dir, Options::default(), clock)
    }

    /// Like [`Self::open`], with settings.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn open_with_options(
        dir: impl AsRef<Path>,
        options: Options,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, OpenError> {
        let data = DataDir::open(dir.as_ref(), options.durability)?;
        Self::start(Some(Arc::new(data)), options, clock)
    }

    fn start(data: Option<Arc<DataDir>>, options: Options, clock: Arc<dyn Clock>) -> Result<Self, OpenError> {
        let id = data.as_ref().map_or_else(random_id, |data| data.id());
        let at = data.as_ref().map(|data| format!(" in {}", data.path().display()));
        let name = format!("the embedded log{}", at.unwrap_or_default());
        let offsets = Offsets::open(data.as_deref())?;
        let topics = Arc::new(Topics::open(data, name.clone())?);
        let faults = Arc::new(FaultPlan::default());
        let groups = Groups::new(Context {
            topics: Arc::clone(&topics),
            offsets,
            clock: Arc::clone(&clock),
            faults: Arc::clone(&faults),
            session_timeout: options.session_timeout,
        });
        Ok(Self {
            inner: Arc::new(Inner {
                clock,
                options,
                topics,
                groups,
                faults,
                transactions: Transactions::default(),
                name,
                id,
                n_producers: AtomicU64::new(0),
            }),
        })
    }

    /// Does as of `now` what a broker does in the background: aborts transactions whose time is over, expires and compacts
    /// closed segments of every topic, and expels members of groups whose session is over. Appends do the first two as well, now and then
    /// ([`Options::check_interval`]); waiting members do the last.
    pub fn maintain(&self, now: Timestamp) {
        self.inner.transactions.expire(&self.inner.groups.context, now);
        for partition in self.inner.topics.all_partitions() {
            partition.maintain(now);
        }
        self.inner.groups.expire(now);
    }

    /// Faults to inject, for tests.
    pub fn faults(&self) -> Faults<'_> {
        Faults::new(self)
    }

    /// Every record that a reader of the partition could see now, in offset order. Meant for tests and tools.
    ///
    /// # Errors
    /// When there is no such partition.
    pub fn records(&self, partition: &TopicPartition) -> Result<Vec<LogRecord>, BrokerError> {
        let partition = self.inner.topics.partition(partition)?;
        let mut records = Vec::new();
        let nobody = Arc::new(Signal::new(Arc::new(|| {})));
        partition.read(partition.watermarks().low, usize::MAX, &mut records, &nobody)?;
        Ok(records)
    }
}

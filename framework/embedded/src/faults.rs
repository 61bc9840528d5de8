//! Faults that tests inject: failing appends and commits, delayed visibility, expelled members.

use std::sync::atomic::{AtomicBool, Ordering};

use nowfold_core::names::TopicPartition;
use nowfold_runtime::broker::BrokerError;
use parking_lot::Mutex;

use crate::EmbeddedLog;
use crate::error::unavailable;

/// Faults of a log, for tests. All are explicit, and the random ones follow a seed.
///
/// A failed append comes back from [`Producer::flush`](nowfold_runtime::broker::Producer::flush) as a delivery failure,
/// a failed commit from the commit itself; both are [`BrokerError::Unavailable`], and nothing of them is stored.
///
/// ```
/// # use std::sync::Arc;
/// # use nowfold_embedded::EmbeddedLog;
/// # #[derive(Debug)] struct At;
/// # impl nowfold_core::time::Clock for At { fn now(&self) -> nowfold_core::time::Timestamp { Default::default() } }
/// let log = EmbeddedLog::new(Arc::new(At));
/// log.faults().fail_appends(2);       // the next two appends fail
/// log.faults().fail_randomly(42, 10); // from then on about one call in ten
/// log.faults().clear();
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Faults<'a> {
    log: &'a EmbeddedLog,
}

impl<'a> Faults<'a> {
    pub(crate) fn new(log: &'a EmbeddedLog) -> Self {
        Self { log }
    }

    /// The next `n` appends to any topic fail.
    pub fn fail_appends(&self, n: u64) {
        self.log.inner.faults.change(|plan| plan.appends = n);
    }

    /// The next `n` commits of any group fail.
    pub fn fail_commits(&self, n: u64) {
        self.log.inner.faults.change(|plan| plan.commits = n);
    }

    /// The next `n` commits of transactions are done, but the producer is not told: it gets
    /// [`BrokerError::Unavailable`].
    pub fn lose_answers(&self, n: u64) {
        self.log.inner.faults.change(|plan| plan.answers = n);
    }

    /// About one append or commit in `one_in` fails, or loses its answer as with [`Self::lose_answers`], chosen by `seed`;
    /// 0 is never, 1 always.
    pub fn fail_randomly(&self, seed: u64, one_in: u64) {
        self.log.inner.faults.change(|plan| plan.random = (one_in > 0).then_some((seed, one_in)));
    }

    /// No append or commit fails any more. Hidden partitions stay hidden.
    pub fn clear(&self) {
        self.log.inner.faults.change(|plan| *plan = Plan::default());
    }

    /// Readers and watermarks of the partition show nothing of what is appended from now on, until [`Self::reveal`].
    ///
    /// # Errors
    /// When there is no such partition.
    pub fn hide_appends(&self, partition: &TopicPartition) -> Result<(), BrokerError> {
        self.log.inner.topics.partition(partition).map(|partition| partition.hide_appends())
    }

    /// Shows everything again, and wakes the readers that waited for it.
    ///
    /// # Errors
    /// When there is no such partition.
    pub fn reveal(&self, partition: &TopicPartition) -> Result<(), BrokerError> {
        self.log.inner.topics.partition(partition).map(|partition| partition.reveal())
    }

    /// Expels the member of `group` that owns the partition, as if its session had ended: its commits are fenced, and
    /// its next event is `Lost`. `false` when nobody owns it.
    pub fn expel_owner(&self, group: &str, partition: &TopicPartition) -> bool {
        self.log.inner.groups.expel_owner(group, partition)
    }

    /// Expels every member of `group`; `false` when it has none.
    pub fn expel_all(&self, group: &str) -> bool {
        self.log.inner.groups.expel_all(group)
    }
}

/// What fails next.
#[derive(Debug, Default)]
pub(crate) struct FaultPlan {
    /// Whether anything may fail: all that an append looks at in ordinary times.
    armed: AtomicBool,
    plan: Mutex<Plan>,
}

#[derive(Debug, Default)]
struct Plan {
    appends: u64,
    commits: u64,
    answers: u64,
    /// The state of the generator, and how many calls there are to a failure.
    random: Option<(u64, u64)>,
}

impl FaultPlan {
    fn change(&self, change: impl FnOnce(&mut Plan)) {
        let mut plan = self.plan.lock();
        change(&mut plan);
        self.armed.store(plan.may_fail(), Ordering::Release);
    }

    /// Fails when the next append is to fail.
    pub(crate) fn append(&self) -> Result<(), BrokerError> {
        self.check("appending a record", |plan| &mut plan.appends)
    }

    /// Fails when the next commit is to fail.
    pub(crate) fn commit(&self) -> Result<(), BrokerError> {
        self.check("committing offsets", |plan| &mut plan.commits)
    }

    /// Whether the answer to a commit is lost.
    pub(crate) fn loses_answer(&self) -> bool {
        self.check("answering a commit", |plan| &mut plan.answers).is_err()
    }

    fn check(&self, operation: &str, left: impl Fn(&mut Plan) -> &mut u64) -> Result<(), BrokerError> {
        if !self.armed.load(Ordering::Acquire) {
            return Ok(());
        }
        let mut plan = self.plan.lock();
        let fails = take_one(left(&mut plan)) || plan.roll_dice();
        self.armed.store(plan.may_fail(), Ordering::Release);
        if fails { Err(unavailable(operation, "an injected fault")) } else { Ok(()) }
    }
}

impl Plan {
    fn may_fail(&self) -> bool {
        self.appends > 0 || self.commits > 0 || self.answers > 0 || self.random.is_some()
    }

    fn roll_dice(&mut self) -> bool {
        self.random.as_mut().is_some_and(|(state, one_in)| split_mix(state).is_multiple_of(*one_in))
    }
}

fn take_one(left: &mut u64) -> bool {
    let some = *left > 0;
    *left = left.saturating_sub(1);
    some
}

/// SplitMix64 (Steele, Lea and Flood 2014): enough randomness for a dice, in three lines.
fn split_mix(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

//! How fast a restore goes, and when it stands still.

use std::collections::VecDeque;
use std::fmt;
use std::time::{Duration, Instant};

use nowfold_core::names::{Offset, TopicPartition};
use nowfold_core::task::TaskId;

use super::broker::{Broker, PartitionReader};
use super::host;
use super::source::IN_REACH;

/// Over how long a rate is taken, and how far apart its samples are at least.
const SPAN: Duration = Duration::from_secs(10);
const APART: Duration = Duration::from_millis(500);

/// A task whose stores are being rebuilt.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RestoreStatus {
    /// The task.
    pub task: TaskId,
    /// Offsets read so far.
    pub done: u64,
    /// Offsets to read in all, as known when the task was opened.
    pub total: u64,
    /// Offsets per second over the last ten seconds; `None` in the first half second.
    pub per_second: Option<u64>,
    /// Why nothing moves, when it has not for [`restore_stall_timeout`](super::RuntimeConfig::restore_stall_timeout).
    pub stall: Option<RestoreStall>,
}

impl RestoreStatus {
    /// How long it will take at the present rate; `None` while that is unknown or nothing moves.
    pub fn left(&self) -> Option<Duration> {
        let left = self.total.saturating_sub(self.done);
        self.per_second.filter(|rate| *rate > 0).map(|rate| Duration::from_secs(left.div_ceil(rate)))
    }
}

/// A restore that stands still. Displays with its code, the cause and the next step.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RestoreStall {
    /// The task.
    pub task: TaskId,
    /// Where it stands: the partition, its next offset, and the one to be reached; `None` while the task cannot be opened.
    pub place: Option<(TopicPartition, Offset, Offset)>,
    /// How long nothing has moved, when this was found.
    pub waited: Duration,
    /// Why, and what to do.
    pub cause: String,
}

impl fmt::Display for RestoreStall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (task, waited_s) = (self.task, self.waited.as_secs());
        write!(f, "NF129 the restore of task {task} stands still since {waited_s} s")?;
        if let Some((partition, position, until)) = &self.place {
            write!(f, " at offset {position} of {partition}, which it must read up to {until}")?;
        }
        write!(f, ": {}", self.cause)
    }
}

/// Watches over one task's restore. Every look at progress goes through it.
#[derive(Debug)]
pub(crate) struct RestoreWatch {
    moved_at: Instant,
    done: u64,
    total: u64,
    /// Earlier looks, oldest first.
    samples: VecDeque<(Instant, u64)>,
    /// When it was last said that nothing moves.
    said_at: Option<Instant>,
    stall: Option<RestoreStall>,
}

impl RestoreWatch {
    pub(crate) fn new() -> Self {
        let (moved_at, samples) = (host::now(), VecDeque::new());
        Self { moved_at, done: 0, total: 0, samples, said_at: None, stall: None }
    }

    /// The task does not restore: what it does later begins anew.
    pub(crate) fn rest(&mut self) {
        if !self.samples.is_empty() {
            *self = Self::new();
        }
    }

    /// Takes in how far the restore is. Returns how long it has stood still, when that is to be said now: once per `bound`.
    pub(crate) fn look(&mut self, done: u64, total: u64, bound: Duration) -> Option<Duration> {
        let now = host::now();
        if (done, total) != (self.done, self.total) || self.samples.is_empty() {
            (self.done, self.total, self.moved_at) = (done, total, now);
            (self.stall, self.said_at) = (None, None);
        }
        self.sample(now);
        let waited = now.saturating_duration_since(self.moved_at);
        let said = self.said_at.is_some_and(|at| now.saturating_duration_since(at) < bound);
        if waited < bound || said {
            return None;
        }
        self.said_at = Some(now);
        Some(waited)
    }

    fn sample(&mut self, now: Instant) {
        let old = |at: &Instant| now.saturating_duration_since(*at);
        if self.samples.back().is_none_or(|(at, _)| old(at) >= APART) {
            self.samples.push_back((now, self.done));
        }
        while self.samples.get(1).is_some_and(|(at, _)| old(at) >= SPAN) {
            self.samples.pop_front();
        }
    }

    /// What was found in its way.
    pub(crate) fn found(&mut self, stall: RestoreStall) {
        tracing::warn!("{stall}");
        self.stall = Some(stall);
    }

    pub(crate) fn stall(&self) -> Option<&RestoreStall> {
        self.stall.as_ref()
    }

    pub(crate) fn status(&self, task: TaskId) -> RestoreStatus {
        let (done, total, stall) = (self.done, self.total, self.stall.clone());
        RestoreStatus { task, done, total, per_second: self.per_second(), stall }
    }

    /// Offsets per second.
    pub(crate) fn per_second(&self) -> Option<u64> {
        let (since, before) = self.samples.front()?;
        let elapsed = host::since(*since);
        if elapsed < APART {
            return None;
        }
        let per_second = u128::from(self.done.saturating_sub(*before)) * 1_000 / elapsed.as_millis().max(1);
        u64::try_from(per_second).ok()
    }
}

/// Where a restore stands.
pub(crate) struct Stuck<'a> {
    pub(crate) partition: TopicPartition,
    pub(crate) reader: &'a dyn PartitionReader,
    /// The next offset to apply, and the one to be reached.
    pub(crate) position: Offset,
    pub(crate) until: Offset,
}

impl Stuck<'_> {
    /// Why no more records come, as far as the broker tells, and what to do. Asks it only when it was heard of lately.
    pub(crate) fn cause(&self, broker: &dyn Broker) -> String {
        let (name, silent) = (broker.describe(), self.reader.known_age());
        if silent > IN_REACH {
            let silent_s = silent.as_secs();
            return format!(
                "nothing has been heard of {name} for {silent_s} s. The restore goes on by itself once it answers; see \
                 its log, and the network between"
            );
        }
        match broker.watermarks(&self.partition) {
            Err(error) => format!("{name} does not tell the log's end ({error}). See its log"),
            Ok(log) if log.high < self.until && self.position >= log.high => self.held_back(log.high),
            Ok(log) => format!(
                "{name} has records up to {} and gives none. See its log, and the messages of this process's client; a \
                 restart of this process reads them anew",
                log.high
            ),
        }
    }

    fn held_back(&self, readable: Offset) -> String {
        let until = self.until;
        format!(
            "a transaction is open there, and nothing behind its first record may be read before it has ended: {readable} \
             is the last stable offset, below the log's end {until}. A producer that died is timed out by the broker \
             after its transaction.timeout.ms; a transaction that stays open beyond that hangs: \
             kafka-transactions.sh find-hanging shows it, abort ends it"
        )
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
    use std::thread::JoinHandle;

    use super::super::status::TaskStatus;
    use super::*;

    const TASK: TaskId = TaskId { subtopology: 0, partition: 1 };
    const BOUND: Duration = Duration::from_secs(30);

    /// Time that moves when it is told to.
    #[derive(Debug)]
    struct ByHand(Instant, AtomicU64);

    impl ByHand {
        fn enter() -> Arc<Self> {
            let time = Arc::new(Self(host::now(), AtomicU64::new(0)));
            host::enter(Some(time.clone()));
            time
        }

        fn pass(&self, ms: u64) {
            self.1.fetch_add(ms, Ordering::Relaxed);
        }
    }

    impl host::Scheduler for ByHand {
        fn now(&self) -> Instant {
            self.0 + Duration::from_millis(self.1.load(Ordering::Relaxed))
        }

        fn wait(&self, _: Option<&Arc<AtomicBool>>, _: Option<Instant>) {}

        fn spawn(&self, _: &str, _: host::Body) -> io::Result<JoinHandle<()>> {
            Err(io::Error::other("these tests have one thread"))
        }
    }

    fn stall(waited: Duration) -> RestoreStall {
        let place = Some((TopicPartition::new("counts", 1), 12, 20));
        RestoreStall { task: TASK, place, waited, cause: "it is held back".to_owned() }
    }

    #[test]
    fn a_restore_that_moves_is_never_said_to_stand_still() {
        let (time, mut watch) = (ByHand::enter(), RestoreWatch::new());
        for done in 0..100 {
            assert_eq!(watch.look(done, 100, BOUND), None);
            time.pass(29_000);
        }
        assert_eq!(watch.status(TASK).stall, None);
        host::enter(None);
    }

    #[test]
    fn a_restore_that_stands_still_is_said_once_per_bound_until_it_moves() {
        let (time, mut watch) = (ByHand::enter(), RestoreWatch::new());
        let mut said = Vec::new();
        for second in 0..70 {
            if let Some(waited) = watch.look(12, 20, BOUND) {
                watch.found(stall(waited));
                said.push(second);
            }
            time.pass(1_000);
        }
        assert_eq!(said, [30, 60]);
        let words = watch.stall().unwrap().to_string();
        let expected = "NF129 the restore of task 0_1 stands still since 60 s at offset 12 of counts-1, which it must read \
                        up to 20: it is held back";
        assert_eq!(words, expected);
        assert_eq!(watch.look(13, 20, BOUND), None);
        assert_eq!(watch.stall(), None);
        host::enter(None);
    }

    #[test]
    fn a_task_that_cannot_be_opened_says_why() {
        let (time, status) = (ByHand::enter(), TaskStatus::new());
        status.stumbled(TASK, "the broker is away", BOUND);
        time.pass(31_000);
        assert_eq!(status.watch.lock().stall(), None);
        status.stumbled(TASK, "the broker is away", BOUND);
        let words = status.watch.lock().stall().unwrap().to_string();
        let expected = "NF129 the restore of task 0_1 stands still since 31 s: the broker is away. It is tried again until \
                        that works";
        assert_eq!(words, expected);
        host::enter(None);
    }

    #[test]
    fn the_rate_is_of_the_last_seconds_and_the_time_left_follows_from_it() {
        let (time, mut watch) = (ByHand::enter(), RestoreWatch::new());
        watch.look(0, 100_000, BOUND);
        assert_eq!(watch.status(TASK).per_second, None);
        let mut done = 0;
        for per_second in [4_000, 1_000] {
            for _ in 0..11 {
                time.pass(1_000);
                done += per_second;
                watch.look(done, 100_000, BOUND);
            }
        }
        let status = watch.status(TASK);
        assert_eq!(status.per_second, Some(1_000));
        assert_eq!(status.left(), Some(Duration::from_secs((100_000 - done) / 1_000)));
        host::enter(None);
    }
}

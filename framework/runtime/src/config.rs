//! Settings of the runtime.

use std::time::Duration;

use nowfold_core::task::TaskIdle;

/// What a crash may do to results.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Guarantee {
    /// Outputs are stored before the offsets of their input are committed. After a crash some input is processed again:
    /// its outputs appear twice, and generic aggregates may count it twice. Rolling features count every event once.
    #[default]
    AtLeastOnce,
    /// Outputs, changelogs and offsets of a worker are committed in one transaction per commit interval. Readers of
    /// committed records, as all of nowfold's are, see every result once. Outputs are readable after the commit only.
    ExactlyOnce,
}

/// How the runtime works. Every setting has a default that suits most applications.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuntimeConfig {
    /// Worker threads that own tasks. Default: the machine's cores, at most 4.
    pub n_workers: usize,
    /// What a crash may do to results. Default: at-least-once.
    pub guarantee: Guarantee,
    /// How often offsets are committed. Default: 500 ms at-least-once, 100 ms exactly-once. After a crash, at most this
    /// much input is processed again; exactly-once, outputs become readable once per interval.
    pub commit_interval: Duration,
    /// How long a transaction may be open before the broker aborts it (exactly-once): longer than the commit interval and
    /// the commit itself. After a crash, what a partition got behind the open transaction is unreadable for about this
    /// long. Default: 10 s.
    pub transaction_timeout: Duration,
    /// A name for this process that survives its restart (exactly-once): the restarted process then ends the
    /// transactions of the dead one at once instead of after their timeout. Two processes of one name shut each other
    /// out. Default: none, and a random one for each start.
    pub process_id: Option<String>,
    /// How long to wait for the broker at the start. Default: 30 s.
    pub connect_timeout: Duration,
    /// How long a flush or a commit may take. Default: 30 s.
    pub flush_timeout: Duration,
    /// How long `close` may take in all. Default: 10 s.
    pub close_timeout: Duration,
    /// How long tasks that go to another member may take to finish; what they have not committed by then is processed
    /// again by their next owner. Default: 10 s.
    pub handover_timeout: Duration,
    /// How long the tables and serdes of the start may stand still: a global table that nothing is read of, a schema
    /// registry that does not answer. Default: 5 min.
    pub stall_timeout: Duration,
    /// How long the restore of a task may stand still before that is said, with its cause: in the log, by
    /// [`Streams::restores`](super::Streams::restores), by `/readyz` and as the metric `nowfold_restores_stalled`. The
    /// restore goes on. Default: 30 s.
    pub restore_stall_timeout: Duration,
    /// How often the offsets of partitions without new records are committed again: brokers forget them after
    /// `offsets.retention.minutes` (7 days). Default: 1 h; at most a tenth of that setting.
    pub recommit_interval: Duration,
    /// How long a task with several sources waits for those that are empty (`max.task.idle.ms`). Default: while the log
    /// holds more of them, and no longer.
    pub max_task_idle: TaskIdle,
    /// How often repartition topics are purged (`repartition.purge.interval.ms`): after a commit, what it covers is deleted.
    /// Topics of others, and those of `through`, are never. Default: 30 s; `None`: never, and they grow for ever.
    pub purge_interval: Option<Duration>,
    /// Records that a task takes from a partition at a time, and processes at a time. Default: 500.
    pub batch: usize,
    /// How many bytes this process may hold on its way, over all workers: records that were read and wait, rows in record
    /// caches, and what was written and is not known to be stored. Where they are used up, caches are emptied, what was
    /// written is committed, and reading pauses. Stores are not among them, nor what the client of the broker queues.
    /// Default: no limit.
    pub memory_budget: Option<u64>,
    /// Whether processes of the application tell each other what they are and have, on the topic `<app>-control`: queries
    /// name the process that owns a key, and changed topologies are noticed. Default: true.
    pub discovery: bool,
    /// How many other processes keep a warm copy of each task's stores (`num.standby.replicas`), so that a task that moves
    /// goes on at once instead of being rebuilt: see `docs/guide/standbys.md`. Each process keeps the copies that it is
    /// chosen for, so all should have the same number. Needs [`discovery`](Self::discovery). Default: 0.
    pub num_standbys: usize,
    /// Where other processes and clients find this one's queries, as `host:port` or URL. Default: none; an application
    /// with a query server announces its address.
    pub endpoint: Option<String>,
    /// Where this process stands, such as a zone; for others to read. Default: none.
    pub rack: Option<String>,
    /// How often a process says that it is alive. One that is not heard for five times as long is taken for dead by
    /// queries (not by the group). Default: 2 s.
    pub heartbeat_interval: Duration,
    /// Starts although the topology has changed such that state is left behind (NF126). Default: false.
    pub accept_topology_change: bool,
    /// Partitions of topics that are created where no source topic says otherwise. Default: 4.
    pub default_partitions: i32,
}

impl Default for RuntimeConfig {
    fn default() -> Self {
        Self {
            n_workers: std::thread::available_parallelism().map_or(1, |n| n.get().min(4)),
            guarantee: Guarantee::default(),
            commit_interval: Duration::from_millis(500),
            transaction_timeout: Duration::from_secs(10),
            process_id: None,
            connect_timeout: Duration::from_secs(30),
            flush_timeout: Duration::from_secs(30),
            close_timeout: Duration::from_secs(10),
            handover_timeout: Duration::from_secs(10),
            stall_timeout: Duration::from_secs(300),
            restore_stall_timeout: Duration::from_secs(30),
            recommit_interval: Duration::from_secs(3_600),
            max_task_idle: TaskIdle::default(),
            purge_interval: Some(Duration::from_secs(30)),
            batch: 500,
            memory_budget: None,
            discovery: true,
            num_standbys: 0,
            endpoint: None,
            rack: None,
            heartbeat_interval: Duration::from_secs(2),
            accept_topology_change: false,
            default_partitions: 4,
        }
    }
}

impl RuntimeConfig {
    /// The defaults of exactly-once processing.
    pub fn exactly_once() -> Self {
        let commit_interval = Duration::from_millis(100);
        Self { guarantee: Guarantee::ExactlyOnce, commit_interval, ..Self::default() }
    }
}

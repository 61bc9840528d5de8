//! A running application.

use std::collections::BTreeMap;
use std::fmt;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use nowfold_core::names::{Offset, TopicName, TopicPartition};
use nowfold_core::query::StoreHub;
use nowfold_core::serde::SerdeEnv;
use nowfold_core::state::{Changelog, StoreSpec};
use nowfold_core::task::TaskId;
use nowfold_core::time::Clock;
use nowfold_core::topology::{SubTopology, Topology};

use super::broker::{Broker, BrokerError, TransactionalSpec};
use super::budget::{Budget, MemoryHeld};
use super::channel::{Channel, Transactor};
use super::config::{Guarantee, RuntimeConfig};
use super::control::{self, Announcements, Control};
use super::coordinator::{Coordinator, Group, WorkerHandle};
use super::error::RuntimeError;
use super::executor::{CallExecutor, CallThread};
use super::globals::{Applied, Globals};
use super::host;
use super::local::LocalState;
use super::mailbox::{self, Receiver, Sender};
use super::output::Outbox;
use super::pace::{Backoff, Throttle};
use super::purge::{self, Purge};
use super::restore::RestoreStatus;
use super::runner::Surroundings;
use super::signal::Signal;
use super::standby::{Request, StandbyStatus, StandbyThread, Standbys};
use super::state::{AppState, StateCell};
use super::status::{Restored, TaskPhase, TaskTable};
use super::topics::{self, Topics};
use super::worker::{Worker, caught};

/// How long a close waits for threads beyond its time.
const ENDING: Duration = Duration::from_secs(1);

/// How long the steps of a close took, and what it left undone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CloseReport {
    /// Processing what was buffered.
    pub drain: Duration,
    /// Waiting until outputs were stored.
    pub flush: Duration,
    /// Committing offsets.
    pub commit: Duration,
    /// Leaving the group.
    pub leave: Duration,
    /// Source partitions whose last records are not committed, since their outputs were not stored, or the commit not
    /// taken, in time: the next start processes these records again.
    pub uncommitted: usize,
}

impl fmt::Display for CloseReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [drain, flush, commit, leave] =
            [self.drain, self.flush, self.commit, self.leave].map(|step| step.as_millis());
        let total = drain + flush + commit + leave;
        write!(f, "drain {drain} ms  flush {flush} ms  commit {commit} ms  leave {leave} ms  ({total} ms)")?;
        if self.uncommitted > 0 {
            write!(f, "; {} partitions uncommitted: their last records are processed again", self.uncommitted)?;
        }
        Ok(())
    }
}

/// What an application runs on.
#[derive(Clone)]
pub struct Platform {
    /// The log.
    pub broker: Arc<dyn Broker>,
    /// Wall-clock time.
    pub clock: Arc<dyn Clock>,
    /// What serdes may need.
    pub serdes: SerdeEnv,
}

impl fmt::Debug for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Platform").field("broker", &self.broker).field("serdes", &self.serdes).finish_non_exhaustive()
    }
}

/// A running application: its tasks on worker threads, its state, and what queries need. Dropping it closes it.
pub struct Streams {
    topology: Topology,
    config: RuntimeConfig,
    clock: Arc<dyn Clock>,
    hub: Arc<StoreHub>,
    state: Arc<StateCell>,
    tasks: Arc<TaskTable>,
    globals: Arc<Applied>,
    stop: Sender<(Instant, Sender<CloseReport>)>,
    globals_stop: Arc<AtomicBool>,
    announcements: Option<Arc<Announcements>>,
    standbys: Option<Arc<Standbys>>,
    threads: Vec<host::Thread>,
    budget: Arc<Budget>,
    started: Instant,
}

impl Streams {
    /// Starts the application: finds the broker, checks and creates topics, loads global tables, joins the group, and
    /// returns; restoring and processing go on in threads. See [`wait_running`](Self::wait_running).
    ///
    /// # Errors
    /// [`RuntimeError`] when the broker is not reached within the connect timeout, a topic is missing or has a setting
    /// that would lose state, or a serde cannot be set up.
    pub fn start(topology: Topology, platform: Platform, config: RuntimeConfig) -> Result<Self, RuntimeError> {
        Self::start_with_state(topology, platform, config, None)
    }

    /// As [`start`](Self::start), with a directory on this machine that keeps the tasks' stores and event logs: a restart
    /// then reads only the tail of their topics.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub fn start_with_state(
        topology: Topology,
        platform: Platform,
        config: RuntimeConfig,
        local: Option<Arc<dyn LocalState>>,
    ) -> Result<Self, RuntimeError> {
        let executor = topology.has_calls().then(CallThread::start).transpose()?;
        Self::start_with(topology, platform, config, local, executor.map(|thread| Arc::new(thread) as _))
    }

    /// As [`start_with_state`](Self::start_with_state), with something else than a [`CallThread`] to run the calls of
    /// asynchronous operators: tokio, say, for those that need its timers and sockets. Without one, such calls fail.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub fn start_with(
        topology: Topology,
        platform: Platform,
        config: RuntimeConfig,
        local: Option<Arc<dyn LocalState>>,
        executor: Option<Arc<dyn CallExecutor>>,
    ) -> Result<Self, RuntimeError> {
        let (state, started) = (Arc::new(StateCell::default()), host::now());
        state.set(AppState::Connecting);
        let (standbys, requests) = standbys_of(&config);
        let (around, globals) = connect(topology.clone(), platform, &config, local, standbys.clone(), executor)?;
        let (clock, hub, budget) = (around.clock.clone(), around.hub.clone(), around.budget.clone());
        let applied = globals.applied();
        let parts = representatives(&topology, &around.topics);
        let subscribed: Vec<_> = parts.keys().cloned().collect();
        let tasks = Arc::new(TaskTable::default());
        let control = control_of(&around, &tasks, &config)?;
        let membership = around.broker.join(topology.app(), &subscribed)?;
        state.set(AppState::Rebalancing);

        let (report, reports) = mailbox::channel();
        let workers = spawn_workers(&around, &config, &report)?;
        let (stop, stopped) = mailbox::channel();
        let group = Group { membership, parts, handover_timeout: config.handover_timeout };
        let seen = (tasks.clone(), state.clone());
        let coordinator = Coordinator::new(around.clone(), group, (workers, reports), seen, stopped);
        let globals_stop = Arc::new(AtomicBool::new(false));
        let announcements = control.as_ref().map(Control::announcements);
        let mut threads = vec![
            spawn("nowfold-coordinator", move || coordinator.run())?,
            spawn_globals(globals, globals_stop.clone(), report.clone())?,
        ];
        threads.extend(control.map(|control| spawn_control(control, report)).transpose()?);
        let shared = standbys.clone().zip(requests);
        threads.extend(shared.map(|shared| spawn_standbys(&around, &tasks, shared, config.batch)).transpose()?);
        let globals = applied;
        Ok(Self {
            topology,
            config,
            clock,
            hub,
            state,
            tasks,
            globals,
            stop,
            globals_stop,
            announcements,
            standbys,
            threads,
            budget,
            started,
        })
    }

    /// Waits until every store is whole and the input that had gathered is processed; without a limit.
    ///
    /// # Errors
    /// [`RuntimeError::Stopped`] when the application failed on the way.
    pub fn wait_running(self) -> Result<Self, RuntimeError> {
        self.await_running(Duration::MAX)?;
        Ok(self)
    }

    /// Waits until the application runs, at most `timeout`.
    ///
    /// # Errors
    /// [`RuntimeError::Stopped`] when it failed, [`RuntimeError::NotRunning`] when it takes longer.
    pub fn await_running(&self, timeout: Duration) -> Result<(), RuntimeError> {
        let started = host::now();
        let timeout = timeout.min(Duration::from_secs(u64::from(u32::MAX)));
        match self.state.wait(timeout, |state| *state == AppState::Running || state.is_final()) {
            AppState::Running => Ok(()),
            AppState::Failed { reason } => Err(RuntimeError::Stopped { reason }),
            state if state.is_final() => Err(RuntimeError::Stopped { reason: state.to_string() }),
            state => {
                Err(RuntimeError::NotRunning { waited_ms: host::since(started).as_millis(), state: state.to_string() })
            }
        }
    }

    /// The present state, with its cause.
    pub fn state(&self) -> AppState {
        self.state.get()
    }

    /// The state, to wait for changes of it.
    pub fn state_cell(&self) -> Arc<StateCell> {
        self.state.clone()
    }

    /// Each task of this process and its phase.
    pub fn tasks(&self) -> Vec<(TaskId, TaskPhase)> {
        self.tasks.phases()
    }

    /// Tasks of this process.
    pub fn task_ids(&self) -> Vec<TaskId> {
        self.tasks.ids()
    }

    /// How far this process is. For each source partition of its tasks, the offset before which every record is
    /// processed, what it led to is stored, and the offset is committed; for each partition of a global table, the offset
    /// before which every row is in the table.
    ///
    /// When every source of every sub-topology is among them, and no end of these partitions that is asked for *after* this
    /// call lies behind its offset, then all input is processed to its very end: what a record led to in another topic was
    /// stored before its own offset came here, so that topic's end already tells of it.
    pub fn completed(&self) -> BTreeMap<TopicPartition, Offset> {
        let mut completed = self.tasks.completed();
        completed.extend(self.globals.lock().clone());
        completed
    }

    /// What the stores of this process's tasks were rebuilt from when these were opened.
    pub fn restored(&self) -> Restored {
        self.tasks.restored()
    }

    /// What the workers hold in memory beside the stores, for [`RuntimeConfig::memory_budget`].
    pub fn memory_held(&self) -> MemoryHeld {
        self.budget.held()
    }

    /// The tasks of this process whose stores are being rebuilt: how far each is, how fast it goes, and why it stands still
    /// when it does.
    pub fn restores(&self) -> Vec<RestoreStatus> {
        self.tasks.restores()
    }

    /// The warm copies that this process keeps of tasks of others ([`RuntimeConfig::num_standbys`]).
    pub fn standbys(&self) -> Vec<StandbyStatus> {
        self.standbys.as_ref().map(|standbys| standbys.copies()).unwrap_or_default()
    }

    /// Store partitions that live here, for query handles.
    pub fn hub(&self) -> Arc<StoreHub> {
        self.hub.clone()
    }

    /// Tells the other processes where this one answers queries, as `host:port` or URL: theirs then name it to who asks
    /// for what is here. Replaces [`RuntimeConfig::endpoint`].
    pub fn announce(&self, endpoint: impl Into<String>) {
        if let Some(announcements) = &self.announcements {
            announcements.set_endpoint(endpoint.into());
        }
    }

    /// The application's clock.
    pub fn clock(&self) -> Arc<dyn Clock> {
        self.clock.clone()
    }

    /// The topology that runs.
    pub fn topology(&self) -> &Topology {
        &self.topology
    }

    /// Time since the start.
    pub fn uptime(&self) -> Duration {
        host::since(self.started)
    }

    /// Processes what is buffered, stores and commits it, leaves the group, and returns how long each step took. Waits
    /// for [`RuntimeConfig::close_timeout`], and a second for the threads to end.
    ///
    /// # Errors
    /// [`RuntimeError::Stopped`] when the application had failed before; [`RuntimeError::NotClosed`] when it did not
    /// end in time.
    pub fn close(mut self) -> Result<CloseReport, RuntimeError> {
        let report = self.stop();
        match self.state.get() {
            AppState::Failed { reason } => Err(RuntimeError::Stopped { reason }),
            _ => report,
        }
    }

    fn stop(&mut self) -> Result<CloseReport, RuntimeError> {
        self.globals_stop.store(true, Ordering::Relaxed);
        let (asked_at, (reply, answer)) = (host::now(), mailbox::channel());
        let deadline = asked_at + self.config.close_timeout;
        let mut report = Ok(CloseReport::default());
        if self.stop.send((deadline, reply)).is_ok()
            && let Ok(closed) = answer.recv_timeout(self.config.close_timeout + ENDING)
        {
            report = Ok(closed);
        }
        self.standbys.iter().for_each(|standbys| standbys.stop());
        self.announcements.iter().for_each(|announcements| announcements.stop());
        for thread in self.threads.drain(..) {
            if ends(&thread, deadline + ENDING) {
                thread.join();
            } else {
                report = Err(RuntimeError::NotClosed { waited_ms: host::since(asked_at).as_millis() });
            }
        }
        report.inspect_err(|error| tracing::warn!(%error, "close"))
    }
}

/// Waits until the thread has ended, at most until `deadline`.
fn ends(thread: &host::Thread, deadline: Instant) -> bool {
    while !thread.is_finished() && host::now() < deadline {
        host::sleep(Duration::from_millis(1));
    }
    thread.is_finished()
}

impl Drop for Streams {
    fn drop(&mut self) {
        if !self.threads.is_empty() {
            let _ = self.stop();
        }
    }
}

impl fmt::Debug for Streams {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Streams").field("app", &self.topology.app()).field("state", &self.state.get()).finish()
    }
}

/// Sets up the serdes, asking a registry that does not answer again until `stall` is over.
fn configure(topology: &Topology, serdes: &SerdeEnv, stall: Duration) -> Result<(), RuntimeError> {
    let (started, mut said) = (host::now(), Throttle::new(Duration::from_secs(5)));
    let mut again = Backoff::new(Duration::from_millis(100), Duration::from_secs(5));
    while let Err(error) = topology.configure(serdes) {
        if !error.is_retriable() || host::since(started) >= stall {
            return Err(error.into());
        }
        if said.is_due() {
            tracing::warn!(%error, "waiting to set up serdes");
        }
        host::sleep(again.next().min(stall.saturating_sub(host::since(started))));
    }
    Ok(())
}

/// The topic whose partitions a store's partitions follow.
pub(crate) fn store_topic(part: &SubTopology, spec: &StoreSpec) -> Option<TopicName> {
    match &spec.changelog {
        Changelog::EventLog(topic) | Changelog::Table(topic) => Some(topic.clone()),
        Changelog::Topic | Changelog::None => part.representative().cloned(),
    }
}

fn declare_stores(topology: &Topology, topics: &Topics, hub: &StoreHub) {
    for part in topology.subtopologies() {
        for spec in part.stores.iter().filter_map(|name| topology.stores().get(name)) {
            let Some(topic) = store_topic(part, spec) else { continue };
            let n_partitions = topics.partitions(&topic);
            hub.declare(spec.name.clone(), topic, n_partitions, spec.queryable.clone());
        }
    }
}

/// Each sub-topology under its source with the most partitions: the group's assignment of it makes tasks.
fn representatives(topology: &Topology, topics: &Topics) -> BTreeMap<TopicName, usize> {
    let largest = |part: &SubTopology| {
        let sources = part.sources.iter().rev();
        sources.max_by_key(|source| topics.partitions(&source.topic)).map(|source| (source.topic.clone(), part.id))
    };
    topology.subtopologies().iter().filter_map(largest).collect()
}

/// Finds the broker, checks and creates the topics, and reads the global tables.
fn connect(
    topology: Topology,
    platform: Platform,
    config: &RuntimeConfig,
    local: Option<Arc<dyn LocalState>>,
    standbys: Option<Arc<Standbys>>,
    executor: Option<Arc<dyn CallExecutor>>,
) -> Result<(Arc<Surroundings>, Globals), RuntimeError> {
    let Platform { broker, clock, serdes } = platform;
    configure(&topology, &serdes, config.stall_timeout)?;
    let topics = topics::prepare(broker.as_ref(), &topology, config)?;
    control::check_changelogs(&topology, &topics)?;
    let hub = Arc::new(StoreHub::new());
    declare_stores(&topology, &topics, &hub);
    let mut globals = Globals::open(broker.as_ref(), &topology, &topics)?;
    globals.load(config.stall_timeout)?;
    let idle = config.max_task_idle;
    let (budget, restore_stall_timeout) = (Budget::new(config.memory_budget), config.restore_stall_timeout);
    let around = Surroundings {
        broker,
        topology,
        topics,
        hub,
        idle,
        clock,
        local,
        restore_stall_timeout,
        standbys,
        executor,
        budget,
    };
    Ok((Arc::new(around), globals))
}

/// The workers, and the thread that purges for them.
fn spawn_workers(
    around: &Arc<Surroundings>,
    config: &RuntimeConfig,
    report: &Sender<super::worker::Report>,
) -> Result<Vec<WorkerHandle>, RuntimeError> {
    let process = config.process_id.clone().unwrap_or_else(random_name);
    let (purger, wanted) = mailbox::channel();
    let workers = (0..config.n_workers.max(1)).map(|i| {
        let channel = channel_of(&around.broker, config, &format!("{}-{process}-{i}", around.topology.app()))?;
        let purge = Purge::new(config.purge_interval, purger.clone());
        let outbox = Outbox::new(channel, around.topology.clone(), around.budget.clone());
        spawn_worker(i, around, config, (outbox, purge), report.clone())
    });
    let workers = workers.collect::<Result<Vec<_>, RuntimeError>>()?;
    drop(purger);
    let broker = around.broker.clone();
    // Nobody waits for its end: it comes with that of the workers, or with the broker's last answer.
    let _ = spawn("nowfold-purge", move || purge::purge(&broker, &wanted))?;
    Ok(workers)
}

/// A worker's way to the broker under the guarantee. `id` is its transactional id.
fn channel_of(broker: &Arc<dyn Broker>, config: &RuntimeConfig, id: &str) -> Result<Channel, BrokerError> {
    match config.guarantee {
        Guarantee::AtLeastOnce => Ok(Channel::Plain(broker.producer()?)),
        Guarantee::ExactlyOnce => {
            let spec = TransactionalSpec { id: id.to_owned(), timeout: config.transaction_timeout };
            Ok(Channel::Transactions(Transactor::open(broker.clone(), spec)?))
        }
    }
}

/// A name that no other process has: the standard library seeds its hashers at random.
fn random_name() -> String {
    format!("{:016x}", RandomState::new().build_hasher().finish())
}

fn spawn_worker(
    i: usize,
    around: &Arc<Surroundings>,
    config: &RuntimeConfig,
    (outbox, purge): (Outbox, Purge),
    reports: Sender<super::worker::Report>,
) -> Result<WorkerHandle, RuntimeError> {
    let (commands, inbox) = mailbox::channel();
    let signal = Arc::new(Signal::default());
    let worker = Worker {
        around: around.clone(),
        config: config.clone(),
        clock: around.clock.clone(),
        signal: signal.clone(),
        commands: inbox,
        reports,
        outbox,
        purge,
        runners: Vec::new(),
        frozen: Vec::new(),
        unopened: Vec::new(),
        epoch: 0,
        last_commit: host::now(),
        resting: false,
        last_recommit: None,
        retry_at: None,
        unknown_since: BTreeMap::new(),
    };
    let thread = spawn(&format!("nowfold-worker-{i}"), move || worker.run())?;
    Ok(WorkerHandle { commands, signal, thread })
}

fn spawn_globals(
    globals: Globals,
    stop: Arc<AtomicBool>,
    reports: Sender<super::worker::Report>,
) -> Result<host::Thread, RuntimeError> {
    spawn("nowfold-globals", move || {
        if let Err(error) = caught("the thread of the global tables", || globals.follow(&stop)) {
            let _ = reports.send(super::worker::Report::GlobalsFailed(error));
        }
    })
}

/// What the threads around standbys share, where there are to be any.
fn standbys_of(config: &RuntimeConfig) -> (Option<Arc<Standbys>>, Option<Receiver<Request>>) {
    if config.num_standbys == 0 {
        return (None, None);
    }
    if !config.discovery {
        tracing::warn!("num_standbys has no effect without discovery: processes do not know of each other");
        return (None, None);
    }
    let (standbys, requests) = Standbys::new();
    (Some(standbys), Some(requests))
}

fn spawn_standbys(
    around: &Arc<Surroundings>,
    tasks: &Arc<TaskTable>,
    shared: (Arc<Standbys>, Receiver<Request>),
    batch: usize,
) -> Result<host::Thread, RuntimeError> {
    let thread = StandbyThread::new(around.clone(), tasks.clone(), shared, batch);
    spawn("nowfold-standbys", move || {
        let body = || {
            thread.run();
            Ok(())
        };
        if let Err(error) = caught("the thread of the standbys", body) {
            tracing::warn!(%error, "this process keeps no standbys any more");
        }
    })
}

fn spawn_control(control: Control, reports: Sender<super::worker::Report>) -> Result<host::Thread, RuntimeError> {
    spawn("nowfold-control", move || {
        if let Err(error) = caught("the thread of the control topic", || control.follow()) {
            let _ = reports.send(super::worker::Report::ControlFailed(error));
        }
    })
}

/// The control topic, where it is wanted. A process has a new name there at each start: what it said before it died does
/// not count.
fn control_of(
    around: &Arc<Surroundings>,
    tasks: &Arc<TaskTable>,
    config: &RuntimeConfig,
) -> Result<Option<Control>, RuntimeError> {
    if !config.discovery {
        return Ok(None);
    }
    let clock = &around.clock;
    let named = |name: &String| format!("{name}-{}", clock.now().as_millis());
    let me = config.process_id.as_ref().map_or_else(random_name, named);
    Control::open(around.clone(), tasks.clone(), clock.clone(), config, me).map(Some)
}

fn spawn(name: &str, body: impl FnOnce() + Send + 'static) -> Result<host::Thread, RuntimeError> {
    host::spawn(name, body)
        .map_err(|error| RuntimeError::Stopped { reason: format!("thread {name:?} could not be started: {error}") })
}

//! One instance of an application in a simulation.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use nowfold_core::query::StoreHub;
use nowfold_core::serde::SerdeEnv;
use nowfold_core::task::TaskId;
use nowfold_core::time::Clock;
use nowfold_core::topology::Topology;
use nowfold_embedded::EmbeddedLog;
use nowfold_runtime::host::Scheduler;
use nowfold_runtime::local::LocalState;
use nowfold_runtime::{
    AppState, CloseReport, Platform, RestoreStatus, Restored, RuntimeConfig, RuntimeError, StandbyStatus, Streams,
};
use parking_lot::Mutex;

use super::broker::Link;
use super::disk::{Files, SimDisk};
use super::faults::Faults;
use super::process::Process;
use super::world::{SimClock, World};

/// How often an instance's main thread looks whether its application has ended.
const LOOK: Duration = Duration::from_millis(200);

/// An instance: a process with an application in it. Dropping the handle lets it run on.
pub struct Instance {
    world: Arc<World>,
    process: usize,
    name: String,
    clock: Arc<dyn Clock>,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    stop: Arc<AtomicBool>,
    app: Mutex<Option<Streams>>,
    /// The part of the application that others look at, once it has started.
    view: Mutex<Option<Arc<StoreHub>>>,
    outcome: Mutex<Option<Result<CloseReport, RuntimeError>>>,
}

impl Instance {
    pub(crate) fn start(
        world: &Arc<World>,
        log: &EmbeddedLog,
        process: usize,
        name: &str,
        topology: Topology,
        config: RuntimeConfig,
        files: Option<Files>,
    ) -> Self {
        let link = Link { world: world.clone(), log: log.clone(), process };
        let disk = files.map(|files| Arc::new(SimDisk { link: link.clone(), files }) as Arc<dyn LocalState>);
        let clock: Arc<dyn Clock> = Arc::new(SimClock { world: world.clone(), skew_ms: 0 });
        let platform = Platform { broker: Arc::new(link), clock: clock.clone(), serdes: SerdeEnv::default() };
        let shared = Arc::new(Shared::default());
        let (main, seen) = (shared.clone(), world.clone());
        let body =
            Box::new(move || main.run(&seen, process, || Streams::start_with_state(topology, platform, config, disk)));
        if let Err(error) = world.spawn_in(process, name, body) {
            panic!("no thread for the instance {name:?}: {error}");
        }
        Self { world: world.clone(), process, name: name.to_owned(), clock, shared }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// It dies now: nothing that it does from here on reaches the broker.
    pub fn crash(&self) {
        self.change(Process::kill);
    }

    /// It dies in its `n`-th call of the broker from now on, before that call arrives or after, at random.
    pub fn crash_in(&self, n: u64) {
        self.change(|process| process.calls_to_live = Some(n));
    }

    /// All is well with it from now on: no faults, and no crash that was to come.
    pub fn heal(&self) {
        self.change(|process| {
            (process.calls_to_live, process.stands_still_at, process.faults) = (None, None, Faults::none())
        });
    }

    /// It stands still for a while, as under SIGSTOP, and then goes on where it was, whatever the group thinks of it.
    pub fn stand_still(&self, duration: Duration) {
        let until = self.world.elapsed() + duration;
        self.change(|process| process.paused_until = until);
    }

    /// It stands still for a while when it is about to commit next: in the worst place for a process to become a zombie.
    pub fn stand_still_at_commit(&self, duration: Duration) {
        let places = ["add offsets to a transaction", "commit a transaction", "commit offsets"];
        let n = self.world.below(3);
        let place = usize::try_from(n).ok().and_then(|n| places.get(n)).copied().unwrap_or("commit offsets");
        self.change(|process| process.stands_still_at = Some((place, duration)));
    }

    /// It cannot reach the broker for a while.
    pub fn cut_off(&self, duration: Duration) {
        let until = self.world.elapsed() + duration;
        self.change(|process| process.away_until = until);
    }

    /// What goes wrong between it and the broker from now on.
    pub fn set_faults(&self, faults: Faults) {
        self.change(|process| process.faults = faults);
    }

    /// Whether it is dead or has ended.
    pub fn is_over(&self) -> bool {
        self.was_killed() || self.shared.outcome.lock().is_some()
    }

    /// Whether it died.
    pub fn was_killed(&self) -> bool {
        self.world.with(|inner| inner.processes.get(self.process).is_none_or(|process| process.is_dead))
    }

    /// Why it ended by itself, if it did.
    pub fn failure(&self) -> Option<String> {
        let outcome = self.shared.outcome.lock();
        outcome.as_ref().and_then(|outcome| outcome.as_ref().err()).map(ToString::to_string)
    }

    /// Whether its start has found the broker, and all that it needs there.
    pub fn has_started(&self) -> bool {
        self.shared.view.lock().is_some()
    }

    /// What it does; [`AppState::Created`] until its start has found the broker.
    pub fn state(&self) -> AppState {
        self.shared.app.lock().as_ref().map_or(AppState::Created, Streams::state)
    }

    /// Its tasks.
    pub fn task_ids(&self) -> Vec<TaskId> {
        self.shared.app.lock().as_ref().map(Streams::task_ids).unwrap_or_default()
    }

    /// Its tasks whose stores are being rebuilt.
    pub fn restores(&self) -> Vec<RestoreStatus> {
        self.shared.app.lock().as_ref().map(Streams::restores).unwrap_or_default()
    }

    /// What its tasks' stores were rebuilt from when they were opened.
    pub fn restored(&self) -> Restored {
        self.shared.app.lock().as_ref().map(Streams::restored).unwrap_or_default()
    }

    /// The warm copies that it keeps of tasks of others.
    pub fn standbys(&self) -> Vec<StandbyStatus> {
        self.shared.app.lock().as_ref().map(Streams::standbys).unwrap_or_default()
    }

    /// What keeps it in its state although it should go on.
    pub fn trouble(&self) -> Option<String> {
        self.shared.app.lock().as_ref().and_then(|app| app.state_cell().trouble())
    }

    /// Its stores, once it has started.
    pub fn hub(&self) -> Option<Arc<StoreHub>> {
        self.shared.view.lock().clone()
    }

    /// Its wall clock.
    pub fn clock(&self) -> Arc<dyn Clock> {
        self.clock.clone()
    }

    /// Asks it to close, and waits in simulated time until it has.
    ///
    /// # Panics
    /// When it ends with an error.
    #[track_caller]
    pub fn close(self) -> CloseReport {
        match self.try_close() {
            Ok(report) => report,
            Err(error) => panic!("{:?} did not close: {error}", self.name),
        }
    }

    /// The same, with the error that it ended with.
    ///
    /// # Errors
    /// As [`Streams::close`].
    pub fn try_close(&self) -> Result<CloseReport, RuntimeError> {
        self.ask_to_close();
        loop {
            if let Some(outcome) = self.shared.outcome.lock().clone() {
                return outcome;
            }
            self.world.sleep(Duration::from_millis(5));
        }
    }

    /// Asks it to close, and does not wait.
    pub fn ask_to_close(&self) {
        self.shared.stop.store(true, Ordering::Release);
    }

    fn change(&self, change: impl FnOnce(&mut Process)) {
        self.world.with(|inner| inner.processes.get_mut(self.process).map(change));
    }
}

impl Shared {
    /// The main thread of the process.
    fn run(&self, world: &World, process: usize, start: impl FnOnce() -> Result<Streams, RuntimeError>) {
        let app = match start() {
            Ok(app) => app,
            Err(error) => {
                *self.outcome.lock() = Some(Err(error));
                return;
            }
        };
        *self.view.lock() = Some(app.hub());
        let state = app.state_cell();
        *self.app.lock() = Some(app);
        let is_dead = || world.with(|inner| inner.processes.get(process).is_none_or(|process| process.is_dead));
        while !self.stop.load(Ordering::Acquire) && !is_dead() && !state.get().is_final() {
            world.wait(Some(&self.stop), Some(world.now() + LOOK));
        }
        let app = self.app.lock().take();
        let outcome = app.map_or(Ok(CloseReport::default()), Streams::close);
        *self.outcome.lock() = Some(outcome);
    }
}

impl fmt::Debug for Instance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Instance").field("name", &self.name).field("process", &self.process).finish_non_exhaustive()
    }
}

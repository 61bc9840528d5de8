//! Threads that run one at a time, in an order and at times that follow from a seed.
//!
//! A turn passes from thread to thread where one waits, or calls the broker. When all of them wait, the time moves on to
//! the first deadline. So a run depends on its seed and on nothing else, as long as no thread looks at anything outside.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use std::thread::{JoinHandle, Thread};
use std::time::{Duration, Instant};

use nowfold_core::time::{Clock, Timestamp, millis};
use nowfold_runtime::host::{self, Body, Scheduler};
use parking_lot::Mutex;

use super::process::{Fate, Process};

/// The script's own thread, and its process.
pub(crate) const SCRIPT: usize = 0;

/// The wall-clock time at which every simulation begins: 2026-01-01.
const BEGIN_MS: i64 = 1_767_225_600_000;

/// Calls of the broker, or turns, after which a simulation is taken for endless.
const ENDLESS: u64 = 1_000_000;

/// Everything that is simulated.
pub(crate) struct World {
    base: Instant,
    /// The thread whose turn it is.
    turn: AtomicUsize,
    inner: Mutex<Inner>,
}

pub(crate) struct Inner {
    pub(crate) rng: fastrand::Rng,
    /// Time since the beginning.
    pub(crate) now: Duration,
    pub(crate) processes: Vec<Process>,
    threads: BTreeMap<usize, Slot>,
    next_thread: usize,
    /// Sums up all that was decided: equal for equal runs.
    trace: u64,
    calls: u64,
    switches: u64,
    /// Why the simulation cannot go on.
    stuck: Option<String>,
}

/// A thread.
struct Slot {
    process: usize,
    name: String,
    handle: Option<Thread>,
    waits: Option<Wait>,
}

/// What a thread waits for.
struct Wait {
    flag: Option<Arc<AtomicBool>>,
    until: Option<Duration>,
}

thread_local! {
    /// The number of this thread and of its process.
    static CURRENT: RefCell<(usize, usize)> = const { RefCell::new((SCRIPT, SCRIPT)) };
}

fn current() -> (usize, usize) {
    CURRENT.with(|current| *current.borrow())
}

impl fmt::Debug for World {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("World").field("turn", &self.turn).finish_non_exhaustive()
    }
}

impl World {
    /// A world in which the calling thread is the script and has its turn.
    pub(crate) fn new(seed: u64) -> Arc<Self> {
        let script =
            Slot { process: SCRIPT, name: "script".to_owned(), handle: Some(std::thread::current()), waits: None };
        let inner = Inner {
            rng: fastrand::Rng::with_seed(seed),
            now: Duration::ZERO,
            processes: vec![Process::new(Weak::new())],
            threads: BTreeMap::from([(SCRIPT, script)]),
            next_thread: SCRIPT + 1,
            trace: seed,
            calls: 0,
            switches: 0,
            stuck: None,
        };
        let world = Self { base: Instant::now(), turn: AtomicUsize::new(SCRIPT), inner: Mutex::new(inner) };
        let world = Arc::new(world);
        CURRENT.with(|current| *current.borrow_mut() = (SCRIPT, SCRIPT));
        host::enter(Some(world.clone()));
        world
    }

    /// Looks at or changes what is simulated.
    pub(crate) fn with<R>(&self, change: impl FnOnce(&mut Inner) -> R) -> R {
        change(&mut self.inner.lock())
    }

    /// A random number below `n`, which is above 0.
    pub(crate) fn below(&self, n: u64) -> u64 {
        self.with(|inner| inner.rng.u64(..n))
    }

    /// Whether the one chance in `n` came up; never for 0.
    pub(crate) fn one_in(&self, n: u64) -> bool {
        n > 0 && self.below(n) == 0
    }

    pub(crate) fn elapsed(&self) -> Duration {
        self.with(|inner| inner.now)
    }

    /// What a run was: equal for equal runs.
    pub(crate) fn trace(&self) -> u64 {
        self.with(|inner| inner.trace)
    }

    /// Broker calls and changes of turn so far.
    pub(crate) fn counts(&self) -> (u64, u64) {
        self.with(|inner| (inner.calls, inner.switches))
    }

    /// Notes something that a run does: two runs of one seed must do the same.
    pub(crate) fn note(&self, what: &str) {
        self.with(|inner| inner.note(what));
    }

    pub(crate) fn sleep(&self, duration: Duration) {
        self.wait_until(None, Some(self.elapsed() + duration));
    }

    /// A call of the broker by the calling thread's process: others may have a turn before it, and it may have a fate.
    pub(crate) fn call(&self, what: &str) -> Fate {
        let (me, process) = current();
        let fate = self.with(|inner| inner.begin_call(process, what));
        match fate {
            Fate::Late(delay) => {
                self.sleep(delay);
                // What has happened to the process meanwhile decides.
                if self.with(|inner| inner.is_dead(process)) { Fate::Dead } else { Fate::Done }
            }
            fate => {
                let next = self.with(|inner| inner.may_pass(me));
                self.pass(me, next);
                if self.with(|inner| inner.is_dead(process)) && fate != Fate::AnswerLost { Fate::Dead } else { fate }
            }
        }
    }

    /// Lets others have a turn.
    pub(crate) fn yield_now(&self) {
        let (me, _) = current();
        let next = self.with(|inner| inner.may_pass(me));
        self.pass(me, next);
    }

    /// Starts a thread of a process.
    pub(crate) fn spawn_in(self: &Arc<Self>, process: usize, name: &str, body: Body) -> io::Result<JoinHandle<()>> {
        let world = self.clone();
        let id = self.with(|inner| inner.add_thread(process, name));
        let run = move || {
            world.await_turn(id);
            CURRENT.with(|current| *current.borrow_mut() = (id, process));
            host::enter(Some(world.clone()));
            // A panic of a body is its own matter; the turn has to go on.
            let _ = std::panic::catch_unwind(AssertUnwindSafe(body));
            host::enter(None);
            let next = world.with(|inner| inner.end_thread(id));
            world.give(next);
        };
        let handle = std::thread::Builder::new().name(name.to_owned()).spawn(run)?;
        self.with(|inner| inner.name_thread(id, handle.thread()));
        Ok(handle)
    }

    /// Threads of a process that have not ended.
    pub(crate) fn n_threads(&self, process: usize) -> usize {
        self.with(|inner| inner.threads.values().filter(|slot| slot.process == process).count())
    }

    /// Whether it cannot go on.
    pub(crate) fn is_stuck(&self) -> bool {
        self.with(|inner| inner.stuck.is_some())
    }

    /// Takes the calling thread, which is the script, out.
    pub(crate) fn leave(&self) {
        host::enter(None);
    }

    fn wait_until(&self, flag: Option<&Arc<AtomicBool>>, until: Option<Duration>) {
        let (me, _) = current();
        let next = self.with(|inner| inner.begin_wait(me, Wait { flag: flag.cloned(), until }));
        self.pass(me, next);
    }

    fn pass(&self, me: usize, next: usize) {
        if next != me {
            self.give(next);
            self.await_turn(me);
        }
        if me == SCRIPT
            && let Some(why) = self.with(|inner| inner.stuck.clone())
        {
            assert!(std::thread::panicking(), "the simulation is stuck: {why}");
        }
    }

    fn give(&self, next: usize) {
        let thread = self.with(|inner| inner.threads.get(&next).and_then(|slot| slot.handle.clone()));
        self.turn.store(next, Ordering::SeqCst);
        if let Some(thread) = thread {
            thread.unpark();
        }
    }

    fn await_turn(&self, me: usize) {
        while self.turn.load(Ordering::SeqCst) != me {
            std::thread::park();
        }
    }
}

impl Scheduler for World {
    fn now(&self) -> Instant {
        self.base + self.elapsed()
    }

    fn wait(&self, flag: Option<&Arc<AtomicBool>>, until: Option<Instant>) {
        let until = until.map(|until| until.saturating_duration_since(self.base));
        self.wait_until(flag, until);
    }

    fn spawn(&self, name: &str, body: Body) -> io::Result<JoinHandle<()>> {
        let (_, process) = current();
        let Some(world) = self.with(|inner| inner.processes.get(process).and_then(|process| process.world.upgrade()))
        else {
            return Err(io::Error::other("the simulation is over"));
        };
        world.spawn_in(process, name, body)
    }
}

impl Inner {
    pub(crate) fn note(&mut self, what: &str) {
        for byte in what.bytes() {
            self.trace = (self.trace ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }

    /// A call takes its time, and may be the last of its process.
    fn begin_call(&mut self, process: usize, what: &str) -> Fate {
        self.calls += 1;
        if self.calls > ENDLESS {
            self.stuck.get_or_insert_with(|| format!("{ENDLESS} calls of the broker, the last to {what}"));
        }
        self.note(what);
        self.now += Duration::from_micros(self.rng.u64(..60));
        let (rng, now) = (&mut self.rng, self.now);
        self.processes.get_mut(process).map_or(Fate::Dead, |process| process.fate(what, rng, now))
    }

    pub(crate) fn is_dead(&self, process: usize) -> bool {
        self.processes.get(process).is_none_or(|process| process.is_dead)
    }

    fn add_thread(&mut self, process: usize, name: &str) -> usize {
        let id = self.next_thread;
        self.next_thread += 1;
        self.threads.insert(id, Slot { process, name: name.to_owned(), handle: None, waits: None });
        id
    }

    fn name_thread(&mut self, id: usize, thread: &Thread) {
        if let Some(slot) = self.threads.get_mut(&id) {
            slot.handle = Some(thread.clone());
        }
    }

    fn end_thread(&mut self, id: usize) -> usize {
        self.threads.remove(&id);
        self.pick()
    }

    /// In one of a few cases others have a turn.
    fn may_pass(&mut self, me: usize) -> usize {
        let paused = self.threads.get(&me).is_some_and(|slot| self.is_paused(slot.process));
        if self.stuck.is_some() || paused || self.rng.u8(..6) == 0 { self.pick() } else { me }
    }

    fn begin_wait(&mut self, me: usize, wait: Wait) -> usize {
        if let Some(slot) = self.threads.get_mut(&me) {
            slot.waits = Some(wait);
        }
        self.pick()
    }

    fn is_paused(&self, process: usize) -> bool {
        self.processes.get(process).is_some_and(|process| process.paused_until > self.now)
    }

    /// The thread whose turn comes next.
    fn pick(&mut self) -> usize {
        self.switches += 1;
        if self.switches > ENDLESS && self.stuck.is_none() {
            self.stuck = Some(format!("{ENDLESS} turns, among {}", self.names()));
        }
        loop {
            if self.stuck.is_some() {
                return SCRIPT;
            }
            let is_ready = |slot: &Slot| self.ready_at(slot).is_some_and(|at| at <= self.now);
            let ready: Vec<usize> = self.threads.iter().filter(|(_, slot)| is_ready(slot)).map(at).collect();
            if !ready.is_empty() {
                let next = ready.get(self.rng.usize(..ready.len())).copied().unwrap_or(SCRIPT);
                if let Some(slot) = self.threads.get_mut(&next) {
                    slot.waits = None;
                }
                self.trace = (self.trace ^ next as u64).wrapping_mul(0x0000_0100_0000_01b3);
                return next;
            }
            let first = self.threads.values().filter_map(|slot| self.ready_at(slot)).min();
            match first {
                Some(at) => self.now = at,
                None => self.stuck = Some(format!("everybody waits for ever: {}", self.names())),
            }
        }
    }

    /// When a thread may go on as things are.
    fn ready_at(&self, slot: &Slot) -> Option<Duration> {
        let from = self.processes.get(slot.process).map_or(Duration::ZERO, |process| process.paused_until);
        let Some(wait) = &slot.waits else { return Some(from) };
        if wait.flag.as_ref().is_some_and(|flag| flag.load(Ordering::Acquire)) {
            return Some(from);
        }
        // One that waits for nothing at all gets its next turn.
        if wait.flag.is_none() && wait.until.is_none() {
            return Some(from);
        }
        wait.until.map(|until| until.max(from))
    }

    fn names(&self) -> String {
        self.threads.values().map(|slot| slot.name.as_str()).collect::<Vec<_>>().join(", ")
    }
}

fn at((id, _): (&usize, &Slot)) -> usize {
    *id
}

/// The wall clock of a simulated process, which may go wrong by a constant.
#[derive(Debug)]
pub(crate) struct SimClock {
    pub(crate) world: Arc<World>,
    pub(crate) skew_ms: i64,
}

impl Clock for SimClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(BEGIN_MS + self.skew_ms + millis(self.world.elapsed()))
    }
}

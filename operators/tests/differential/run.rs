//! Many cases, on several threads, until so many operations are done or one case fails.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use super::coverage::Coverage;
use super::operations::case;
use super::random::Random;
use super::shrink::shrink;
use super::world;

/// A case that failed, made smaller.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) seed: u64,
    pub(crate) number: u64,
    pub(crate) report: String,
}

/// What becomes of a case that fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Small {
    /// It is made smaller, which takes a while.
    Shrunk,
    AsItIs,
}

/// How far a run is.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    cases: AtomicU64,
    operations: AtomicU64,
    failed: Mutex<Option<Failure>>,
    coverage: Mutex<Coverage>,
}

impl Progress {
    pub(crate) fn operations(&self) -> u64 {
        self.operations.load(Ordering::Relaxed)
    }

    pub(crate) fn has_failed(&self) -> bool {
        self.failed.lock().unwrap().is_some()
    }

    /// What was covered, and the first case that failed.
    pub(crate) fn finish(self) -> (Coverage, Option<Failure>) {
        (self.coverage.into_inner().unwrap(), self.failed.into_inner().unwrap())
    }

    /// Runs cases of a seed until `n_operations` are done or one failed. Several threads may do so together.
    pub(crate) fn work(&self, seed: u64, n_operations: u64, small: Small) {
        let mut covered = Coverage::default();
        while self.operations() < n_operations && !self.has_failed() {
            let number = self.cases.fetch_add(1, Ordering::Relaxed);
            let mut own = Coverage::default();
            if let Err(failure) = run_case(seed, number, small, &mut own) {
                self.failed.lock().unwrap().get_or_insert(failure);
            }
            self.operations.fetch_add(own.n_operations(), Ordering::Relaxed);
            covered.merge(&own);
        }
        self.coverage.lock().unwrap().merge(&covered);
    }
}

/// Runs as many threads as there are processors, and `watch` beside them.
pub(crate) fn run(
    seed: u64,
    n_operations: u64,
    small: Small,
    watch: impl FnOnce(&Progress),
) -> (Coverage, Option<Failure>) {
    let progress = Progress::default();
    let n_threads = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        for _ in 0..n_threads {
            scope.spawn(|| progress.work(seed, n_operations, small));
        }
        watch(&progress);
    });
    progress.finish()
}

/// Runs the case with a number, and makes it smaller when it fails.
pub(crate) fn run_case(seed: u64, number: u64, small: Small, coverage: &mut Coverage) -> Result<(), Failure> {
    let case = case(&mut Random(seed << 40 ^ number));
    if world::attempt(&case, coverage).is_ok() {
        return Ok(());
    }
    let small = if small == Small::AsItIs { case } else { shrink(case) };
    let error = world::attempt(&small, &mut Coverage::default()).err().unwrap_or_else(|| "it passes now".to_owned());
    let mut report = format!("{:?}\n", small.settings);
    for (number, operation) in small.operations.iter().enumerate() {
        report.push_str(&format!("{number}: {operation:?}\n"));
    }
    report.push_str(&error);
    Err(Failure { seed, number, report })
}

//! A store of one partition with a hand-driven clock, as a runtime would publish it.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use nowfold_core::names::StoreName;
use nowfold_core::query::{Lag, PartitionHandle, ProgressCell, Readiness, StoreHub};
use nowfold_core::time::{Clock, Timestamp};
use nowfold_operators::chain::{Admission, Appended, ChainConfig, EventChains};
use nowfold_operators::feature::{Feature, FeatureSet};
use nowfold_operators::features::Features;
use nowfold_schemas::action::Action;

pub(crate) use crate::differential::random::Random;

pub(crate) const STORE: &str = "activity";
pub(crate) const TOPIC: &str = "actions";
pub(crate) const HOUR: i64 = 3_600_000;

#[derive(Debug)]
pub(crate) struct HandClock(AtomicI64);

impl HandClock {
    pub(crate) fn set(&self, ms: i64) {
        self.0.store(ms, Ordering::SeqCst);
    }
}

impl Clock for HandClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.0.load(Ordering::SeqCst))
    }
}

/// One partition that runs and lags by nothing.
pub(crate) struct Store {
    pub(crate) chains: Arc<EventChains>,
    pub(crate) progress: Arc<ProgressCell>,
    pub(crate) clock: Arc<HandClock>,
    pub(crate) hub: Arc<StoreHub>,
    pub(crate) features: Features,
    next_offset: i64,
}

impl Store {
    pub(crate) fn new(config: &ChainConfig, features: impl IntoIterator<Item = Feature>) -> Self {
        Self::of(config, FeatureSet::compile(STORE, config, features).unwrap())
    }

    pub(crate) fn of(config: &ChainConfig, set: FeatureSet) -> Self {
        let chains = Arc::new(EventChains::new(config.clone()));
        let progress = Arc::new(ProgressCell::restoring());
        let hub = Arc::new(StoreHub::new());
        let store = StoreName::from(STORE);
        hub.declare(store.clone(), TOPIC.into(), 1, Arc::new(set));
        hub.open(&store, 0, &PartitionHandle { reader: chains.clone(), progress: progress.clone() });
        let clock = Arc::new(HandClock(AtomicI64::new(0)));
        let features = Features::new(hub.clone(), clock.clone(), STORE);
        let store = Self { chains, progress, clock, hub, features, next_offset: 0 };
        store.at(1_000 * HOUR);
        store
    }

    /// Sets the clock, with the progress known at that moment.
    pub(crate) fn at(&self, now_ms: i64) {
        self.clock.set(now_ms);
        self.progress.update(|progress| {
            progress.readiness = Readiness::Running;
            progress.lag = Lag::None;
            progress.known_at = Timestamp::from_millis(now_ms);
        });
    }

    /// Applies an action that was appended at `append_ms`.
    pub(crate) fn apply_at(&mut self, action: &Action, append_ms: i64) -> Admission {
        let appended = self.appended(append_ms);
        self.chains.apply(action, appended)
    }

    /// Applies an action that was appended late enough to be no surprise.
    pub(crate) fn apply(&mut self, action: &Action) -> Admission {
        self.apply_at(action, 2_000 * HOUR)
    }

    pub(crate) fn appended(&mut self, append_ms: i64) -> Appended {
        let offset = self.next_offset;
        self.next_offset += 1;
        self.progress.update(|progress| progress.applied = Some(offset));
        Appended::new(offset, Timestamp::from_millis(append_ms))
    }
}

/// An action `apply` at an hour, with an id.
pub(crate) fn action(hour: f64, id: &str) -> Action {
    #[expect(clippy::cast_possible_truncation, reason = "test times are small")]
    let ms = (hour * 3_600_000.0) as i64;
    Action::new("m", "apply", format!("job-{id}")).at_ms(ms).id(id)
}

/// Random cases of a suite; `NOWFOLD_CASES` sets another number.
pub(crate) fn n_cases(default: u64) -> u64 {
    std::env::var("NOWFOLD_CASES").ok().and_then(|n| n.parse().ok()).unwrap_or(default)
}

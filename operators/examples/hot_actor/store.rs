//! A store of one partition and a handle on it.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use nowfold_core::names::StoreName;
use nowfold_core::query::{Lag, PartitionHandle, ProgressCell, Readiness, StoreHub};
use nowfold_core::time::{Clock, Timestamp, hours};
use nowfold_operators::Features;
use nowfold_operators::chain::{Appended, EventChains};
use nowfold_operators::feature::{FeatureSet, feature};
use nowfold_schemas::action::Action;

use super::actions::{Kind, NOW};

pub(crate) struct Store {
    pub(crate) chains: Arc<EventChains>,
    pub(crate) features: Features,
    offset: AtomicI64,
}

/// The clock stands still.
#[derive(Debug)]
struct Now;

impl Clock for Now {
    fn now(&self) -> Timestamp {
        now()
    }
}

impl Store {
    /// A store with features over three windows.
    pub(crate) fn new(kind: Kind) -> Self {
        let config = kind.config();
        let windows = || [hours(1), hours(24), hours(96)];
        let features = [
            feature("applied").mean(kind.attribute()).verb("apply").within(windows()),
            feature("n").count().within(windows()),
        ];
        let set = FeatureSet::compile("activity", &config, features).unwrap();
        let (chains, hub) = (Arc::new(EventChains::new(config)), Arc::new(StoreHub::new()));
        let store = StoreName::from("activity");
        hub.declare(store.clone(), "actions".into(), 1, Arc::new(set));
        let progress = Arc::new(ProgressCell::restoring());
        progress.update(|progress| {
            (progress.readiness, progress.lag) = (Readiness::Running, Lag::None);
            progress.known_at = now();
        });
        hub.open(&store, 0, &PartitionHandle { reader: chains.clone(), progress });
        let features = Features::new(hub, Arc::new(Now), "activity");
        Self { chains, features, offset: AtomicI64::new(0) }
    }

    /// Inserts an action; by one thread at a time.
    pub(crate) fn apply(&self, action: &Action) {
        let offset = self.offset.fetch_add(1, Ordering::Relaxed);
        self.chains.apply(action, Appended::new(offset, now()));
    }
}

pub(crate) fn now() -> Timestamp {
    Timestamp::from_millis(NOW)
}

//! A store of one partition and a handle on it.

use std::sync::Arc;
use std::time::Duration;

use nowfold_core::names::StoreName;
use nowfold_core::query::{Lag, PartitionHandle, ProgressCell, Readiness, StoreHub};
use nowfold_core::time::{Clock, Timestamp, hours};
use nowfold_operators::chain::{Appended, ChainConfig, EventChains};
use nowfold_operators::feature::{FeatureSet, feature};
use nowfold_operators::features::Features;
use nowfold_schemas::action::Action;

use super::events::NOW;
use super::meter::cpu_time;

pub(crate) struct Store {
    pub(crate) chains: Arc<EventChains>,
    pub(crate) features: Features,
}

#[derive(Debug)]
struct FixedClock;

impl Clock for FixedClock {
    fn now(&self) -> Timestamp {
        now()
    }
}

impl Store {
    pub(crate) fn new() -> Self {
        let config = ChainConfig::new(hours(97)).vector_dim("object.embedding", 0);
        let features = [
            feature("applied").mean("object.embedding").verb("apply").within(hours(24)),
            feature("counts").count_by("verb").within([hours(1), hours(24), hours(96)]),
            feature("taste").weighted_mean("object.embedding", [("apply", 1.0), ("dismiss", -1.0)]).within(hours(96)),
        ];
        let set = FeatureSet::compile("activity", &config, features).unwrap();
        let (hub, name) = (Arc::new(StoreHub::new()), StoreName::from("activity"));
        let (chains, progress) = (Arc::new(EventChains::new(config)), Arc::new(ProgressCell::restoring()));
        progress.update(|progress| {
            progress.readiness = Readiness::Running;
            progress.lag = Lag::None;
            progress.known_at = now();
        });
        hub.declare(name.clone(), "actions".into(), 1, Arc::new(set));
        hub.open(&name, 0, &PartitionHandle { reader: chains.clone(), progress });
        Self { chains, features: Features::new(hub, Arc::new(FixedClock), "activity") }
    }

    /// Inserts actions; returns the CPU time it took.
    pub(crate) fn apply(&self, actions: &[Action], offset: &mut u64) -> Duration {
        let begin = cpu_time();
        for action in actions {
            let appended = Appended::new(offset.cast_signed(), now());
            assert!(self.chains.apply(action, appended).is_admitted());
            *offset += 1;
        }
        cpu_time().saturating_sub(begin)
    }
}

pub(crate) fn now() -> Timestamp {
    Timestamp::from_millis(NOW.cast_signed())
}

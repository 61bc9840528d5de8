//! Stores filled with all lines of a data set.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use nowfold_core::names::StoreName;
use nowfold_core::query::{Lag, PartitionHandle, ProgressCell, Readiness, StoreHub};
use nowfold_core::time::{Clock, Timestamp, days};
use nowfold_mapping::{CompiledMapping, Lines, OnBrokenLine, Side, TableMapping};
use nowfold_operators::chain::{Appended, ChainConfig, EventChains};
use nowfold_operators::feature::FeatureSet;
use nowfold_operators::features::Features;
use nowfold_schemas::action::{Action, Attributes};

/// After everything that the data hold.
const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);

/// A clock that stands still.
#[derive(Debug)]
struct Still;

impl Clock for Still {
    fn now(&self) -> Timestamp {
        NOW
    }
}

/// One store for each `[[actions]]` entry, by name.
#[derive(Debug)]
pub(crate) struct Stores(BTreeMap<String, (Arc<EventChains>, Features)>);

impl Stores {
    /// Maps every line, enriches the actions and applies them. The stores keep it all.
    pub(crate) fn fill(mapping: &CompiledMapping) -> Self {
        let stores = mapping.actions().iter().map(|entry| (entry.store().to_owned(), open(entry.store())));
        let stores = Self(stores.collect());
        let tables: Vec<_> = mapping.tables().iter().map(|table| (table, rows(mapping, table))).collect();
        let files = mapping.feed().files.iter().map(|file| mapping.resolve(file));
        for line in Lines::new(files, OnBrokenLine::Fail) {
            let line = line.unwrap();
            let record = line.record.unwrap();
            for (number, entry) in mapping.actions().iter().enumerate() {
                let Some(mut action) = entry.map(line.number, &record).unwrap().into_action() else { continue };
                for (table, rows) in tables.iter().filter(|(table, _)| table.actions().contains(&number)) {
                    enrich(&mut action, table.enriches(), rows);
                }
                let appended = Appended::new(i64::try_from(line.number).unwrap(), NOW);
                let (chains, _) = stores.0.get(entry.store()).unwrap();
                assert!(chains.apply(&action, appended).is_admitted(), "{action:?}");
            }
        }
        stores
    }

    pub(crate) fn features(&self, store: &str) -> &Features {
        &self.0.get(store).unwrap_or_else(|| panic!("there is no store {store}")).1
    }

    pub(crate) fn n_events(&self) -> usize {
        self.0.values().map(|(chains, _)| chains.len()).sum()
    }
}

fn open(name: &str) -> (Arc<EventChains>, Features) {
    let config = ChainConfig::new(days(10_000));
    let (chains, progress) = (Arc::new(EventChains::new(config.clone())), Arc::new(ProgressCell::restoring()));
    progress.update(|progress| {
        progress.readiness = Readiness::Running;
        progress.lag = Lag::None;
        progress.known_at = NOW;
    });
    let (hub, store) = (Arc::new(StoreHub::new()), StoreName::from(name));
    hub.declare(store.clone(), "actions".into(), 1, Arc::new(FeatureSet::compile(name, &config, []).unwrap()));
    hub.open(&store, 0, &PartitionHandle { reader: chains.clone(), progress });
    (chains, Features::new(hub, Arc::new(Still), name))
}

fn rows(mapping: &CompiledMapping, table: &TableMapping) -> HashMap<String, Attributes> {
    let lines = Lines::new([mapping.resolve(table.file())], OnBrokenLine::Fail);
    let rows = lines.map(|line| line.unwrap().record.unwrap());
    rows.map(|row| (table.key(&row).unwrap().unwrap(), table.attributes(&row).0)).collect()
}

fn enrich(action: &mut Action, side: Side, rows: &HashMap<String, Attributes>) {
    let (key, attributes) = match side {
        Side::Actor => (&action.actor, &mut action.actor_attributes),
        Side::Object => (&action.object, &mut action.object_attributes),
    };
    for (name, value) in rows.get(&**key).into_iter().flat_map(Attributes::iter) {
        attributes.insert(name.clone(), value.clone());
    }
}

//! What the tests share.

use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use nowfold_core::names::{Offset, StoreName, TopicPartition};
use nowfold_core::state::{StateStore, StoreKind};
use nowfold_core::time::Timestamp;
use nowfold_fjall::FjallEngine;
use nowfold_runtime::local::{Durability, DurableStores, Epoch, LocalError, StoreEngine, StorePlan};

pub(crate) const KEY_VALUE: StoreKind = StoreKind::KeyValue { timestamped: false };

/// Plans of stores `s0`, `s1`, ... of these kinds.
pub(crate) fn plans(kinds: &[StoreKind]) -> Vec<StorePlan> {
    let plan = |(i, kind): (usize, &StoreKind)| StorePlan {
        name: StoreName::from(format!("s{i}")),
        kind: *kind,
        topic: format!("app-s{i}-changelog"),
    };
    kinds.iter().enumerate().map(plan).collect()
}

pub(crate) fn open(
    engine: &FjallEngine,
    dir: &Path,
    kinds: &[StoreKind],
) -> Result<Box<dyn DurableStores>, LocalError> {
    std::fs::create_dir_all(dir).unwrap();
    engine.open(dir, &plans(kinds), Durability::ProcessCrash)
}

pub(crate) fn take(stores: &mut dyn DurableStores, i: usize) -> Box<dyn StateStore> {
    stores.take(&StoreName::from(format!("s{i}"))).expect("the store is planned and was not taken")
}

/// The epoch of this number, with a position of its own.
pub(crate) fn epoch(number: u64) -> Epoch {
    let offset = Offset::try_from(number).unwrap() * 10;
    Epoch {
        number,
        committed_at: Timestamp::from_millis(1_000),
        changelogs: vec![("s0".into(), offset)],
        sources: vec![(TopicPartition::new("in", 0), offset)],
    }
}

/// An engine with small caches.
pub(crate) fn engine() -> FjallEngine {
    FjallEngine::new().cache_bytes(1 << 20)
}

pub(crate) fn text(text: impl Into<String>) -> Bytes {
    Bytes::from(text.into())
}

pub(crate) const HOUR: Duration = Duration::from_secs(3_600);

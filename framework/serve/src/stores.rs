//! `GET /v1/stores`: what can be asked here, and how far it is. Never who is in it.

use std::sync::Arc;

use axum::extract::State;
use axum::http::Uri;
use axum::response::Response;
use nowfold_core::names::{Offset, Partition, StoreName};
use nowfold_core::query::{PartitionHandle, Readiness, StandbyPlace, StoreEntry, StoreHub};
use nowfold_core::time::Timestamp;
use nowfold_operators::feature::FeatureSet;
use serde::Serialize;

use crate::answer;
use crate::app::Shared;
use crate::params::Params;
use crate::problem::Problem;

#[derive(Debug, Serialize)]
struct Stores {
    stores: Vec<Store>,
}

#[derive(Debug, Serialize)]
struct Store {
    name: String,
    /// The topic whose partitions the store follows.
    topic: String,
    n_partitions: i32,
    /// Registered features; absent for a store that holds no actions.
    #[serde(skip_serializing_if = "Option::is_none")]
    features: Option<Vec<String>>,
    /// Partitions that live here.
    partitions: Vec<Here>,
    /// Copies that are kept here of partitions that live elsewhere.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    standbys: Vec<Copy>,
    /// Partitions that live elsewhere, as far as others say.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    elsewhere: Vec<There>,
}

#[derive(Debug, Serialize)]
struct Copy {
    partition: Partition,
    applied: Option<Offset>,
    lag_records: Option<u64>,
    lag_ms: Option<i64>,
}

#[derive(Debug, Serialize)]
struct There {
    partition: Partition,
    owner: Option<String>,
    standbys: Vec<Place>,
}

#[derive(Debug, Serialize)]
struct Place {
    endpoint: String,
    lag_records: Option<u64>,
}

#[derive(Debug, Serialize)]
struct Here {
    partition: Partition,
    state: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    done: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    total: Option<u64>,
    applied: Option<Offset>,
    lag_ms: Option<i64>,
    stale: bool,
}

pub(crate) async fn get(State(shared): State<Arc<Shared>>, uri: Uri) -> Result<Response, Problem> {
    Params::read(&uri, &[])?;
    let (hub, now) = (&shared.app.hub, shared.app.clock.now());
    let names = hub.store_names();
    let stores = names.iter().map(|name| hub.with_store(name.as_str(), |name, entry| store(hub, name, entry, now)));
    let stores = stores.collect::<Result<_, _>>()?;
    answer::json(&Stores { stores }, shared.app.limits.answer_bytes)
}

fn store(hub: &StoreHub, name: &StoreName, entry: &StoreEntry, now: Timestamp) -> Store {
    let features = entry.queryable.downcast_ref::<FeatureSet>();
    let absent = (0..entry.n_partitions).filter(|partition| !entry.partitions.contains_key(partition));
    Store {
        name: name.to_string(),
        topic: entry.topic.to_string(),
        n_partitions: entry.n_partitions,
        features: features.map(|features| features.names().map(str::to_owned).collect()),
        partitions: entry.partitions.iter().map(|(partition, handle)| here(*partition, handle, now)).collect(),
        standbys: entry.standbys.iter().map(|(partition, handle)| copy(*partition, handle, now)).collect(),
        elsewhere: absent.filter_map(|partition| there(hub, name, partition)).collect(),
    }
}

fn copy(partition: Partition, handle: &PartitionHandle, now: Timestamp) -> Copy {
    let progress = handle.progress.get();
    let (applied, lag_records, lag_ms) = (progress.applied, progress.lag_records, progress.lag_ms(now));
    Copy { partition, applied, lag_records, lag_ms }
}

fn there(hub: &StoreHub, store: &StoreName, partition: Partition) -> Option<There> {
    let (owner, standbys) = (hub.elsewhere(store, partition), hub.standbys_elsewhere(store, partition));
    let place = |it: StandbyPlace| Place { endpoint: it.endpoint, lag_records: it.lag };
    let is_known = owner.is_some() || !standbys.is_empty();
    is_known.then(|| There { partition, owner, standbys: standbys.into_iter().map(place).collect() })
}

fn here(partition: Partition, handle: &PartitionHandle, now: Timestamp) -> Here {
    let progress = handle.progress.get();
    let (state, done, total) = match progress.readiness {
        Readiness::Restoring { done, total } => ("restoring", Some(done), Some(total)),
        Readiness::Running => ("running", None, None),
    };
    let (applied, lag_ms, stale) = (progress.applied, progress.lag_ms(now), progress.is_stale(now));
    Here { partition, state, done, total, applied, lag_ms, stale }
}

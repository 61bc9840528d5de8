//! `GET /v1/stores`: what can be asked here, and how far it is. Never who is in it.

use std::sync::Arc;

use axum::extract::State;
use axum::http::Uri;
use axum::response::Response;
use nowfold_core::names::{Offset, Partition};
use nowfold_core::query::{PartitionHandle, Readiness, StoreEntry};
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
    let stores = names.iter().map(|name| hub.with_store(name.as_str(), |name, entry| store(name.as_str(), entry, now)));
    let stores = stores.collect::<Result<_, _>>()?;
    answer::json(&Stores { stores }, shared.app.limits.answer_bytes)
}

fn store(name: &str, entry: &StoreEntry, now: Timestamp) -> Store {
    let features = entry.queryable.downcast_ref::<FeatureSet>();
    Store {
        name: name.to_owned(),
        topic: entry.topic.to_string(),
        n_partitions: entry.n_partitions,
        features: features.map(|features| features.names().map(str::to_owned).collect()),
        partitions: entry.partitions.iter().map(|(partition, handle)| here(*partition, handle, now)).collect(),
    }
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

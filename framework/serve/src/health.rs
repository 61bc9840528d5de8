//! `/livez` and `/readyz`: whether to restart the process, and whether to send it questions.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use nowfold_core::query::Readiness;
use nowfold_runtime::AppState;
use serde::Serialize;

use crate::answer::Text;
use crate::app::Shared;
use crate::problem::Problem;

/// `{"state", "message", ...}`, with the numbers of the state and the partitions that are being restored.
#[derive(Debug, Serialize)]
struct Health {
    state: &'static str,
    message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    done: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    total: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    remaining: Option<u64>,
    /// Why a restore stands still.
    #[serde(skip_serializing_if = "Option::is_none")]
    stalled: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    restoring: Vec<Restoring>,
}

/// One partition of a store that is being restored.
#[derive(Debug, Serialize)]
struct Restoring {
    store: String,
    partition: i32,
    done: u64,
    total: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    per_second: Option<u64>,
    /// Seconds that it will take at this rate.
    #[serde(skip_serializing_if = "Option::is_none")]
    left_s: Option<u64>,
}

/// 200 as long as a restart would not help: until the application has failed or stopped.
pub(crate) async fn livez(State(shared): State<Arc<Shared>>) -> Response {
    let state = shared.app.state.get();
    let status = if state.is_final() { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::OK };
    (status, page(&Health::new(&state))).into_response()
}

/// 200 while the application runs, else 503 with its progress.
pub(crate) async fn readyz(State(shared): State<Arc<Shared>>) -> Response {
    let state = shared.app.state.get();
    let mut health = Health::new(&state);
    if state == AppState::Running {
        return page(&health).into_response();
    }
    health.stalled = shared.app.state.trouble();
    health.restoring = restoring(&shared);
    (StatusCode::SERVICE_UNAVAILABLE, [(header::RETRY_AFTER, "1")], page(&health)).into_response()
}

impl Health {
    fn new(state: &AppState) -> Self {
        let (mut done, mut total, mut remaining) = (None, None, None);
        match state {
            AppState::Restoring { done: read, total: all } => (done, total) = (Some(*read), Some(*all)),
            AppState::CatchingUp { remaining: left } => remaining = Some(*left),
            _ => {}
        }
        let (message, stalled, restoring) = (state.to_string(), None, Vec::new());
        Self { state: state.name(), message, done, total, remaining, stalled, restoring }
    }
}

fn page(health: &Health) -> Result<Text, Problem> {
    let mut text = Text::new(usize::MAX);
    text.push_json(health)?;
    Ok(text)
}

fn restoring(shared: &Shared) -> Vec<Restoring> {
    let mut restoring = Vec::new();
    for store in shared.app.hub.store_names() {
        let _ = shared.app.hub.with_store(store.as_str(), |name, entry| {
            for (partition, handle) in &entry.partitions {
                let progress = handle.progress.get();
                if let Readiness::Restoring { done, total } = progress.readiness {
                    let (store, per_second) = (name.to_string(), progress.restore_rate);
                    let left_s = progress.restore_left().map(|left| left.as_secs());
                    restoring.push(Restoring { store, partition: *partition, done, total, per_second, left_s });
                }
            }
        });
    }
    restoring
}

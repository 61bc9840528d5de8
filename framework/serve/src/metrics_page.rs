//! `/metrics`, and the recorder that a binary installs.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder};
use nowfold_core::query::{PartitionHandle, Readiness};
use nowfold_operators::chain::EventChains;

use crate::app::Shared;
use crate::error::ServeError;

/// Upper bounds of the buckets of every metric in seconds.
const BUCKETS: [f64; 16] =
    [25e-6, 5e-5, 1e-4, 25e-5, 5e-4, 1e-3, 25e-4, 5e-3, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0, 30.0];

/// How often recorded durations are folded into their buckets when nobody reads them.
const UPKEEP: Duration = Duration::from_secs(5);

/// Installs the process's recorder of metrics and returns what renders it, for [`App::metrics`](crate::App::metrics).
/// For binaries: a library leaves this choice to them.
///
/// # Errors
/// [`ServeError::Recorder`] when one is installed already, [`ServeError::Thread`] when its upkeep cannot be started.
pub fn install_recorder() -> Result<impl Fn() -> String + Send + Sync + Clone + 'static, ServeError> {
    let recorder = |error: metrics_exporter_prometheus::BuildError| ServeError::Recorder { cause: error.to_string() };
    let builder = PrometheusBuilder::new();
    let builder = builder.set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &BUCKETS).map_err(recorder)?;
    let handle = builder.install_recorder().map_err(recorder)?;
    let upkeep = handle.clone();
    let thread = std::thread::Builder::new().name("nowfold-metrics".to_owned());
    let spawned = thread.spawn(move || {
        loop {
            std::thread::sleep(UPKEEP);
            upkeep.run_upkeep();
        }
    });
    spawned.map_err(ServeError::Thread)?;
    Ok(move || handle.render())
}

/// The recorded metrics, and the stores as they are at this moment. Measuring them takes a while, so it has a thread of its own.
pub(crate) async fn get(State(shared): State<Arc<Shared>>) -> Response {
    let measuring = shared.clone();
    let memory = tokio::task::spawn_blocking(move || measuring.memory.text(&measuring.app.hub)).await;
    let mut text = shared.app.render.as_ref().map_or_else(String::new, |render| render());
    Gauge::ALL.iter().for_each(|gauge| gauge.write(&shared, &mut text));
    text.push_str(&memory.unwrap_or_default());
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text).into_response()
}

/// A number of one store partition, read when it is asked for, so that it goes when its partition goes.
struct Gauge {
    name: &'static str,
    read: fn(&Shared, &PartitionHandle) -> Option<u64>,
}

impl Gauge {
    const ALL: [Self; 4] = [
        Self {
            name: "nowfold_restore_remaining_records",
            read: |_, handle| match handle.progress.get().readiness {
                Readiness::Restoring { done, total } => Some(total.saturating_sub(done)),
                Readiness::Running => Some(0),
            },
        },
        Self { name: "nowfold_restore_records_per_second", read: |_, handle| handle.progress.get().restore_rate },
        Self {
            name: "nowfold_store_lag_milliseconds",
            read: |shared, handle| handle.progress.get().lag_ms(shared.app.clock.now())?.try_into().ok(),
        },
        Self { name: "nowfold_store_entries", read: |_, handle| entries(handle) },
    ];

    fn write(&self, shared: &Shared, text: &mut String) {
        let _ = writeln!(text, "# TYPE {} gauge", self.name);
        for store in shared.app.hub.store_names() {
            let _ = shared.app.hub.with_store(store.as_str(), |store, entry| {
                for (partition, handle) in &entry.partitions {
                    if let Some(value) = (self.read)(shared, handle) {
                        let _ = writeln!(text, "{}{{store=\"{store}\",partition=\"{partition}\"}} {value}", self.name);
                    }
                }
            });
        }
    }
}

fn entries(handle: &PartitionHandle) -> Option<u64> {
    handle.reader.downcast_ref::<EventChains>().and_then(|chains| chains.len().try_into().ok())
}

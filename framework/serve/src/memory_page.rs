//! `nowfold_store_bytes`: what the memory of every store is used for.

use std::fmt::Write as _;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use nowfold_core::query::StoreHub;
use nowfold_operators::chain::EventChains;

/// How long a measurement is shown again. It looks at every actor, about a tenth of a second for a million.
const SHOWN_FOR: Duration = Duration::from_secs(5);

/// The last measurement, and when it was taken. Who asks meanwhile waits for it instead of measuring as well.
#[derive(Debug, Default)]
pub(crate) struct MemoryPage(Mutex<Option<(Instant, String)>>);

impl MemoryPage {
    /// The memory of every store partition that lives here, by part, as a gauge.
    pub(crate) fn text(&self, hub: &StoreHub) -> String {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match &*last {
            Some((at, text)) if at.elapsed() < SHOWN_FOR => text.clone(),
            _ => {
                let text = measure(hub);
                *last = Some((Instant::now(), text.clone()));
                text
            }
        }
    }
}

fn measure(hub: &StoreHub) -> String {
    let mut text = String::from("# TYPE nowfold_store_bytes gauge\n");
    for store in hub.store_names() {
        // Handles first: the hub is not held while the stores are measured.
        let handles = hub.with_store(store.as_str(), |_, entry| entry.partitions.clone()).unwrap_or_default();
        for (partition, handle) in handles {
            let Some(chains) = handle.reader.downcast_ref::<EventChains>() else { continue };
            for (part, bytes) in chains.memory().parts() {
                let labels = format!("store=\"{store}\",partition=\"{partition}\",part=\"{part}\"");
                let _ = writeln!(text, "nowfold_store_bytes{{{labels}}} {bytes}");
            }
        }
    }
    text
}

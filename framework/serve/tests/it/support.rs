//! Starting servers and waiting for conditions.

use std::time::{Duration, Instant};

use nowfold_core::names::Partition;
use nowfold_core::query::{PartitionHandle, Progress, StoreHub};
use nowfold_serve::{App, Server};

/// A server on any free port of the loopback address.
pub(crate) fn start(app: App) -> Server {
    Server::start("127.0.0.1:0".parse().unwrap(), app).unwrap()
}

/// Waits until a condition holds.
#[track_caller]
pub(crate) fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !holds() {
        assert!(Instant::now() < deadline, "waited for {what}");
        std::thread::yield_now();
    }
}

/// The partition of the store `activity` that holds an actor.
pub(crate) fn partition(hub: &StoreHub, actor: &str) -> (Partition, PartitionHandle) {
    let (partition, handle) = hub.owner_of("activity", actor.as_bytes()).unwrap();
    (partition.partition, handle)
}

/// Changes the progress of an actor's partition.
pub(crate) fn progress(hub: &StoreHub, actor: &str, change: impl FnOnce(&mut Progress)) {
    partition(hub, actor).1.progress.update(change);
}

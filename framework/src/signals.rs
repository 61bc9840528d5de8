//! Waiting for the end: Ctrl-C, SIGTERM, or the application's own.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use nowfold_runtime::StateCell;

use crate::error::Error;

/// A flag that is set when the process is asked to end: by Ctrl-C or SIGTERM.
///
/// # Errors
/// When signals cannot be handled.
pub fn end_flag() -> Result<Arc<AtomicBool>, Error> {
    let flag = Arc::new(AtomicBool::new(false));
    let (set, runtime) = (flag.clone(), runtime()?);
    let wait = move || {
        if runtime.block_on(asked_to_end()).is_ok() {
            set.store(true, Ordering::Relaxed);
        }
    };
    std::thread::Builder::new().name("nowfold-signals".to_owned()).spawn(wait).map_err(Error::Signals)?;
    Ok(flag)
}

/// Waits until the process is asked to end or the application has ended.
pub(crate) fn wait(state: &StateCell) -> Result<(), Error> {
    runtime()?.block_on(async {
        tokio::select! {
            outcome = asked_to_end() => outcome,
            () = ended(state) => Ok(()),
        }
    })
}

fn runtime() -> Result<tokio::runtime::Runtime, Error> {
    tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Error::Signals)
}

async fn ended(state: &StateCell) {
    while !state.get().is_final() {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[cfg(unix)]
async fn asked_to_end() -> Result<(), Error> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate()).map_err(Error::Signals)?;
    tokio::select! {
        outcome = tokio::signal::ctrl_c() => outcome.map_err(Error::Signals),
        _ = terminate.recv() => Ok(()),
    }
}

#[cfg(not(unix))]
async fn asked_to_end() -> Result<(), Error> {
    tokio::signal::ctrl_c().await.map_err(Error::Signals)
}

//! Waiting for the end: Ctrl-C, SIGTERM, or the application's own.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use nowfold_runtime::StateCell;

use super::error::Error;

/// A flag that is set when the process is asked to end: by Ctrl-C or SIGTERM.
///
/// # Errors
/// When signals cannot be handled.
pub fn end_flag() -> Result<Arc<AtomicBool>, Error> {
    let flag = Arc::new(AtomicBool::new(false));
    let (set, runtime) = (flag.clone(), runtime()?);
    let failed = |error: std::io::Error| Error::Config { cause: format!("no signal handling: {error}") };
    let wait = move || {
        if runtime.block_on(asked_to_end()).is_ok() {
            set.store(true, Ordering::Relaxed);
        }
    };
    std::thread::Builder::new().name("nowfold-signals".to_owned()).spawn(wait).map_err(failed)?;
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
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(|error| Error::Config { cause: format!("no signal handling: {error}") })
}

async fn ended(state: &StateCell) {
    while !state.get().is_final() {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[cfg(unix)]
async fn asked_to_end() -> Result<(), Error> {
    use tokio::signal::unix::{SignalKind, signal};
    let failed = |error: std::io::Error| Error::Config { cause: format!("no signal handling: {error}") };
    let mut terminate = signal(SignalKind::terminate()).map_err(failed)?;
    tokio::select! {
        outcome = tokio::signal::ctrl_c() => outcome.map_err(failed),
        _ = terminate.recv() => Ok(()),
    }
}

#[cfg(not(unix))]
async fn asked_to_end() -> Result<(), Error> {
    let failed = |error: std::io::Error| Error::Config { cause: format!("no signal handling: {error}") };
    tokio::signal::ctrl_c().await.map_err(failed)
}

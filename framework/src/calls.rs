//! The calls of asynchronous operators, on tokio.

use nowfold_runtime::executor::{CallExecutor, Cancel, Job};
use tokio::runtime::{Handle, Runtime};

use crate::error::Error;

/// Threads of a runtime of our own. Calls wait most of the time.
const N_THREADS: usize = 2;

/// A tokio runtime: that of the thread which started the application, or one of the application's own.
#[derive(Debug)]
pub(crate) struct TokioCalls {
    handle: Handle,
    own: Option<Runtime>,
}

impl TokioCalls {
    pub(crate) fn open() -> Result<Self, Error> {
        if let Ok(handle) = Handle::try_current() {
            return Ok(Self { handle, own: None });
        }
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        let built = builder.worker_threads(N_THREADS).thread_name("nowfold-calls").enable_all().build();
        let own = built.map_err(|error| Error::Config {
            cause: format!("the runtime of asynchronous operators could not be started: {error}; raise the limits for threads and open files"),
        })?;
        Ok(Self { handle: own.handle().clone(), own: Some(own) })
    }
}

impl CallExecutor for TokioCalls {
    fn spawn(&self, job: Job) -> Cancel {
        let task = self.handle.spawn(job);
        Box::new(move || task.abort())
    }
}

impl Drop for TokioCalls {
    /// Does not wait for calls, so that it may happen anywhere.
    fn drop(&mut self) {
        if let Some(own) = self.own.take() {
            own.shutdown_background();
        }
    }
}

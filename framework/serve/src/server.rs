//! The server's life: a thread with an event loop of its own.

use std::net::{SocketAddr, TcpListener};
use std::thread::JoinHandle;

use tokio::runtime::{Builder, Runtime};
use tokio::sync::watch;

use crate::app::{App, Shared};
use crate::connection;
use crate::error::ServeError;

/// A running query server. Dropping it stops it: it accepts nothing more, finishes the requests in progress within
/// [`Limits::drain_timeout`](crate::Limits::drain_timeout), and ends its thread.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    stop: watch::Sender<bool>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// Listens on `address` (port 0: any free one) and serves from a thread of its own.
    ///
    /// # Errors
    /// [`ServeError`] when the address is not loopback and [`App::allow_remote_insecure`] was not called, cannot be
    /// listened on, or the thread cannot be started.
    pub fn start(address: SocketAddr, app: App) -> Result<Self, ServeError> {
        if !app.remote && !address.ip().to_canonical().is_loopback() {
            return Err(ServeError::NotLoopback { address });
        }
        let listen = |source| ServeError::Listen { address, source };
        let listener = TcpListener::bind(address).map_err(listen)?;
        listener.set_nonblocking(true).map_err(listen)?;
        let address = listener.local_addr().map_err(listen)?;
        if !address.ip().to_canonical().is_loopback() {
            tracing::warn!(%address, "the query server can be reached from other machines and has no authentication");
        }
        let runtime = Builder::new_current_thread().enable_io().enable_time().build().map_err(ServeError::Thread)?;
        let (stop, stopped) = watch::channel(false);
        let thread = spawn(runtime, listener, Shared::new(app, address), stopped).map_err(ServeError::Thread)?;
        Ok(Self { address, stop, thread: Some(thread) })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.send_replace(true);
        if let Some(Err(_)) = self.thread.take().map(JoinHandle::join) {
            tracing::error!("the query server's thread had panicked");
        }
    }
}

fn spawn(
    runtime: Runtime,
    listener: TcpListener,
    shared: std::sync::Arc<Shared>,
    stopped: watch::Receiver<bool>,
) -> std::io::Result<JoinHandle<()>> {
    std::thread::Builder::new().name("nowfold-serve".to_owned()).spawn(move || {
        runtime.block_on(async {
            match tokio::net::TcpListener::from_std(listener) {
                Ok(listener) => connection::accept(listener, shared, stopped).await,
                Err(error) => tracing::error!(%error, "the query server cannot listen"),
            }
        });
    })
}

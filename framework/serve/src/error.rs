//! Why the server does not start.

use std::io;
use std::net::SocketAddr;

/// Why the server does not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServeError {
    /// The address can be reached from other machines, and there is no authentication.
    #[error(
        "NF111 {address} is not a loopback address, and the query server asks nobody who they are. Listen on 127.0.0.1 behind a proxy that does, or call allow_remote_insecure()"
    )]
    NotLoopback {
        /// The address asked for.
        address: SocketAddr,
    },
    /// The address cannot be listened on.
    #[error("NF112 cannot listen on {address}: {source}. Choose a free port, or 0 for any")]
    Listen {
        /// The address asked for.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// The system gave no thread or no event loop.
    #[error("NF113 the query server's thread could not be started: {0}. Raise the limits for threads and open files")]
    Thread(#[source] io::Error),
    /// A recorder of metrics is installed already.
    #[error("NF114 metrics cannot be recorded: {cause}. Install one recorder, once, in the binary")]
    Recorder {
        /// What the metrics crate said.
        cause: String,
    },
}

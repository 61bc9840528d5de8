//! What one client may take of the server.

use std::time::Duration;

/// What one client may take of the server. The defaults suit a recommender on the same machine.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Bytes of a request's body. Default: 64 KiB.
    pub body_bytes: usize,
    /// Bytes of a request's URI. Default: 4 KiB.
    pub uri_bytes: usize,
    /// Bytes of a request's line and headers together. Default: 16 KiB.
    pub head_bytes: usize,
    /// Headers of a request. Default: 64.
    pub headers: usize,
    /// Actors of one request. Default: 500.
    pub actors: usize,
    /// Features of one request that are not registered. Default: 32.
    pub adhoc_features: usize,
    /// Instants of one request's timeline, times its actors. Default: 1,000.
    pub instants: usize,
    /// Actions of one answer. Default: 10,000.
    pub actions: usize,
    /// Bytes of an answer's body. Default: 4 MiB.
    pub answer_bytes: usize,
    /// How long a request's line and headers may take to arrive; a connection without a request is closed after the
    /// same time. Default: 5 s.
    pub head_timeout: Duration,
    /// How long the rest of a request may take, with its body and the wait for `at_least`. Default: 5 s.
    pub request_timeout: Duration,
    /// How long a client may take to read an answer. Default: 5 s.
    pub write_timeout: Duration,
    /// How long `at_least` waits when the question does not say. Default: 1 s.
    pub wait: Duration,
    /// Connections at one time. Default: 512.
    pub connections: usize,
    /// Requests in progress at one time. Default: 256.
    pub requests: usize,
    /// How long requests in progress may go on when the server stops. Default: 2 s.
    pub drain_timeout: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body_bytes: 64 << 10,
            uri_bytes: 4 << 10,
            head_bytes: 16 << 10,
            headers: 64,
            actors: 500,
            adhoc_features: 32,
            instants: 1_000,
            actions: 10_000,
            answer_bytes: 4 << 20,
            head_timeout: Duration::from_secs(5),
            request_timeout: Duration::from_secs(5),
            write_timeout: Duration::from_secs(5),
            wait: Duration::from_secs(1),
            connections: 512,
            requests: 256,
            drain_timeout: Duration::from_secs(2),
        }
    }
}

impl Limits {
    /// The longest wait for `at_least` that leaves time to answer.
    pub(crate) fn longest_wait(&self) -> Duration {
        self.request_timeout - self.request_timeout / 5
    }
}

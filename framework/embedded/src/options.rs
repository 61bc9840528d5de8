//! Settings of a log as a whole; topics have their own configuration.

use std::time::Duration;

use nowfold_core::time::seconds;

/// What a flushed record survives when the log has a data directory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Durability {
    /// The death of the process, `kill -9` included: the bytes were handed to the operating system.
    #[default]
    ProcessCrash,
    /// The death of the machine as well: flushes and commits wait for `fsync`.
    PowerLoss,
}

/// Settings of an [`EmbeddedLog`](crate::EmbeddedLog).
///
/// ```
/// use nowfold_embedded::Options;
/// let options = Options { default_partitions: 2, ..Options::default() };
/// ```
#[derive(Clone, Debug)]
pub struct Options {
    /// Partitions of a topic created without a number. Default 4.
    pub default_partitions: i32,
    /// A member of a group that has not polled for longer than this, by the log's clock, is expelled. Default 10 s.
    ///
    /// A test that moves its clock by hours sets this higher, or its members count as crashed. A member that waits
    /// inside `poll` is never expelled.
    pub session_timeout: Duration,
    /// How often, by the log's clock, an append also looks for records to expire or compact. Default 30 s.
    pub check_interval: Duration,
    /// What a flushed record survives. Default [`Durability::ProcessCrash`].
    pub durability: Durability,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            default_partitions: 4,
            session_timeout: seconds(10),
            check_interval: seconds(30),
            durability: Durability::default(),
        }
    }
}

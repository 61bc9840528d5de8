//! The port to group membership: which partitions of the subscribed topics are ours, and until when.

use std::any::Any;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use nowfold_core::names::{Offset, TopicPartition};

use super::broker::BrokerError;

/// A change of what this member owns. Ownership is the sum of these events and of nothing else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MembershipEvent {
    /// These partitions are ours now, in addition to those before. May be empty.
    Assigned(Vec<TopicPartition>),
    /// These partitions go to another member as soon as [`Membership::release`] is called: finish and commit them first.
    Revoked(Vec<TopicPartition>),
    /// These partitions were taken away without waiting for us: drop uncommitted work, commit nothing of it.
    Lost(Vec<TopicPartition>),
}

/// An offset to commit: the next one to process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OffsetCommit {
    /// The partition; need not be of a subscribed topic.
    pub partition: TopicPartition,
    /// The next offset to process.
    pub offset: Offset,
    /// A short text stored with it.
    pub metadata: String,
}

/// A member's generation, as a transaction needs it to commit offsets. It ages with every rebalance, so it is taken just
/// before it is used and never kept.
#[derive(Clone)]
pub struct Generation {
    group: String,
    token: Arc<dyn Any + Send + Sync>,
}

impl Generation {
    /// What an adapter needs to know it by.
    pub fn new(group: impl Into<String>, token: Arc<dyn Any + Send + Sync>) -> Self {
        Self { group: group.into(), token }
    }

    /// The group.
    pub fn group(&self) -> &str {
        &self.group
    }

    /// The adapter's own part; `None` when it is of another adapter.
    pub fn token<T: 'static>(&self) -> Option<&T> {
        self.token.downcast_ref()
    }
}

impl fmt::Debug for Generation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Generation").field("group", &self.group).finish_non_exhaustive()
    }
}

/// One member of a consumer group. It fetches nothing: readers do.
pub trait Membership: Send + fmt::Debug {
    /// Waits up to `timeout` for the next change. Must be called often enough to stay a member
    /// (`max.poll.interval.ms` on Kafka).
    ///
    /// # Errors
    /// When membership has failed for good.
    fn poll(&mut self, timeout: Duration) -> Result<Option<MembershipEvent>, BrokerError>;

    /// Lets go of the partitions of the last [`MembershipEvent::Revoked`] or [`MembershipEvent::Lost`]. Until then no
    /// other member gets them and no further event arrives.
    ///
    /// # Errors
    /// When the broker does not take it.
    fn release(&mut self) -> Result<(), BrokerError>;

    /// Commits offsets under this member's present generation, also between `Revoked` and `release`.
    ///
    /// # Errors
    /// [`BrokerError::Fenced`] when the generation is over.
    fn commit(&mut self, offsets: &[OffsetCommit]) -> Result<(), BrokerError>;

    /// This member's present generation, for [`send_offsets`](super::broker::TransactionalProducer::send_offsets). Between
    /// `Lost` and `release` there is none, or one that the broker refuses.
    ///
    /// # Errors
    /// [`BrokerError::Fenced`] after a loss; [`BrokerError::Fatal`] by default, for a log without transactions.
    fn generation(&self) -> Result<Generation, BrokerError> {
        Err(BrokerError::Fatal {
            operation: "take a member's generation".to_owned(),
            cause: "this log has no transactions".to_owned(),
        })
    }

    /// Leaves the group, so that others take over at once.
    ///
    /// # Errors
    /// When the broker does not answer; the group then waits for the session timeout.
    fn leave(self: Box<Self>, timeout: Duration) -> Result<(), BrokerError>;
}

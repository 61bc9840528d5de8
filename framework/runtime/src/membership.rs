//! The port to group membership: which partitions of the subscribed topics are ours, and until when.

use std::fmt;
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

    /// Leaves the group, so that others take over at once.
    ///
    /// # Errors
    /// When the broker does not answer; the group then waits for the session timeout.
    fn leave(self: Box<Self>, timeout: Duration) -> Result<(), BrokerError>;
}

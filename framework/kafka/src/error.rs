//! What librdkafka's errors mean to the runtime.

use nowfold_runtime::broker::BrokerError;
use rdkafka::error::KafkaError;
use rdkafka::types::RDKafkaErrorCode as Code;

/// The error code inside, also where rdkafka does not give it out.
pub(crate) fn code(error: &KafkaError) -> Option<Code> {
    match error {
        KafkaError::AdminOp(code) => Some(*code),
        other => other.rdkafka_error_code(),
    }
}

/// The general mapping: worth another try or not.
pub(crate) fn failed(operation: impl Into<String>, error: &KafkaError) -> BrokerError {
    let (operation, cause) = (operation.into(), error.to_string());
    match code(error) {
        Some(code) if is_transient(code) => BrokerError::Unavailable { operation, cause },
        _ => BrokerError::Fatal { operation, cause },
    }
}

/// Whether the same request may succeed later without anybody changing anything.
pub(crate) fn is_transient(code: Code) -> bool {
    matches!(
        code,
        Code::AllBrokersDown
            | Code::BrokerNotAvailable
            | Code::BrokerTransportFailure
            | Code::CoordinatorLoadInProgress
            | Code::CoordinatorNotAvailable
            // A connection was taken down while a request waited for it, as after a restart of the broker.
            | Code::DestroyBroker
            | Code::FencedLeaderEpoch
            | Code::KafkaStorageError
            | Code::LeaderNotAvailable
            | Code::MessageTimedOut
            | Code::NetworkException
            | Code::NotController
            | Code::NotCoordinator
            | Code::NotEnoughReplicas
            | Code::NotEnoughReplicasAfterAppend
            | Code::NotLeaderForPartition
            | Code::OffsetNotAvailable
            | Code::OperationTimedOut
            | Code::QueueFull
            | Code::RebalanceInProgress
            | Code::ReplicaNotAvailable
            | Code::RequestTimedOut
            | Code::Resolve
            | Code::StaleMemberEpoch
            | Code::ThrottlingQuotaExceeded
            | Code::TimedOutQueue
            | Code::UnknownLeaderEpoch
            | Code::UnstableOffsetCommit
            | Code::WaitingForCoordinator
    )
}

/// Whether the broker does not know the topic (or the partition).
pub(crate) fn is_unknown_topic(code: Code) -> bool {
    matches!(code, Code::UnknownTopic | Code::UnknownTopicOrPartition | Code::UnknownPartition | Code::UnknownTopicId)
}

/// Whether a member's generation is over.
pub(crate) fn is_fenced(code: Code) -> bool {
    matches!(
        code,
        Code::IllegalGeneration
            | Code::UnknownMemberId
            | Code::FencedInstanceId
            | Code::FencedMemberEpoch
            | Code::UnreleasedInstanceId
            | Code::AssignmentLost
            | Code::Fenced
    )
}

/// Whether the broker, or the client before it, will never take this record.
pub(crate) fn is_refusal(code: Code) -> bool {
    matches!(
        code,
        Code::InvalidMessage
            | Code::InvalidMessageSize
            | Code::InvalidRecord
            | Code::InvalidTimestamp
            | Code::InvalidTopic
            | Code::MessageBatchTooLarge
            | Code::MessageSizeTooLarge
            | Code::PolicyViolation
            | Code::TopicAuthorizationFailed
            | Code::UnknownPartition
            | Code::UnsupportedForMessageFormat
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_that_went_while_something_was_asked_is_asked_again() {
        let error = failed("ask", &KafkaError::MetadataFetch(Code::DestroyBroker));
        assert!(error.is_retriable(), "{error}");
        let error = failed("ask", &KafkaError::MetadataFetch(Code::GroupAuthorizationFailed));
        assert!(!error.is_retriable(), "{error}");
    }
}

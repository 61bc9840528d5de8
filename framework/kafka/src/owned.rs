//! librdkafka keys that nowfold sets itself, and which client knows which of the others.

/// Why a user may not set `key`; `None` where he may.
pub(crate) fn reason(key: &str) -> Option<&'static str> {
    Some(match key {
        "bootstrap.servers" | "metadata.broker.list" => "the address is given as bootstrap",
        "group.id" => "the group is the application's name",
        "group.protocol" | "partition.assignment.strategy" | "group.remote.assignor" | "group.protocol.type" => {
            "tasks need an incremental, sticky protocol; choose it with group_protocol"
        }
        "group.instance.id" => "static membership is given as instance_id",
        "session.timeout.ms" => "it is given as session_timeout",
        "max.poll.interval.ms" => "it is given as max_poll_interval",
        "enable.auto.commit" | "auto.commit.enable" | "auto.commit.interval.ms" => {
            "offsets are committed after the work that they stand for"
        }
        "enable.auto.offset.store" | "offset.store.method" | "offset.store.path" | "offset.store.sync.interval.ms" => {
            "positions belong to the tasks and their stores"
        }
        "auto.offset.reset" => "a position that is out of range is an error, never a silent reset",
        "isolation.level" => "only committed records are read",
        "enable.partition.eof" => "the end of a partition moves a reader's position past control records",
        "statistics.interval.ms" => "the ends of partitions are taken from the statistics",
        "allow.auto.create.topics" => "topics are created and checked explicitly",
        "partitioner" => "equal keys must meet in equal partitions (murmur2, as Kafka's Java clients compute it)",
        "enable.idempotence"
        | "enable.gapless.guarantee"
        | "max.in.flight"
        | "max.in.flight.requests.per.connection" => "retries must neither lose, double nor reorder records",
        "acks" | "request.required.acks" => "a record counts as stored when all in-sync replicas have it",
        "transactional.id" => "each producer's transactions are the runtime's",
        "delivery.report.only.error" | "dr_cb" | "dr_msg_cb" => "every delivery is counted",
        "log.queue" | "log_cb" | "stats_cb" | "error_cb" | "consume_cb" | "rebalance_cb" | "offset_commit_cb" => {
            "events are served by nowfold"
        }
        _ => return None,
    })
}

/// The kinds of client that a key can be for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Consumer,
    Producer,
}

/// The only kind of client that knows `key`; `None`: both do. librdkafka warns about a key of the other kind.
pub(crate) fn only_for(key: &str) -> Option<Kind> {
    const PRODUCER: &[&str] = &[
        "batch.num.messages",
        "batch.size",
        "compression.codec",
        "compression.level",
        "compression.type",
        "delivery.timeout.ms",
        "linger.ms",
        "message.send.max.retries",
        "message.timeout.ms",
        "queuing.strategy",
        "request.timeout.ms",
        "retries",
        "sticky.partitioning.linger.ms",
        "transaction.timeout.ms",
    ];
    const CONSUMER: &[&str] =
        &["check.crcs", "coordinator.query.interval.ms", "heartbeat.interval.ms", "max.partition.fetch.bytes"];
    if PRODUCER.contains(&key) || key.starts_with("queue.buffering.") {
        Some(Kind::Producer)
    } else if CONSUMER.contains(&key) || key.starts_with("fetch.") || key.starts_with("queued.") {
        Some(Kind::Consumer)
    } else {
        None
    }
}

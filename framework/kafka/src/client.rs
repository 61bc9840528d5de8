//! librdkafka clients: their roles, their configuration, and where their events go.

use std::time::Duration;

use nowfold_runtime::broker::BrokerError;
use parking_lot::Mutex;
use rdkafka::config::{ClientConfig, FromClientConfigAndContext, RDKafkaLogLevel};
use rdkafka::error::KafkaError;
use rdkafka::types::RDKafkaErrorCode as Code;
use rdkafka::{ClientContext, util::Timeout};

use crate::config::KafkaConfig;
use crate::error;
use crate::owned::{self, Kind};
use crate::pump::{Counted, Served};

/// What a client is for; the state that its callbacks need.
pub(crate) trait Role: Send + Sync + 'static {
    /// As log lines name it.
    const NAME: &'static str;
    /// What librdkafka calls this kind of client.
    const KIND: Kind;

    /// Takes a statistics report.
    fn on_statistics(&self, _json: &[u8]) {}
}

/// The context of a client: logs go to `tracing`, the last error is kept for messages.
#[derive(Debug)]
pub(crate) struct Context<R> {
    pub(crate) role: R,
    served: Served,
    last_error: Mutex<Option<(Code, String)>>,
}

impl<R> Context<R> {
    pub(crate) fn new(role: R) -> Self {
        Self { role, served: Served::default(), last_error: Mutex::new(None) }
    }

    fn remember(&self, code: Code, reason: &str) {
        let mut last = self.last_error.lock();
        // That all brokers are down says less than what the last of them met.
        if code != Code::AllBrokersDown || last.is_none() {
            *last = Some((code, reason.to_owned()));
        }
    }

    /// The newest error of the client as a whole, such as a refused connection.
    pub(crate) fn last_error(&self) -> Option<(Code, String)> {
        self.last_error.lock().clone()
    }
}

impl<R> Counted for Context<R> {
    fn served(&self) -> &Served {
        &self.served
    }
}

impl<R: Role> ClientContext for Context<R> {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        use RDKafkaLogLevel::{Alert, Critical, Debug, Emerg, Error, Info, Notice, Warning};
        self.served.count();
        let client = R::NAME;
        if facility == "FAIL" {
            // A connection that failed may be logged without being reported.
            self.remember(Code::BrokerTransportFailure, message);
        }
        match level {
            Emerg | Alert | Critical | Error => tracing::error!(target: "librdkafka", client, facility, "{message}"),
            Warning => tracing::warn!(target: "librdkafka", client, facility, "{message}"),
            Notice | Info => tracing::info!(target: "librdkafka", client, facility, "{message}"),
            Debug => tracing::debug!(target: "librdkafka", client, facility, "{message}"),
        }
    }

    fn stats_raw(&self, json: &[u8]) {
        self.served.count();
        self.role.on_statistics(json);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.served.count();
        let Some(code) = error::code(&error) else { return };
        if matches!(code, Code::PartitionEOF | Code::AutoOffsetReset) {
            return;
        }
        // librdkafka logs what it reports.
        tracing::debug!(target: "nowfold_kafka", client = R::NAME, %error, "{reason}");
        self.remember(code, reason);
    }
}

/// Creates a client with nowfold's settings for its kind, the user's raw ones, and then `settings`.
pub(crate) fn create<R: Role, T: FromClientConfigAndContext<Context<R>>>(
    config: &KafkaConfig,
    settings: &[(&str, String)],
    role: R,
) -> Result<T, BrokerError> {
    let mut client = ClientConfig::new();
    client.set("bootstrap.servers", &config.bootstrap);
    for (key, value) in defaults(R::KIND) {
        client.set(*key, *value);
    }
    for (key, value) in config.raw.iter().filter(|(key, _)| owned::only_for(key).is_none_or(|kind| kind == R::KIND)) {
        client.set(key, value);
    }
    for (key, value) in settings {
        client.set(*key, value);
    }
    client.create_with_context(Context::new(role)).map_err(|error| BrokerError::Fatal {
        operation: format!("create the {} client for Kafka at {}", R::NAME, config.bootstrap),
        cause: match error {
            KafkaError::ClientConfig(_, description, ..) => format!("{description}; {}", advice(&description)),
            other => other.to_string(),
        },
    })
}

/// What to do about a setting that librdkafka refuses.
fn advice(description: &str) -> &'static str {
    if description.contains("not available at build time") {
        "build with the cargo feature that brings it: ssl, gssapi or zstd"
    } else {
        "check the raw settings"
    }
}

/// Settings that a user may override.
fn defaults(kind: Kind) -> &'static [(&'static str, &'static str)] {
    const CONSUMER: &[(&str, &str)] = &[
        ("client.id", "nowfold"),
        ("socket.nagle.disable", "true"),
        ("reconnect.backoff.max.ms", "1000"),
        // A consumer has one fetch under way per broker. A partition that joins, or whose queue has room again, waits for
        // its end; where the other partitions are idle that is this long. Measured with seven idle neighbours, 362 B
        // records: 0.8 M records/s at 20 ms and 2 ms, 0.09 M at librdkafka's 500 ms.
        ("fetch.wait.max.ms", "20"),
        ("fetch.queue.backoff.ms", "2"),
        // Both limits hold for each partition, since each has a queue of its own.
        ("queued.min.messages", "10000"),
        ("queued.max.messages.kbytes", "4096"),
    ];
    const PRODUCER: &[(&str, &str)] = &[
        ("client.id", "nowfold"),
        ("socket.nagle.disable", "true"),
        ("reconnect.backoff.max.ms", "1000"),
        ("linger.ms", "5"),
        ("batch.num.messages", "10000"),
        ("delivery.timeout.ms", "120000"),
        ("queue.buffering.max.kbytes", "65536"),
    ];
    match kind {
        Kind::Consumer => CONSUMER,
        Kind::Producer => PRODUCER,
    }
}

/// Settings of every consumer that no user may override.
pub(crate) fn consumer_settings(group: &str) -> Vec<(&'static str, String)> {
    [
        ("group.id", group),
        ("enable.auto.commit", "false"),
        ("enable.auto.offset.store", "false"),
        ("allow.auto.create.topics", "false"),
        ("isolation.level", "read_committed"),
        ("auto.offset.reset", "error"),
    ]
    .map(|(key, value)| (key, value.to_owned()))
    .into()
}

/// A duration as librdkafka takes it.
pub(crate) fn millis(duration: Duration) -> String {
    duration.as_millis().min(i32::MAX as u128).to_string()
}

/// A timeout for rdkafka, which casts milliseconds to 32 bits.
pub(crate) fn timeout(duration: Duration) -> Timeout {
    Timeout::After(duration.min(Duration::from_secs(86_400)))
}

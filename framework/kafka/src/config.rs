//! What can be set, and how it becomes librdkafka configuration.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use nowfold_runtime::broker::BrokerError;

use crate::owned;

/// How a consumer group spreads its partitions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum GroupProtocol {
    /// Members assign among themselves, `cooperative-sticky`; any broker from 2.5 on.
    #[default]
    Classic,
    /// The broker assigns (KIP-848, `uniform`); brokers from 4.0 on. Session timeout and heartbeat are the broker's settings.
    Consumer,
}

/// How to reach a Kafka cluster and how to use it.
///
/// ```
/// use nowfold_kafka::{GroupProtocol, KafkaConfig};
///
/// let mut config = KafkaConfig::new("127.0.0.1:9092");
/// config.group_protocol = GroupProtocol::Consumer;
/// config.raw.insert("compression.type".into(), "lz4".into());
/// config.check()?;
///
/// config.raw.insert("enable.auto.commit".into(), "true".into());
/// assert!(config.check().unwrap_err().to_string().contains("enable.auto.commit"));
/// # Ok::<(), nowfold_runtime::broker::BrokerError>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct KafkaConfig {
    /// `host:port` of one or more brokers, separated by commas.
    pub bootstrap: String,
    /// Any librdkafka key, for every client that knows it; what nowfold owns is refused by [`Self::check`].
    pub raw: BTreeMap<String, String>,
    /// How groups spread their partitions.
    pub group_protocol: GroupProtocol,
    /// Static membership (KIP-345): a name for this process that survives its restart. Classic groups only: with
    /// KIP-848 a killed static member locks its successor out.
    pub instance_id: Option<String>,
    /// After this long without a heartbeat a member of a classic group is taken for dead.
    pub session_timeout: Duration,
    /// A member whose `poll` is not called for this long (and up to a tenth more) leaves its group; also how long a
    /// revoked partition may be held back before it is given up. At least the session timeout.
    pub max_poll_interval: Duration,
    /// How long [`Kafka::connect`](crate::Kafka::connect) waits for a broker.
    pub connect_timeout: Duration,
    /// How long one request may take where the caller gives no bound of its own.
    pub request_timeout: Duration,
}

impl KafkaConfig {
    /// The defaults for a cluster at `bootstrap`.
    pub fn new(bootstrap: impl Into<String>) -> Self {
        Self {
            bootstrap: bootstrap.into(),
            raw: BTreeMap::new(),
            group_protocol: GroupProtocol::default(),
            instance_id: None,
            session_timeout: Duration::from_secs(12),
            max_poll_interval: Duration::from_secs(300),
            connect_timeout: Duration::from_secs(10),
            request_timeout: Duration::from_secs(10),
        }
    }

    /// Checks what can be checked without a broker. [`Kafka::connect`](crate::Kafka::connect) does so too.
    ///
    /// # Errors
    /// [`BrokerError::Fatal`] naming the setting and what to do.
    pub fn check(&self) -> Result<(), BrokerError> {
        if self.bootstrap.trim().is_empty() {
            return Err(refused("bootstrap", "it is empty; give host:port of a broker"));
        }
        if let Some((key, why)) = self.raw.keys().find_map(|key| owned::reason(key).map(|why| (key, why))) {
            return Err(refused(key, &format!("nowfold sets it itself: {why}; remove it from the raw settings")));
        }
        if self.instance_id.is_some() && self.group_protocol == GroupProtocol::Consumer {
            let why = "static membership works with classic groups only: a killed static member of a KIP-848 group locks \
                       its successor out until the session ends; remove it or use the classic protocol";
            return Err(refused("instance_id", why));
        }
        if self.max_poll_interval < self.session_timeout {
            return Err(refused("max_poll_interval", "it is shorter than session_timeout; raise it"));
        }
        Ok(())
    }
}

/// Leaves the values of `raw` out: they may be secrets.
impl fmt::Debug for KafkaConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KafkaConfig")
            .field("bootstrap", &self.bootstrap)
            .field("raw", &self.raw.keys())
            .field("group_protocol", &self.group_protocol)
            .field("instance_id", &self.instance_id)
            .field("session_timeout", &self.session_timeout)
            .field("max_poll_interval", &self.max_poll_interval)
            .field("connect_timeout", &self.connect_timeout)
            .field("request_timeout", &self.request_timeout)
            .finish()
    }
}

fn refused(setting: &str, why: &str) -> BrokerError {
    BrokerError::Fatal { operation: format!("Kafka setting {setting:?}"), cause: why.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(config: &KafkaConfig) -> String {
        config.check().unwrap_err().to_string()
    }

    #[test]
    fn refuses_every_owned_key_by_name() {
        for key in ["group.id", "isolation.level", "partitioner", "enable.idempotence", "auto.offset.reset", "acks"] {
            let mut config = KafkaConfig::new("localhost:9092");
            config.raw.insert(key.into(), "x".into());
            assert!(message(&config).contains(key), "{}", message(&config));
        }
    }

    #[test]
    fn takes_static_membership_for_classic_groups_only() {
        let mut config = KafkaConfig::new("localhost:9092");
        config.instance_id = Some("a".into());
        config.check().unwrap();
        config.group_protocol = GroupProtocol::Consumer;
        assert!(message(&config).contains("classic"), "{}", message(&config));
    }

    #[test]
    fn refuses_an_empty_address_and_a_short_poll_interval() {
        assert!(message(&KafkaConfig::new(" ")).contains("bootstrap"));
        let mut config = KafkaConfig::new("localhost:9092");
        config.max_poll_interval = Duration::from_secs(1);
        assert!(message(&config).contains("session_timeout"));
    }

    #[test]
    fn does_not_print_secrets() {
        let mut config = KafkaConfig::new("localhost:9092");
        config.raw.insert("sasl.password".into(), "hunter2".into());
        let text = format!("{config:?}");
        assert!(text.contains("sasl.password") && !text.contains("hunter2"), "{text}");
    }
}

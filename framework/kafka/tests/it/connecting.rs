//! Connecting, and what is said when it does not work.

use std::time::{Duration, Instant};

use nowfold_kafka::{Kafka, KafkaConfig};
use nowfold_runtime::broker::{Broker, BrokerError};

use crate::support::{config, connect};

#[test]
fn dead_address_is_named_within_the_bound() {
    let mut config = KafkaConfig::new("127.0.0.1:1");
    config.connect_timeout = Duration::from_secs(1);
    let start = Instant::now();
    let error = Kafka::connect(config).unwrap_err();
    let text = error.to_string();
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
    assert!(error.is_retriable());
    assert!(text.contains("127.0.0.1:1") && text.contains("refused"), "{text}");
}

#[test]
fn misspelt_raw_key_is_named() {
    let mut config = KafkaConfig::new("127.0.0.1:1");
    config.raw.insert("fetch.wait.maximum".into(), "1".into());
    let error = Kafka::connect(config).unwrap_err();
    assert!(matches!(error, BrokerError::Fatal { .. }));
    assert!(error.to_string().contains("fetch.wait.maximum"), "{error}");
}

#[test]
fn owned_raw_key_is_refused_with_the_reason() {
    let mut config = KafkaConfig::new("127.0.0.1:1");
    config.raw.insert("isolation.level".into(), "read_uncommitted".into());
    let text = Kafka::connect(config).unwrap_err().to_string();
    assert!(text.contains("isolation.level") && text.contains("committed"), "{text}");
}

#[cfg(not(feature = "ssl"))]
#[test]
fn tls_without_its_cargo_feature_names_the_feature() {
    let mut config = KafkaConfig::new("127.0.0.1:1");
    config.raw.insert("security.protocol".into(), "ssl".into());
    let text = Kafka::connect(config).unwrap_err().to_string();
    assert!(text.contains("feature") && text.contains("ssl"), "{text}");
}

#[test]
fn connects_and_describes_itself() {
    let Some(kafka) = connect() else { return };
    assert!(kafka.describe().starts_with("Kafka at "), "{}", kafka.describe());
    assert!(kafka.topics(&[], Duration::from_secs(1)).unwrap().is_empty());
}

#[test]
fn raw_keys_of_one_kind_of_client_reach_only_that_kind() {
    let Some(mut config) = config() else { return };
    config.raw.insert("compression.type".into(), "lz4".into());
    config.raw.insert("fetch.max.bytes".into(), "2000000".into());
    let kafka = Kafka::connect(config).unwrap();
    kafka.producer().unwrap();
}

//! The driver's own behaviour, and Kafka Streams' as far as the DSL goes.

mod crash;
mod driver;
mod queries;
#[cfg(test)]
mod support;

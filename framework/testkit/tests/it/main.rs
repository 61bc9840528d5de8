//! The driver's own behaviour, and Kafka Streams' as far as the DSL goes.

#![cfg(test)]

mod crash;
mod driver;
mod queries;
mod support;

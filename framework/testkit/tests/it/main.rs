//! The driver's own behaviour, and the conformance cases of Kafka Streams as far as the DSL goes.

#![cfg(test)]

mod conformance;
mod crash;
mod driver;
mod queries;
mod sim;
mod state;
mod support;

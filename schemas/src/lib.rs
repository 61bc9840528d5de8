//! nowfold's standard action: its Avro schema, its Rust types, and a Schema Registry client.

pub mod action;

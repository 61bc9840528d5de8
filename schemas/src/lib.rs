//! nowfold's standard action: its Avro schema, its Rust types, and a Schema Registry client.
//!
//! - [`action`]: who did what to which object, when; with typed attributes.
//! - [`codec`]: actions as Avro, read from any schema of that shape in one pass.
//! - [`registry`]: where schemas come from: fixed ones, or a Confluent-compatible Schema Registry (feature `registry`).
//!
//! | feature | adds |
//! |---|---|
//! | `registry` | `RegistryClient`, over plain HTTP |
//! | `registry-tls` | the same with TLS by rustls |

pub mod action;
pub mod codec;
pub mod registry;

pub use action::{Action, Attribute, Attributes, Op};
pub use codec::ActionCodec;

/// The Avro schema of [`Action`] as JSON text.
pub const ACTION_SCHEMA: &str = include_str!("../avro/action.avsc");

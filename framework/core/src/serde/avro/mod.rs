//! Avro: any serde type by a schema, and the parts that a codec of its own is made of.
//!
//! Schemas are parsed by `apache-avro`; data is read by the layout of its writer's schema ([`Plan`], [`Cursor`]), in one
//! pass and without trees of values. Every length, count and depth in the bytes is checked before it is believed.

mod cache;
mod canonical;
mod codec;
mod compile;
mod cursor;
mod de;
mod default;
mod error;
mod frame;
mod framing;
mod plan;
mod resolve;
#[cfg(test)]
mod tests;

pub use canonical::fingerprint;
pub use codec::Avro;
pub use cursor::{Cursor, MAX_DEPTH};
pub use default::put_long;
pub use error::DatumError;
pub use frame::SchemaRef;
pub use framing::Framing;
pub use plan::{Node, NodeId, Plan, RecordNode};

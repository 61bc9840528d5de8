//! Actions against their schema, foreign schemas, damaged bytes and a real registry.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a panic fails the test")]

mod contract;
mod differential;
mod fixtures;
mod foreign;
mod hostile;
#[cfg(feature = "registry")]
mod registry;
mod support;

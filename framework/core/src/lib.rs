//! The pure heart of nowfold: records, serdes, topologies, tasks and state stores.
//!
//! Nothing here knows Kafka, reads a clock, touches files or spawns threads; see `ARCHITECTURE.md`.

pub mod names;
pub mod partition;
pub mod query;
pub mod record;
pub mod serde;
pub mod time;

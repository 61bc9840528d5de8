//! The pure heart of nowfold: records, serdes, topologies, tasks and state stores.
//!
//! Nothing here knows Kafka, reads a clock, touches files or spawns threads; see `ARCHITECTURE.md`.

pub mod dsl;
pub mod failure;
pub mod names;
pub mod partition;
pub mod processor;
pub mod query;
pub mod record;
pub mod retry;
pub mod serde;
pub mod state;
pub mod task;
pub mod time;
pub mod topology;
pub mod window;

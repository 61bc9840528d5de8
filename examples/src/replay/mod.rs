//! The parts of the `replay` example that need no running pipeline: anybody's JSON lines through a declarative mapping.
//!
//! - [`mapping`] turns records into standard actions as a TOML file says;
//! - [`feed`] reads the lines, on request shuffled and repeated;
//! - [`raw`] says how a line lies in the raw topic;
//! - [`questions`] reads questions and writes answers;
//! - [`Tally`] counts what became of each record.
//!
//! The guide, with every key of a mapping file: `docs/guide/replay.md`.

mod duration;
pub mod feed;
pub mod mapping;
pub mod questions;
pub mod raw;
mod strict_toml;
mod tally;

pub use duration::parse_duration;
pub use tally::Tally;

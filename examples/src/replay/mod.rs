//! The `replay` example: anybody's JSON lines through a declarative mapping. All but [`run`] needs no running pipeline.
//!
//! - [`mapping`] turns records into standard actions as a TOML file says;
//! - [`feed`] reads the lines, on request shuffled and repeated;
//! - [`raw`] says how a line lies in the raw topic;
//! - [`questions`] reads questions and writes answers;
//! - [`run`] is the example at work;
//! - [`Tally`] counts what became of each record.
//!
//! The guide, with every key of a mapping file: `docs/guide/replay.md`.

mod duration;
pub mod feed;
pub mod mapping;
pub mod questions;
pub mod raw;
pub mod run;
mod strict_toml;
mod tally;

pub use duration::parse_duration;
pub use tally::Tally;

//! The `replay` example: anybody's JSON lines through a declarative mapping. All but [`run`] needs no running pipeline.
//!
//! - [`mapping`] turns records into standard actions as a TOML file says, and reads the lines;
//! - [`feed`] sends the lines out, on request shuffled and repeated;
//! - [`raw`] says how a line lies in the raw topic;
//! - [`questions`] reads questions and writes answers;
//! - [`run`] is the example at work;
//! - [`Tally`] counts what became of each record.
//!
//! The guide, with every key of a mapping file: `docs/guide/replay.md`.

pub mod feed;
pub mod questions;
pub mod raw;
pub mod run;

pub use nowfold_mapping as mapping;
pub use nowfold_mapping::Tally;

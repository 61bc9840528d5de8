//! Random operations on a store against an oracle that shares no code with it: a list of events, filtered anew for
//! every question, with float sums in the order that `docs/semantics.md`, section 4, documents.
//!
//! Tests run a few hundred thousand operations; the example `differential` runs as many as one likes.

pub(crate) mod coverage;
pub(crate) mod events;
pub(crate) mod expect;
pub(crate) mod hash;
pub(crate) mod limit;
pub(crate) mod model;
pub(crate) mod operations;
pub(crate) mod predicate;
pub(crate) mod question;
pub(crate) mod questions;
pub(crate) mod random;
pub(crate) mod run;
pub(crate) mod select;
pub(crate) mod shrink;
pub(crate) mod sums;
pub(crate) mod translate;
pub(crate) mod value;
pub(crate) mod world;

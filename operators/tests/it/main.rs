//! Tests of event chains and rolling features through the public interface, named after `docs/semantics.md`.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests fail by panicking")]

mod admission;
mod against_oracle;
mod aggregates;
mod caps;
mod catalog;
mod concurrency;
#[path = "../differential/mod.rs"]
mod differential;
mod envelope;
mod every_aggregate;
mod explain;
mod feature_files;
mod golden;
mod laws;
mod logs;
mod memory;
mod never_partial;
mod pipeline;
mod read_your_writes;
mod shed;
mod support;
mod versions;

//! Tests of event chains and rolling features through the public interface, named after `docs/semantics.md`.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests fail by panicking")]

mod admission;
mod cases;
mod concurrency;
mod envelope;
mod expect;
mod golden;
mod laws;
mod never_partial;
mod oracle;
mod read_your_writes;
mod support;

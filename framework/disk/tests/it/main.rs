//! The state directory: copies of event logs, crashes, damage, locks and formats.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panicking, too")]

mod copies;
mod damage;
mod directory;
mod fixtures;
mod support;

//! Mapping files from outside: what they make of records, and how their mistakes are told.

#![expect(clippy::unwrap_used, reason = "a helper that fails is a test that fails")]

mod mapping;
mod mapping_errors;

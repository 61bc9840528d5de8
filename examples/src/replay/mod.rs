//! The parts of the `replay` example that need no running pipeline.

pub mod mapping;
mod strict_toml;

//! Where schemas come from.

mod fixed;

pub use fixed::FixedRegistry;

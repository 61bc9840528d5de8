//! Where schemas come from.

#[cfg(feature = "registry")]
mod client;
#[cfg(feature = "registry")]
mod failure;
mod fixed;

#[cfg(feature = "registry")]
pub use client::{RegistryClient, RegistrySettings};
pub use fixed::FixedRegistry;

//! The driver's own behaviour.

#![cfg(test)]

mod closing;
mod crash;
mod driver;
mod queries;
mod restores;
mod sim;
mod standbys;
mod state;
mod support;

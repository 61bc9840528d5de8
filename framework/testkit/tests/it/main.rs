//! The driver's own behaviour.

#![cfg(test)]

mod crash;
mod driver;
mod queries;
mod sim;
mod state;
mod support;

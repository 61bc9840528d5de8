//! The runner of conformance cases, run as a program.

#![cfg(test)]

mod cases;
mod kafka;

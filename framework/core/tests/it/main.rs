//! Behaviour of the core, seen through its public API.

#![cfg(test)]

mod caches;
mod calls;
mod calls_crash;
mod changelogs;
mod contract;
mod describe;
mod event_ids;
mod failures;
mod faults;
mod global_store;
mod idle;
mod idle_close;
mod joins;
mod operators;
mod order;
mod rekeyed;
mod restore;
mod retries;
mod self_join;
mod support;
mod time_to_live;

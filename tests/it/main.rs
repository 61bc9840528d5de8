//! Tests of nowfold as a whole. One binary, so that it is linked once.

#![expect(clippy::unwrap_used, reason = "a helper that fails is a test that fails")]

mod asynchronous;
mod broker_away;
mod dependency_rule;
mod discovery;
mod doomed;
mod durable_effects;
mod durable_stores;
mod embedded;
mod erasure;
mod exactly_once;
mod faults;
mod faults_page;
mod full_disk;
mod guarantee_costs;
mod instances;
mod item_runs;
mod items;
mod kill_nine;
mod meddler;
mod memory_budget;
mod own_kafka;
mod pipeline;
mod poison;
mod processes;
mod record_cache;
mod registry_away;
mod remote;
mod robust;
mod rolling;
mod rolling_load;
mod rolling_upgrade;
mod signalled;
mod slow_clients;
mod standbys;
mod state_dir;
mod support;

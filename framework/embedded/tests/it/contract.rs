//! The contract suite of the ports, against the log in memory and on disk.

use std::sync::Arc;

use nowfold_embedded::EmbeddedLog;
use nowfold_runtime::contract;

use crate::support::WallClock;

#[test]
fn keeps_the_contract_in_memory() {
    contract::run_all(&EmbeddedLog::new(Arc::new(WallClock)), "contract");
}

#[test]
fn keeps_the_contract_with_a_data_directory() {
    let dir = tempfile::tempdir().unwrap();
    contract::run_all(&EmbeddedLog::open(dir.path(), Arc::new(WallClock)).unwrap(), "contract");
}

#[test]
fn keeps_the_contract_of_transactions() {
    let log = EmbeddedLog::new(Arc::new(WallClock));
    contract::TRANSACTIONS.iter().for_each(|case| case.run(&log, "transactions"));
}

#[test]
fn fences_expelled_members() {
    let log = EmbeddedLog::new(Arc::new(WallClock));
    contract::expelled_member_is_fenced(&log, "fencing", &|group| assert!(log.faults().expel_all(group)));
}

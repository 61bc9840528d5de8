//! The in-memory engines keep the contracts of their kinds of stores.

use nowfold_core::state::{MemoryExpiring, MemoryKeyValue, MemoryMap, MemorySession, MemoryVersioned, MemoryWindow};
use nowfold_testkit::contract;

#[test]
fn memory_engine_is_a_key_value_store() {
    contract::key_value_store(
        || Box::new(MemoryKeyValue::new()),
        |reader| reader.downcast::<MemoryMap>().map(|map| map as _).ok(),
    );
}

#[test]
fn memory_engine_ends_rows_after_their_time_to_live() {
    contract::expiring_key_value_store(|ttl| Box::new(MemoryExpiring::new(ttl)));
}

#[test]
fn memory_engine_is_a_window_store() {
    contract::window_store(|options| Box::new(MemoryWindow::new(options)));
}

#[test]
fn memory_engine_is_a_session_store() {
    contract::session_store(|retention| Box::new(MemorySession::new(retention)));
}

#[test]
fn memory_engine_is_a_versioned_store() {
    contract::versioned_store(|history| Box::new(MemoryVersioned::new(history)));
}

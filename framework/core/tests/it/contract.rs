//! The in-memory engine keeps the contract of key-value stores.

use nowfold_core::state::{MemoryKeyValue, MemoryMap};
use nowfold_testkit::contract::key_value_store;

#[test]
fn memory_engine_is_a_key_value_store() {
    key_value_store(
        || Box::new(MemoryKeyValue::new()),
        |reader| reader.downcast::<MemoryMap>().map(|map| map as _).ok(),
    );
}

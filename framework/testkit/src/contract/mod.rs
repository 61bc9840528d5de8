//! Contract suites: what every engine of a store must do, run by each engine's own tests.

mod key_value;

pub use key_value::key_value_store;

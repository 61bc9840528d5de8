//! Contract suites: what every engine of a store must do, run by each engine's own tests.

mod expiring;
mod key_value;
mod session;
mod support;
mod versioned;
mod window;

pub use expiring::expiring_key_value_store;
pub use key_value::key_value_store;
pub use session::session_store;
pub use versioned::versioned_store;
pub use window::window_store;

//! The engine [fjall](https://docs.rs/fjall) (a log-structured merge tree) for the generic stores of tasks.
//!
//! ```no_run
//! use std::sync::Arc;
//!
//! use nowfold_fjall::FjallEngine;
//! use nowfold_runtime::local::StoreEngine;
//!
//! let engine: Arc<dyn StoreEngine> = Arc::new(FjallEngine::new());
//! # let _ = engine;
//! ```
//!
//! Each task has a database of its own with one keyspace, in which every row begins with the number of its store. Writes of
//! a store are gathered in memory over the rows on disk, and seen by its readers at once; the commit of an epoch writes
//! them in one batch, with the row of the epoch itself. `docs/state-directory.md` describes the rows.

mod database;
mod engine;
#[cfg(feature = "fuzz")]
mod invented;
mod key_value;
mod rows;
mod session;
mod table;
mod versioned;
mod window;

pub use engine::FjallEngine;
#[cfg(feature = "fuzz")]
pub use invented::write_rows;
pub use key_value::FjallMap;
pub use session::FjallSessions;
pub use versioned::FjallHistories;
pub use window::FjallWindows;

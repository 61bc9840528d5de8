//! Workers, restore, commits and shutdown of nowfold, behind the ports [`broker::Broker`] and [`membership::Membership`].
//!
//! ```text
//!   coordinator ── membership, commits        worker ── tasks, producer       worker ── ...
//!        │  open / finish / drop / stop  ──────▶ │
//!        │ ◀──────  commit / finished / failed ──┤
//!                                                └── readers of the task's partitions
//! ```
//!
//! Workers are OS threads; nothing here is async.

pub mod broker;
mod channel;
mod clock;
mod config;
#[cfg(feature = "contract")]
pub mod contract;
mod coordinator;
mod error;
mod globals;
pub mod membership;
mod output;
mod pace;
mod runner;
mod signal;
mod source;
mod state;
mod status;
mod streams;
mod topics;
mod transaction;
mod worker;

pub use clock::SystemClock;
pub use config::{Guarantee, RuntimeConfig};
pub use error::RuntimeError;
pub use state::{AppState, StateCell};
pub use status::TaskPhase;
pub use streams::{CloseReport, Platform, Streams};
pub use topics::prepare_topic;

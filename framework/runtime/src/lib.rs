//! Workers, restore, commits and shutdown of nowfold, behind the ports [`broker::Broker`] and [`membership::Membership`].
//!
//! ```text
//!   coordinator ── membership, commits        worker ── tasks, producer       worker ── ...
//!        │  open / finish / drop / stop  ──────▶ │
//!        │ ◀──────  commit / finished / failed ──┤
//!                                                └── readers of the task's partitions
//! ```
//!
//! Workers are OS threads; of async code there is only what runs the calls of asynchronous operators ([`executor`]). The time, waiting and threads come through [`host`], so that a simulator
//! can run all of it.

pub mod broker;
mod budget;
mod calls;
mod channel;
mod clock;
mod config;
#[cfg(feature = "contract")]
#[expect(clippy::disallowed_methods, reason = "its tests wait for brokers, in real time")]
pub mod contract;
mod control;
mod coordinator;
mod error;
pub mod executor;
mod globals;
pub mod host;
mod later;
pub mod local;
mod mailbox;
pub mod membership;
mod output;
mod pace;
mod purge;
mod rest;
mod restore;
mod room;
mod runner;
mod signal;
mod source;
mod standby;
mod state;
mod status;
mod streams;
mod topics;
mod transaction;
mod worker;

pub use budget::MemoryHeld;
pub use clock::SystemClock;
pub use config::{Guarantee, RuntimeConfig};
#[cfg(feature = "fuzz")]
pub use control::invented::control_topic;
pub use error::RuntimeError;
pub use restore::{RestoreStall, RestoreStatus};
pub use standby::StandbyStatus;
pub use state::{AppState, StateCell};
pub use status::{Restored, TaskPhase};
pub use streams::{CloseReport, Platform, Streams};
pub use topics::prepare_topic;

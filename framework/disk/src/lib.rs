//! The state directory of a process: what it keeps of its tasks, so that a restart reads only the tail of the topics.
//!
//! ```no_run
//! use nowfold_disk::StateDir;
//! use nowfold_runtime::local::{Durability, LocalState};
//!
//! let state = StateDir::open("/var/lib/feed", "job-feed", Durability::ProcessCrash)?;
//! # let _: &dyn LocalState = &state;
//! # Ok::<(), nowfold_runtime::local::LocalError>(())
//! ```
//!
//! It implements the port [`LocalState`](nowfold_runtime::local::LocalState): copies of event logs in segment files of its
//! own, and the generic stores through an engine ([`StateDir::engine`]). Everything here may be deleted while no process
//! has it open: it comes back from the topics. `docs/state-directory.md` describes the files.

mod files;
mod lock;
mod log;
mod origin;
mod state_dir;

pub use state_dir::StateDir;

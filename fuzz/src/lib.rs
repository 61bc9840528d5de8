//! What nowfold reads from outside, each fed with invented bytes: an answer or an error, never a panic, and what was read
//! reads the same after it is written again.
//!
//! `cargo xtask fuzz` runs these functions under libFuzzer; the workspace's tests run them over the seeds and over every
//! case that fuzzing once found (`seeds/` and `found/`, a folder for each).

#![expect(clippy::missing_panics_doc, reason = "a panic is what each of these functions is for")]

mod configuration;
mod control;
mod data_file;
mod features;
mod framed;
mod framed_block;
mod mapping;
mod question;
mod record;
mod sound;
mod state_dir;
mod stores;

pub use configuration::configuration;
pub use control::control;
pub use data_file::data_file;
pub use features::features;
pub use framed::framed;
pub use mapping::mapping;
pub use question::question;
pub use record::record;
pub use state_dir::state_dir;
pub use stores::stores;

/// A function that is fed with bytes.
pub type Target = fn(&[u8]);

/// Every target by the name of its folder.
pub const TARGETS: [(&str, Target); 10] = [
    ("record", record),
    ("framed", framed),
    ("data_file", data_file),
    ("state_dir", state_dir),
    ("stores", stores),
    ("control", control),
    ("question", question),
    ("mapping", mapping),
    ("features", features),
    ("configuration", configuration),
];

//! What the runnable examples of nowfold share.
//!
//! - [`job_feed`]: the main job, whole, in a made-up world;
//! - [`replay`]: anybody's JSON lines through a declarative mapping file, and questions about them.

pub mod job_feed;
pub mod replay;

//! What the runnable examples of nowfold share.
//!
//! - [`job_feed`]: the main job, whole, in a made-up world;
//! - [`replay`]: anybody's JSON lines through a declarative mapping file, and questions about them;
//! - [`small`]: the command line of the small ones, each of which is one file in `src/bin`.

pub mod job_feed;
pub mod replay;
pub mod small;

//! The feed: lines of several files in order, on request shuffled and repeated, always the same for the same seed.
//!
//! [`FeedPlan`] decides in which order lines go out, and tells up to which line all are out.

mod plan;
mod random;

pub use nowfold_mapping::{BrokenLine, FeedError, FeedStats, Line, Lines};
pub use plan::{FeedOptions, FeedPlan, FeedStep};

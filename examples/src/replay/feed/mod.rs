//! The feed: lines of several files in order, on request shuffled and repeated, always the same for the same seed.
//!
//! [`Lines`] reads; [`FeedPlan`] decides in which order lines go out, and tells up to which line all are out.

mod lines;
mod plan;
mod random;

pub use lines::{BrokenLine, FeedError, FeedStats, Line, Lines};
pub use plan::{FeedOptions, FeedPlan, FeedStep};

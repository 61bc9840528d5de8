//! What the runnable examples of nowfold share.
//!
//! - [`replay`]: anybody's JSON lines through a declarative mapping file, and questions about them.

pub mod replay;

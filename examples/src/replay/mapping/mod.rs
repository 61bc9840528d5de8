//! Mapping.

mod condition;
mod pointer;
mod text;
mod time;
pub use condition::*;
pub use pointer::Pointer;
pub use text::*;
pub use time::*;

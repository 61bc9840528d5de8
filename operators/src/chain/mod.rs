//! Event chains: the store of one partition of the actions topic.
//!
//! Per actor and verb, a *chain* holds the events in the order `(time, sequence, event id)`. It is cut into *blocks*
//! after every event whose XXH64 hash of the event id has its low six bits zero, about 64 events each, and into
//! *super-blocks* at twelve zero bits, about 64 blocks each. The cuts depend on the events alone, so they are the same
//! whatever the order of arrival. Blocks and super-blocks of longer chains keep the sums of their numbers and vectors
//! (their *partials*); there is no state per window or feature. See `docs/semantics.md`, sections 1, 3 and 4.

mod actor;
mod admission;
mod block;
mod cap;
mod cell;
mod cells;
mod config;
mod digest;
mod drops;
mod events;
mod expiry;
mod few;
mod grain;
mod hash;
mod ids;
mod insert;
mod limit;
mod many;
mod mark;
mod memory;
mod names;
mod pack;
mod packed;
mod page;
mod partial;
mod removed;
mod roster;
mod row;
mod search;
mod store;
mod stripe;
mod superblock;
mod supers;
mod undo;
mod vectors;
mod view;
mod writer;

pub use self::admission::{Admission, Appended, Counters, Faults};
pub use self::config::{ChainConfig, Dedup, MissingTime, Vectors};
pub use self::digest::Digest;
pub use self::drops::Dropped;
pub use self::hash::xxh64;
pub use self::limit::{MemoryLimit, WhenFull};
pub use self::mark::Mark;
pub use self::memory::Memory;
pub use self::names::Side;
pub use self::store::EventChains;

pub(crate) use self::block::Block;
pub(crate) use self::cell::Cell;
pub(crate) use self::names::{Column, Names};
pub(crate) use self::partial::{ColumnSum, Span, SumRef};
pub(crate) use self::row::{Key, Order, Row};
pub(crate) use self::store::View;
pub(crate) use self::superblock::Super;
pub(crate) use self::view::{Chain, Place, VerbChain};

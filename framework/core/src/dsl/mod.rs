//! The DSL: streams and tables as typed chains of named operators. One operator, one file.

mod branch;
mod builder;
mod filter;
mod flat_map;
mod for_each;
mod global_table;
mod join_global;
mod join_table;
mod map;
mod merge;
mod peek;
mod process;
mod select_key;
mod sink;
mod source;
mod stream;
mod table;
mod through;

pub use branch::Split;
pub use builder::StreamsBuilder;
pub use global_table::GlobalTable;
pub use stream::KStream;
pub use table::KTable;
pub use through::Through;

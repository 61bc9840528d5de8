//! What a pipeline's file needs: `use nowfold::prelude::*;`.

pub use crate::{Config, Error, Producer, Streams};
pub use nowfold_core::dsl::{
    AsyncIo, Buffer, Emit, ForeignJoined, GlobalTable, Joined, KStream, KTable, Materialized, Repartition,
    StreamJoined, StreamsBuilder, Through,
};
pub use nowfold_core::failure::Verdict;
pub use nowfold_core::processor::ProcessError;
pub use nowfold_core::query::QueryError;
pub use nowfold_core::retry::Retries;
pub use nowfold_core::serde::{Avro, Json, Pair, Plain, Postcard, SessionWindowed, TimeWindowed};
pub use nowfold_core::state::StoreSpec;
pub use nowfold_core::task::TaskIdle;
pub use nowfold_core::time::{Clock, Timestamp, days, hours, minutes, seconds};
pub use nowfold_core::topology::{Topology, TopologyError};
pub use nowfold_core::window::{JoinWindows, SessionWindows, SlidingWindows, TimeWindows, UnlimitedWindows, Windowed};
pub use nowfold_operators::{
    ActionLog, ActionSource, ActionStream, Actions, Answer, EventIdentity, Features, MissingEntity, MissingEventTime,
    ToActions, feature,
};
pub use nowfold_runtime::Guarantee;
pub use nowfold_schemas::{Action, ActionCodec, Attribute, Attributes, attributes};
pub use nowfold_testkit::TestDriver;

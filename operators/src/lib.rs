//! Actions, enrichment and per-actor rolling features over event chains.

mod actions_topic;
pub mod answer;
pub mod chain;
mod enrich;
pub mod erase;
pub mod explain;
pub mod feature;
pub mod features;
mod materialize;
pub mod position;
mod rekey;
mod rfc3339;
mod standardize;

pub use rfc3339::rfc3339;

pub use actions_topic::{ActionLog, ActionSource, ActionStream, actions_topic};
pub use answer::Answer;
pub use enrich::MissingEntity;
pub use erase::{EraseError, Erased};
pub use explain::Explanation;
pub use feature::feature;
pub use features::Features;
pub use materialize::{Actions, ChainStore, FLOOR_HEADER, Materialized, REASON_HEADER};
pub use rekey::ReKey;
pub use standardize::{
    ActionDefaults, EventIdentity, IntoActions, MAX_ACTOR_BYTES, MissingEventTime, ToActions, natural_key,
};

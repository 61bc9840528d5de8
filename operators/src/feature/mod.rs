//! Rolling features: defined as values, compiled once, evaluated at read time over an actor's own events.
//!
//! There is no state per window, so a new feature is valid at once over all retained history, and an answer depends on
//! the events alone (`docs/semantics.md`, section 4). Features with nothing but plain sliding windows and sums are
//! answered from partial sums; all others from the actions themselves, read once for all that look at the same ones.

mod aggregate;
mod builders;
mod cache;
mod check;
mod custom;
mod define;
mod evaluate;
mod filter;
mod group;
mod kind;
mod late;
mod number;
mod path;
mod plan;
mod predicate;
mod result;
mod rows;
mod scan;
mod set;
mod spec;
mod value;
mod value_json;
mod vectors;
mod window;
mod window_text;

pub use self::custom::{Aggregator, Asked, Custom, Event};
pub use self::define::{Feature, FeatureName, feature};
pub use self::kind::Normalize;
pub use self::late::{LateJoin, LateLookup};
pub use self::path::{Path, PathError};
pub use self::predicate::{Attr, Comparison, Literal, Predicate, all, any, attr, not};
pub use self::result::{FeatureResult, WindowResult};
pub use self::set::{FeatureErrors, FeatureSet};
pub use self::spec::{ActionSchema, AttributeKind, FeatureFile, SpecLimits};
pub use self::value::{ActionRow, CountMap, FeatureValue, GroupMap, MapKey};
pub use self::window::{Window, Windows, window_label};
pub use self::window_text::WindowError;
pub use nowfold_strict::Report;

pub(crate) use self::evaluate::{Evaluated, evaluate};
pub(crate) use self::plan::Plan;
pub(crate) use self::rows::{Question, RowsPlan, WindowEvents};
pub(crate) use self::set::unknown_feature;

//! Rolling features: defined as values, compiled once, evaluated at read time over an actor's own events.
//!
//! A window is `as_of - w < t <= as_of`; there is no state per window, so a new feature is valid at once over all
//! retained history, and an answer depends on the events alone (`docs/semantics.md`, section 4).

mod aggregate;
mod define;
mod evaluate;
mod group;
mod late;
mod path;
mod plan;
mod result;
mod scan;
mod set;
mod value;
mod window;

pub use self::define::{Feature, FeatureName, feature};
pub use self::late::{LateJoin, LateLookup};
pub use self::path::{Path, PathError};
pub use self::result::{FeatureResult, WindowResult};
pub use self::set::{FeatureErrors, FeatureSet};
pub use self::value::{ActionRow, CountMap, FeatureValue, MapKey};
pub use self::window::{Windows, window_label};

pub(crate) use self::evaluate::Evaluated;
pub(crate) use self::plan::Plan;
pub(crate) use self::set::unknown_feature;

//! How an operator's results are stored.

use std::time::Duration;

use crate::names::StoreName;
use crate::state::StoreSpec;
use crate::time::millis;

/// A store's name and options. A text alone is a store of that name with a changelog topic.
///
/// ```
/// use nowfold_core::dsl::Materialized;
/// use nowfold_core::time::hours;
///
/// let counts = Materialized::named("counts").retention(hours(48));
/// # let _ = counts;
/// ```
#[derive(Clone, Debug)]
pub struct Materialized {
    pub(super) name: StoreName,
    pub(super) retention: Option<i64>,
    logged: bool,
    in_memory: bool,
}

impl Materialized {
    /// A store of this name, its identity across restarts.
    pub fn named(name: impl Into<StoreName>) -> Self {
        Self { name: name.into(), retention: None, logged: true, in_memory: false }
    }

    /// Keeps windows and sessions for this long before the newest (default: the least that the windows need). Ignored by
    /// stores without windows.
    #[must_use]
    pub fn retention(self, retention: Duration) -> Self {
        Self { retention: Some(millis(retention)), ..self }
    }

    /// Starts empty after each restart instead of having a changelog topic.
    #[must_use]
    pub fn without_changelog(self) -> Self {
        Self { logged: false, ..self }
    }

    /// Stays in memory although the process keeps its stores on disk: it is rebuilt from its topic at every start.
    #[must_use]
    pub fn in_memory(self) -> Self {
        Self { in_memory: true, ..self }
    }

    pub(super) fn spec(&self, spec: StoreSpec) -> StoreSpec {
        let spec = if self.in_memory { spec.in_memory() } else { spec };
        if self.logged { spec } else { spec.without_changelog() }
    }
}

impl From<&str> for Materialized {
    fn from(name: &str) -> Self {
        Self::named(name)
    }
}

//! How an operator's results are stored.

use std::time::Duration;

use crate::names::StoreName;
use crate::state::{StoreSpec, TimeToLive};
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
    ttl: Option<TimeToLive>,
    /// `None` is the builder's.
    pub(super) cache_bytes: Option<usize>,
}

impl Materialized {
    /// A store of this name, its identity across restarts.
    pub fn named(name: impl Into<StoreName>) -> Self {
        Self { name: name.into(), retention: None, logged: true, in_memory: false, ttl: None, cache_bytes: None }
    }

    /// Keeps windows and sessions for this long before the newest (default: the least that the windows need). Ignored by
    /// stores without windows.
    #[must_use]
    pub fn retention(self, retention: Duration) -> Self {
        Self { retention: Some(millis(retention)), ..self }
    }

    /// Ends each row after a time to live, which see. Ignored by stores of windows and sessions, whose retention ends them.
    #[must_use]
    pub fn time_to_live(self, ttl: TimeToLive) -> Self {
        Self { ttl: Some(ttl), ..self }
    }

    /// Holds back what changes in the store in a record cache of so many bytes, each task's its own; 0 is none (the default,
    /// unless [`StreamsBuilder::cache_stores`](super::StreamsBuilder::cache_stores) gave another). Several changes of a row then
    /// become one, downstream and in the changelog: the last value, with the value before the first as the old one, at each
    /// commit, or when the cache is full (KIP-63, `statestore.cache.max.bytes`). A row that came and went in between is
    /// not told. Reads of the store see each change at once. Rows leave in the order of their last changes.
    ///
    /// For `count`, `reduce`, `aggregate`, `to_table`, `stored`, grouped tables, and windows that emit on update; ignored by
    /// others (sessions, cogroups, emit on close). A cache takes at least about 128 bytes for each row.
    #[must_use]
    pub fn cached(self, max_bytes: usize) -> Self {
        Self { cache_bytes: Some(max_bytes), ..self }
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

    /// The store of rows by key.
    pub(super) fn key_value(&self) -> StoreSpec {
        let name = self.name.clone();
        self.ttl.map_or_else(
            || StoreSpec::timestamped_key_value(name.clone()),
            |ttl| StoreSpec::expiring_key_value(name.clone(), ttl),
        )
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

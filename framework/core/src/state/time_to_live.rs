//! How long rows live.

use std::time::Duration;

use crate::time::{Timestamp, millis};

/// How long a row lives after its own time, the timestamp of its last update: within `[t, t + ttl)`. Every update begins
/// anew, also one with an earlier timestamp; one whose time is over already deletes the row.
///
/// By default it ends by **stream time**, the largest timestamp that its task has read (or that was written to the store): a
/// replay ends the same rows at the same records, and an idle partition keeps its rows. [`by_wall_clock`](Self::by_wall_clock)
/// ends it by the machine's clock instead, also while no record comes; what a record finds then depends on when it is
/// processed.
///
/// Ended rows are gone for reads of processors and queries at once, deleted in the changelog, and do not come back with a
/// restore. Nobody below is told: a table shows no change when a row ends, and the next record of its key begins anew.
/// Kafka Streams has no such store; KIP-1225 discusses one.
///
/// ```
/// use nowfold_core::dsl::Materialized;
/// use nowfold_core::state::TimeToLive;
/// use nowfold_core::time::hours;
///
/// let visits = Materialized::named("visits").time_to_live(TimeToLive::of(hours(24)));
/// let sessions = Materialized::named("sessions").time_to_live(TimeToLive::of(hours(1)).by_wall_clock());
/// # let _ = (visits, sessions);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimeToLive {
    ms: i64,
    wall_clock: bool,
}

impl TimeToLive {
    /// So long, by stream time.
    pub fn of(duration: Duration) -> Self {
        Self { ms: millis(duration), wall_clock: false }
    }

    /// The same by the wall clock.
    #[must_use]
    pub fn by_wall_clock(self) -> Self {
        Self { wall_clock: true, ..self }
    }

    /// Whether the wall clock ends rows.
    pub fn is_by_wall_clock(self) -> bool {
        self.wall_clock
    }

    /// Whether a row of this time has ended at `now`.
    pub fn is_over(self, time: Timestamp, now: Timestamp) -> bool {
        time.as_millis().saturating_add(self.ms) <= now.as_millis()
    }
}

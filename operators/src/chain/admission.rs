//! What became of a record of the actions topic (`docs/semantics.md`, section 3).

use nowfold_core::names::Offset;
use nowfold_core::time::Timestamp;

/// Where a record stands in its partition of the actions topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Appended {
    /// Its offset.
    pub offset: Offset,
    /// Its timestamp: the append time, since the topic's contract is `LogAppendTime`. The future guard is measured
    /// against it, so that a replay decides alike.
    pub time: Timestamp,
}

impl Appended {
    /// A record at `offset`, appended at `time`.
    pub const fn new(offset: Offset, time: Timestamp) -> Self {
        Self { offset, time }
    }
}

/// Attributes of an admitted action that were dropped; the action itself stays.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Faults {
    /// Vectors that are empty, of a wrong dimension, or hold NaN or infinity.
    pub bad_vector: u32,
    /// Numbers that are NaN or infinite, alone or inside a list.
    pub bad_number: u32,
    /// Attributes beyond the 65,536 distinct names that a partition tells apart.
    pub too_many_names: u32,
}

impl Faults {
    /// Each reason that there was, with how many attributes it concerns.
    pub fn by_reason(self) -> impl Iterator<Item = (&'static str, u32)> {
        let all =
            [("bad_vector", self.bad_vector), ("bad_number", self.bad_number), ("too_many_names", self.too_many_names)];
        all.into_iter().filter(|(_, n)| *n > 0)
    }
}

/// What became of one record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Admission {
    /// Inserted; queries see it from now on.
    Admitted {
        /// Attributes that were left out.
        faults: Faults,
    },
    /// Inserted in the place of an earlier version of the event; see [`Dedup::LatestWins`](super::Dedup::LatestWins).
    Replaced {
        /// Attributes that were left out.
        faults: Faults,
    },
    /// An event of this actor with the same id is kept already, and wins.
    Duplicate,
    /// The actor has as many events as it may, all of them newer in order.
    Capped,
    /// The partition has as much memory as it may, all of it for newer events, or its time lies at or before what went.
    Shed,
    /// The partition has as much memory as it may, and nothing is to go.
    Full,
    /// Its time is at or before stream time minus retention.
    LateDropped,
    /// Its time is after the record's append time by more than the skew.
    FutureQuarantined,
    /// No event time, and the record's own may not stand in.
    BadTimestamp,
    /// Neither stamped nor mapped to an event id, so it has no identity.
    MissingEventId,
    /// The actor is empty.
    MissingActor,
    /// The event with this id was removed; a later repeat of it stays out.
    Retracted,
    /// There is no event with this id (yet): one that arrives stays out.
    OrphanRetract,
    /// Dropped, since its id was retracted before.
    RetractDropped,
    /// The actor's events up to the given time were removed.
    Erased {
        /// How many.
        n: u64,
    },
    /// Dropped, since an erasure of its actor covers its time.
    EraseDropped,
}

impl Admission {
    /// Whether the action was inserted.
    pub fn is_admitted(self) -> bool {
        matches!(self, Self::Admitted { .. } | Self::Replaced { .. })
    }

    /// Attributes that were left out of the action, if it was inserted.
    pub fn faults(self) -> Faults {
        match self {
            Self::Admitted { faults } | Self::Replaced { faults } => faults,
            _ => Faults::default(),
        }
    }

    /// The name under which it is counted.
    pub fn reason(self) -> &'static str {
        match self {
            Self::Admitted { .. } => "admitted",
            Self::Replaced { .. } => "replaced",
            Self::Duplicate => "duplicate",
            Self::Capped => "capped",
            Self::Shed => "shed",
            Self::Full => "full",
            Self::LateDropped => "late_dropped",
            Self::FutureQuarantined => "future_quarantined",
            Self::BadTimestamp => "bad_timestamp",
            Self::MissingEventId => "missing_event_id",
            Self::MissingActor => "missing_actor",
            Self::Retracted => "retracted",
            Self::OrphanRetract => "orphan_retract",
            Self::RetractDropped => "retract_dropped",
            Self::Erased { .. } => "erased",
            Self::EraseDropped => "erase_dropped",
        }
    }
}

/// How often each outcome happened since the store was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counters {
    /// Inserted.
    pub admitted: u64,
    /// Inserted in the place of an earlier version.
    pub replaced: u64,
    /// Repeats, and versions that came after a later one.
    pub duplicate: u64,
    /// Events that went, or did not come in, since their actor has as many newer ones as it may.
    pub capped: u64,
    /// Events that went, or did not come in, since the partition has as much memory as it may.
    pub shed: u64,
    /// Events that were refused, since the partition has as much memory as it may and nothing is to go.
    pub full: u64,
    /// Older than retention.
    pub late_dropped: u64,
    /// Too far ahead.
    pub future_quarantined: u64,
    /// Without a usable time.
    pub bad_timestamp: u64,
    /// Without an event id.
    pub missing_event_id: u64,
    /// Without an actor.
    pub missing_actor: u64,
    /// Retractions that removed an event.
    pub retracted: u64,
    /// Retractions of ids that were not there.
    pub orphan_retract: u64,
    /// Actions whose id had been retracted.
    pub retract_dropped: u64,
    /// Events that erasures removed.
    pub erased: u64,
    /// Actions that an erasure in force kept out.
    pub erase_dropped: u64,
    /// Vectors left out of admitted actions.
    pub bad_vector: u64,
    /// Numbers left out of admitted actions.
    pub bad_number: u64,
    /// Attributes left out of admitted actions because there were too many names.
    pub too_many_names: u64,
}

impl Counters {
    pub(crate) fn count(&mut self, admission: Admission) {
        match admission {
            Admission::Admitted { .. } => self.admitted += 1,
            Admission::Replaced { .. } => self.replaced += 1,
            Admission::Duplicate => self.duplicate += 1,
            Admission::Capped => self.capped += 1,
            Admission::Shed => self.shed += 1,
            Admission::Full => self.full += 1,
            Admission::LateDropped => self.late_dropped += 1,
            Admission::FutureQuarantined => self.future_quarantined += 1,
            Admission::BadTimestamp => self.bad_timestamp += 1,
            Admission::MissingEventId => self.missing_event_id += 1,
            Admission::MissingActor => self.missing_actor += 1,
            Admission::Retracted => self.retracted += 1,
            Admission::OrphanRetract => self.orphan_retract += 1,
            Admission::RetractDropped => self.retract_dropped += 1,
            Admission::Erased { n } => self.erased += n,
            Admission::EraseDropped => self.erase_dropped += 1,
        }
        let faults = admission.faults();
        self.bad_vector += u64::from(faults.bad_vector);
        self.bad_number += u64::from(faults.bad_number);
        self.too_many_names += u64::from(faults.too_many_names);
    }
}

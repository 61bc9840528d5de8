//! Where a window begins and ends among the actions of a group.

use std::ops::Range;

use super::super::window::{Bounds, Kind, Window};
use super::gather::{Lanes, Walk};

/// The hits of each lane that a window holds, as ranges counted from the newest.
#[derive(Clone, Debug)]
pub(crate) struct Extent {
    pub(crate) ranges: Vec<Range<usize>>,
    /// Whether older history could not change it.
    pub(crate) complete: bool,
    /// Of sessions: whether another action could still join.
    pub(crate) open: Option<bool>,
}

impl Extent {
    /// Places a window as of `q`; events at or before `floor` are invisible.
    pub(crate) fn of(window: &Window, lanes: &mut Lanes<'_, '_>, q: i64, floor: i64) -> Self {
        let bounds = window.bounds(q);
        match window.kind {
            Kind::Sliding { .. } | Kind::Tumbling { .. } => Self::of_time(bounds, lanes, floor),
            Kind::Last { n, .. } => Self::of_last(n, bounds, lanes, floor),
            Kind::Session { gap } => Self::of_session(gap, lanes, q, floor),
        }
    }

    fn of_time(bounds: Bounds, lanes: &mut Lanes<'_, '_>, floor: i64) -> Self {
        lanes.read_after(bounds.lower);
        let ranges = lanes.lanes.iter().map(|lane| {
            let begin = lane.hits.partition_point(|hit| hit.t > bounds.upper);
            let end = lane.hits.partition_point(|hit| hit.t > bounds.lower);
            begin..end.max(begin)
        });
        Self { ranges: ranges.collect(), complete: bounds.lower >= floor, open: None }
    }

    fn of_last(n: usize, bounds: Bounds, lanes: &mut Lanes<'_, '_>, floor: i64) -> Self {
        let mut walk = lanes.walk();
        let mut found = 0;
        while found < n && walk.next_if(lanes, |hit| hit.t > bounds.lower).is_some() {
            found += 1;
        }
        Self { complete: found == n || bounds.lower >= floor, ..Self::walked(walk) }
    }

    /// The latest session. It is whole when no invisible action could be near enough to its first one.
    fn of_session(gap: i64, lanes: &mut Lanes<'_, '_>, q: i64, floor: i64) -> Self {
        let mut walk = lanes.walk();
        let Some(last) = walk.next(lanes) else {
            return Self { complete: floor == i64::MIN, open: Some(false), ..Self::walked(walk) };
        };
        let mut first = last.t;
        while let Some(hit) = walk.next_if(lanes, |hit| first.saturating_sub(hit.t) <= gap) {
            first = hit.t;
        }
        let open = Some(q.saturating_sub(last.t) <= gap);
        let complete = floor == i64::MIN || first.saturating_sub(floor) > gap;
        Self { complete, open, ..Self::walked(walk) }
    }

    fn walked(walk: Walk) -> Self {
        Self { ranges: walk.at.into_iter().map(|end| 0..end).collect(), complete: false, open: None }
    }
}

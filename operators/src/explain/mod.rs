//! Explanations: which events made a value, and which did not count, with the reason (`docs/semantics.md`, section 4).

mod json;

use std::sync::Arc;

use nowfold_core::names::StoreName;
use nowfold_core::time::Timestamp;

use crate::answer::Envelope;
use crate::chain::{Dropped, EventChains};
use crate::feature::{
    ActionRow, Evaluated, FeatureResult, Plan, Question, RowsPlan, WindowEvents, WindowResult, evaluate,
};

/// What a feature's value rests on.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Explanation {
    /// The store that answered.
    pub store: StoreName,
    /// The actor.
    pub actor: Arc<str>,
    /// The feature.
    pub feature: Arc<str>,
    /// One per window, in the order of the feature's answer.
    pub windows: Vec<ExplainedWindow>,
    /// Events of the actor that the store does not hold, the latest first: the last few
    /// ([`Actions::remember_drops`](crate::Actions::remember_drops)), of any time.
    pub dropped: Vec<Dropped>,
    /// What the answer rests on. `truncated` also where events are left out of a list.
    pub envelope: Envelope,
}

/// One window of an explained feature.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct ExplainedWindow {
    /// Its value and what it rests on, as in an answer.
    pub result: WindowResult,
    /// The window holds events after this time, at the earliest those above the store's floor.
    pub after: Timestamp,
    /// The window holds events up to this time, inclusive.
    pub until: Timestamp,
    /// The events that made the value, newest first, each with the attribute that the feature looks at. They are all
    /// when there are `result.used` of them.
    pub events: Vec<ActionRow>,
    /// Events of that time that did not count, newest first.
    pub passed_over: Vec<PassedOver>,
    /// Whether a list is not whole.
    pub truncated: bool,
}

/// An event that is kept and lies in the time of a window, but did not count.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct PassedOver {
    /// The event.
    pub action: ActionRow,
    /// Why: `verb` (the feature is about others), `filter` (its filter is not true), `missing_attribute` (it lacks what
    /// the feature looks at, or has it in a form that does not count), `not_among_newest` (as many newer ones count, or a newer one of its
    /// kind), `not_among_oldest`.
    pub reason: &'static str,
}

impl EventChains {
    /// Evaluates and explains one feature at one moment of the partition; `rows` are of the plan's only feature.
    pub(crate) fn explain(
        &self,
        actor: &str,
        (plan, rows): (&Plan, &RowsPlan),
        (as_of, log_floor): (Timestamp, Timestamp),
        limit: usize,
    ) -> (Evaluated, (Vec<WindowEvents>, Vec<Dropped>)) {
        self.read(actor, |view| {
            let (as_of, log_floor) = (as_of.as_millis(), log_floor.as_millis());
            let evaluated = evaluate(&view, actor, plan, as_of, log_floor);
            let floor = view.floor.max(log_floor);
            let (reach, late) = (view.reach(floor), plan.late.as_ref());
            let events = rows.explain(Question { view: &view, actor, as_of, floor, reach, late }, limit);
            (evaluated, (events, self.drops_in(&view, actor)))
        })
    }
}

impl Explanation {
    pub(crate) fn new(
        store: StoreName,
        actor: Arc<str>,
        result: FeatureResult,
        (events, dropped): (Vec<WindowEvents>, Vec<Dropped>),
        mut envelope: Envelope,
    ) -> Self {
        let windows: Vec<_> = result
            .windows
            .into_iter()
            .zip(events)
            .map(|(result, events)| ExplainedWindow::new(result, events))
            .collect();
        envelope.truncated |= windows.iter().any(|window| window.truncated);
        Self { store, actor, feature: result.name, windows, dropped, envelope }
    }

    /// The window with this label, such as `24h`.
    pub fn window(&self, label: &str) -> Option<&ExplainedWindow> {
        self.windows.iter().find(|window| &*window.result.label == label)
    }
}

impl ExplainedWindow {
    fn new(result: WindowResult, events: WindowEvents) -> Self {
        let WindowEvents { after, until, used, passed_over, truncated } = events;
        Self {
            truncated: truncated || (used.len() as u64) < result.used,
            result,
            after: Timestamp::from_millis(after),
            until: Timestamp::from_millis(until),
            events: used,
            passed_over: passed_over.into_iter().map(|(action, reason)| PassedOver { action, reason }).collect(),
        }
    }
}

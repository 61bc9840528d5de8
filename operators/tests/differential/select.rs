//! Which events a feature sees: `docs/semantics.md`, section 2, one window at a time.

use std::collections::BTreeSet;

use super::events::Event;
use super::model::Model;
use super::predicate::passes;
use super::question::{Ask, Window};

/// An actor's visible events in order, and which of them are in the window and match.
#[derive(Debug)]
pub(crate) struct Selection<'a> {
    all: Vec<&'a Event>,
    inside: Vec<bool>,
    pub(crate) as_of: i64,
    /// Whether events that have expired could not belong to it.
    pub(crate) complete: bool,
    /// Whether events that the limit of the actor's took could belong to it.
    pub(crate) truncated: bool,
    /// Of sessions: whether another event could still join.
    pub(crate) open: Option<bool>,
}

/// The events of a window, whether it is complete, and whether it is open.
type Chosen<'a> = (Vec<&'a Event>, bool, Option<bool>);

impl<'a> Selection<'a> {
    pub(crate) fn new(model: &'a Model, actor: &str, ask: &Ask, window: Window, as_of: i64) -> Self {
        let floor = model.read_floor();
        let mut all: Vec<&Event> =
            model.events.iter().filter(|event| event.actor == actor && event.t > floor).collect();
        all.sort_by_key(|event| event.order());
        let matching: Vec<&Event> = all.iter().copied().filter(|event| matches(ask, event)).collect();
        let cut = model.cut_of(actor);
        let (chosen, complete, open) = choose(&matching, window, as_of, cut.unwrap_or(floor));
        let truncated = cut.is_some() && !complete;
        let chosen: BTreeSet<&str> = chosen.iter().map(|event| event.id.as_str()).collect();
        let inside = all.iter().map(|event| chosen.contains(event.id.as_str())).collect();
        Self { all, inside, as_of, complete, truncated, open }
    }

    /// The events in the window that match, oldest first.
    pub(crate) fn events(&self) -> Vec<&'a Event> {
        self.flagged().filter(|(_, inside)| *inside).map(|(event, _)| event).collect()
    }

    /// All events of the actor in order, with whether each is in the window and matches.
    pub(crate) fn flagged(&self) -> impl Iterator<Item = (&'a Event, bool)> {
        self.all.iter().copied().zip(self.inside.iter().copied())
    }
}

/// The events of a window among those that match, which are in order; there may have been others up to `edge`.
fn choose<'a>(matching: &[&'a Event], window: Window, as_of: i64, edge: i64) -> Chosen<'a> {
    let between = |after: i64, through: i64| -> Vec<&'a Event> {
        matching.iter().copied().filter(|event| event.t > after && event.t <= through).collect()
    };
    match window {
        Window::Sliding { length, offset, end_excluded } => {
            let end = as_of - offset;
            let (after, through) = if end_excluded { (end - length - 1, end - 1) } else { (end - length, end) };
            (between(after, through), after >= edge, None)
        }
        Window::Last { n, within } => {
            let after = within.map_or(i64::MIN, |length| as_of - length);
            let events = between(after, as_of);
            let newest = events[events.len().saturating_sub(n)..].to_vec();
            let complete = newest.len() == n || after >= edge;
            (newest, complete, None)
        }
        Window::Tumbling { length, from, previous } => {
            let start = (as_of - from).div_euclid(length) * length + from;
            let start = if previous { start - length } else { start };
            (between(start - 1, as_of.min(start + length - 1)), start > edge, None)
        }
        Window::Session { gap } => session(&between(i64::MIN, as_of), gap, as_of, edge),
    }
}

/// The latest session: each event follows the one before within the gap.
fn session<'a>(events: &[&'a Event], gap: i64, as_of: i64, edge: i64) -> Chosen<'a> {
    let Some(last) = events.last() else { return (Vec::new(), edge == i64::MIN, Some(false)) };
    let breaks = |pair: &[&Event]| pair[1].t - pair[0].t > gap;
    let begin = (1..events.len()).rev().find(|at| breaks(&events[at - 1..=*at])).unwrap_or(0);
    let complete = edge == i64::MIN || events[begin].t - edge > gap;
    (events[begin..].to_vec(), complete, Some(as_of - last.t <= gap))
}

fn matches(ask: &Ask, event: &Event) -> bool {
    ask.verbs.as_ref().is_none_or(|verbs| verbs.contains(&event.verb.as_str()))
        && ask.predicate.as_ref().is_none_or(|predicate| passes(predicate, event))
}

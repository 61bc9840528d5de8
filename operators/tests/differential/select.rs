//! Which events a feature sees: `docs/semantics.md`, section 2, one window at a time.

use std::cmp::Ordering;
use std::collections::BTreeSet;

use nowfold_schemas::action::Attribute;

use super::events::Event;
use super::model::Model;
use super::question::{Ask, Predicate, Window};

/// An actor's visible events in order, and which of them are in the window and match.
#[derive(Debug)]
pub(crate) struct Selection<'a> {
    all: Vec<&'a Event>,
    inside: Vec<bool>,
}

impl<'a> Selection<'a> {
    pub(crate) fn new(model: &'a Model, actor: &str, ask: &Ask, window: Window, as_of: i64) -> Self {
        let floor = model.floor();
        let mut all: Vec<&Event> =
            model.events.iter().filter(|event| event.actor == actor && event.t > floor).collect();
        all.sort_by_key(|event| event.order());
        let matching: Vec<&Event> = all.iter().copied().filter(|event| matches(ask, event)).collect();
        let chosen: BTreeSet<&str> = choose(&matching, window, as_of).iter().map(|event| event.id.as_str()).collect();
        let inside = all.iter().map(|event| chosen.contains(event.id.as_str())).collect();
        Self { all, inside }
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

/// The events of a window among those that match, which are in order.
fn choose<'a>(matching: &[&'a Event], window: Window, as_of: i64) -> Vec<&'a Event> {
    let between = |after: i64, through: i64| -> Vec<&'a Event> {
        matching.iter().copied().filter(|event| event.t > after && event.t <= through).collect()
    };
    let newest = |events: Vec<&'a Event>, n: usize| events[events.len().saturating_sub(n)..].to_vec();
    match window {
        Window::Sliding { length } => between(as_of.saturating_sub(length), as_of),
        Window::EndExcluded { length } => between(as_of.saturating_sub(length) - 1, as_of - 1),
        Window::Offset { length, offset } => between(as_of - offset - length, as_of - offset),
        Window::Last { n } => newest(between(i64::MIN, as_of), n),
        Window::LastWithin { n, length } => newest(between(as_of - length, as_of), n),
        Window::Tumbling { length, from, previous } => {
            let start = (as_of - from).div_euclid(length) * length + from;
            let start = if previous { start - length } else { start };
            between(start - 1, as_of.min(start + length - 1))
        }
        Window::Session { gap } => session(&between(i64::MIN, as_of), gap, as_of),
    }
}

/// The events of the session that is open at `as_of`: each within the gap of the next one, the last within it of `as_of`.
fn session<'a>(events: &[&'a Event], gap: i64, as_of: i64) -> Vec<&'a Event> {
    let (mut next, mut session) = (as_of, Vec::new());
    for event in events.iter().rev() {
        if next - event.t > gap {
            break;
        }
        next = event.t;
        session.insert(0, *event);
    }
    session
}

fn matches(ask: &Ask, event: &Event) -> bool {
    ask.verbs.as_ref().is_none_or(|verbs| verbs.contains(&event.verb.as_str()))
        && ask.predicate.as_ref().is_none_or(|predicate| holds(predicate, event))
}

fn holds(predicate: &Predicate, event: &Event) -> bool {
    match predicate {
        Predicate::Equals(path, value) => event.get(path).is_some_and(|found| equal(&found, value)),
        Predicate::In(path, values) => event.get(path).is_some_and(|found| values.iter().any(|v| equal(&found, v))),
        Predicate::Between(path, low, high) => number(event.get(path).as_ref())
            .is_some_and(|x| low.is_none_or(|low| x >= low) && high.is_none_or(|high| x <= high)),
        Predicate::IsNull(path) => event.get(path).is_none(),
        Predicate::And(all) => all.iter().all(|one| holds(one, event)),
        Predicate::Or(all) => all.iter().any(|one| holds(one, event)),
        Predicate::Not(one) => !holds(one, event),
    }
}

fn equal(a: &Attribute, b: &Attribute) -> bool {
    match (number(Some(a)), number(Some(b))) {
        (Some(a), Some(b)) => a.partial_cmp(&b).is_some_and(Ordering::is_eq),
        _ => a == b,
    }
}

fn number(attribute: Option<&Attribute>) -> Option<f64> {
    match attribute {
        Some(Attribute::Int(x)) => Some(*x as f64),
        Some(Attribute::Float(x)) => Some(*x),
        _ => None,
    }
}

//! Events themselves, and parts of them.

use nowfold_schemas::action::Attribute;

use super::super::events::Event;
use super::super::select::Selection;
use super::super::value::{Expected, Value};
use super::frequencies::Key;
use super::times;

/// Values of the `k` newest or oldest events that have one; what lacks one on the way there is missing.
pub(super) fn listed(
    selection: &Selection<'_>,
    name: &str,
    k: usize,
    path: &str,
    distinct_by: Option<&str>,
) -> Expected {
    let mut events = selection.events();
    let with_value: Vec<&Event> = events.iter().copied().filter(|event| event.get(path).is_some()).collect();
    let kept = newest_of_each(&with_value, distinct_by);
    if name.starts_with("last") {
        events.reverse();
    }
    let (mut values, mut used, mut missing) = (Vec::new(), Vec::new(), 0);
    for event in events {
        match event.get(path) {
            _ if values.len() == k => break,
            None => missing += 1,
            Some(found) if kept.iter().any(|kept| kept.id == event.id) => {
                values.push(value(Some(&found)));
                used.push(event.t);
            }
            Some(_) => {}
        }
    }
    let value = match name {
        "last" | "first" => Value::List(values),
        _ => values.into_iter().next().unwrap_or(Value::None),
    };
    Expected::exact(value, used, missing)
}

pub(super) fn actions(selection: &Selection<'_>, limit: usize, select: &[&str], distinct_by: Option<&str>) -> Expected {
    let kept = newest_of_each(&selection.events(), distinct_by);
    let newest: Vec<_> = kept.iter().rev().take(limit).copied().collect();
    let rows = newest.iter().map(|event| {
        let selected = select.iter().map(|path| value(event.get(path).as_ref())).collect();
        (event.t, event.id.clone(), event.object.clone(), selected)
    });
    Expected::exact(Value::Rows(rows.collect()), times(&newest), 0)
}

/// Of events that agree in what a path leads to, the newest; without a path all. In order.
fn newest_of_each<'a>(events: &[&'a Event], path: Option<&str>) -> Vec<&'a Event> {
    let Some(path) = path else { return events.to_vec() };
    let key = |event: &Event| Key::of(event.get(path).as_ref());
    let later = |at: usize| events[at + 1..].iter().any(|other| key(other) == key(events[at]));
    (0..events.len()).filter(|at| !later(*at)).map(|at| events[at]).collect()
}

pub(super) fn value(attribute: Option<&Attribute>) -> Value {
    match attribute {
        None | Some(Attribute::Null) => Value::None,
        Some(Attribute::Bool(x)) => Value::Bool(*x),
        Some(Attribute::Int(x)) => Value::Int(*x),
        Some(Attribute::Float(x)) => Value::Float((*x).into()),
        Some(Attribute::Text(text)) => Value::Text(text.to_string()),
        Some(Attribute::Vector(v)) => Value::vector(v.iter().map(|x| f64::from(*x))),
        Some(Attribute::List(items)) => Value::List(items.iter().map(|item| value(Some(item))).collect()),
    }
}

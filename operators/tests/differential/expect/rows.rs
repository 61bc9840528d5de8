//! Events themselves, and parts of them.

use nowfold_schemas::action::Attribute;

use super::super::select::Selection;
use super::super::value::{Expected, Value};
use super::times;

/// Values of the `k` newest events that have one, newest first; newer events without one are missing.
pub(super) fn last(selection: &Selection<'_>, k: usize, path: &str) -> Expected {
    let (mut values, mut used, mut missing) = (Vec::new(), Vec::new(), 0);
    for event in selection.events().iter().rev() {
        match event.get(path) {
            _ if values.len() == k => break,
            Some(found) => {
                values.push(value(Some(&found)));
                used.push(event.t);
            }
            None => missing += 1,
        }
    }
    Expected::exact(Value::List(values), used, missing)
}

pub(super) fn actions(selection: &Selection<'_>, limit: usize, select: &[&str]) -> Expected {
    let events = selection.events();
    let newest: Vec<_> = events.iter().rev().take(limit).copied().collect();
    let rows = newest.iter().map(|event| {
        let selected = select.iter().map(|path| value(event.get(path).as_ref())).collect();
        (event.t, event.id.clone(), event.object.clone(), selected)
    });
    Expected::exact(Value::Rows(rows.collect()), times(&newest), 0)
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

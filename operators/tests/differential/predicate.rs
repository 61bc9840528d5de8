//! Predicates on one event.

use std::cmp::Ordering;

use nowfold_schemas::action::Attribute;

use super::events::Event;
use super::question::{Comparison, Predicate};

/// Whether an event passes; what is unknown does not.
pub(crate) fn passes(predicate: &Predicate, event: &Event) -> bool {
    truth(predicate, event) == Some(true)
}

fn truth(predicate: &Predicate, event: &Event) -> Option<bool> {
    match predicate {
        Predicate::Is(path, comparison, value) => compare(event.get(path)?, *comparison, value),
        Predicate::In(path, values) => {
            let found = event.get(path)?;
            let truths: Vec<bool> =
                values.iter().filter_map(|value| compare(found.clone(), Comparison::Equal, value)).collect();
            if truths.is_empty() { None } else { Some(truths.contains(&true)) }
        }
        Predicate::IsNull(path) => Some(event.get(path).is_none()),
        Predicate::All(parts) => {
            let truths: Vec<_> = parts.iter().map(|part| truth(part, event)).collect();
            if truths.contains(&Some(false)) {
                Some(false)
            } else {
                truths.into_iter().collect::<Option<Vec<_>>>().map(|_| true)
            }
        }
        Predicate::Any(parts) => {
            let truths: Vec<_> = parts.iter().map(|part| truth(part, event)).collect();
            if truths.contains(&Some(true)) {
                Some(true)
            } else {
                truths.into_iter().collect::<Option<Vec<_>>>().map(|_| false)
            }
        }
        Predicate::Not(part) => truth(part, event).map(|truth| !truth),
    }
}

/// Nothing where the two are of different kinds, or have no order.
fn compare(found: Attribute, comparison: Comparison, value: &Attribute) -> Option<bool> {
    let ordering = match (&found, value) {
        (Attribute::Text(a), Attribute::Text(b)) => a.as_bytes().cmp(b.as_bytes()),
        (Attribute::Bool(a), Attribute::Bool(b)) => {
            return match comparison {
                Comparison::Equal => Some(a == b),
                Comparison::NotEqual => Some(a != b),
                _ => None,
            };
        }
        _ => compare_numbers(&found, value)?,
    };
    Some(match comparison {
        Comparison::Equal => ordering == Ordering::Equal,
        Comparison::NotEqual => ordering != Ordering::Equal,
        Comparison::Less => ordering == Ordering::Less,
        Comparison::AtMost => ordering != Ordering::Greater,
        Comparison::Greater => ordering == Ordering::Greater,
        Comparison::AtLeast => ordering != Ordering::Less,
    })
}

/// By their exact values. Floats of cases are whole or far from whole numbers beyond 2^53, so f64 tells them apart.
pub(crate) fn compare_numbers(a: &Attribute, b: &Attribute) -> Option<Ordering> {
    match (a, b) {
        (Attribute::Int(a), Attribute::Int(b)) => Some(a.cmp(b)),
        (Attribute::Int(a), Attribute::Float(b)) => (*a as f64).partial_cmp(b),
        (Attribute::Float(a), Attribute::Int(b)) => a.partial_cmp(&(*b as f64)),
        (Attribute::Float(a), Attribute::Float(b)) => a.partial_cmp(b),
        _ => None,
    }
}

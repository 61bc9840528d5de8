//! What the oracle expects of the features in `cases`, line by line.

use std::collections::{BTreeMap, BTreeSet};

use nowfold_schemas::action::Attribute;

use crate::cases::{MINUTE, WEIGHTS, WINDOWS};
use crate::oracle::{Canonical, Event, Oracle};

/// A value, the times of the events used, and how many were passed over.
type Expected = (String, Vec<i64>, usize);

pub(crate) fn expected(oracle: &Oracle, actor: &str, q: i64) -> Result<Vec<String>, String> {
    let mut lines = Vec::new();
    let mut feature = |name: &str, verbs: Option<&[&str]>, value: &dyn Fn(&[&Event]) -> Expected| {
        for window in WINDOWS {
            let events = oracle.window(actor, verbs, q - window, q);
            let (value, used, missing) = value(&events);
            let times = (used.iter().min().copied(), used.iter().max().copied());
            let label = window / MINUTE;
            lines.push(format!("{name} {label}m = {value} used {} missing {missing} {times:?}", used.len()));
        }
    };
    let weighted: Vec<_> = WEIGHTS.iter().map(|(verb, _)| *verb).collect();
    let canonical = |events: &[&Event], name| oracle.canonical(events, name, None);
    feature("n", None, &count);
    feature("n_apply", Some(&["apply"]), &count);
    feature("by_verb", None, &by_verb);
    feature("by_kind", None, &by_kind);
    feature("sum", None, &|events| sum(&canonical(events, "price"), events));
    feature("mean", Some(&["view", "apply"]), &|events| mean(&canonical(events, "price"), events));
    feature("vector", None, &|events| mean(&canonical(events, "vector"), events));
    feature("taste", Some(&weighted), &|events| {
        weighted_mean(&oracle.canonical(events, "vector", Some(&WEIGHTS)), events)
    });
    feature("worth", Some(&weighted), &|events| {
        weighted_mean(&oracle.canonical(events, "price", Some(&WEIGHTS)), events)
    });
    feature("objects", None, &|events| distinct(events, |event| Some(format!("{:?}", event.action.object))));
    feature("kinds", Some(&["dismiss"]), &|events| distinct(events, kind));
    feature("last", None, &|events| last(3, events, |event| Some(format!("text {}", event.action.object))));
    feature("last_kind", Some(&["view", "dismiss"]), &|events| last(2, events, kind_value));
    feature("recent", None, &recent);
    plain_sums(oracle, actor, q)?;
    Ok(lines)
}

/// The canonical sum is a sum: close to the plain one.
fn plain_sums(oracle: &Oracle, actor: &str, q: i64) -> Result<(), String> {
    for window in WINDOWS {
        let events = oracle.window(actor, None, q - window, q);
        let numbers = || {
            events.iter().filter_map(|event| match event.action.object_attributes.get("price") {
                Some(Attribute::Float(x)) => Some(*x),
                _ => None,
            })
        };
        let plain: f64 = numbers().sum();
        let bound = 1e-9 * numbers().map(f64::abs).sum::<f64>();
        let canonical = oracle.canonical(&events, "price", None).float;
        if (plain - canonical).abs() > bound {
            return Err(format!("the canonical sum {canonical} is far from {plain}"));
        }
    }
    Ok(())
}

fn times(events: &[&Event]) -> Vec<i64> {
    events.iter().map(|event| event.t).collect()
}

fn count(events: &[&Event]) -> Expected {
    (format!("count {}", events.len()), times(events), 0)
}

fn by_verb(events: &[&Event]) -> Expected {
    let mut map = BTreeMap::new();
    for event in events {
        *map.entry(format!("Text({:?})", event.action.verb)).or_insert(0) += 1;
    }
    (format!("{map:?}"), times(events), 0)
}

/// The two most frequent kinds, ties in the order null, bool, int, text; the rest together.
fn by_kind(events: &[&Event]) -> Expected {
    let mut counts: Vec<(String, u64)> = Vec::new();
    let order = ["Null", "Bool(true)", "Int(7)", "Text(\"other\")", "Text(\"x\")", "Text(\"y\")", "Text(\"z\")"];
    for key in order {
        let n = events.iter().filter(|event| kind(event).unwrap_or("Null".to_owned()) == key).count() as u64;
        if n > 0 {
            counts.push((key.to_owned(), n));
        }
    }
    let missing = counts.iter().find(|(key, _)| key == "Null").map_or(0, |(_, n)| *n);
    counts.sort_by_key(|(_, n)| std::cmp::Reverse(*n));
    let mut map: BTreeMap<_, _> = counts.iter().take(2).cloned().collect();
    if counts.len() > 2 {
        map.insert("Other".to_owned(), counts[2..].iter().map(|(_, n)| n).sum());
    }
    (format!("{map:?}"), times(events), usize::try_from(missing).unwrap())
}

fn kind(event: &Event) -> Option<String> {
    match event.action.object_attributes.get("kind") {
        None | Some(Attribute::Null) => None,
        Some(attribute) => Some(format!("{attribute:?}")),
    }
}

fn kind_value(event: &Event) -> Option<String> {
    match event.action.object_attributes.get("kind") {
        Some(Attribute::Text(text)) => Some(format!("text {text}")),
        Some(Attribute::Int(x)) => Some(format!("int {x}")),
        Some(Attribute::Bool(x)) => Some(format!("{x}")),
        _ => None,
    }
}

fn float(x: f64) -> String {
    if x.is_finite() { format!("float {x} {:x}", x.to_bits()) } else { "none".to_owned() }
}

fn sum(sum: &Canonical, events: &[&Event]) -> Expected {
    let value = match i64::try_from(sum.int) {
        Ok(int) if sum.n_floats == 0 => format!("int {int}"),
        _ => float(sum.float + sum.int as f64),
    };
    (value, sum.number_times.clone(), events.len() - sum.number_times.len())
}

fn mean(sum: &Canonical, events: &[&Event]) -> Expected {
    average(sum, events, sum.number_times.len() as f64, sum.vector_times.len() as f64)
}

fn weighted_mean(sum: &Canonical, events: &[&Event]) -> Expected {
    average(sum, events, sum.number_weight, sum.vector_weight)
}

fn average(sum: &Canonical, events: &[&Event], numbers: f64, vectors: f64) -> Expected {
    if sum.vector_times.is_empty() {
        let value = float((sum.float + sum.int as f64) / numbers);
        return (value, sum.number_times.clone(), events.len() - sum.number_times.len());
    }
    #[expect(clippy::cast_possible_truncation, reason = "as the rule says")]
    let bits: Vec<_> = sum.vector.iter().map(|x| ((x / vectors) as f32).to_bits()).collect();
    (format!("vector {bits:x?}"), sum.vector_times.clone(), events.len() - sum.vector_times.len())
}

fn distinct(events: &[&Event], key: impl Fn(&Event) -> Option<String>) -> Expected {
    let used: Vec<_> = events.iter().copied().filter(|event| key(event).is_some()).collect();
    let keys: BTreeSet<_> = used.iter().map(|event| key(event)).collect();
    (format!("count {}", keys.len()), times(&used), events.len() - used.len())
}

fn last(k: usize, events: &[&Event], value: impl Fn(&Event) -> Option<String>) -> Expected {
    let (mut values, mut used, mut missing) = (Vec::new(), Vec::new(), 0);
    for event in events.iter().rev() {
        match value(event) {
            _ if values.len() == k => break,
            Some(value) => {
                values.push(value);
                used.push(event.t);
            }
            None => missing += 1,
        }
    }
    (format!("{values:?}"), used, missing)
}

fn recent(events: &[&Event]) -> Expected {
    let newest: Vec<&Event> = events.iter().rev().take(4).copied().collect();
    let price = |event: &Event| match event.action.object_attributes.get("price") {
        Some(Attribute::Int(x)) => format!("int {x}"),
        Some(Attribute::Float(x)) => float(*x),
        Some(Attribute::Text(text)) => format!("text {text}"),
        _ => "none".to_owned(),
    };
    let row =
        |event: &&Event| (event.t, event.action.event_id.to_string(), event.action.object.to_string(), price(event));
    (format!("{:?}", newest.iter().map(row).collect::<Vec<_>>()), times(&newest), 0)
}

//! Sums and means for each value of another attribute.

use std::cmp::Reverse;

use super::super::question::Unit;
use super::super::select::Selection;
use super::super::sums::{Numbers, Weighed, total};
use super::super::value::{Expected, Value};
use super::frequencies::Key;
use super::totals::{mean_of, sum_of};
use super::vectors::{divided, vector};

/// One group: its value with its tolerance, and the times of its events.
type Group = (Key, (Value, f64), Vec<i64>);

/// `paths` are those of the values and of the groups. Beyond the cap those of fewest values are left out.
pub(super) fn by(selection: &Selection<'_>, name: &str, paths: (&str, &str), cap: usize, unit: Unit) -> Expected {
    let mut keys: Vec<Key> = selection.events().iter().map(|event| Key::of(event.get(paths.1).as_ref())).collect();
    keys.sort();
    keys.dedup();
    let groups = keys.into_iter().map(|key| group(selection, name, paths, key, unit));
    let mut groups: Vec<Group> = groups.filter(|(.., times)| !times.is_empty()).collect();
    let used: Vec<i64> = groups.iter().flat_map(|(.., times)| times.clone()).collect();
    let truncated = groups.len() > cap;
    groups.sort_by_key(|(.., times)| Reverse(times.len()));
    groups.truncate(cap);
    groups.sort_by(|(a, ..), (b, ..)| a.cmp(b));
    let tolerance = groups.iter().map(|(_, (_, tolerance), _)| *tolerance).fold(0.0, f64::max);
    let map = groups.into_iter().map(|(key, (value, _), _)| (key.show(), value)).collect();
    let missing = selection.events().len() - used.len();
    Expected { truncated, tolerance, ..Expected::exact(Value::Map(map), used, missing) }
}

/// Events of other groups add nothing to the canonical sums of this one.
fn group(selection: &Selection<'_>, name: &str, paths: (&str, &str), key: Key, unit: Unit) -> Group {
    if name == "vec_mean_by" {
        let all: Weighed = total(selection, |sum: &mut Weighed, event| {
            if Key::of(event.get(paths.1).as_ref()) == key {
                sum.add(event.t, 1.0, vector(event, paths.0, unit.before).as_deref());
            }
        });
        return (key, (divided(&all.sum, all.weight, unit.after), 0.0), all.times);
    }
    let all: Numbers = total(selection, |sum: &mut Numbers, event| {
        if Key::of(event.get(paths.1).as_ref()) == key {
            sum.add(paths.0, event);
        }
    });
    let value = if name == "sum_by" { sum_of(&all) } else { (mean_of(&all), 0.0) };
    (key, value, all.times)
}

//! Tables: sources, filters, grouping, joins.

use nowfold_core::dsl::KTable;
use nowfold_core::serde::Plain;

use super::{
    BuildError, Kind, Outcome, Plan, StoreKind, Text, add as plus, first, first_of, join, show, start, subtract, text,
};

type Table = KTable<Text, String>;

impl Plan<'_> {
    /// The table with a store of its own where the topology is materialized.
    fn stored_as(&mut self, table: Table, store: &'static str) -> Table {
        if !self.flag("materialized") {
            return table;
        }
        self.stores.push((store, StoreKind::Stamped(Kind::Text)));
        table.stored(store, Plain::<Text, String>::new())
    }

    fn always_stored(&mut self, table: &Table, store: &'static str) -> Table {
        self.stores.push((store, StoreKind::Stamped(Kind::Text)));
        table.stored(store, Plain::<Text, String>::new())
    }
}

pub(super) fn add(plan: &mut Plan<'_>, name: &str) -> Outcome {
    match name {
        "table-source" => {
            let table = plan.table("in", "t");
            plan.texts(&table, "out");
        }
        "table-versioned-source" => {
            let table = plan.versioned("in", "t")?;
            plan.texts(&table, "out");
        }
        "table-filter" => {
            let (table, negate) = (plan.table("in", "t"), plan.flag("negate"));
            let kept = table.filter("kept", move |_, v| v.starts_with('a') != negate);
            let kept = plan.stored_as(kept, "f");
            plan.texts(&kept, "out");
        }
        "table-map-values" => {
            let map = |k: &Text, v: String| (v != "DEL").then(|| format!("{}:{}", show(k), v.to_uppercase()));
            let mapped = plan.table("in", "t").map_values("mapped", map);
            let mapped = plan.stored_as(mapped, "m");
            plan.texts(&mapped, "out");
        }
        "table-filter-map-filter" => {
            let table = plan.table("in", "t").filter_not("no-x", |_, v| v.starts_with('x'));
            let short = table.map_values("twice", |_, v| v.clone() + &v).filter_not("short", |_, v| v.len() > 4);
            let short = plan.always_stored(&short, "z");
            plan.texts(&short, "out");
        }
        "stream-to-table" => {
            let map = |_: &Text, v: Text| v.filter(|v| v != "DEL").map(|v| v.to_uppercase());
            let table = plan.input("in").map_values("up", map).to_table("t", Plain::<Text, String>::new());
            plan.texts(&table, "out");
            plan.stores.push(("t", StoreKind::Stamped(Kind::Text)));
        }
        "stream-to-table-rekeyed" => {
            let keyed = plan.input("in").select_key("first", |_, v| first(v));
            let table = keyed.to_table("t", Plain::<Text, String>::new());
            plan.texts(&table, "out");
            plan.stores.push(("t", StoreKind::Stamped(Kind::Text)));
        }
        _ if name.starts_with("table-group-by") => return grouped(plan, name),
        _ if name.starts_with("table-join") => return joined(plan, name),
        _ => return Err(BuildError::Unknown),
    }
    Ok(())
}

fn grouped(plan: &mut Plan<'_>, name: &str) -> Outcome {
    let table = if name == "table-group-by-versioned" { plan.versioned("in", "t")? } else { plan.table("in", "t") };
    let by_first = |_: &Text, v: &String| (first_of(v), v.clone());
    let serdes = Plain::<Text, String>::new();
    match name {
        "table-group-by-count" => {
            let counts = table.group_by("by-first", by_first, serdes).count("counts");
            plan.counts(&counts, "out");
            plan.stores.push(("counts", StoreKind::Stamped(Kind::Integer)));
        }
        "table-group-by-aggregate" | "table-group-by-versioned" => {
            let sums = sum(&table, "by-first", by_first);
            plan.texts(&sums, "out");
            plan.stores.push(("agg", StoreKind::Stamped(Kind::Text)));
        }
        "table-group-by-reduce" => {
            let split = |_: &Text, v: &String| match v.split_once(':') {
                Some((group, n)) => (Some(group.to_owned()), n.parse().unwrap_or(0)),
                None => (None, 0),
            };
            let numbers = table.group_by("by-group", split, Plain::<Text, i64>::new());
            let sums = numbers.reduce("sums", |a, b| a.wrapping_add(*b), |a, b| a.wrapping_sub(*b));
            plan.counts(&sums, "out");
            plan.stores.push(("sums", StoreKind::Stamped(Kind::Integer)));
        }
        _ => return Err(BuildError::Unknown),
    }
    Ok(())
}

/// ADD and SUB from `0`, in store `agg`.
fn sum(table: &Table, name: &str, select: impl Fn(&Text, &String) -> (Text, String) + Send + Sync + 'static) -> Table {
    let grouped = table.group_by(name, select, Plain::<Text, String>::new());
    let add = |_: &Text, v: &String, sum: String| plus(&sum, v);
    let gone = |_: &Text, v: &String, sum: String| subtract(&sum, v);
    grouped.aggregate("agg", start, add, gone, Plain::<Text, String>::new())
}

/// Inner, left or outer join with j.
fn join_as(kind: &str, name: &str, left: &Table, right: &Table) -> Table {
    match kind {
        "inner" => left.join(name, right, |_, l, r| join(Some(l), Some(r))),
        "left" => left.left_join(name, right, |_, l, r| join(Some(l), r.map(String::as_str))),
        _ => left.outer_join(name, right, |_, l, r| join(l.map(String::as_str), r.map(String::as_str))),
    }
}

fn joined(plan: &mut Plan<'_>, name: &str) -> Outcome {
    match name {
        "table-join-inner" | "table-join-left" | "table-join-outer" => {
            let (left, right) = (plan.table("left", "l"), plan.table("right", "r"));
            let kind = name.strip_prefix("table-join-").unwrap_or_default();
            let both = plan.stored_as(join_as(kind, "join", &left, &right), "j");
            plan.texts(&both, "out");
        }
        "table-join-versioned" | "table-join-mixed" => {
            let left = plan.versioned("left", "l")?;
            let right =
                if name == "table-join-mixed" { plan.table("right", "r") } else { plan.versioned("right", "r")? };
            let both = join_as(plan.word("type"), "join", &left, &right);
            plan.texts(&both, "out");
        }
        "table-join-chain" => {
            let (a, b, c) = (plan.table("a", "ta"), plan.table("b", "tb"), plan.table("c", "tc"));
            let all = join_as("left", "abc", &join_as("inner", "ab", &a, &b), &c);
            let all = plan.always_stored(&all, "j");
            plan.texts(&all, "out");
        }
        "table-join-filtered-group" => {
            let (left, right) = (plan.app_table("left"), plan.app_table("right"));
            let both = join_as("outer", "join", &left.filter_not("no-x", |_, v| v.starts_with('x')), &right);
            let sums = sum(&both, "all", |_, v| (Some("all".to_owned()), v.clone()));
            plan.texts(&sums, "out");
            plan.stores.push(("agg", StoreKind::Stamped(Kind::Text)));
        }
        _ => return Err(BuildError::Unknown),
    }
    let _ = text;
    Ok(())
}

impl Plan<'_> {
    /// A table whose store is not compared.
    pub(super) fn app_table(&self, topic: &str) -> Table {
        self.app.table(topic, format!("{topic}-rows"), Plain::<Text, String>::new())
    }
}

//! Joins of streams with tables and with streams.

use nowfold_core::dsl::{ForeignJoined, GlobalTable, Joined, KTable, StreamJoined};
use nowfold_core::serde::Plain;
use nowfold_core::time::millisecs;
use nowfold_core::window::JoinWindows;

use super::{BuildError, Kind, Outcome, Plan, StoreKind, Stream, Text, first, foreign_key, join, text};

pub(super) fn add(plan: &mut Plan<'_>, name: &str) -> Outcome {
    match name {
        "stream-table-join-inner" | "stream-table-join-left" => {
            let table = plan.table("table", "t");
            table_join(plan.input("stream"), &table, name.ends_with("left")).to("out", text());
        }
        "stream-table-join-versioned" => {
            let table = plan.versioned("table", "t")?;
            table_join(plan.input("stream"), &table, plan.word("type") == "left").to("out", text());
        }
        "stream-table-join-grace" | "stream-table-join-grace-plain" => {
            let table = if name.ends_with("plain") { plan.app_table("table") } else { plan.versioned("table", "t")? };
            let (grace, stream) = (plan.ms("grace")?, plan.input("stream").filter("valued", |_, v| v.is_some()));
            let both = if plan.word("type") == "left" {
                stream.left_join_table_after("join", &table, grace, text(), |_, v, row| {
                    Some(join(v.as_deref(), row.as_deref()))
                })
            } else {
                stream.join_table_after("join", &table, grace, text(), |_, v, row| Some(join(v.as_deref(), Some(&row))))
            };
            both.to("out", text());
        }
        "stream-table-join-rekeyed" => {
            let table = plan.table("table", "t");
            let keyed = plan.input("stream").select_key("first", |_, v| first(v));
            table_join(keyed, &table, plan.word("type") == "left").to("out", text());
        }
        "stream-table-join-aggregate" => {
            let input = plan.input("in");
            let counts = input.clone().group_by_key("by-key", text()).count("counts");
            let valued = input.filter("valued", |_, v| v.is_some());
            valued.join_table("join", &counts, |_, v, n| Some(format!("{}#{n}", super::show(&v)))).to("out", text());
            plan.stores.push(("counts", StoreKind::Stamped(Kind::Integer)));
        }
        _ if name.starts_with("fk-join-") => return foreign_join(plan, name),
        _ if name.starts_with("stream-join-") => return stream_join(plan, name),
        "stream-global-join-inner" | "stream-global-join-left" => {
            let table = plan.app.global_table("global", Plain::<Text, String>::new());
            global_join(plan.input("stream"), &table, name.ends_with("left")).to("out", text());
            plan.global_store(table, true);
        }
        _ => return Err(BuildError::Unknown),
    }
    Ok(())
}

fn foreign_join(plan: &mut Plan<'_>, name: &str) -> Outcome {
    let rows = Plain::<Text, String>::new;
    let versioned = name == "fk-join-versioned";
    let (left, right) = match name {
        "fk-join-versioned" => (plan.versioned("left", "l")?, plan.versioned("right", "r")?),
        "fk-join-by-key" => (plan.app_table("left"), plan.app_table("right")),
        _ => (plan.table("left", "l"), plan.table("right", "r")),
    };
    let by_key = name == "fk-join-by-key";
    let foreign = move |k: &Text, v: &String| {
        if by_key {
            k.as_ref().map(|k| k.split_once('-').map_or_else(|| k.clone(), |(_, fk)| fk.to_owned()))
        } else {
            foreign_key(v)
        }
        .map(Some)
    };
    let is_left = name == "fk-join-left" || plan.word("type") == "left";
    let joined = ForeignJoined::new(rows(), rows(), "j", rows());
    let both = if is_left {
        left.left_join_foreign("join", &right, joined, foreign, |_, l, r| join(Some(l), r.map(String::as_str)))
    } else {
        left.join_foreign("join", &right, joined, foreign, |_, l, r| join(Some(l), Some(r)))
    };
    plan.texts(&both, "out");
    if !versioned {
        plan.stores.push(("j", StoreKind::Stamped(Kind::Text)));
    }
    Ok(())
}

fn stream_join(plan: &mut Plan<'_>, name: &str) -> Outcome {
    let every = plan.ms("emit_interval_ms")?;
    let (before, after) = (plan.int("before"), plan.int("after"));
    let windows = JoinWindows::of(millisecs(0)).before_ms(before).after_ms(after).grace(plan.ms("grace")?);
    let joined = StreamJoined::within(windows, text(), text()).emit_every(every);
    let keyed = |topic: &str| plan.input(topic).select_key(&format!("{topic}-first"), |_, v| first(v));
    let (kind, left, right) = match name {
        "stream-join-self" => {
            let stream = plan.input("in");
            ("inner", stream.clone(), stream)
        }
        "stream-join-rekeyed" => (plan.word("type"), keyed("left"), keyed("right")),
        "stream-join-then-count" => ("left", plan.input("left"), plan.input("right")),
        _ => (name.rsplit('-').next().unwrap_or_default(), plan.input("left"), plan.input("right")),
    };
    let both = match kind {
        "inner" => left.join_stream("join", right, joined, |_, l, r| Some(join(l.as_deref(), r.as_deref()))),
        "left" => left
            .left_join_stream("join", right, joined, |_, l, r| Some(join(l.as_deref(), r.and_then(|r| r.as_deref())))),
        _ => left.outer_join_stream("join", right, joined, |_, l, r| {
            Some(join(l.and_then(|l| l.as_deref()), r.and_then(|r| r.as_deref())))
        }),
    };
    if name != "stream-join-then-count" {
        both.to("out", text());
        return Ok(());
    }
    let windows = plan.tumbling()?;
    let table = both.group_by_key("by-key", text()).windowed(windows).count("counts");
    plan.windowed_counts(&table, windows);
    plan.window_store("counts", Kind::Integer, windows);
    Ok(())
}

fn table_join(stream: Stream, table: &KTable<Text, String>, left: bool) -> Stream {
    let stream = stream.filter("valued", |_, v| v.is_some());
    if left {
        stream
            .left_join_table(Joined::with("join", text()), table, |_, v, row| Some(join(v.as_deref(), row.as_deref())))
    } else {
        stream.join_table(Joined::with("join", text()), table, |_, v, row| Some(join(v.as_deref(), Some(&row))))
    }
}

fn global_join(stream: Stream, table: &GlobalTable<Text, String>, left: bool) -> Stream {
    let key = |k: &Text, v: &Text| match v.as_deref() {
        Some("NOKEY") => None,
        Some(value) => foreign_key(value).or_else(|| k.clone()),
        None => k.clone(),
    };
    let stream = stream.filter("valued", |_, v| v.is_some());
    if left {
        stream.left_join_global("join", table, key, |_, v, row| Some(join(v.as_deref(), row.map(String::as_str))))
    } else {
        stream.join_global("join", table, key, |_, v, row| Some(join(v.as_deref(), Some(row))))
    }
}

impl Plan<'_> {
    /// Compares the rows of a global table as store `g`.
    pub(super) fn global_store(&mut self, table: GlobalTable<Text, String>, stamped: bool) {
        let rows = move || {
            let rows = table.rows().into_iter();
            let text = |key: &[u8]| String::from_utf8_lossy(key).into_owned();
            rows.map(|(key, value, time)| (text(&key), String::clone(&value), time.as_millis())).collect()
        };
        self.stores.push(("g", StoreKind::Global { rows: Box::new(rows), stamped }));
    }
}

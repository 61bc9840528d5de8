//! Windows, emit on close.

use nowfold_core::dsl::{Buffer, Emit, KGroupedStream, Materialized};
use nowfold_core::serde::{Plain, SessionWindowed, TimeWindowed};
use nowfold_core::time::{Timestamp, days};
use nowfold_core::window::{SessionWindows, SlidingWindows, TimeWindows, UnlimitedWindows, Windows};

use super::{
    BuildError, Kind, Outcome, Plan, StoreKind, Text, add as plus, add_or_delete, first, reduce, show, start, text,
};

type Grouped = KGroupedStream<Text, Text>;

impl Plan<'_> {
    fn grouped(&self) -> Grouped {
        self.input("in").group_by_key("by-key", text())
    }

    pub(super) fn tumbling(&self) -> Result<TimeWindows, BuildError> {
        Ok(TimeWindows::tumbling(self.ms("size")?).grace(self.ms("grace")?))
    }

    pub(super) fn hopping(&self) -> Result<TimeWindows, BuildError> {
        Ok(TimeWindows::hopping(self.ms("size")?, self.ms("advance")?).grace(self.ms("grace")?))
    }

    pub(super) fn sliding(&self) -> Result<SlidingWindows, BuildError> {
        Ok(SlidingWindows::of(self.ms("diff")?).grace(self.ms("grace")?))
    }

    pub(super) fn sessions(&self) -> Result<SessionWindows, BuildError> {
        Ok(SessionWindows::gap(self.ms("gap")?).grace(self.ms("grace")?))
    }

    /// On close, with the parameter's pause between two looks.
    fn on_close(&self) -> Result<Emit, BuildError> {
        Ok(Emit::OnClose { every: self.ms("emit_interval_ms")? })
    }
}

pub(super) fn add(plan: &mut Plan<'_>, name: &str) -> Outcome {
    match name {
        "win-tumbling-count" | "win-hopping-count" | "win-sliding-count" | "win-unlimited-count" => {
            return counts(plan, name);
        }
        "win-tumbling-reduce" | "win-sliding-reduce" => return reduces(plan, name),
        "win-tumbling-aggregate" | "win-hopping-aggregate" | "win-sliding-aggregate" => return aggregates(plan, name),
        "win-session-count" | "win-session-reduce" | "win-session-aggregate" => return sessions(plan, name),
        "win-cogroup-tumbling" | "win-cogroup-sliding" | "win-cogroup-session" => return cogroups(plan, name),
        _ => {}
    }
    match name {
        "win-group-by-tumbling-count" => {
            let windows = plan.tumbling()?;
            let grouped = plan.input("in").group_by("by-first", |_, v| first(v), text());
            let table = grouped.windowed(windows).count("counts");
            plan.windowed_counts(&table, windows);
            plan.window_store("counts", Kind::Integer, windows);
        }
        "win-retention" => {
            let windows = plan.hopping()?;
            let store = Materialized::named("counts").retention(plan.ms("retention")?);
            let table = plan.grouped().windowed(windows).count(store);
            plan.windowed_counts(&table, windows);
            plan.window_store("counts", Kind::Integer, windows);
        }
        "win-two-level" => {
            let windows = plan.tumbling()?;
            let table = plan.grouped().windowed(windows).count("counts");
            let by_window = table.group_by(
                "by-window",
                |key, n| (Some(format!("w{}", key.window.start.as_millis())), *n),
                Plain::<Text, i64>::new(),
            );
            let totals = by_window.reduce("total", |a, b| a.wrapping_add(*b), |a, b| a.wrapping_sub(*b));
            plan.counts(&totals, "out");
            plan.window_store("counts", Kind::Integer, windows);
            plan.stores.push(("total", StoreKind::Stamped(Kind::Integer)));
        }
        "win-filter" => {
            let (windows, least) = (plan.tumbling()?, plan.int("min"));
            let table = plan.grouped().windowed(windows).count("counts").filter("enough", move |_, n| *n >= least);
            plan.windowed_counts(&table, windows);
        }
        "close-tumbling-count" => {
            let windows = plan.tumbling()?;
            let table = plan.grouped().windowed(windows).emit(plan.on_close()?).count(kept("counts"));
            plan.windowed_counts(&table, windows);
            plan.window_store("counts", Kind::Integer, windows);
        }
        "close-hopping-aggregate" => {
            let windows = plan.hopping()?;
            let windowed = plan.grouped().windowed(windows).emit(plan.on_close()?);
            let add = |_: &Text, v: &Text, sum: String| plus(&sum, &show(v));
            let table = windowed.aggregate(kept("agg"), start, add, Plain::new());
            plan.windowed_texts(table.to_stream("changes"), windows);
            plan.window_store("agg", Kind::Text, windows);
        }
        "close-sliding-count" => {
            let windows = plan.sliding()?;
            let table = plan.grouped().windowed(windows).emit(plan.on_close()?).count(kept("counts"));
            plan.windowed_counts(&table, windows);
            plan.window_store("counts", Kind::Integer, windows);
        }
        _ if name.starts_with("suppress-") => return suppressed(plan, name),
        "close-session-count" => {
            let table = plan.grouped().sessions(plan.sessions()?).emit(plan.on_close()?).count(kept("counts"));
            plan.session_counts(&table);
            plan.stores.push(("counts", StoreKind::Session(Kind::Integer)));
        }
        _ => return Err(BuildError::Unknown),
    }
    Ok(())
}

fn suppressed(plan: &mut Plan<'_>, name: &str) -> Outcome {
    let room = match u64::try_from(plan.int("max_records")) {
        Ok(0) | Err(_) => Buffer::unbounded(),
        Ok(n) => Buffer::unbounded().max_records(n),
    };
    let early = if plan.word("on_full") == "emit-early" { room.emit_early() } else { room };
    let integers = Plain::<Text, i64>::new;
    match name {
        "suppress-tumbling-close" => {
            let windows = plan.tumbling()?;
            let add = |_: &Text, v: &Text, sum: String| plus(&sum, &show(v));
            let table = plan.grouped().windowed(windows).aggregate("agg", start, add, Plain::new());
            let serdes = TimeWindowed::new(Plain::<Text, String>::new(), windows);
            let closed = table.suppress_until_closed("closed", room, serdes);
            plan.windowed_texts(closed.to_stream("changes"), windows);
        }
        "suppress-hopping-close" | "suppress-sliding-close" => {
            let windows: Windows =
                if name == "suppress-hopping-close" { plan.hopping()?.into() } else { plan.sliding()?.into() };
            let table = plan.grouped().windowed(windows).count("counts");
            let closed = table.suppress_until_closed("closed", room, TimeWindowed::new(integers(), windows));
            plan.windowed_counts(&closed, windows);
        }
        "suppress-session-close" => {
            let table = plan.grouped().sessions(plan.sessions()?).count("counts");
            let closed = table.suppress_until_closed("closed", room, SessionWindowed::new(integers()));
            plan.session_counts(&closed);
        }
        "suppress-time-limit" => {
            let table = plan.grouped().count("counts");
            let calm = table.suppress_until("calm", plan.ms("limit")?, early, integers());
            plan.counts(&calm, "out");
            plan.stores.push(("counts", StoreKind::Stamped(Kind::Integer)));
        }
        "suppress-table" => {
            let table = plan.table("in", "t");
            let calm = table.suppress_until("calm", plan.ms("limit")?, early, Plain::<Text, String>::new());
            plan.texts(&calm, "out");
        }
        "suppress-window-limit" => {
            let windows = plan.tumbling()?;
            let table = plan.grouped().windowed(windows).count("counts");
            let serdes = TimeWindowed::new(integers(), windows);
            let calm = table.suppress_until("calm", plan.ms("limit")?, early, serdes);
            plan.windowed_counts(&calm, windows);
        }
        _ => return Err(BuildError::Unknown),
    }
    Ok(())
}

/// A store that keeps a day, so that closing never meets expiry.
fn kept(store: &str) -> Materialized {
    Materialized::named(store).retention(days(1))
}

fn counts(plan: &mut Plan<'_>, name: &str) -> Outcome {
    let windows: Windows = match name {
        "win-tumbling-count" => plan.tumbling()?.into(),
        "win-hopping-count" => plan.hopping()?.into(),
        "win-sliding-count" => plan.sliding()?.into(),
        _ => UnlimitedWindows::from(Timestamp::from_millis(plan.int("start"))).into(),
    };
    let table = plan.grouped().windowed(windows).count("counts");
    plan.windowed_counts(&table, windows);
    if name != "win-unlimited-count" {
        plan.window_store("counts", Kind::Integer, windows);
    }
    Ok(())
}

fn reduces(plan: &mut Plan<'_>, name: &str) -> Outcome {
    let windows: Windows = if name == "win-tumbling-reduce" { plan.tumbling()?.into() } else { plan.sliding()?.into() };
    let table = plan.grouped().windowed(windows).reduce("reduced", |a, v| reduce(&a, v));
    plan.windowed_texts(table.to_stream("changes").map_values("flat", |_, v| v.flatten()), windows);
    plan.window_store("reduced", Kind::Text, windows);
    Ok(())
}

fn aggregates(plan: &mut Plan<'_>, name: &str) -> Outcome {
    let windows: Windows = match name {
        "win-tumbling-aggregate" => plan.tumbling()?.into(),
        "win-hopping-aggregate" => plan.hopping()?.into(),
        _ => plan.sliding()?.into(),
    };
    let deletes = name == "win-tumbling-aggregate";
    let add = move |_: &Text, v: &Text, sum: String| {
        if deletes { add_or_delete(&sum, v) } else { Some(plus(&sum, &show(v))) }
    };
    let table = plan.grouped().windowed(windows).aggregate("agg", start, add, Plain::<Text, String>::new());
    plan.windowed_texts(table.to_stream("changes"), windows);
    plan.window_store("agg", Kind::Text, windows);
    Ok(())
}

fn sessions(plan: &mut Plan<'_>, name: &str) -> Outcome {
    let windowed = plan.grouped().sessions(plan.sessions()?);
    let (store, kind) = match name {
        "win-session-count" => {
            let table = windowed.count("counts");
            plan.session_counts(&table);
            ("counts", Kind::Integer)
        }
        "win-session-reduce" => {
            let table = windowed.reduce("reduced", |a, v| reduce(&a, v));
            plan.session_texts(table.to_stream("changes").map_values("flat", |_, v| v.flatten()));
            ("reduced", Kind::Text)
        }
        _ => {
            let add = |_: &Text, v: &Text, sum: String| add_or_delete(&sum, v);
            let table = windowed.aggregate("agg", start, add, merge, Plain::<Text, String>::new());
            plan.session_texts(table.to_stream("changes"));
            ("agg", Kind::Text)
        }
    };
    plan.stores.push((store, StoreKind::Session(kind)));
    Ok(())
}

/// MERGE.
#[expect(clippy::needless_pass_by_value, reason = "a merger owns what it merges")]
fn merge(_: &Text, a: String, b: String) -> String {
    format!("{a}&{b}")
}

fn cogroups(plan: &mut Plan<'_>, name: &str) -> Outcome {
    let grouped = |topic: &str| plan.input(topic).group_by_key(topic, text());
    let add = |mark: &'static str| move |_: &Text, v: &Text, sum: String| plus(&sum, &format!("{mark}{}", show(v)));
    let both = grouped("in1").cogroup(start, add("1")).and(grouped("in2"), add("2"));
    let serdes = Plain::<Text, String>::new();
    if name == "win-cogroup-session" {
        let table = both.aggregate_sessions(plan.sessions()?, "agg", merge, serdes);
        plan.session_texts(table.to_stream("changes"));
        plan.stores.push(("agg", StoreKind::Session(Kind::Text)));
        return Ok(());
    }
    let windows: Windows =
        if name == "win-cogroup-tumbling" { plan.tumbling()?.into() } else { plan.sliding()?.into() };
    let table = both.aggregate_windows(windows, "agg", serdes);
    plan.windowed_texts(table.to_stream("changes"), windows);
    plan.window_store("agg", Kind::Text, windows);
    Ok(())
}

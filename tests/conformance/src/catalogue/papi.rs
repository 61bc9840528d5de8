//! The Processor API.

use nowfold_core::dsl::GlobalStore;
use nowfold_core::serde::Plain;
use nowfold_core::state::{KeyValueReader, MemoryMap, StoreSpec, WindowOptions};
use nowfold_core::task::PunctuationClock;

use super::{
    BuildError, Kind, Outcome, Plan, StoreKind, Text, add as plus, processors, show, start, stores, text, ticks,
};

pub(super) fn add(plan: &mut Plan<'_>, name: &str) -> Outcome {
    match name {
        "papi-kv-store" => {
            plan.app.state_store(StoreSpec::key_value("kv"));
            plan.input("in").process("commands", || processors::each(processors::commands), &["kv"]).to("out", text());
            plan.stores.push(("kv", StoreKind::Plain(Kind::Text)));
        }
        "papi-running-count" => {
            plan.app.state_store(StoreSpec::key_value("n"));
            let numbered = plan.input("in").process("number", || processors::each(processors::running_count), &["n"]);
            numbered.to("out", text());
            plan.stores.push(("n", StoreKind::Plain(Kind::Integer)));
        }
        "papi-shared-store" => {
            plan.app.state_store(StoreSpec::key_value("kv"));
            let write = plan.input("write").process("writer", || processors::each(processors::write), &["kv"]);
            write.for_each("written", |_: Text, _: Text| ());
            plan.input("read").process("reader", || processors::each(processors::read), &["kv"]).to("out", text());
            plan.stores.push(("kv", StoreKind::Plain(Kind::Text)));
        }
        "papi-global-store" => {
            let spec = StoreSpec::key_value("g");
            let store = plan.app.global_store("global", text(), spec, || processors::FillGlobal);
            let kept = store.clone();
            plan.input("in").process("read", move || processors::read_global(kept.clone()), &[]).to("out", text());
            plan.stores.push(("g", StoreKind::Global { rows: Box::new(move || global_rows(&store)), stamped: false }));
        }
        "papi-forward-children" => {
            let routed = plan.input("in").process("route", || processors::each(processors::route), &[]);
            routed.clone().peek("even", |_, _| ()).to("out-even", text());
            routed.peek("odd", |_, _| ()).to("out-odd", text());
        }
        "papi-window-store" => {
            let options = WindowOptions {
                retention_ms: plan.int("retention"),
                duplicates: plan.flag("duplicates"),
                timestamped: false,
            };
            plan.app.state_store(StoreSpec::window("w", options));
            plan.input("in").process("commands", || processors::each(stores::window), &["w"]).to("out", text());
            let length = plan.int("size");
            plan.stores.push(("w", StoreKind::Window { kind: Kind::Text, length, stamped: false }));
        }
        "papi-session-store" => {
            plan.app.state_store(StoreSpec::session("s", plan.ms("retention")?));
            plan.input("in").process("commands", || processors::each(stores::session), &["s"]).to("out", text());
            plan.stores.push(("s", StoreKind::Session(Kind::Text)));
        }
        "papi-versioned-store" => {
            plan.app.state_store(StoreSpec::versioned("v", plan.ms("history")?));
            plan.input("in").process("commands", || processors::each(stores::versioned), &["v"]).to("out", text());
        }
        "papi-dedup" => {
            let window = plan.int("window");
            let retention_ms = 2 * window + 1;
            plan.app.state_store(StoreSpec::window(
                "seen",
                WindowOptions { retention_ms, duplicates: false, timestamped: false },
            ));
            let fresh = plan.input("in").process("dedup", move || stores::dedup(window), &["seen"]);
            fresh.to("out", text());
            plan.stores.push(("seen", StoreKind::Window { kind: Kind::Integer, length: window, stamped: false }));
        }
        "papi-punctuate-stream" | "papi-punctuate-wall" => {
            let clock = if name.ends_with("wall") { PunctuationClock::WallClock } else { PunctuationClock::StreamTime };
            plan.app.state_store(StoreSpec::key_value("n"));
            let (interval, cancel_after) = (plan.ms("interval")?, plan.int("cancel_after"));
            let ticking = move || ticks::Ticks::new(interval, clock, cancel_after);
            plan.input("in").process("ticks", ticking, &["n"]).to("out", Plain::<Text, i64>::new());
            plan.sinks.push(("out".to_owned(), super::stateless::INTEGERS));
            plan.stores.push(("n", StoreKind::Plain(Kind::Integer)));
        }
        "papi-ttl" => {
            plan.app.state_store(StoreSpec::timestamped_key_value("t"));
            let (ttl, interval) = (plan.ms("ttl")?, plan.ms("interval")?);
            plan.input("in").process("ttl", move || ticks::Ttl { ttl, interval }, &["t"]).to("out", text());
            plan.stores.push(("t", StoreKind::Stamped(Kind::Text)));
        }
        "papi-headers" => {
            plan.input("in").process("edit", || processors::each(processors::headers), &[]).to("out", text());
        }
        "papi-set-timestamp" => {
            let (delta, windows) = (plan.int("delta"), plan.tumbling()?);
            let shifted = plan.input("in").process("shift", move || processors::shift(delta), &[]);
            shifted.clone().to("out", text());
            let add = |_: &Text, v: &Text, sum: String| plus(&sum, &show(v));
            let grouped = shifted.key_is_kept().group_by_key("by-key", text());
            grouped.windowed(windows).aggregate("agg", start, add, Plain::<Text, String>::new());
            plan.window_store("agg", Kind::Text, windows);
        }
        "papi-stream-time" => {
            let both = plan.input("in1").merge("both", plan.input("in2"));
            both.process("time", || processors::each(processors::stream_time), &[]).to("out", text());
        }
        _ => return Err(BuildError::Unknown),
    }
    Ok(())
}

/// The rows of a global store, as texts.
fn global_rows(store: &GlobalStore) -> Vec<(String, String, i64)> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let rows = store.reader::<MemoryMap>().and_then(|rows| rows.prefix(&[], usize::MAX).ok()).unwrap_or_default();
    rows.into_iter().map(|(key, value)| (text(&key), text(&value), 0)).collect()
}

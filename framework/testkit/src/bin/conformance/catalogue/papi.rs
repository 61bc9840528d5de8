//! The Processor API.

use nowfold_core::serde::Plain;
use nowfold_core::state::StoreSpec;

use super::{BuildError, Kind, Outcome, Plan, StoreKind, Stream, Text, add as plus, processors, show, start, text};

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
            let table = plan.app.global_table("global", Plain::<Text, String>::new());
            let kept = table.clone();
            plan.input("in").process("read", move || processors::read_global(kept.clone()), &[]).to("out", text());
            plan.global_store(table, false);
        }
        "papi-forward-children" => forward_children(plan.input("in")),
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

fn forward_children(input: Stream) {
    let routed = input.process("route", || processors::Route, &[]);
    let [even, odd] = routed.split("by-route").branch("even", |_, v| v.0).default_branch("odd");
    even.map_values("even-value", |_, v| v.1).to("out-even", text());
    odd.map_values("odd-value", |_, v| v.1).to("out-odd", text());
}

//! Aggregations without windows.

use nowfold_core::serde::Plain;

use super::{
    BuildError, Kind, Outcome, Plan, StoreKind, Text, add as plus, add_or_delete, first, reduce, show, start, text,
};

pub(super) fn add(plan: &mut Plan<'_>, name: &str) -> Outcome {
    let integers = StoreKind::Stamped(Kind::Integer);
    let texts = StoreKind::Stamped(Kind::Text);
    match name {
        "agg-count" => {
            let counts = plan.input("in").group_by_key("by-key", text()).count("counts");
            plan.counts(&counts, "out");
            plan.stores.push(("counts", integers));
        }
        "agg-sum" => {
            let numbers = Plain::<Text, Option<i64>>::new;
            let grouped = plan.app.stream("in", numbers()).group_by_key("by-key", numbers());
            let sums = grouped.reduce("sums", |a, b| Some(Some(a?.wrapping_add((*b)?))));
            plan.sinks.push(("out".to_owned(), super::stateless::INTEGERS));
            sums.to_stream("changes").map_values("flat", |_, v| v.flatten()).to("out", numbers());
            plan.stores.push(("sums", integers));
        }
        "agg-reduce" => {
            let grouped = plan.input("in").group_by_key("by-key", text());
            let reduced =
                grouped.reduce("reduced", |a, v| if v.as_deref() == Some("DEL") { None } else { Some(reduce(&a, v)) });
            reduced.to_stream("changes").map_values("flat", |_, v| v.flatten()).to("out", text());
            plan.stores.push(("reduced", texts));
        }
        "agg-aggregate" => {
            let grouped = plan.input("in").group_by_key("by-key", text());
            let table = grouped.aggregate("agg", start, |_, v, sum: String| add_or_delete(&sum, v), Plain::new());
            plan.texts(&table, "out");
            plan.stores.push(("agg", texts));
        }
        "agg-group-by-count" => {
            let counts = plan.input("in").group_by("by-first", |_, v| first(v), text()).count("counts");
            plan.counts(&counts, "out");
            plan.stores.push(("counts", integers));
        }
        "agg-word-count" => {
            let words = plan.input("in").flat_map_values("words", |_, v| {
                let words = v.iter().flat_map(|v| v.split(' ')).map(|word| Some(word.to_owned()));
                words.collect::<Vec<_>>()
            });
            let counts = words.group_by("by-word", |_, word| word.clone(), text()).count("counts");
            plan.counts(&counts, "out");
            plan.stores.push(("counts", integers));
        }
        "agg-cogroup" => {
            let grouped = |topic: &str| plan.input(topic).group_by_key(topic, text());
            let table = grouped("in1")
                .cogroup(start, |_, v, sum: String| plus(&sum, &format!("1{}", show(v))))
                .and(grouped("in2"), |_, v, sum: String| plus(&sum, &format!("2{}", show(v))))
                .and(grouped("in3"), |_, v, sum: String| {
                    (v.as_deref() != Some("DEL")).then(|| plus(&sum, &format!("3{}", show(v))))
                })
                .aggregate("agg", Plain::<Text, String>::new());
            plan.texts(&table, "out");
            plan.stores.push(("agg", texts));
        }
        "agg-two-stage" => {
            let first = plan.input("in").group_by_key("by-key", text()).count("c1");
            plan.counts(&first, "out1");
            let by_count = first.group_by("by-count", |k, n| (Some(format!("n{n}")), k.clone()), text());
            let second = by_count.count("c2");
            plan.counts(&second, "out2");
            plan.stores.push(("c1", integers));
            plan.stores.push(("c2", StoreKind::Stamped(Kind::Integer)));
        }
        _ => return Err(BuildError::Unknown),
    }
    Ok(())
}

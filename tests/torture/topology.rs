//! What is killed: an aggregate with a changelog that writes to a topic, and features of actions.

use nowfold::prelude::*;

use crate::sample::{Sample, Total};

/// The application, which is also its group.
pub(crate) const APP: &str = "torture";
/// The input.
pub(crate) const INPUT: &str = "torture-in";
/// A total for each input record.
pub(crate) const OUTPUT: &str = "torture-out";
/// The actions.
pub(crate) const ACTIONS: &str = "torture-actions";
/// The changelog of the aggregate, which the load creates with small segments: it is compacted while it grows.
pub(crate) const CHANGELOG: &str = "torture-totals-changelog";

/// A bug on purpose, to see that the verifier notices.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Plant {
    /// Every 1,000th record has no output.
    Lost,
    /// Every 1,000th record has two.
    Doubled,
    /// Every 100th action says an amount of one too many.
    Feature,
}

/// Every `actions_every`th record is an action, too.
pub(crate) fn topology(actions_every: u64, plant: Option<Plant>) -> Result<Topology, TopologyError> {
    let app = StreamsBuilder::new(APP);
    let samples = app.stream(INPUT, Plain::<String, Sample>::new());
    samples
        .clone()
        .flat_map_values("plant", move |_, sample: Sample| planted(sample, plant))
        .group_by_key("by-key", Plain::new())
        .aggregate(
            "totals",
            Total::default,
            |_, sample, total: Total| total.and(*sample),
            Plain::<String, Total>::new(),
        )
        .to_stream("changes")
        .to(OUTPUT, Plain::<String, Option<Total>>::new());
    samples
        .filter("actions", move |_, sample| sample.id.is_multiple_of(actions_every))
        .to_actions("standardize", move |key, sample| action(key, sample, plant))
        .through(ACTIONS)
        .materialize(Actions::named("activity").retention(hours(24 * 7)).features([
            feature("all").count().within(windows()),
            feature("verbs").count_by("verb").within(windows()),
            feature("amount").sum("object.amount").within(windows()),
        ]));
    app.build()
}

fn windows() -> [std::time::Duration; 3] {
    [hours(1), hours(6), hours(96)]
}

fn planted(sample: Sample, plant: Option<Plant>) -> Vec<Sample> {
    match plant {
        Some(Plant::Lost) if sample.id % 1_000 == 999 => Vec::new(),
        Some(Plant::Doubled) if sample.id % 1_000 == 999 => vec![sample; 2],
        _ => vec![sample],
    }
}

fn action(key: String, sample: Sample, plant: Option<Plant>) -> Action {
    let wrong = plant == Some(Plant::Feature) && sample.id.is_multiple_of(100);
    let amount = sample.amount() + f64::from(u8::from(wrong));
    Action::new(key, sample.verb(), format!("object-{}", sample.id % 50))
        .at_ms(sample.at_ms)
        .object_attribute("amount", amount)
}

//! The application that is simulated, and the topics around it.

use nowfold_core::dsl::StreamsBuilder;
use nowfold_core::serde::Plain;
use nowfold_core::time::hours;
use nowfold_core::topology::{Topology, TopologyError};
use nowfold_operators::{Actions, ToActions, feature};
use nowfold_schemas::Action;
use nowfold_testkit::sim::Simulation;

use crate::inputs::Click;

/// The name of the application, which is its group.
pub(crate) const APP: &str = "sim";

/// Partitions of a topic at most.
pub(crate) const MOST_PARTITIONS: i32 = 3;

/// The changelog of the counts.
pub(crate) const CHANGELOG: &str = "sim-counts-changelog";

/// Bets are repeated as they are on `echo`, and counted by their game, by way of a repartition topic, to `totals`. Clicks
/// become actions and features of their members.
pub(crate) fn topology() -> Result<Topology, TopologyError> {
    let app = StreamsBuilder::new(APP);
    let bets = app.stream("bets", Plain::<String, String>::new());
    bets.clone().to("echo", Plain::new());
    bets.group_by("by-game", |_, game| game.clone(), Plain::<String, String>::new())
        .count("counts")
        .to_stream("totals-changed")
        .to("totals", Plain::<String, Option<i64>>::new());
    app.stream("clicks", Plain::<String, String>::new())
        .to_actions("standardize", |member: String, text: String| {
            let click = Click::parse(&text);
            Action::new(member, "click", "thing")
                .id(click.id)
                .at(click.at)
                .verb_attribute("amount", i64::from(click.amount))
        })
        .through("actions")
        .materialize(Actions::named("activity").retention(hours(97)).features([
            feature("n-1h").count().within(hours(1)),
            feature("n-24h").count().within(hours(24)),
            feature("sum-24h").sum("verb.amount").within(hours(24)),
        ]));
    app.build()
}

/// Creates the topics that others own. Changelogs and repartition topics are the application's.
pub(crate) fn create_topics(sim: &Simulation, partitions: i32) {
    for topic in ["bets", "echo", "totals", "clicks"] {
        sim.create_topic(topic, partitions);
    }
}

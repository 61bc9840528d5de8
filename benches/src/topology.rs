//! The applications that are measured.

use std::time::Duration;

use nowfold::operators::feature::Feature;
use nowfold::prelude::*;
use serde::{Deserialize, Serialize};

use crate::data::DIM;

/// The store of every application here.
pub(crate) const STORE: &str = "activity";
/// Longer than the input's span with its late events, and within the retention.
pub(crate) const WHOLE: Duration = minutes(97 * 60 + 30);

/// A raw event.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Click {
    pub(crate) member: String,
    pub(crate) job: String,
    pub(crate) kind: String,
    pub(crate) geo: String,
    pub(crate) device: String,
    pub(crate) at_ms: i64,
}

/// A row of the table of jobs.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Job {
    pub(crate) title: String,
    pub(crate) company: String,
    pub(crate) embedding: Vec<f32>,
}

/// Count and mean embedding in three nested windows.
pub(crate) fn nested_windows() -> [Feature; 2] {
    let windows = [hours(1), hours(24), hours(96)];
    [feature("count").count().within(windows), feature("mean").mean("object.embedding").within(windows)]
}

fn store() -> Actions {
    let whole = [feature("whole").count().within(WHOLE), feature("centre").mean("object.embedding").within(WHOLE)];
    let actions = Actions::named(STORE).retention(hours(98)).vector_dim("object.embedding", DIM);
    actions.features(nested_windows()).features(whole)
}

/// B: an actions topic as a store.
pub(crate) fn materialize(app: &str, topic: &str) -> Result<Topology, TopologyError> {
    let app = StreamsBuilder::new(app);
    app.actions(topic).materialize(store());
    app.build()
}

/// A and B: raw events through a topic of actions into a store. All topics bear the application's name.
pub(crate) fn pipeline(app: &str, clicks: &str, jobs: &str, actions: &str) -> Result<Topology, TopologyError> {
    let app = StreamsBuilder::new(app);
    let jobs = app.global_table(jobs, Json::<String, Job>::new());
    app.stream(clicks, Json::<String, Click>::new())
        .filter("humans", |_, click| click.kind != "bot")
        .to_actions("standardize", |_, c| {
            Action::new(c.member, c.kind, c.job)
                .at_ms(c.at_ms)
                .actor_attribute("geo", c.geo)
                .verb_attribute("device", c.device)
        })
        .enrich_object(
            "with-job",
            &jobs,
            |job| attributes! { "company" => job.company, "embedding" => job.embedding, "title" => job.title },
        )
        .through(actions)
        .materialize(store());
    app.build()
}

//! The pipeline: raw activity, standard actions, job attributes, rolling features.

use nowfold::prelude::*;

use super::world::{Activity, Job};

/// The topic of raw events.
pub const ACTIVITY: &str = "member-activity";
/// The topic of jobs.
pub const JOBS: &str = "jobs";

/// Raw activity becomes actions, enriched with the job acted on, kept per member for 97 hours.
///
/// # Errors
/// Never in this form; a mistake in it would be named here.
pub fn topology() -> Result<Topology, TopologyError> {
    let app = StreamsBuilder::new("job-feed");
    let jobs = app.global_table(JOBS, Json::<String, Job>::new());

    app.stream(ACTIVITY, Json::<String, Activity>::new())
        .filter("humans", |_, event| event.kind != "bot")
        .to_actions("standardize", |_, e| Action::new(e.member, e.kind, e.job).at_ms(e.at_ms).id(e.id))
        .enrich_object("with-job", &jobs, |job| attributes! { "title" => job.title, "embedding" => job.embedding })
        .through("actions")
        .materialize(
            Actions::named("activity").retention(hours(97)).features([
                feature("applied").mean("object.embedding").verb("apply").within(hours(24)),
                feature("counts").count_by("verb").within([hours(1), hours(24), hours(96)]),
                feature("taste")
                    .weighted_mean(
                        "object.embedding",
                        [("apply", 1.0), ("save", 0.5), ("view", 0.1), ("dismiss", -1.0)],
                    )
                    .within(hours(96)),
                feature("applied_jobs").last(20, "object").verb("apply").within(hours(96)),
            ]),
        );
    app.build()
}

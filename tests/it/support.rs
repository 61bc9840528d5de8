//! What several tests need.

use std::time::{Duration, Instant};

use nowfold::prelude::*;
use serde::{Deserialize, Serialize};

/// A raw event of the tests' pipelines.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Click {
    pub(crate) member: String,
    pub(crate) job: String,
    pub(crate) kind: String,
    pub(crate) at_ms: i64,
}

impl Click {
    pub(crate) fn new(member: &str, kind: &str, job: &str, at_ms: i64) -> Self {
        Self { member: member.to_owned(), job: job.to_owned(), kind: kind.to_owned(), at_ms }
    }
}

/// A row of the tests' table of jobs.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Job {
    pub(crate) title: String,
    pub(crate) embedding: Vec<f32>,
}

/// Hours since the epoch in milliseconds, as the golden cases of the semantics count.
pub(crate) const fn h(n: i64) -> i64 {
    n * 3_600_000
}

/// The pipeline of the quickstart: clicks to actions to features.
pub(crate) fn job_feed() -> Topology {
    let app = StreamsBuilder::new("job-feed");
    let jobs = app.global_table("jobs", Json::<String, Job>::new());
    app.stream("clicks", Json::<Option<String>, Click>::new())
        .filter("humans", |_, click| click.kind != "bot")
        .to_actions("standardize", |_, c| Action::new(c.member, c.kind, c.job).at_ms(c.at_ms))
        .enrich_object("with-job", &jobs, |job| attributes! { "title" => job.title, "embedding" => job.embedding })
        .through("actions")
        .materialize(Actions::named("activity").retention(hours(97)).features([
            feature("applied").mean("object.embedding").verb("apply").within(hours(24)),
            feature("counts").count_by("verb").within([hours(1), hours(24), hours(96)]),
            feature("all").count().within(hours(96)),
            feature("taste").weighted_mean("object.embedding", [("apply", 1.0), ("dismiss", -1.0)]).within(hours(96)),
        ]));
    app.build().unwrap()
}

/// `RUST_LOG=nowfold_runtime=info` shows what the application does.
pub(crate) fn logging() {
    let filter = tracing_subscriber::EnvFilter::from_default_env();
    let _ = tracing_subscriber::fmt().with_env_filter(filter).with_test_writer().try_init();
}

/// The address of a real Kafka for tests; says so when there is none.
pub(crate) fn test_kafka(test: &str) -> Option<String> {
    logging();
    let address = std::env::var("NOWFOLD_TEST_KAFKA").ok();
    if address.is_none() {
        use std::io::Write;
        let hint = "`cargo xtask kafka start` gives one";
        let _ = writeln!(std::io::stderr(), "SKIPPED {test}: NOWFOLD_TEST_KAFKA is not set; {hint}");
    }
    address
}

/// Waits until `done`, at most `patience`; then `why` says what was found.
#[track_caller]
pub(crate) fn until(patience: Duration, why: impl Fn() -> String, mut done: impl FnMut() -> bool) {
    let started = Instant::now();
    while !done() {
        assert!(started.elapsed() < patience, "{}", why());
        std::thread::park_timeout(Duration::from_millis(2));
    }
}

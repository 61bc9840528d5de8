//! Attributes of jobs from a compacted topic: kept with each action, or joined when a question is asked.
//!
//! Run `cargo run -p nowfold-examples --bin enrich-table`. Expect the mean salary of the jobs that a member applied to, both
//! ways, before and after the row of one of them arrives, and after another row changes.

use nowfold::prelude::*;
use nowfold_examples::small;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
struct Job {
    salary: f64,
}

const MEMBER: &str = "member-111";

/// The pipeline, and its table: it can be read anywhere in the process.
fn topology() -> Result<(Topology, GlobalTable<String, Job>), TopologyError> {
    let app = StreamsBuilder::new("enrich-table");
    let jobs = app.global_table("table-jobs", Json::<String, Job>::new());
    app.stream("table-applications", Plain::<String, String>::new())
        .to_actions_with("standardize", MissingEventTime::RecordTimestamp, |member, job| {
            Action::new(member, "apply", job)
        })
        // The row as it is when the action passes by; an action whose job has none goes on without.
        .enrich_object("with-job", &jobs, |job| attributes! { "salary" => job.salary })
        .through("table-actions")
        .materialize(
            Actions::named("activity")
                // The row as it is when the question is asked.
                .late_object(&jobs, ["salary_now"], |job| attributes! { "salary_now" => job.salary })
                .features([
                    feature("kept").mean("object.salary").within(hours(24)),
                    feature("joined").mean("object.salary_now").within(hours(24)),
                ]),
        );
    Ok((app.build()?, jobs))
}

fn main() -> anyhow::Result<()> {
    let (topology, jobs) = topology()?;
    let Some(config) = small::config(&topology)? else { return Ok(()) };
    let app = Streams::start(topology, config)?.wait_running()?;

    let mut rows = app.producer("table-jobs", Json::<String, Job>::new())?;
    let mut set_salary = |job: &str, salary: f64| -> anyhow::Result<()> {
        rows.send(&job.to_owned(), &Job { salary }, app.clock().now())?;
        rows.flush(seconds(10))?;
        small::until(|| Ok(jobs.get_str(job).filter(|row| row.salary.total_cmp(&salary).is_eq()))).map(drop)
    };
    set_salary("job-1", 100.0)?;
    let mut applications = app.producer("table-applications", Plain::<String, String>::new())?;
    for job in ["job-1", "job-2"] {
        applications.send(&MEMBER.to_owned(), &job.to_owned(), app.clock().now())?;
    }
    applications.flush(seconds(10))?;
    let features = app.features("activity")?;
    let n_actions = |answer: &Answer| Ok::<_, QueryError>(answer.window("kept", "24h")?.matched);
    small::until(|| Ok((n_actions(&features.of(MEMBER)?)? >= 2).then_some(())))?;

    show("job-2 is not in the table", &features.of(MEMBER)?)?;
    set_salary("job-2", 200.0)?;
    show("job-2 arrives, with 200", &features.of(MEMBER)?)?;
    set_salary("job-1", 150.0)?;
    show("job-1 changes to 150", &features.of(MEMBER)?)?;
    app.close()?;
    Ok(())
}

fn show(what: &str, answer: &Answer) -> Result<(), QueryError> {
    println!("{what}");
    for name in ["kept", "joined"] {
        let window = answer.window(name, "24h")?;
        println!("{name:>8}  mean {} of {}, {} without", window.value, window.used, window.missing);
    }
    Ok(())
}

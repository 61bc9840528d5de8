//! The smallest job: how often did a member do what in the last hour?
//!
//! Run `cargo run -p nowfold-examples --bin hello-count`. Expect one line with the counts of member-111 by verb. On Kafka, with
//! `--bootstrap HOST:PORT`, they grow with every run.

use nowfold::prelude::*;
use nowfold_examples::small;

fn topology() -> Result<Topology, TopologyError> {
    let app = StreamsBuilder::new("hello-count");
    app.stream("clicks", Plain::<String, String>::new())
        .to_actions_with("standardize", MissingEventTime::RecordTimestamp, |member, verb| Action::new(member, verb, ""))
        .through("hello-actions")
        .materialize(Actions::named("activity").features([feature("counts").count_by("verb").within(hours(1))]));
    app.build()
}

fn main() -> anyhow::Result<()> {
    let topology = topology()?;
    let Some(config) = small::config(&topology)? else { return Ok(()) };
    let app = Streams::start(topology, config)?.wait_running()?;

    let mut clicks = app.producer("clicks", Plain::<String, String>::new())?;
    for verb in ["view", "apply", "view"] {
        clicks.send(&"member-111".to_owned(), &verb.to_owned(), app.clock().now())?;
    }
    clicks.flush(seconds(10))?;

    let features = app.features("activity")?;
    let answer = small::until(|| {
        let answer = features.of("member-111")?;
        Ok((answer.used("counts")? >= 3).then_some(answer))
    })?;
    println!("member-111 in the last hour: {}", answer.value("counts")?);
    app.close()?;
    Ok(())
}

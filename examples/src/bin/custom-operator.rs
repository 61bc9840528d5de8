//! An operator and an aggregate of your own, in the test driver.
//!
//! Run `cargo run -p nowfold-examples --bin custom-operator`. Expect how many views the operator let through, and the
//! aggregate's value over them. It needs no log: time stands still until the driver moves it.

use bytes::Bytes;
use nowfold::core::processor::{ProcessError, Processor, ProcessorContext};
use nowfold::core::record::Record;
use nowfold::operators::feature::{Aggregator, Asked, Event, FeatureValue};
use nowfold::prelude::*;
use nowfold_examples::small;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
struct View {
    job: String,
    salary: f64,
}

/// Lets a member's view of a job through unless another one went through less than a second before.
struct Debounce;

impl Processor<String, View, String, View> for Debounce {
    fn process(
        &mut self,
        cx: &mut ProcessorContext<'_, '_, String, View>,
        view: Record<String, View>,
    ) -> Result<(), ProcessError> {
        let (key, now) = (Bytes::from(format!("{}/{}", view.key, view.value.job)), view.timestamp.as_millis());
        let mut last = cx.key_value("last-views")?;
        let before = last.get(&key)?.map(|bytes| bytes[..].try_into().map(i64::from_be_bytes)).transpose()?;
        if before.is_some_and(|before| now - before < 1_000) {
            cx.count("debounced");
            return Ok(());
        }
        last.put(key, Bytes::copy_from_slice(&now.to_be_bytes()))?;
        cx.forward(view)
    }
}

/// The difference between the highest and the lowest salary; none without one.
struct Spread;

impl Aggregator for Spread {
    type State = Option<(f64, f64)>;

    fn inputs(&self) -> Vec<String> {
        vec!["object.salary".to_owned()]
    }

    fn init(&self) -> Self::State {
        None
    }

    fn add(&self, state: &mut Self::State, event: &Event<'_>) {
        self.merge(state, event.number(0).map(|salary| (salary, salary)));
    }

    fn merge(&self, state: &mut Self::State, other: Self::State) {
        *state = match (*state, other) {
            (Some(a), Some(b)) => Some((a.0.min(b.0), a.1.max(b.1))),
            (one, other) => one.or(other),
        };
    }

    fn finish(&self, state: Self::State, _: &Asked) -> FeatureValue {
        state.map_or(FeatureValue::None, |(low, high)| FeatureValue::Float(high - low))
    }
}

fn topology() -> Result<Topology, TopologyError> {
    let app = StreamsBuilder::new("custom-operator");
    app.state_store(StoreSpec::key_value("last-views"));
    app.stream("views", Json::<String, View>::new())
        .process("debounce", || Debounce, &["last-views"])
        .to_actions_with("standardize", MissingEventTime::RecordTimestamp, |member, view| {
            Action::new(member, "view", view.job).object_attribute("salary", view.salary)
        })
        .through("actions")
        .materialize(
            Actions::named("activity").features([
                feature("n").count().within(hours(1)),
                feature("spread").aggregate(Spread).within(hours(1)),
            ]),
        );
    app.build()
}

fn main() -> anyhow::Result<()> {
    let Some(driver) = small::driver(&topology()?)? else { return Ok(()) };
    let driver = driver.starting_at(Timestamp::from_millis(10_000));
    let views = driver.input("views", Json::<String, View>::new());
    for (job, salary, at_ms) in
        [("cook", 100.0, 1_000), ("cook", 100.0, 1_400), ("nurse", 130.0, 1_500), ("cook", 100.0, 2_000)]
    {
        let view = View { job: job.to_owned(), salary };
        views.pipe("member-111", view, Timestamp::from_millis(at_ms))?;
    }
    let features = Features::new(driver.hub(), driver.clock(), "activity");
    let answer = features.of("member-111")?;
    println!("4 views: {} debounced, {} let through", driver.count("debounced"), answer.value("n")?);
    println!("spread of their salaries: {}", answer.value("spread")?);
    driver.advance(hours(2))?;
    println!("two hours later: {}", features.of("member-111")?.value("spread")?);
    Ok(())
}

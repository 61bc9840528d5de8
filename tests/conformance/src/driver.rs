//! Cases on the test driver.

use nowfold_core::time::millisecs;
use nowfold_testkit::TestDriver;

use crate::case::{Case, Step};
use crate::catalogue::{Built, Sink};
use crate::check::{Difference, FailedStep, Outputs, Results, compare};
use crate::show::{Found, output, raw};

/// Runs the case's steps on a driver of its own, and compares.
pub(crate) fn run(case: &Case, built: Built) -> Result<(), Difference> {
    let Built { topology, stores, sinks } = built;
    let driver = TestDriver::new(topology);
    let outputs = steps(case, &driver, &sinks);
    compare(case, outputs.map(|outputs| Results { outputs, sees_steps: true, stores, hub: driver.hub() }))
}

fn steps(case: &Case, driver: &TestDriver, sinks: &[(String, Sink)]) -> Result<Outputs, FailedStep> {
    let mut outputs: Outputs = case.sinks().map(|topic| (topic.clone(), Vec::new())).collect();
    for (step, input) in case.input.iter().enumerate() {
        let done = match input {
            Step::Record(input) => driver.pipe_raw(raw(input)),
            Step::Advance { advance_wall_clock_ms } => driver.advance(millisecs(*advance_wall_clock_ms)),
        };
        done.map_err(|failure| FailedStep { step, cause: failure.to_string() })?;
        for (topic, found) in &mut outputs {
            let sink = Sink::of(sinks, topic);
            let fresh = driver.records(topic).into_iter().skip(found.len());
            found.extend(fresh.map(|stored| output(step, Found::from(stored.record), sink, case.compare_headers)));
        }
    }
    Ok(outputs)
}

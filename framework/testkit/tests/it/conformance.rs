//! The conformance cases that Kafka Streams answered, where their folder is at hand: `$NOWFOLD_SHARED/conformance`, or
//! `../shared/conformance` beside the workspace. Without it the test says so and passes.

use std::process::Command;

#[test]
fn answers_as_kafka_streams_does() {
    let output = Command::new(env!("CARGO_BIN_EXE_conformance")).output().unwrap();
    let (found, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    if errors.contains("NO CASES WERE RUN") {
        eprintln!("\nCONFORMANCE NOT RUN: {errors}\n");
        return;
    }
    let passed = found.lines().last().and_then(|line| line.split(' ').next()?.parse::<usize>().ok());
    assert!(passed.is_some_and(|passed| passed >= 398), "{found}{errors}");
}

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
    assert!(output.status.success(), "{found}{errors}");
    let passed = found.lines().last().and_then(|line| line.split(' ').next()?.parse::<usize>().ok());
    assert!(passed.is_some_and(|passed| passed >= 400), "only few cases were found: {found}");
}

#[test]
fn a_case_that_differs_is_shown_and_fails_the_run() {
    let case = r#"{"format": 1, "cases": [{"name": "agg-count/wrong", "topology": "agg-count", "params": {},
        "input": [{"topic": "in", "key": "a", "value": "x", "ts": 10}],
        "expect": {"output": {"out": [{"step": 0, "key": "a", "value": 2, "ts": 10}]}, "stores": {}}}]}"#;
    let file = std::env::temp_dir().join(format!("nowfold-conformance-{}.json", std::process::id()));
    std::fs::write(&file, case).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_conformance")).arg(&file).output().unwrap();
    std::fs::remove_file(&file).unwrap();
    let found = String::from_utf8_lossy(&output.stdout);
    assert!(!output.status.success());
    assert!(found.contains("FAILED agg-count/wrong: out"), "{found}");
    assert!(found.ends_with("0 passed, 1 failed\n"), "{found}");
}

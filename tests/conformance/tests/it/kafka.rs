//! A short selection of cases on both back ends. What a real Kafka does must be what the test driver does.

use std::process::{Command, Output};

const SELECTION: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/cases/selection.json");

fn run(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_conformance")).args(arguments).output().unwrap()
}

#[track_caller]
fn passes(output: &Output, closing: &str) {
    let (found, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{found}{errors}");
    assert_eq!(found.lines().last(), Some(closing), "{found}{errors}");
}

#[test]
fn the_selection_passes_on_the_driver() {
    passes(&run(&[SELECTION]), "16 passed, 0 failed");
}

#[test]
fn the_selection_passes_on_a_real_kafka() {
    let Ok(address) = std::env::var("NOWFOLD_TEST_KAFKA") else {
        eprintln!("SKIPPED: set NOWFOLD_TEST_KAFKA=host:port to run this test against a real Kafka");
        return;
    };
    let output = run(&["--bootstrap", &address, SELECTION]);
    passes(&output, "16 passed, 0 failed, 0 skipped (need the driver's clock)");
}

#[test]
fn a_case_that_differs_on_a_real_kafka_fails_the_run_and_one_that_moves_the_clock_is_skipped() {
    let Ok(address) = std::env::var("NOWFOLD_TEST_KAFKA") else { return };
    let cases = r#"{"format": 1, "cases": [
        {"name": "agg-count/wrong", "topology": "agg-count", "params": {},
         "input": [{"topic": "in", "key": "a", "value": "x", "ts": 10}],
         "expect": {"output": {"out": [{"step": 0, "key": "a", "value": 2, "ts": 10}]}, "stores": {}}},
        {"name": "agg-count/store-wrong", "topology": "agg-count", "params": {},
         "input": [{"topic": "in", "key": "a", "value": "x", "ts": 10}],
         "expect": {"output": {"out": [{"step": 0, "key": "a", "value": 1, "ts": 10}]},
                    "stores": {"counts": [{"key": "a", "value": 2, "ts": 10}]}}},
        {"name": "agg-count/clock", "topology": "agg-count", "params": {},
         "input": [{"advance_wall_clock_ms": 5}], "expect": {"output": {"out": []}, "stores": {}}}]}"#;
    let file = std::env::temp_dir().join(format!("nowfold-conformance-kafka-{}.json", std::process::id()));
    std::fs::write(&file, cases).unwrap();
    let output = run(&["--bootstrap", &address, file.to_str().unwrap()]);
    std::fs::remove_file(&file).unwrap();
    let found = String::from_utf8_lossy(&output.stdout);
    assert!(!output.status.success());
    assert!(found.contains("FAILED agg-count/wrong: out"), "{found}");
    assert!(found.contains("FAILED agg-count/store-wrong: counts"), "{found}");
    assert!(found.ends_with("0 passed, 2 failed, 1 skipped (need the driver's clock)\n"), "{found}");
}

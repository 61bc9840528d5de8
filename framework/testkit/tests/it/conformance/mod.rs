//! Runs the conformance cases that Kafka Streams answered, where their folder is at hand: `$NOWFOLD_SHARED/conformance`,
//! or `../shared/conformance` beside the workspace. Without it the test says so and passes.

mod case;
mod catalogue;
mod processors;
mod run;

use std::collections::BTreeMap;
use std::path::PathBuf;

use case::{Case, CaseFile};

fn folder() -> Option<PathBuf> {
    let beside = || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared"));
    let shared = std::env::var_os("NOWFOLD_SHARED").map_or_else(beside, PathBuf::from);
    let cases = shared.join("conformance/cases");
    if cases.is_dir() {
        return Some(cases);
    }
    eprintln!("\nCONFORMANCE NOT RUN: there is no folder {}; set NOWFOLD_SHARED to where it lies\n", cases.display());
    None
}

fn cases(folder: &PathBuf) -> Vec<Case> {
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let read = |path: PathBuf| {
        let text = std::fs::read_to_string(&path).unwrap();
        serde_json::from_str::<CaseFile>(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display())).cases
    };
    files.into_iter().filter(|path| path.extension().is_some_and(|kind| kind == "json")).flat_map(read).collect()
}

#[test]
fn answers_as_kafka_streams_does() {
    let Some(folder) = folder() else { return };
    let (mut passed, mut failed, mut left_out) = (0, Vec::new(), BTreeMap::new());
    for case in cases(&folder) {
        match catalogue::build(&case.topology, &case.params) {
            None => *left_out.entry(catalogue::reason(&case.topology)).or_insert(0) += 1,
            Some(built) => match run::check(&case, built) {
                Ok(()) => passed += 1,
                Err(difference) => failed.push(format!("{}: {difference}", case.name)),
            },
        }
    }
    eprintln!("conformance: {passed} passed, {} failed; left out: {left_out:#?}", failed.len());
    assert!(failed.is_empty(), "{}", failed.join("\n"));
    assert!(passed >= 50, "only {passed} cases were found");
}

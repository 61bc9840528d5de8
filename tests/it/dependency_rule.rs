//! The rooms of the workspace: who may depend on whom, held against `cargo metadata`.

use std::collections::{BTreeMap, BTreeSet};

use cargo_metadata::{DependencyKind, MetadataCommand};

/// What each crate may depend on among ours. Development dependencies are free.
const ALLOWED: &[(&str, &[&str])] = &[
    ("nowfold-core", &[]),
    ("nowfold-strict", &[]),
    ("nowfold-schemas", &["nowfold-core"]),
    ("nowfold-operators", &["nowfold-core", "nowfold-schemas", "nowfold-strict"]),
    ("nowfold-mapping", &["nowfold-core", "nowfold-operators", "nowfold-schemas", "nowfold-strict"]),
    ("nowfold-cli", &["nowfold", "nowfold-mapping", "nowfold-strict"]),
    ("nowfold-testkit", &["nowfold-core", "nowfold-embedded", "nowfold-runtime"]),
    ("nowfold-runtime", &["nowfold-core"]),
    ("nowfold-disk", &["nowfold-core", "nowfold-runtime"]),
    ("nowfold-embedded", &["nowfold-core", "nowfold-runtime"]),
    ("nowfold-fjall", &["nowfold-core", "nowfold-runtime"]),
    ("nowfold-kafka", &["nowfold-core", "nowfold-runtime"]),
    ("nowfold-serve", &["nowfold-core", "nowfold-operators", "nowfold-runtime"]),
];

/// Crates of others that only some of ours may use.
const GUARDED: &[(&str, &[&str])] = &[
    // The benches hold the client's raw loop against ours.
    ("rdkafka", &["nowfold-kafka", "nowfold-benches"]),
    ("axum", &["nowfold-serve"]),
    ("fjall", &["nowfold-fjall"]),
    ("tower-http", &["nowfold-serve"]),
    ("schema_registry_converter", &["nowfold-schemas"]),
    ("parquet", &["nowfold-cli"]),
    ("tokio", &["nowfold", "nowfold-serve"]),
];

const WORKSPACE_LINTS: &str = "[lints]\nworkspace = true";

/// Direct dependencies of every workspace member, without those for development.
fn dependencies() -> BTreeMap<String, BTreeSet<String>> {
    let metadata = MetadataCommand::new().no_deps().exec().unwrap();
    let direct = |package: &cargo_metadata::Package| {
        let normal = package.dependencies.iter().filter(|dependency| dependency.kind != DependencyKind::Development);
        normal.map(|dependency| dependency.name.clone()).collect()
    };
    metadata.packages.iter().map(|package| (package.name.to_string(), direct(package))).collect()
}

#[test]
fn arrows_between_our_crates_point_down() {
    let all = dependencies();
    for (package, allowed) in ALLOWED {
        let Some(found) = all.get(*package) else { panic!("{package} is not a workspace member") };
        let ours = found.iter().filter(|name| name.starts_with("nowfold"));
        let wrong: Vec<_> = ours.filter(|name| !allowed.contains(&name.as_str())).collect();
        assert!(wrong.is_empty(), "{package} must not depend on {wrong:?}; see ARCHITECTURE.md");
    }
}

#[test]
fn clients_of_the_outside_stay_in_their_rooms() {
    for (package, found) in &dependencies() {
        for (guarded, rooms) in GUARDED {
            let used = found.contains(*guarded) && !rooms.contains(&package.as_str());
            assert!(!used, "{package} must not depend on {guarded}; only {rooms:?} may");
        }
    }
}

#[test]
fn every_member_takes_the_workspaces_lints_or_repeats_them() {
    let metadata = MetadataCommand::new().no_deps().exec().unwrap();
    for package in metadata.packages {
        let manifest = std::fs::read_to_string(&package.manifest_path).unwrap();
        let repeats = ["unsafe_code = \"deny\"", "missing_docs = \"warn\"", "unwrap_used = \"deny\""];
        let held = match package.name.as_str() {
            "nowfold-kafka" => repeats.iter().all(|lint| manifest.contains(lint)) || manifest.contains(WORKSPACE_LINTS),
            _ => manifest.contains(WORKSPACE_LINTS),
        };
        assert!(held, "{} has no [lints] workspace = true", package.name);
    }
}

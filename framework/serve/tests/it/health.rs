//! Health, stores, topology, metrics, description.

use std::sync::Arc;

use nowfold_core::query::{Lag, Readiness};
use nowfold_core::time::seconds;
use nowfold_operators::feature::FeatureFile;
use nowfold_runtime::{AppState, StateCell};
use nowfold_serve::App;
use serde_json::json;

use crate::client::get;
use crate::support::{partition, progress, start};
use crate::world::{NOW, World};

#[test]
fn is_ready_only_while_the_application_runs() {
    let world = World::new();
    let failed = || AppState::Failed { reason: "disk full".to_owned() };
    let cases = [
        (AppState::Running, 200, 200),
        (AppState::Created, 503, 200),
        (AppState::Rebalancing, 503, 200),
        (AppState::Draining, 503, 200),
        (failed(), 503, 503),
        (AppState::Stopped, 503, 503),
    ];
    for (state, ready, live) in cases {
        let server = start(world.app_in(state.clone()));
        let reply = get(server.address(), "/readyz");
        assert_eq!((reply.status, get(server.address(), "/livez").status), (ready, live), "{state:?}");
        assert_eq!(reply.json()["state"], state.name());
        assert_eq!(reply.header("retry-after"), (ready == 503).then_some("1"));
    }
    let server = start(world.app_in(failed()));
    assert_eq!(get(server.address(), "/livez").json()["message"], "failed: disk full");
}

#[test]
fn tells_how_far_a_restore_is() {
    let world = World::new();
    let (number, _) = partition(&world.hub, "member-111");
    progress(&world.hub, "member-111", |progress| progress.readiness = Readiness::Restoring { done: 11, total: 18 });
    let server = start(world.app_in(AppState::Restoring { done: 11, total: 18 }));
    let expected = json!({
        "state": "restoring", "message": "restoring (11 of 18 records)", "done": 11, "total": 18,
        "restoring": [{"store": "activity", "partition": number, "done": 11, "total": 18}],
    });
    assert_eq!(get(server.address(), "/readyz").json(), expected);
    let server = start(world.app_in(AppState::CatchingUp { remaining: 7 }));
    assert_eq!(get(server.address(), "/readyz").json()["remaining"], 7);
}

#[test]
fn says_why_a_restore_stands_still_and_how_long_it_will_take() {
    let world = World::new();
    progress(&world.hub, "member-111", |progress| {
        progress.readiness = Readiness::Restoring { done: 11, total: 41 };
        progress.restore_rate = Some(10);
    });
    let state = Arc::new(StateCell::new(AppState::Restoring { done: 11, total: 41 }));
    state.set_trouble(Some("NF129 a transaction is open".to_owned()));
    let server = start(App::new(world.hub.clone(), world.clock.clone(), state));
    let reply = get(server.address(), "/readyz").json();
    let partition = &reply["restoring"][0];
    assert_eq!(
        (&reply["stalled"], &partition["per_second"], &partition["left_s"]),
        (&json!("NF129 a transaction is open"), &json!(10), &json!(3))
    );
    let reply = get(server.address(), "/v1/actors/member-111/features");
    assert_eq!(reply.header("retry-after"), Some("3"), "as long as the restore will take");
}

#[test]
fn lists_stores_with_their_progress_and_no_actor() {
    let world = World::new();
    progress(&world.hub, "member-111", |progress| progress.lag = Lag::Since(NOW.minus(seconds(3))));
    let (number, _) = partition(&world.hub, "member-111");
    let server = start(world.app());
    let reply = get(server.address(), "/v1/stores");
    let store = &reply.json()["stores"][0];
    assert_eq!(
        (&store["name"], &store["topic"], &store["n_partitions"]),
        (&json!("activity"), &json!("actions"), &json!(6))
    );
    assert_eq!(store["features"], json!(["applied", "counts"]));
    let partitions = store["partitions"].as_array().unwrap();
    assert_eq!(partitions.len(), 6);
    let lagging = &partitions[usize::try_from(number).unwrap()];
    assert_eq!(
        (&lagging["partition"], &lagging["state"], &lagging["lag_ms"]),
        (&json!(number), &json!("running"), &json!(3_000))
    );
    assert!(!reply.text().contains("member"), "{}", reply.text());
}

#[test]
fn shows_the_topology_that_it_was_given() {
    let world = World::new();
    let server = start(world.app());
    assert_eq!(get(server.address(), "/v1/topology").error(), (404, "NF037".to_owned()));
    let server = start(world.app().topology(world.topology.clone()));
    let text = |format: &str| get(server.address(), &format!("/v1/topology{format}")).text();
    assert_eq!(text(""), world.topology.to_string());
    assert_eq!(text("?format=mermaid"), world.topology.to_mermaid());
    assert_eq!(text("?format=json"), world.topology.to_json());
    assert_eq!(get(server.address(), "/v1/topology?format=dot").error(), (400, "NF016".to_owned()));
}

#[test]
fn metrics_tell_of_routes_and_stores_and_never_of_actors() {
    let world = World::new();
    let render = nowfold_serve::install_recorder().unwrap();
    assert!(nowfold_serve::install_recorder().err().unwrap().to_string().starts_with("NF114 "));
    let server = start(world.app().metrics(render));
    for target in
        ["/v1/actors/member-111/features", "/v1/actors/nobody/features", "/v1/actors/a/features?x=1", "/nowhere"]
    {
        get(server.address(), target);
    }
    let reply = get(server.address(), "/metrics");
    assert_eq!(reply.header("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
    let text = reply.text();
    let (_, handle) = partition(&world.hub, "member-111");
    let chains = handle.reader.downcast::<nowfold_operators::chain::EventChains>().unwrap();
    let number = partition(&world.hub, "member-111").0;
    let memory = chains.memory();
    assert!(memory.events > 0);
    for (part, bytes) in memory.parts() {
        let labels = format!("store=\"activity\",partition=\"{number}\",part=\"{part}\"");
        assert!(
            text.contains(&format!("nowfold_store_bytes{{{labels}}} {bytes}\n")),
            "{part} {bytes} is not in\n{text}"
        );
    }
    let expected = [
        "nowfold_query_seconds_count{route=\"/v1/actors/{actor}/features\",code=\"400\"}".to_owned(),
        "nowfold_query_seconds_bucket{route=\"/v1/actors/{actor}/features\",code=\"200\",le=\"0.001\"}".to_owned(),
        "nowfold_query_seconds_count{route=\"unmatched\",code=\"404\"}".to_owned(),
        "nowfold_query_nulls_total{feature=\"applied\"}".to_owned(),
        format!("nowfold_store_entries{{store=\"activity\",partition=\"{number}\"}} {}\n", chains.len()),
        format!("nowfold_restore_remaining_records{{store=\"activity\",partition=\"{number}\"}} 0\n"),
        format!("nowfold_store_lag_milliseconds{{store=\"activity\",partition=\"{number}\"}} 0\n"),
    ];
    for line in expected {
        assert!(text.contains(&line), "{line} is not in\n{text}");
    }
    assert!(!text.contains("member") && !text.contains("nobody"), "{text}");
}

#[test]
fn describes_itself() {
    let server = start(World::new().app());
    let document = get(server.address(), "/openapi.json").json();
    assert_eq!(document["openapi"], "3.1.0");
    for path in document["paths"].as_object().unwrap().keys() {
        let target = path.replace("{actor}", "member-111").replace("{store}", "activity");
        assert_ne!(get(server.address(), &target).json_code(), "NF030", "{path}");
    }
}

/// Each of them is one that a request may name; a file of the grammar's own tests reads every one.
#[test]
fn its_description_names_every_aggregate_there_is() {
    let document = get(start(World::new().app()).address(), "/openapi.json").json();
    let described = &document["components"]["schemas"]["Adhoc"]["properties"]["aggregate"]["enum"];
    assert_eq!(*described, json!(FeatureFile::AGGREGATES));
}

//! Erasing actors.

use std::sync::{Arc, Mutex};

use nowfold_core::names::TopicPartition;
use nowfold_operators::chain::{Appended, EventChains};
use nowfold_operators::erase::EraseLog;
use nowfold_schemas::action::Action;
use nowfold_serve::{App, Server, Token};
use serde_json::json;

use crate::client::{Client, Reply, get};
use crate::support::{partition, start};
use crate::world::{NOW, World};

const ACTOR: &str = "/v1/actors/member-111";
const FEATURES: &str = "/v1/actors/member-111/features";

/// A log that the stores have read as soon as it is written; it takes nothing when it is `full`.
fn log(world: &World, full: bool) -> (EraseLog, Arc<Mutex<Vec<TopicPartition>>>) {
    let (hub, written) = (world.hub.clone(), Arc::new(Mutex::new(Vec::new())));
    let told = written.clone();
    let log = move |partition_of: &TopicPartition, erase: &Action| {
        if full {
            return Err("no space left".to_owned());
        }
        let (_, handle) = partition(&hub, &erase.actor);
        let chains = handle.reader.downcast_ref::<EventChains>().ok_or("no chains")?;
        let next = chains.mark().applied.map_or(0, |offset| offset + 1);
        chains.apply(erase, Appended::new(next, NOW));
        told.lock().unwrap().push(partition_of.clone());
        Ok(())
    };
    (Arc::new(log), written)
}

fn serve(world: &World) -> Server {
    start(writing(world.app(), log(world, false).0))
}

fn writing(app: App, log: EraseLog) -> App {
    app.erasures(log, Token::new("s3cret"))
}

fn delete(server: &Server, target: &str, header: &str) -> Reply {
    let mut client = Client::connect(server.address());
    client.write(&format!("DELETE {target} HTTP/1.1\r\nhost: localhost\r\n{header}\r\n"));
    client.read(true).unwrap()
}

const SECRET: &str = "authorization: Bearer s3cret\r\n";

#[test]
fn an_erased_actor_has_no_events_any_more() {
    let world = World::new();
    let server = serve(&world);
    assert_eq!(get(server.address(), FEATURES).json()["found"], true);
    let erased = delete(&server, ACTOR, SECRET);
    assert_eq!(erased.status, 200, "{}", erased.text());
    let erased = erased.json();
    assert_eq!((&erased["actor"], &erased["store"]), (&json!("member-111"), &json!("activity")));
    assert_eq!(erased["erased_up_to"], "2026-11-23T10:00:00.123Z");
    let (partition, offset) = erased["position"].as_object().unwrap().iter().next().unwrap();
    let after = get(server.address(), &format!("{FEATURES}?at_least={partition}:{offset}")).json();
    assert_eq!((&after["found"], &after["features"]["applied"]["value"]), (&json!(false), &json!(null)));
    assert_eq!(get(server.address(), "/v1/actors/member-222/features").json()["found"], true);
    assert_eq!(delete(&server, "/v1/stores/activity/actors/member-111", SECRET).status, 200, "again, by the long path");
}

#[test]
fn erases_up_to_an_instant() {
    let world = World::new();
    let server = serve(&world);
    let erased = delete(&server, &format!("{ACTOR}?up_to=2026-11-23T05:00:00.123Z"), SECRET);
    assert_eq!(erased.json()["erased_up_to"], "2026-11-23T05:00:00.123Z");
    let counts = &get(server.address(), FEATURES).json()["features"]["counts"]["value"];
    assert_eq!(counts["96h"], json!({"apply": 1, "view": 2}));
}

#[test]
fn nothing_is_learnt_or_erased_without_the_secret() {
    let world = World::new();
    let server = serve(&world);
    for header in ["", "authorization: Bearer wrong\r\n", "authorization: Basic s3cret\r\n"] {
        for target in [ACTOR, "/v1/actors/nobody", "/v1/stores/nope/actors/x", "/v1/actors/x?nope=1"] {
            let refused = delete(&server, target, header);
            assert_eq!((refused.status, refused.json()["code"].clone()), (401, json!("NF025")), "{target}");
            assert_eq!(refused.header("www-authenticate"), Some("Bearer"));
        }
    }
    assert_eq!(get(server.address(), FEATURES).json()["found"], true);
}

#[test]
fn a_server_without_a_secret_reads_only() {
    let server = start(World::new().app());
    let refused = delete(&server, ACTOR, SECRET);
    assert_eq!((refused.status, refused.json()["code"].clone()), (403, json!("NF039")));
    assert_eq!(get(server.address(), FEATURES).json()["found"], true);
}

#[test]
fn a_log_that_takes_nothing_erases_nothing() {
    let world = World::new();
    let server = start(writing(world.app(), log(&world, true).0));
    let failed = delete(&server, ACTOR, SECRET);
    assert_eq!((failed.status, failed.json()["code"].clone()), (503, json!("NF023")));
    assert_eq!(failed.header("retry-after"), Some("1"));
    assert!(failed.text().contains("no space left"));
    assert_eq!(get(server.address(), FEATURES).json()["found"], true);
}

#[test]
fn an_erasure_that_is_not_applied_in_time_says_so() {
    let world = World::new();
    let server = start(writing(world.app(), Arc::new(|_, _| Ok(()))));
    let late = delete(&server, &format!("{ACTOR}?wait=20ms"), SECRET);
    assert_eq!((late.status, late.json()["code"].clone()), (503, json!("NF024")), "{}", late.text());
    let wrong = delete(&server, &format!("{ACTOR}?wait=1h"), SECRET);
    assert_eq!((wrong.status, wrong.json()["code"].clone()), (400, json!("NF016")));
    assert_eq!(delete(&server, "/v1/stores/nope/actors/m", SECRET).json()["code"], "NF010");
}

#[test]
fn the_record_goes_to_the_partition_that_owns_the_actor() {
    let world = World::new();
    let (log, written) = log(&world, false);
    let server = start(writing(world.app(), log));
    assert_eq!(delete(&server, "/v1/actors/member-222", SECRET).status, 200);
    let number = partition(&world.hub, "member-222").0;
    assert_eq!(*written.lock().unwrap(), [TopicPartition::new("actions", number)]);
}

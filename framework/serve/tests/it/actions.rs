//! The paper's own query: what did this actor do?

use serde_json::{Value, json};

use crate::client::get;
use crate::support::start;
use crate::world::World;

#[test]
fn lists_the_actions_of_a_verb_newest_first_with_what_was_selected() {
    let server = start(World::new().app());
    let target = "/v1/actors/member-111/actions?verb=apply&within=24h&select=object.embedding,object.title";
    let reply = get(server.address(), target);
    assert_eq!(reply.status, 200, "{}", reply.text());
    let answer = reply.json();
    let objects: Vec<_> = answer["actions"].as_array().unwrap().iter().map(|row| row["object"].clone()).collect();
    assert_eq!(objects, ["job-1", "job-2", "job-3"]);
    let newest = &answer["actions"][0];
    assert_eq!(newest["timestamp"], "2026-11-23T09:15:00.123Z");
    assert_eq!((&newest["verb"], &newest["event_id"]), (&json!("apply"), &json!("e2")));
    assert_eq!(newest["selected"], json!({"object.embedding": [0.5, 0.25], "object.title": "title of job-1"}));
    assert_eq!((&answer["matched"], &answer["truncated"]), (&json!(3), &json!(false)));
    assert_eq!(answer["owner"], server.address().to_string());
    assert!(answer["took_us"].is_u64(), "{answer}");
}

#[test]
fn takes_several_verbs_a_limit_and_an_instant() {
    let server = start(World::new().app());
    let ask =
        |query: &str| get(server.address(), &format!("/v1/stores/activity/actors/member-111/actions{query}")).json();
    let verbs = |answer: &Value| {
        let rows = answer["actions"].as_array().unwrap();
        rows.iter().map(|row| row["verb"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(verbs(&ask("?verb=view&verb=apply&within=1h")), ["view", "apply", "view"]);
    let limited = ask("?limit=2");
    assert_eq!((verbs(&limited).len(), &limited["matched"], &limited["truncated"]), (2, &json!(6), &json!(true)));
    assert_eq!(verbs(&ask("?as_of=2026-11-23T05:00:00.123Z")), ["apply", "apply", "apply"]);
}

#[test]
fn selects_all_attributes_of_a_side_and_gives_vectors_as_base64() {
    let server = start(World::new().app());
    let target = "/v1/actors/member-111/actions?within=1h&limit=1&select=objectAttributes&vectors=base64";
    let answer = get(server.address(), target).json();
    let expected = json!({"object.embedding": "AACAPgAAAAA=", "object.title": "title of job-9"});
    assert_eq!(answer["actions"][0]["selected"], expected);
}

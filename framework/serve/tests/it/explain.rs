//! What made a value.

use serde_json::{Value, json};

use crate::client::get;
use crate::support::start;
use crate::world::World;

fn explain(target: &str) -> Value {
    let server = start(World::new().app());
    let reply = get(server.address(), target);
    assert_eq!(reply.status, 200, "{}", reply.text());
    reply.json()
}

#[test]
fn lists_the_events_of_each_window_newest_first() {
    let explained = explain("/v1/actors/member-111/explain?feature=applied");
    let window = &explained["windows"]["24h"];
    let events: Vec<_> = window["events"].as_array().unwrap().iter().map(|event| event["object"].clone()).collect();
    assert_eq!(events, [json!("job-1"), json!("job-2"), json!("job-3")]);
    assert_eq!(window["events"][1]["selected"], json!({"object.embedding": [0.0, -0.5]}));
    assert_eq!((&window["used"], &window["value"]), (&json!(3), &json!([0.125, -0.083_333_336])));
    let passed: Vec<_> =
        window["passed_over"].as_array().unwrap().iter().map(|event| event["reason"].clone()).collect();
    assert_eq!(passed, [json!("verb"), json!("verb")]);
    assert_eq!(
        (&window["after"], &window["until"]),
        (&json!("2026-11-22T10:00:00.123Z"), &json!("2026-11-23T10:00:00.123Z"))
    );
    assert_eq!(
        (&explained["found"], &explained["complete"], &explained["dropped"]),
        (&json!(true), &json!(true), &json!([]))
    );
}

#[test]
fn takes_the_options_of_every_question() {
    let target =
        "/v1/stores/activity/actors/member-111/explain?feature=applied&as_of=1795410000123&vectors=base64&limit=1";
    let explained = explain(target);
    let window = &explained["windows"]["24h"];
    assert_eq!((&window["value"], &window["truncated"]), (&json!("AACAvQAAgL4="), &json!(true)));
    assert_eq!(window["events"].as_array().map(Vec::len), Some(1));
    assert_eq!(window["events"][0]["selected"]["object.embedding"], "AAAAAAAAAL8=");
}

#[test]
fn wrong_questions_say_what_to_write() {
    let server = start(World::new().app());
    for (query, code) in
        [("", "NF016"), ("?feature=nope", "NF011"), ("?feature=applied&limit=0", "NF016"), ("?x=1", "NF016")]
    {
        let reply = get(server.address(), &format!("/v1/actors/member-111/explain{query}"));
        assert_eq!(reply.json()["code"], code, "{query}");
    }
}

//! Every answer says what it rests on: where the store was, how far behind, and which events were used.

use serde_json::{Value, json};

use crate::client::{get, post};
use crate::support::start;
use crate::world::World;

#[test]
fn every_answer_says_what_it_rests_on() {
    let server = start(World::new().app());
    let of = |path: &str| get(server.address(), &format!("/v1/actors/member-111/{path}")).json();
    let batch =
        post(server.address(), "/v1/features", &json!({"actors": ["member-111"], "features": ["applied"]})).json();
    let answers = [
        ("features", of("features?features=applied")),
        ("batch", batch["results"][0].clone()),
        ("actions", of("actions?verb=apply&within=24h")),
        ("explain", of("explain?feature=applied")),
    ];
    for (kind, answer) in answers {
        for name in [
            "as_of",
            "found",
            "complete",
            "truncated",
            "stale",
            "lag_ms",
            "source_lag_ms",
            "owner",
            "position",
            "took_us",
        ] {
            // One clock for all actors of a batch stands beside its results.
            assert!(!answer[name].is_null() || (kind, name) == ("batch", "took_us"), "{kind} lacks {name}: {answer}");
        }
        let value = match kind {
            "actions" => &answer,
            "explain" => &answer["windows"]["24h"],
            _ => &answer["features"]["applied"],
        };
        assert_eq!((&value["used"], &value["missing"]), (&json!(3), &json!(0)), "{kind}");
        let times: Vec<Value> = match kind {
            "explain" => [2_usize, 0].into_iter().map(|event| value["events"][event]["timestamp"].clone()).collect(),
            _ => vec![value["oldest"].clone(), value["newest"].clone()],
        };
        assert_eq!(times, [json!("2026-11-22T11:00:00.123Z"), json!("2026-11-23T09:15:00.123Z")], "{kind}");
    }
}

//! One actor's features.

use nowfold_serve::Server;
use serde_json::{Value, json};

use crate::client::{Client, Reply, get};
use crate::support::start;
use crate::world::World;

fn serve() -> Server {
    start(World::new().app())
}

#[track_caller]
fn ok(reply: &Reply) -> Value {
    assert_eq!(reply.status, 200, "{}", reply.text());
    assert_eq!(reply.header("content-type"), Some("application/json"));
    reply.json()
}

#[test]
fn answers_all_features_in_the_envelope() {
    let server = serve();
    let mut answer = ok(&get(server.address(), "/v1/actors/member-111/features"));
    assert!(answer["took_us"].take().as_u64().is_some_and(|took| took < 1_000_000));
    let partition = answer["position"].as_object().unwrap().keys().next().unwrap().clone();
    let expected = json!({
        "actor": "member-111",
        "features": {
            "applied": {
                "value": [0.125, -0.083_333_336], "used": 3, "missing": 0,
                "oldest": "2026-11-22T11:00:00.123Z", "newest": "2026-11-23T09:15:00.123Z", "error_bound": 0,
            },
            "counts": {
                "value": {
                    "1h": {"apply": 1, "view": 2}, "24h": {"apply": 3, "view": 2}, "96h": {"apply": 4, "view": 2},
                },
                "used": 6, "missing": 0,
                "oldest": "2026-11-22T04:00:00.123Z", "newest": "2026-11-23T09:58:00.123Z", "error_bound": 0,
            },
        },
        "as_of": "2026-11-23T10:00:00.123Z", "found": true, "complete": true, "truncated": false, "stale": false,
        "lag_ms": 0, "source_lag_ms": 0, "owner": server.address().to_string(),
        "position": {partition: answer["position"].as_object().unwrap().values().next().unwrap()},
        "took_us": null,
    });
    assert_eq!(answer, expected);
}

#[test]
fn answers_alike_with_and_without_the_stores_name() {
    let server = serve();
    let without_time = |target| {
        let mut answer = ok(&get(server.address(), target));
        answer["took_us"].take();
        answer
    };
    let short = without_time("/v1/actors/member-111/features");
    assert_eq!(short, without_time("/v1/stores/activity/actors/member-111/features"));
}

#[test]
fn answers_the_features_asked_for_in_their_order() {
    let server = serve();
    let text = get(server.address(), "/v1/actors/member-111/features?features=counts,applied").text();
    assert!(text.find("\"counts\"") < text.find("\"applied\""), "{text}");
    let answer = ok(&get(server.address(), "/v1/actors/member-111/features?features=applied"));
    assert_eq!(answer["features"].as_object().unwrap().keys().collect::<Vec<_>>(), ["applied"]);
}

#[test]
fn answers_as_of_any_instant() {
    let server = serve();
    // Five hours earlier job-2 had just been applied to, and job-1 not yet.
    for as_of in ["1795410000123", "2026-11-23T05:00:00.123Z", "2026-11-23T06:00:00.123%2B01:00"] {
        let target = format!("/v1/actors/member-111/features?as_of={as_of}");
        let answer = ok(&get(server.address(), &target));
        assert_eq!(answer["as_of"], "2026-11-23T05:00:00.123Z");
        assert_eq!(answer["features"]["counts"]["value"]["96h"], json!({"apply": 3}));
    }
}

#[test]
fn gives_vectors_as_base64() {
    let server = serve();
    let target = "/v1/actors/member-111/features?features=applied&vectors=base64&as_of=1795410000123";
    let answer = ok(&get(server.address(), target));
    // struct.pack("<2f", -0.0625, -0.25)
    assert_eq!(answer["features"]["applied"]["value"], "AACAvQAAgL4=");
    let list = ok(&get(server.address(), &target.replace("base64", "list")));
    assert_eq!(list["features"]["applied"]["value"], json!([-0.0625, -0.25]));
}

#[test]
fn takes_percent_encoded_actors() {
    let server = serve();
    let answer = ok(&get(server.address(), "/v1/actors/%C3%85sa%2F%C3%96l%2042/features?features=counts"));
    assert_eq!(answer["actor"], "Åsa/Öl 42");
    assert_eq!(answer["features"]["counts"]["value"]["1h"], json!({"view": 1}));
}

#[test]
fn an_unknown_actor_looks_like_one_without_events() {
    let server = serve();
    let answer = ok(&get(server.address(), "/v1/actors/nobody/features"));
    assert_eq!((&answer["found"], &answer["complete"]), (&json!(false), &json!(true)));
    assert_eq!(answer["features"]["applied"]["value"], Value::Null);
    assert_eq!(answer["features"]["counts"]["value"], json!({"1h": {}, "24h": {}, "96h": {}}));
    let before = ok(&get(server.address(), "/v1/actors/member-111/features?as_of=1795000000000"));
    assert_eq!(before["found"], false);
}

#[test]
fn answers_many_requests_on_one_connection() {
    let server = serve();
    let mut client = Client::connect(server.address());
    for _ in 0..100 {
        let answer = ok(&client.send("GET", "/v1/actors/member-111/features", None));
        assert_eq!(answer["features"]["applied"]["used"], 3);
    }
    assert_eq!(client.send("HEAD", "/v1/actors/member-111/features", None).status, 200);
}

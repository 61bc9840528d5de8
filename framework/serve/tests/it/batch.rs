//! Several actors in one call, and features that are not registered.

use nowfold_serve::Server;
use serde_json::{Value, json};

use crate::client::{Reply, post};
use crate::support::{partition, start};
use crate::world::World;

fn ask(server: &Server, body: &Value) -> Reply {
    post(server.address(), "/v1/features", body)
}

#[test]
fn answers_actors_in_the_order_asked_as_of_one_instant() {
    let server = start(World::new().app());
    let actors = ["member-222", "nobody", "member-111", "member-222"];
    let reply = post(server.address(), "/v1/stores/activity/features", &json!({"actors": actors}));
    assert_eq!(reply.status, 200, "{}", reply.text());
    let answer = reply.json();
    let results = answer["results"].as_array().unwrap();
    assert_eq!(results.iter().map(|result| result["actor"].as_str().unwrap()).collect::<Vec<_>>(), actors);
    assert!(results.iter().all(|result| result["as_of"] == answer["as_of"]), "{answer}");
    assert_eq!(results[2]["features"]["counts"]["value"]["24h"], json!({"apply": 3, "view": 2}));
    assert_eq!(results[1]["found"], false);
    assert_eq!(answer["owner"], server.address().to_string());
    assert!(answer["took_us"].is_u64() && results[3]["took_us"].is_u64(), "{answer}");
}

#[test]
fn answers_features_that_the_question_defines() {
    let server = start(World::new().app());
    let body = json!({
        "actors": ["member-111"], "features": ["applied"], "vectors": "base64", "as_of": "2026-11-23T05:00:00.123Z",
        "adhoc": [
            {"name": "n", "aggregate": "count", "within": ["1h", "48h"]},
            {"name": "jobs", "aggregate": "distinct_count", "of": "object", "within": ["96h"]},
            {"name": "last", "aggregate": "last", "of": "object.embedding", "k": 2, "verbs": ["apply"], "within": ["96h"]},
            {"name": "taste", "aggregate": "weighted_mean", "of": "object.embedding",
             "weights": {"apply": 1.0, "view": -1.0}, "within": ["24h"]},
        ],
    });
    let features = ask(&server, &body).json()["results"][0]["features"].clone();
    assert_eq!(features["applied"]["value"], "AACAvQAAgL4=");
    assert_eq!(features["n"]["value"], json!({"1h": 1, "48h": 3}));
    assert_eq!(features["jobs"]["value"], 3);
    assert_eq!(features["last"]["value"], json!(["AAAAAAAAAL8=", "AAAAvgAAAAA="]));
    assert_eq!(features["taste"]["value"], "AACAvQAAgL4=");
    let alone = json!({"actors": ["member-111"], "adhoc": [{"name": "n", "aggregate": "count", "within": ["1h"]}]});
    let features = ask(&server, &alone).json()["results"][0]["features"].clone();
    assert_eq!(features.as_object().unwrap().keys().collect::<Vec<_>>(), ["n"]);
}

#[test]
fn errors_of_one_actor_are_in_its_own_result() {
    let world = World::new();
    let server = start(world.app());
    let (gone, _) = partition(&world.hub, "member-222");
    assert_ne!(gone, partition(&world.hub, "member-111").0, "the actors of this test share a partition");
    world.hub.close(&"activity".into(), gone);
    let too_long = "x".repeat(1_025);
    let answer = ask(&server, &json!({"actors": ["member-111", "member-222", "", too_long]})).json();
    assert_eq!(answer["results"][0]["features"]["applied"]["used"], 3);
    let codes: Vec<_> = (1..4).map(|i| answer["results"][i]["error"]["code"].as_str().unwrap()).collect();
    assert_eq!(codes, ["NF021", "NF016", "NF016"]);
    assert_eq!(answer["results"][1]["actor"], "member-222");
    assert_eq!(answer["results"][1]["error"]["partition"], gone);
}

#[test]
fn takes_as_many_actors_as_the_limit_and_no_more() {
    let server = start(World::new().app());
    let actors = |n: usize| (0..n).map(|i| format!("member-{i}")).collect::<Vec<_>>();
    let reply = ask(&server, &json!({"actors": actors(500), "features": ["counts"]}));
    assert_eq!((reply.status, reply.json()["results"].as_array().unwrap().len()), (200, 500));
    assert_eq!(ask(&server, &json!({"actors": actors(501)})).error(), (400, "NF016".to_owned()));
    assert_eq!(ask(&server, &json!({"actors": []})).json()["results"], json!([]));
}

#[test]
fn refuses_a_question_that_is_wrong_as_a_whole() {
    let server = start(World::new().app());
    let adhoc = |feature: Value| json!({"actors": ["a"], "adhoc": [feature]});
    let cases = [
        (json!({}), "NF016", "missing field `actors`"),
        (json!({"actors": ["a"], "feature": ["applied"]}), "NF016", "unknown field `feature`"),
        (json!({"actors": ["a"], "features": ["appleid"]}), "NF011", "registered: applied, counts"),
        (json!({"actors": ["a"], "as_of": "tomorrow"}), "NF016", "as_of: \"tomorrow\" is not an instant"),
        (json!({"actors": ["a"], "as_of": 1_900_000_000_000_i64}), "NF015", "a time that has come"),
        (json!({"actors": ["a"], "at_least": {"actions": 1}}), "NF016", "at_least: "),
        (json!({"actors": ["a"], "vectors": "hex"}), "NF016", "unknown variant `hex`"),
        (adhoc(json!({"name": "n", "aggregate": "count", "within": ["98h"]})), "NF014", "shorten the window"),
        (adhoc(json!({"name": "n", "aggregate": "count", "within": []})), "NF016", "needs the key \"within\""),
        (adhoc(json!({"name": "n", "aggregate": "count", "within": ["1 day"]})), "NF016", "is not a window"),
        (json!({"actors": ["a"], "as_of": 1, "timeline": [1]}), "NF016", "leave out one of them"),
        (json!({"actors": ["a", "b"], "timeline": {"from": 0, "to": 501, "step": "1ms"}}), "NF016", "more instants"),
        (json!({"actors": ["a"], "scores": [{"feature": "applied", "metric": "l2", "candidates": []}]}), "NF016", "l2"),
        (adhoc(json!({"name": "n", "aggregate": "sum", "of": "price", "within": ["1h"]})), "NF016", "is not a path"),
    ];
    for (body, code, says) in cases {
        let reply = ask(&server, &body);
        assert_eq!(reply.error().1, code, "{body}");
        assert!(reply.text().contains(&says.replace('"', "\\\"")), "{body}: {}", reply.text());
    }
    let twice = ["n", "n"].map(|name| json!({"name": name, "aggregate": "count", "within": ["1h"]}));
    assert_eq!(ask(&server, &json!({"actors": ["a"], "adhoc": twice})).error().1, "NF016");
    let many: Vec<_> =
        (0..33).map(|i| json!({"name": format!("n{i}"), "aggregate": "count", "within": ["1h"]})).collect();
    assert_eq!(ask(&server, &json!({"actors": ["a"], "adhoc": many})).error().1, "NF016");
}

#[test]
fn answers_as_of_several_instants_in_order() {
    let server = start(World::new().app());
    let body = json!({"actors": ["member-111", ""], "features": ["counts"],
                      "timeline": {"from": "2026-11-23T00:00:00.123Z", "to": "2026-11-23T10:00:00.123Z", "step": "5h"}});
    let answer = ask(&server, &body).json();
    let timeline = answer["results"][0]["timeline"].as_array().unwrap();
    assert_eq!(timeline.len(), 3);
    for at in timeline {
        let single = json!({"actors": ["member-111"], "features": ["counts"], "as_of": at["as_of"]});
        let single = ask(&server, &single).json();
        assert_eq!(at["features"], single["results"][0]["features"], "{}", at["as_of"]);
    }
    assert_ne!(timeline[0]["features"], timeline[2]["features"]);
    assert_eq!(answer["results"][1]["error"]["code"], "NF016");
}

#[test]
fn scores_candidates_against_a_feature_of_the_same_question() {
    let server = start(World::new().app());
    let scores = |metric: &str, candidates: Value| {
        let score = json!({"feature": "taste", "metric": metric, "candidates": candidates});
        let taste = json!({"name": "taste", "aggregate": "vec_mean", "of": "object.embedding", "verbs": "apply", "within": "24h"});
        ask(&server, &json!({"actors": ["member-111", "nobody"], "adhoc": [taste], "scores": [score]}))
    };
    let answer = scores("dot", json!([[1, 0], [0, 1]])).json();
    let [x, y] = [0, 1].map(|i| answer["results"][0]["features"]["taste"]["value"][i].as_f64().unwrap());
    let found = &answer["results"][0]["scores"]["taste"];
    assert!((found[0].as_f64().unwrap() - x).abs() < 1e-6 && (found[1].as_f64().unwrap() - y).abs() < 1e-6, "{answer}");
    assert_eq!(answer["results"][1]["scores"]["taste"], json!([null, null]));
    let cosine = scores("cosine", json!([[x, y]])).json()["results"][0]["scores"]["taste"][0].as_f64().unwrap();
    assert!((cosine - 1.0).abs() < 1e-9, "{cosine}");
    let wrong = scores("dot", json!([[1, 0, 0]])).json();
    assert_eq!(wrong["results"][0]["error"]["code"], "NF016", "{wrong}");
}

#[test]
fn windows_of_every_kind_and_conditions_are_asked_ad_hoc() {
    let server = start(World::new().app());
    let feature = json!({"name": "n", "aggregate": "count", "where": {"path": "verb", "is_in": ["apply"]},
                         "within": ["96h", "last-2", "tumbling-24h", "session-30m"]});
    let answer = ask(&server, &json!({"actors": ["member-111"], "adhoc": [feature]})).json();
    let value = &answer["results"][0]["features"]["n"]["value"];
    assert_eq!((&value["96h"], &value["last-2"]), (&json!(4), &json!(2)), "{answer}");
}

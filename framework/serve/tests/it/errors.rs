//! Every error of a question, with its status, code and way on.

use std::time::Duration;

use nowfold_core::query::{Lag, Readiness};
use nowfold_core::time::minutes;
use nowfold_runtime::AppState;
use nowfold_serve::{App, Limits, Server};
use serde_json::json;

use crate::client::{Client, get};
use crate::support::{partition, progress, start};
use crate::world::{NOW, World};

const FEATURES: &str = "/v1/actors/member-111/features";

#[test]
fn names_the_stores_and_features_there_are() {
    let server = start(World::new().app());
    let reply = get(server.address(), "/v1/stores/activities/actors/member-111/features");
    assert_eq!(reply.error(), (404, "NF010".to_owned()));
    assert_eq!(reply.json()["message"], "NF010 there is no store \"activities\"; known stores: activity");
    let reply = get(server.address(), &format!("{FEATURES}?features=applied,cuonts"));
    assert_eq!(reply.error(), (404, "NF011".to_owned()));
    assert_eq!((&reply.json()["feature"], &reply.json()["store"]), (&json!("cuonts"), &json!("activity")));
}

#[test]
fn refuses_the_short_form_where_it_could_mean_several_stores() {
    let server = start(World::of(&["activity", "archive"]).app());
    let reply = get(server.address(), FEATURES);
    assert_eq!(reply.error(), (400, "NF016".to_owned()));
    assert!(reply.text().contains("the stores activity, archive; name one"), "{}", reply.text());
    assert_eq!(get(server.address(), "/v1/stores/archive/actors/member-111/features").status, 200);
    let empty = World::of(&[]);
    let server = start(App::new(empty.hub.clone(), empty.clock.clone(), Default::default()));
    assert_eq!(get(server.address(), FEATURES).error(), (400, "NF016".to_owned()));
}

#[test]
fn refuses_questions_that_are_not_written_as_they_should_be() {
    let server = start(World::new().app());
    let long = "x".repeat(1_025);
    let cases = [
        format!("{FEATURES}?feature=applied"),
        format!("{FEATURES}?features=applied,"),
        format!("{FEATURES}?as_of=yesterday"),
        format!("{FEATURES}?as_of=1&as_of=2"),
        format!("{FEATURES}?at_least=actions-5"),
        format!("{FEATURES}?at_least=other-0:1"),
        format!("{FEATURES}?at_least=actions-6:1"),
        format!("{FEATURES}?wait=5s"),
        format!("{FEATURES}?max_lag=long"),
        format!("{FEATURES}?vectors=f16"),
        format!("/v1/actors/{long}/features"),
        "/v1/actors//features".to_owned(),
        "/v1/actors/%FF/features".to_owned(),
        "/v1/actors/a/actions?within=1week".to_owned(),
        "/v1/actors/a/actions?limit=10001".to_owned(),
        "/v1/actors/a/actions?limit=0".to_owned(),
        "/v1/actors/a/actions?select=price".to_owned(),
        "/v1/stores?limit=5".to_owned(),
    ];
    for target in cases {
        assert_eq!(get(server.address(), &target).error(), (400, "NF016".to_owned()), "{target}");
    }
}

#[test]
fn refuses_windows_and_instants_that_cannot_be_answered() {
    let server = start(World::new().app());
    let reply = get(server.address(), "/v1/actors/a/actions?within=97h");
    assert_eq!(reply.error(), (400, "NF014".to_owned()));
    let reply = get(server.address(), &format!("{FEATURES}?as_of=2027-01-01T00:00:00Z"));
    assert_eq!(reply.error(), (400, "NF015".to_owned()));
    let soon = NOW.plus(minutes(5)).as_millis();
    assert_eq!(get(server.address(), &format!("{FEATURES}?as_of={soon}")).status, 200);
}

#[test]
fn says_how_far_a_restore_is_and_gives_stale_answers_on_request() {
    let world = World::new();
    let server = start(world.app());
    progress(&world.hub, "member-111", |progress| {
        progress.readiness = Readiness::Restoring { done: 200_000, total: 1_000_000 };
        progress.lag = Lag::Since(NOW.minus(minutes(3)));
    });
    let reply = get(server.address(), FEATURES);
    assert_eq!(reply.error(), (503, "NF012".to_owned()));
    assert_eq!((reply.header("retry-after"), &reply.json()["retry_after_s"]), (Some("3"), &json!(3)));
    assert_eq!((&reply.json()["done"], &reply.json()["total"]), (&json!(200_000), &json!(1_000_000)));
    assert_eq!(get(server.address(), &format!("{FEATURES}?max_lag=2m")).error(), (503, "NF012".to_owned()));
    let stale = get(server.address(), &format!("{FEATURES}?max_lag=5m"));
    assert_eq!((stale.status, &stale.json()["stale"], &stale.json()["lag_ms"]), (200, &json!(true), &json!(180_000)));
}

#[test]
fn refuses_partitions_that_live_elsewhere() {
    let world = World::new();
    world.hub.close(&"activity".into(), partition(&world.hub, "member-111").0);
    let server = start(world.app());
    let reply = get(server.address(), FEATURES);
    assert_eq!((reply.error(), reply.header("retry-after")), ((421, "NF021".to_owned()), None));
    let moving = start(world.app_in(AppState::Rebalancing));
    let reply = get(moving.address(), FEATURES);
    assert_eq!((reply.error(), reply.header("retry-after")), ((503, "NF021".to_owned()), Some("1")));
}

#[test]
fn knows_its_paths_and_methods() {
    let server = start(World::new().app());
    for target in ["/", "/v1", "/v1/actors", "/v1/actors/", "/v2/stores", "/v1/stores/activity/actors"] {
        assert_eq!(get(server.address(), target).error(), (404, "NF030".to_owned()), "{target}");
    }
    for (method, target, allowed) in [("POST", FEATURES, "GET,HEAD"), ("DELETE", "/v1/features", "POST")] {
        let reply = Client::connect(server.address()).send(method, target, None);
        assert_eq!((reply.error(), reply.header("allow")), ((405, "NF031".to_owned()), Some(allowed)));
    }
}

#[test]
fn answers_no_request_for_a_foreign_host() {
    let server = start(World::new().app());
    let ask = |server: &Server, host: &str| {
        let mut client = Client::connect(server.address());
        client.write(&format!("GET {FEATURES} HTTP/1.1\r\nhost: {host}\r\n\r\n"));
        client.read(true).unwrap()
    };
    assert_eq!(ask(&server, "features.evil.example:7070").error(), (421, "NF036".to_owned()));
    assert_eq!(ask(&server, &server.address().to_string()).status, 200);
    let open = start(World::new().app().allow_remote_insecure());
    assert_eq!(ask(&open, "features.internal").status, 200);
}

#[test]
fn refuses_an_answer_that_would_be_too_long() {
    let mut limits = Limits::default();
    limits.answer_bytes = 300;
    let server = start(World::new().app().limits(limits));
    assert_eq!(get(server.address(), FEATURES).error(), (400, "NF035".to_owned()));
    assert_eq!(get(server.address(), "/v1/stores").error(), (400, "NF035".to_owned()));
}

#[test]
fn a_panic_ends_its_request_and_no_other() {
    let server = start(World::new().app().metrics(|| panic!("a test of what happens then")));
    let mut client = Client::connect(server.address());
    assert_eq!(client.send("GET", "/metrics", None).error(), (500, "NF038".to_owned()));
    assert_eq!(client.send("GET", FEATURES, None).status, 200);
}

#[test]
fn starts_on_loopback_addresses_only() {
    let app = || World::new().app();
    let error = Server::start("0.0.0.0:0".parse().unwrap(), app()).unwrap_err().to_string();
    assert!(error.starts_with("NF111 0.0.0.0:0 is not a loopback address"), "{error}");
    assert!(Server::start("[::]:0".parse().unwrap(), app()).is_err());
    let open = Server::start("0.0.0.0:0".parse().unwrap(), app().allow_remote_insecure()).unwrap();
    assert_ne!(open.address().port(), 0);
    let freed = start(app()).address();
    Server::start(freed, app()).expect("the port of a server that was dropped is free again");
    let running = start(app());
    let error = Server::start(running.address(), app()).unwrap_err().to_string();
    assert!(error.starts_with("NF112 cannot listen on 127.0.0.1:"), "{error}");
}

#[test]
fn stops_when_it_is_dropped_also_while_clients_are_connected() {
    let mut limits = Limits::default();
    limits.drain_timeout = Duration::from_secs(20);
    let server = start(World::new().app().limits(limits));
    let mut idle = Client::connect(server.address());
    assert_eq!(idle.send("GET", "/livez", None).status, 200);
    let started = std::time::Instant::now();
    drop(server);
    assert!(started.elapsed() < Duration::from_secs(10), "an idle connection held the server up");
    assert!(idle.is_closed());
}

//! Reading one's writes, and reading while others write.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use nowfold_core::query::PartitionHandle;
use nowfold_core::time::{millisecs, minutes};
use nowfold_operators::chain::{Appended, EventChains};
use nowfold_schemas::action::Action;
use nowfold_serve::Limits;
use serde_json::json;

use crate::client::{Client, get, post};
use crate::support::{eventually, partition, start};
use crate::world::{NOW, World};

const FEATURES: &str = "/v1/actors/member-111/features";

/// The partition of member-111 as its worker sees it.
struct Writer {
    number: i32,
    handle: PartitionHandle,
    next: i64,
}

impl Writer {
    fn new(world: &World) -> Self {
        let (number, handle) = partition(&world.hub, "member-111");
        let next = handle.progress.get().applied.unwrap() + 1;
        Self { number, handle, next }
    }

    /// Applies another view of member-111 and tells of it.
    fn view(&mut self) {
        let chains = self.handle.reader.downcast_ref::<EventChains>().unwrap();
        let action = Action::new("member-111", "view", "job-1").at(NOW.minus(minutes(1))).id(format!("w{}", self.next));
        assert!(chains.apply(&action, Appended::new(self.next, NOW)).is_admitted());
        self.handle.progress.update(|progress| progress.applied = Some(self.next));
        self.next += 1;
    }

    fn position(&self, offset: i64) -> String {
        format!("actions-{}:{offset}", self.number)
    }
}

#[test]
fn an_answer_includes_the_position_that_it_must_have_seen() {
    let world = World::new();
    let mut writer = Writer::new(&world);
    let server = start(world.app());
    for _ in 0..50 {
        let target = format!("{FEATURES}?at_least={}&wait=4s", writer.position(writer.next));
        let before = get(server.address(), FEATURES).json()["features"]["counts"]["value"]["1h"]["view"].as_u64();
        let mut client = Client::connect(server.address());
        client.write(&format!("GET {target} HTTP/1.1\r\nhost: localhost\r\n\r\n"));
        writer.view();
        let answer = client.read(true).unwrap().json();
        assert_eq!(answer["features"]["counts"]["value"]["1h"]["view"].as_u64(), before.map(|n| n + 1), "{answer}");
    }
}

#[test]
fn a_waiting_question_holds_up_no_other() {
    let world = World::new();
    let mut writer = Writer::new(&world);
    let server = start(world.app());
    let position = writer.position(writer.next);
    let mut waiting = Client::connect(server.address());
    waiting.write(&format!("GET {FEATURES}?at_least={position}&wait=4s HTTP/1.1\r\nhost: localhost\r\n\r\n"));
    for _ in 0..20 {
        assert_eq!(get(server.address(), FEATURES).status, 200);
    }
    assert!(waiting.is_open_for(Duration::from_millis(1)), "the question did not wait");
    writer.view();
    assert_eq!(waiting.read(true).unwrap().status, 200);
}

#[test]
fn a_wait_that_is_over_ends_in_an_error() {
    let world = World::new();
    let writer = Writer::new(&world);
    let mut limits = Limits::default();
    limits.wait = Duration::from_millis(30);
    let server = start(world.app().limits(limits));
    let applied = writer.next - 1;
    let wanted = writer.next + 5;
    for wait in ["", "&wait=20ms", "&wait=0ms"] {
        let started = Instant::now();
        let reply = get(server.address(), &format!("{FEATURES}?at_least={}{wait}", writer.position(wanted)));
        assert_eq!(reply.error(), (503, "NF013".to_owned()));
        assert_eq!(reply.header("retry-after"), Some("1"));
        assert_eq!((&reply.json()["applied"], &reply.json()["wanted"]), (&json!(applied), &json!(wanted)));
        assert!(wait.ends_with("=0ms") || started.elapsed() >= millisecs(20), "{wait:?} did not wait");
    }
    let at_least = json!({format!("actions-{}", writer.number): wanted});
    let body = json!({"actors": ["member-222", "member-111"], "at_least": at_least, "wait": "20ms"});
    let results = post(server.address(), "/v1/features", &body).json()["results"].clone();
    assert_eq!((&results[0]["found"], &results[1]["error"]["code"]), (&json!(true), &json!("NF013")));
}

#[test]
fn every_answer_is_of_one_moment_while_a_worker_writes() {
    let world = World::new();
    let mut writer = Writer::new(&world);
    let first = writer.next;
    let server = start(world.app());
    let stop = Arc::new(AtomicBool::new(false));
    let stopped = stop.clone();
    let worker = thread::spawn(move || {
        while !stopped.load(Ordering::Relaxed) && writer.next < first + 100_000 {
            writer.view();
        }
        writer.next
    });
    let address = server.address();
    let readers = (0..4).map(|_| {
        thread::spawn(move || {
            let (mut client, mut last) = (Client::connect(address), 0);
            for _ in 0..250 {
                let answer = client.send("GET", FEATURES, None).json();
                let windows = &answer["features"]["counts"]["value"];
                let views = ["1h", "24h", "96h"].map(|window| windows[window]["view"].as_i64().unwrap());
                let position = answer["position"].as_object().unwrap().values().next().unwrap().as_i64().unwrap();
                // Two views at first, and one more with every record.
                assert_eq!(views, [position - first + 3; 3], "{answer}");
                assert!(position >= last, "an answer went back from {last} to {position}");
                last = position;
            }
        })
    });
    let readers: Vec<_> = readers.collect();
    readers.into_iter().for_each(|reader| reader.join().unwrap());
    stop.store(true, Ordering::Relaxed);
    let next = worker.join().unwrap();
    assert!(next > first, "the worker wrote nothing");
    eventually("the last record to be visible", || {
        get(address, FEATURES).json()["position"].as_object().unwrap().values().next() == Some(&json!(next - 1))
    });
}

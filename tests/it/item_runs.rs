//! Features of items on a running application: several partitions, restarts, an erasure that reaches every item, and
//! answers over HTTP.

#![expect(clippy::indexing_slicing, reason = "an answer without a part is a test that fails")]

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

use nowfold::core::names::TopicPartition;
use nowfold::operators::ReKey;
use nowfold::prelude::*;
use nowfold::runtime::SystemClock;
use nowfold::runtime::broker::TopicSpec;

use super::support::{Click, test_kafka, until};

const PATIENCE: Duration = Duration::from_secs(60);
const N_MEMBERS: usize = 20;
const N_JOBS: usize = 12;
const N_CLICKS: usize = 400;

/// Members' actions, and the same by job and by company.
fn topology(prefix: &str) -> Topology {
    let app = StreamsBuilder::new(&format!("{prefix}-items"));
    let features = || {
        [
            feature("who").distinct_count("verb.actor").within(hours(96)),
            feature("applicants").distinct_count("verb.actor").verb("apply").within(hours(96)),
            feature("n").count().within(hours(96)),
        ]
    };
    let store = |log: ActionStream, by: &str, name: &str| {
        log.through(format!("{prefix}-by-{by}")).materialize(Actions::named(name).features(features()));
    };
    let actions = app
        .stream(format!("{prefix}-clicks"), Json::<Option<String>, Click>::new())
        .to_actions("standardize", |_, c| {
            let company = company(&c.job);
            Action::new(c.member, c.kind, c.job).at_ms(c.at_ms).object_attribute("company", company)
        })
        .through(format!("{prefix}-actions"));
    actions.clone().materialize(Actions::named("members").features(features()));
    store(actions.clone().re_key(ReKey::by("object").remembering(hours(97))), "job", "jobs");
    store(actions.re_key(ReKey::by("object.company").remembering(hours(97))), "company", "companies");
    app.build().unwrap()
}

fn company(job: &str) -> String {
    format!("{}-inc", &job[job.len() - 1..])
}

fn member(i: usize) -> String {
    format!("member-{}", i % N_MEMBERS)
}

/// Click number `i`: members and jobs meet in many combinations, a third of them by applying.
fn click(i: usize, now_ms: i64) -> Click {
    let job = format!("job-{}", (i * 7 + i / N_MEMBERS) % N_JOBS);
    Click::new(&member(i), ["view", "apply", "view"][i % 3], &job, now_ms - 60_000 - i as i64)
}

/// Actions, actors and applicants of an item.
type Expected = (u64, u64, u64);

/// What every job and company must answer after these clicks, by store and item.
fn expected(clicks: impl Iterator<Item = usize>, erased: Option<&str>) -> BTreeMap<(&'static str, String), Expected> {
    let mut by_item = BTreeMap::<_, Vec<Click>>::new();
    let clicks = clicks.map(|i| click(i, 0)).filter(|click| Some(&*click.member) != erased);
    for click in clicks {
        by_item.entry(("jobs", click.job.clone())).or_default().push(click.clone());
        by_item.entry(("companies", company(&click.job))).or_default().push(click);
    }
    let of_item = |clicks: Vec<Click>| {
        let applied = clicks.iter().filter(|click| click.kind == "apply");
        (clicks.len() as u64, n_members(clicks.iter()), n_members(applied))
    };
    by_item.into_iter().map(|(item, clicks)| (item, of_item(clicks))).collect()
}

fn n_members<'c>(clicks: impl Iterator<Item = &'c Click>) -> u64 {
    clicks.map(|click| &click.member).collect::<BTreeSet<_>>().len() as u64
}

fn start(prefix: &str, config: Config) -> Streams {
    let app = Streams::start(topology(prefix), config.http(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))).unwrap();
    app.await_running(PATIENCE).unwrap();
    app
}

fn send(app: &Streams, prefix: &str, clicks: impl Iterator<Item = usize>, now_ms: i64) {
    let mut producer = app.producer(&format!("{prefix}-clicks"), Json::<Option<String>, Click>::new()).unwrap();
    for click in clicks.map(|i| click(i, now_ms)) {
        producer.send(&Some(click.member.clone()), &click, Timestamp::from_millis(now_ms)).unwrap();
    }
    producer.flush(PATIENCE).unwrap();
}

fn ask(app: &Streams, store: &str, item: &str) -> Expected {
    let answer = app.features(store).unwrap().of(item).unwrap();
    (answer.count("n").unwrap(), answer.count("who").unwrap(), answer.count("applicants").unwrap())
}

/// Waits until every item answers as expected.
#[track_caller]
fn await_items(app: &Streams, expected: &BTreeMap<(&'static str, String), Expected>) {
    let wrong = || {
        let mut answers = expected.iter().map(|((store, item), all)| ((store, item), ask(app, store, item), all));
        answers.find(|(_, answer, all)| answer != *all).map(|wrong| format!("{wrong:?}"))
    };
    until(PATIENCE, || format!("{:?}; {}", wrong(), app.state()), || wrong().is_none());
}

/// What the server says of an item.
fn over_http(app: &Streams, store: &str, item: &str) -> Expected {
    let address = app.http_address().unwrap();
    let mut stream = TcpStream::connect(address).unwrap();
    let target = format!("/v1/stores/{store}/actors/{item}/features");
    write!(stream, "GET {target} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").unwrap();
    let mut reply = String::new();
    stream.read_to_string(&mut reply).unwrap();
    let (head, body) = reply.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200 "), "{reply}");
    let answer: serde_json::Value = serde_json::from_str(body).unwrap();
    assert_eq!((&answer["actor"], &answer["found"]), (&item.into(), &true.into()), "{answer}");
    let [n, who, applicants] = ["n", "who", "applicants"].map(|name| answer["features"][name]["value"].as_u64());
    (n.unwrap(), who.unwrap(), applicants.unwrap())
}

/// In how many partitions of a topic there are records.
fn used_partitions(app: &Streams, topic: &str, store: &str) -> usize {
    let n = app.hub().with_store(store, |_, entry| entry.n_partitions).unwrap();
    let end = |number| app.broker().watermarks(&TopicPartition::new(topic, number)).unwrap().high;
    (0..n).filter(|number| end(*number) > 0).count()
}

fn items_answer_across_restarts(prefix: &str, config: impl Fn() -> Config) {
    let now_ms = SystemClock.now().as_millis();
    let half = N_CLICKS / 2;
    let app = start(prefix, config());
    send(&app, prefix, 0..half, now_ms);
    await_items(&app, &expected(0..half, None));
    for (by, store) in [("job", "jobs"), ("company", "companies")] {
        assert!(used_partitions(&app, &format!("{prefix}-by-{by}"), store) > 1, "{store} lie in one partition");
    }
    app.close().unwrap();

    let app = start(prefix, config());
    send(&app, prefix, half..N_CLICKS, now_ms);
    let all = expected(0..N_CLICKS, None);
    await_items(&app, &all);
    for ((store, item), answer) in &all {
        assert_eq!(over_http(&app, store, item), *answer, "{store} {item}");
    }
    let gone = member(3);
    app.features("members").unwrap().erase(&gone).run().unwrap();
    let rest = expected(0..N_CLICKS, Some(&gone));
    await_items(&app, &rest);
    app.close().unwrap();

    let app = start(prefix, config());
    await_items(&app, &rest);
    assert!(!app.features("members").unwrap().of(&gone).unwrap().envelope.found);
    app.close().unwrap();
}

#[test]
fn items_answer_across_restarts_on_the_embedded_log() {
    let dir = tempfile::tempdir().unwrap();
    items_answer_across_restarts("feed", || Config::embedded().data_dir(dir.path()));
}

#[test]
fn items_answer_across_restarts_on_a_real_kafka() {
    let Some(bootstrap) = test_kafka("item_runs") else { return };
    let prefix = format!("items-{}", std::process::id());
    let mut config = Config::kafka(bootstrap.clone());
    let spec = TopicSpec { name: format!("{prefix}-clicks").into(), partitions: Some(3), config: BTreeMap::new() };
    config.broker().unwrap().create_topic(&spec).unwrap();
    items_answer_across_restarts(&prefix, || Config::kafka(bootstrap.clone()));
}

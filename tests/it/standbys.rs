//! Standbys: answers of copies on request, and tasks that go on where their copy is.

use std::sync::Arc;
use std::time::Duration;

use nowfold::core::query::QueryError;
use nowfold::core::serde::SerdeEnv;
use nowfold::embedded::EmbeddedLog;
use nowfold::operators::Features;
use nowfold::operators::answer::Answer;
use nowfold::runtime::broker::Broker;
use nowfold::runtime::{AppState, Platform, RuntimeConfig, Streams as Runtime, SystemClock};

use super::instances::{Load, count, topology};
use super::support::until;

const PATIENCE: Duration = Duration::from_secs(60);

/// Partitions of the store, each with one owner and one copy.
const PARTITIONS: usize = 4;

fn start(broker: Arc<dyn Broker>, prefix: &str, endpoint: &str) -> Runtime {
    let platform = Platform { broker, clock: Arc::new(SystemClock), serdes: SerdeEnv::default() };
    let config = RuntimeConfig {
        n_workers: 2,
        commit_interval: Duration::from_millis(50),
        heartbeat_interval: Duration::from_millis(200),
        num_standbys: 1,
        endpoint: Some(endpoint.to_owned()),
        ..RuntimeConfig::default()
    };
    Runtime::start(topology(prefix), platform, config).unwrap()
}

/// What is answered to who takes stale answers.
fn stale(app: &Runtime, member: &str) -> Result<Answer, QueryError> {
    let features = Features::new(app.hub(), app.clock(), "activity");
    features.query(member).allow_stale(Duration::from_secs(600)).get()
}

/// How many partitions of the store an application owns, and how many it has copies of that lack nothing.
fn shares(app: &Runtime) -> (usize, usize) {
    let owned = app.hub().with_store("activity", |_, entry| entry.partitions.len()).unwrap();
    (owned, app.standbys().iter().filter(|copy| copy.lag == Some(0)).count())
}

#[track_caller]
fn await_copies(app: &Runtime) {
    let why = || format!("{:?} {} {:?}", shares(app), app.state(), app.standbys());
    // The group may give all of the store to one of the two.
    let warm = || matches!(shares(app), (owned, copies) if owned + copies == PARTITIONS);
    until(PATIENCE, why, || app.state() == AppState::Running && warm());
}

/// The process that an application names as the one to ask.
fn owner(app: &Runtime, member: &str) -> Option<String> {
    match count(app, member) {
        Err(QueryError::NotOwner { owner, .. }) => owner,
        _ => None,
    }
}

/// What a copy says of a member that another process owns: all of it, stale, and how far it is behind.
#[track_caller]
fn is_answered_by_the_copy(app: &Runtime, member: &str, n: u64) {
    let answers = || {
        let answer = stale(app, member).unwrap();
        answer.count("all").unwrap() == n
    };
    until(PATIENCE, || format!("{member}: {:?} of {n}", stale(app, member)), answers);
    let envelope = stale(app, member).unwrap().envelope;
    assert!(envelope.stale, "{envelope:?}");
    assert_eq!((envelope.lag_records, envelope.lag_ms), (Some(0), Some(0)), "{envelope:?}");
}

#[test]
fn a_copy_answers_on_request_and_says_that_it_is_one_and_without_that_the_owner_is_named() {
    let log = EmbeddedLog::new(Arc::new(SystemClock));
    let load = Load::start(Arc::new(log.clone()), "copied");
    let [one, two] = ["one:1", "two:2"].map(|endpoint| start(Arc::new(log.clone()), "copied", endpoint));
    await_copies(&one);
    await_copies(&two);
    let truth = load.finish();
    let (mut n_copies, apps) = (0, [(&one, "two:2"), (&two, "one:1")]);
    for (member, n) in &truth {
        for (app, other) in apps {
            match count(app, member) {
                Err(QueryError::NotOwner { .. }) => {
                    // The owner has said so on the control topic, which every process reads at its own pace.
                    until(
                        PATIENCE,
                        || format!("{:?}", count(app, member)),
                        || owner(app, member).as_deref() == Some(other),
                    );
                    is_answered_by_the_copy(app, member, *n);
                    n_copies += 1;
                }
                answer => assert!(answer.is_ok(), "{answer:?}"),
            }
        }
    }
    assert_eq!(n_copies, truth.len(), "each member has one owner and one copy");
    let places = |app: &Runtime| {
        let places = (0..4).flat_map(|partition| app.hub().standbys_elsewhere(&"activity".into(), partition));
        places.map(|place| place.endpoint).collect::<Vec<_>>()
    };
    until(PATIENCE, || format!("{:?}", places(&one)), || places(&one).iter().any(|it| it == "two:2"));
    one.close().unwrap();
    until(PATIENCE, || format!("{:?}", shares(&two)), || shares(&two).0 == PARTITIONS);
    two.close().unwrap();
}

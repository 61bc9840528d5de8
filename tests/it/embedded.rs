//! The runtime on the embedded log: threads, commits, restarts, and what is refused at the start.

use std::time::{Duration, Instant};

use nowfold::core::record::OutputRecord;
use nowfold::prelude::*;
use nowfold::runtime::broker::TopicSpec;
use nowfold::runtime::{AppState, SystemClock};

use super::support::{Click, Job, job_feed};

const PATIENCE: Duration = Duration::from_secs(30);

fn now_ms() -> i64 {
    SystemClock.now().as_millis()
}

fn start(config: Config) -> Streams {
    let app = Streams::start(job_feed(), config).unwrap();
    app.await_running(PATIENCE).unwrap();
    app
}

fn send(app: &Streams, clicks: &[Click]) {
    let mut producer = app.producer("clicks", Json::<Option<String>, Click>::new()).unwrap();
    for click in clicks {
        producer.send(&Some(click.member.clone()), click, Timestamp::from_millis(click.at_ms)).unwrap();
    }
    producer.flush(PATIENCE).unwrap();
}

/// Waits until the member's count is `n`, bounded.
#[track_caller]
fn await_count(app: &Streams, member: &str, n: u64) {
    let (features, started) = (app.features("activity").unwrap(), Instant::now());
    loop {
        let count = features.of(member).unwrap().count("all").unwrap();
        if count == n {
            return;
        }
        assert!(started.elapsed() < PATIENCE, "{member} has {count} of {n}; {}", app.state());
        std::thread::yield_now();
    }
}

#[test]
fn events_become_features_and_a_close_says_what_it_took() {
    let app = start(Config::embedded());
    send(&app, &[Click::new("m", "apply", "job-1", now_ms()), Click::new("m", "view", "job-1", now_ms())]);
    await_count(&app, "m", 2);
    let answer = app.features("activity").unwrap().of("m").unwrap();
    assert!(answer.envelope.found && !answer.envelope.stale && answer.envelope.complete);
    let report = app.close().unwrap();
    assert!(report.to_string().contains("drain"), "{report}");
}

#[test]
fn a_data_directory_survives_a_close_and_input_is_not_mapped_twice() {
    let dir = tempfile::tempdir().unwrap();
    let app = start(Config::embedded().data_dir(dir.path()));
    let clicks: Vec<_> = (0..500).map(|i| Click::new("m", "apply", "job-1", now_ms() - i)).collect();
    send(&app, &clicks);
    await_count(&app, "m", 500);
    app.close().unwrap();
    let app = start(Config::embedded().data_dir(dir.path()));
    await_count(&app, "m", 500);
    let actions = app.embedded_log().unwrap();
    let stored: usize =
        (0..4).map(|p| actions.records(&nowfold::core::names::TopicPartition::new("actions", p)).unwrap().len()).sum();
    assert_eq!(stored, 500, "the committed offsets were kept");
    app.close().unwrap();
}

#[test]
fn a_global_table_is_whole_before_any_record_is_enriched() {
    let mut config = Config::embedded();
    let broker = config.broker().unwrap();
    for name in ["jobs", "clicks"] {
        broker.create_topic(&TopicSpec { name: name.into(), partitions: Some(2), config: Default::default() }).unwrap();
    }
    let env = config.serde_env().unwrap();
    let mut jobs = Producer::open(broker.as_ref(), &env, "jobs", Json::<String, Job>::new()).unwrap();
    let mut clicks = Producer::open(broker.as_ref(), &env, "clicks", Json::<String, Click>::new()).unwrap();
    for i in 0..2_000 {
        let job = Job { title: String::new(), embedding: vec![1.0, 3.0] };
        jobs.send(&format!("job-{i}"), &job, Timestamp::from_millis(1)).unwrap();
        let click = Click::new("m", "apply", &format!("job-{i}"), now_ms() - i);
        clicks.send(&click.member, &click, Timestamp::from_millis(1)).unwrap();
    }
    let app = start(config);
    await_count(&app, "m", 2_000);
    let answer = app.features("activity").unwrap().of("m").unwrap();
    assert_eq!((answer.used("applied").unwrap(), answer.vector("applied").unwrap()), (2_000, Some(&[1.0, 3.0][..])));
}

#[test]
fn a_compacted_actions_topic_is_refused_with_the_fix() {
    let mut config = Config::embedded();
    let broker = config.broker().unwrap();
    let settings = [("cleanup.policy".to_owned(), "compact".to_owned())];
    let spec = TopicSpec { name: "actions".into(), partitions: Some(4), config: settings.into() };
    broker.create_topic(&spec).unwrap();
    let error = Streams::start(job_feed(), config).unwrap_err().to_string();
    assert!(error.starts_with("NF131") && error.contains("--add-config cleanup.policy=delete"), "{error}");
}

#[test]
fn a_poison_record_in_a_generic_stream_stops_the_application_with_its_place() {
    let app = StreamsBuilder::new("strict");
    app.stream("numbers", Plain::<String, i64>::new()).map_values("twice", |_, n| n * 2).to("doubled", Plain::new());
    let app = Streams::start(app.build().unwrap(), Config::embedded()).unwrap();
    app.await_running(PATIENCE).unwrap();
    let mut producer = app.broker().producer().unwrap();
    let record = OutputRecord {
        topic: "numbers".into(),
        partition: Some(2),
        key: Some("k".into()),
        value: Some("not eight bytes".into()),
        timestamp: Timestamp::from_millis(1),
        headers: Default::default(),
    };
    producer.send(record).unwrap();
    let state = app.runtime().state_cell().wait(PATIENCE, AppState::is_final);
    let AppState::Failed { reason } = state else { panic!("{state}") };
    assert!(reason.contains("numbers-2 offset 0") && reason.contains("decode"), "{reason}");
    assert!(app.close().is_err());
}

#[test]
fn input_goes_on_from_the_commit_after_a_crash_of_the_commit() {
    let config = Config::embedded();
    let app = start(config);
    app.embedded_log().unwrap().faults().fail_commits(3);
    let clicks: Vec<_> = (0..300).map(|i| Click::new("m", "apply", "job-1", now_ms() - i)).collect();
    send(&app, &clicks);
    await_count(&app, "m", 300);
    app.close().unwrap();
}

/// The actions topic is replayed at every start, but what nobody has seen yet is not silent.
#[test]
fn an_unreadable_action_that_came_while_the_application_was_down_becomes_one_dead_letter() {
    let dir = tempfile::tempdir().unwrap();
    start(Config::embedded().data_dir(dir.path())).close().unwrap();
    let mut offline = Config::embedded().data_dir(dir.path());
    let mut producer = offline.broker().unwrap().producer().unwrap();
    let value = Some("not an action".into());
    let (topic, key, timestamp) = ("actions".into(), Some("m".into()), Timestamp::from_millis(now_ms()));
    producer
        .send(OutputRecord { topic, partition: Some(0), key, value, timestamp, headers: Default::default() })
        .unwrap();
    producer.flush(PATIENCE).unwrap();
    drop((producer, offline));
    for _ in 0..2 {
        let app = start(Config::embedded().data_dir(dir.path()));
        let log = app.embedded_log().unwrap();
        let letters = nowfold::core::names::TopicPartition::new("job-feed-dead-letters", 0);
        let began = Instant::now();
        while log.records(&letters).unwrap().is_empty() {
            assert!(began.elapsed() < PATIENCE, "no dead letter; {}", app.state());
            std::thread::yield_now();
        }
        assert_eq!(log.records(&letters).unwrap().len(), 1);
        app.close().unwrap();
    }
}

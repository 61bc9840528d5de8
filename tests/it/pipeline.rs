//! The main job in the test driver: raw events to enriched actions to features, as of now.

use nowfold::operators::Features;
use nowfold::prelude::*;
use nowfold::testkit::Input;

use super::support::{Click, Job, h, job_feed};

struct Feed {
    driver: TestDriver,
    clicks: Input<Option<String>, Click>,
}

impl Feed {
    /// The pipeline at `hour`, with two jobs in the table.
    fn at(hour: i64) -> Self {
        let driver = TestDriver::new(job_feed()).partitions("clicks", 3).starting_at(Timestamp::from_millis(h(hour)));
        let jobs = driver.input("jobs", Json::<String, Job>::new());
        for (id, embedding) in [("job-1", vec![1.0, 0.0]), ("job-2", vec![0.0, 1.0])] {
            let job = Job { title: id.to_uppercase(), embedding };
            jobs.pipe(id.to_owned(), job, Timestamp::from_millis(h(hour))).unwrap();
        }
        let clicks = driver.input("clicks", Json::<Option<String>, Click>::new());
        Self { driver, clicks }
    }

    fn click(&self, member: &str, kind: &str, job: &str, at_ms: i64) {
        let click = Click::new(member, kind, job, at_ms);
        self.clicks.pipe(Some(member.to_owned()), click, Timestamp::from_millis(at_ms)).unwrap();
    }

    fn features(&self) -> Features {
        Features::new(self.driver.hub(), self.driver.clock(), "activity")
    }

    fn ask(&self, member: &str, as_of: i64) -> Answer {
        self.features().query(member).as_of(Timestamp::from_millis(as_of)).get().unwrap()
    }
}

#[test]
fn raw_events_become_features_as_of_any_instant() {
    let feed = Feed::at(100);
    feed.click("m", "apply", "job-1", h(99));
    feed.click("m", "apply", "job-2", h(98));
    feed.click("m", "dismiss", "job-2", h(97));
    feed.click("m", "bot", "job-2", h(97));
    let answer = feed.ask("m", h(100));
    assert_eq!(answer.vector("applied").unwrap(), Some(&[0.5, 0.5][..]));
    assert_eq!(answer.used("applied").unwrap(), 2);
    assert_eq!(answer.count("all").unwrap(), 3);
    let third = 1.0 / 3.0;
    assert_eq!(answer.vector("taste").unwrap(), Some(&[third, 0.0][..]));
    assert!(answer.envelope.found && answer.envelope.complete && !answer.envelope.stale);
    assert_eq!(feed.ask("m", h(98)).count("all").unwrap(), 2, "an earlier instant");
    assert!(!feed.ask("nobody", h(100)).envelope.found);
}

#[test]
fn features_shrink_without_any_new_event() {
    let feed = Feed::at(90);
    feed.click("m", "apply", "job-1", h(90));
    assert_eq!(feed.ask("m", h(90)).used("applied").unwrap(), 1);
    feed.driver.advance(hours(25)).unwrap();
    assert_eq!(feed.features().of("m").unwrap().used("applied").unwrap(), 0);
}

#[test]
fn what_is_sent_again_after_a_crash_counts_once() {
    let feed = Feed::at(100);
    feed.click("m", "apply", "job-1", h(99));
    feed.click("m", "apply", "job-1", h(99));
    feed.driver.crash_before_commit().unwrap();
    assert_eq!(feed.ask("m", h(100)).count("all").unwrap(), 2, "two equal events are two; each again is a repeat");
    assert!(feed.driver.counts()["duplicate"] >= 2, "the crash did send them again");
}

#[test]
fn a_restart_gives_the_same_bytes() {
    let feed = Feed::at(100);
    for i in 0..200 {
        feed.click("m", ["apply", "view", "dismiss"][i % 3], ["job-1", "job-2"][i % 2], h(99) - i as i64 * 60_000);
    }
    let json = |feed: &Feed| serde_json::to_value(&feed.ask("m", h(100)).features).unwrap();
    let before = json(&feed);
    feed.driver.restart().unwrap();
    assert_eq!(json(&feed), before);
}

#[test]
fn an_action_without_its_entity_is_admitted_without_the_attributes() {
    let feed = Feed::at(100);
    feed.click("m", "apply", "job-unknown", h(99));
    let answer = feed.ask("m", h(100));
    assert_eq!((answer.count("all").unwrap(), answer.vector("applied").unwrap()), (1, None));
    assert_eq!(feed.driver.counts()["join_miss"], 1);
}

#[test]
fn a_topology_with_a_window_beyond_the_retention_is_refused() {
    let app = StreamsBuilder::new("short");
    app.actions("actions").materialize(
        Actions::named("activity").retention(hours(97)).features([feature("all").count().within(hours(98))]),
    );
    let error = app.build().unwrap_err().to_string();
    assert!(error.contains("NF014") && error.contains("\"all\""), "{error}");
}

/// The embedding of jobs both ways: kept with each action, and joined when asked.
fn both_ways() -> Topology {
    let app = StreamsBuilder::new("late");
    let jobs = app.global_table("jobs", Json::<String, Job>::new());
    let windows = [hours(1), hours(24), hours(96)];
    app.stream("clicks", Json::<Option<String>, Click>::new())
        .to_actions("standardize", |_, c| Action::new(c.member, c.kind, c.job).at_ms(c.at_ms))
        .enrich_object("with-job", &jobs, |job| attributes! { "embedding" => job.embedding })
        .through("actions")
        .materialize(
            Actions::named("activity")
                .late_object(&jobs, ["joined"], |job| attributes! { "joined" => job.embedding })
                .features([
                    feature("kept").mean("object.embedding").within(windows),
                    feature("joined").mean("object.joined").within(windows),
                    feature("joined applies").mean("object.joined").verb("apply").within(windows),
                ]),
        );
    app.build().unwrap()
}

#[test]
fn attributes_join_late_as_they_do_at_ingest() {
    let driver = TestDriver::new(both_ways()).starting_at(Timestamp::from_millis(h(100)));
    let jobs = driver.input("jobs", Json::<String, Job>::new());
    let row = |x: f32| Job { title: String::new(), embedding: vec![x, 1.0 - x] };
    for i in 0..20_u8 {
        jobs.pipe(format!("job-{i}"), row(f32::from(i)), Timestamp::from_millis(h(100))).unwrap();
    }
    let clicks = driver.input("clicks", Json::<Option<String>, Click>::new());
    for i in 0..3_000_i64 {
        let at = h(100) - (i * 7_919 % 400_000) * 1_000;
        let click = Click::new("m", ["apply", "view"][(i % 2) as usize], &format!("job-{}", i * 31 % 23), at);
        clicks.pipe(Some("m".to_owned()), click, Timestamp::from_millis(at)).unwrap();
    }
    let features = Features::new(driver.hub(), driver.clock(), "activity");
    let answer = features.of("m").unwrap();
    for window in ["1h", "24h", "96h"] {
        let [kept, joined] = ["kept", "joined"].map(|name| answer.window(name, window).unwrap().clone());
        assert_eq!((kept.used, kept.missing), (joined.used, joined.missing), "{window}");
        assert_eq!(kept.value, joined.value, "{window}");
        assert!(answer.window("joined applies", window).unwrap().used < joined.used);
    }
    assert!(answer.feature("joined").unwrap().late_joined && !answer.feature("kept").unwrap().late_joined);

    (0..20).for_each(|i| jobs.pipe(format!("job-{i}"), row(2.0), Timestamp::from_millis(h(100))).unwrap());
    let after = features.of("m").unwrap();
    assert_eq!(after.feature("kept").unwrap(), answer.feature("kept").unwrap(), "what was kept stays");
    let joined = serde_json::to_value(after.feature("joined").unwrap()).unwrap();
    assert_eq!(
        (&joined["value"]["96h"], &joined["late_joined"]),
        (&serde_json::json!([2.0, -1.0]), &serde_json::json!(true))
    );
}

#[test]
fn what_joins_late_can_only_be_summed_or_averaged() {
    let app = StreamsBuilder::new("late");
    let jobs = app.global_table("jobs", Json::<String, Job>::new());
    app.actions("actions").materialize(
        Actions::named("activity")
            .late_object(&jobs, ["title"], |job| attributes! { "title" => job.title })
            .features([feature("titles").count_by("object.title").within(hours(1))]),
    );
    let error = app.build().unwrap_err().to_string();
    assert!(error.contains("joins late"), "{error}");
}

#[test]
fn a_late_vector_of_another_dimension_matters_in_its_own_window_only() {
    let driver = TestDriver::new(both_ways()).starting_at(Timestamp::from_millis(h(100)));
    let jobs = driver.input("jobs", Json::<String, Job>::new());
    for (id, embedding) in [("flat", vec![1.0, 2.0]), ("deep", vec![3.0, 4.0, 5.0])] {
        let job = Job { title: String::new(), embedding };
        jobs.pipe(id.to_owned(), job, Timestamp::from_millis(h(100))).unwrap();
    }
    let clicks = driver.input("clicks", Json::<Option<String>, Click>::new());
    for (kind, job, at) in [("apply", "flat", h(50)), ("view", "deep", h(100))] {
        clicks.pipe(Some("m".to_owned()), Click::new("m", kind, job, at), Timestamp::from_millis(at)).unwrap();
    }
    let features = Features::new(driver.hub(), driver.clock(), "activity");
    let alone = features.query("m").adhoc(feature("joined").mean("object.joined").within(hours(1))).get().unwrap();
    assert_eq!(alone.vector("joined").unwrap(), Some(&[3.0, 4.0, 5.0][..]));
    assert_eq!(features.of("m").unwrap().window("joined", "1h").unwrap(), alone.window("joined", "1h").unwrap());
}

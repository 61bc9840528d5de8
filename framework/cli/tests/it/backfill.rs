//! History into an embedded log, and what a store answers from it.

use nowfold::core::names::TopicPartition;
use nowfold::core::time::hours;

use crate::support::*;

#[test]
fn history_is_answered_as_replay_answers_it() {
    let world = World::new();
    let (out, err) = done(world.backfill(&mapping(), KEPT));
    assert!(out.starts_with("sent 31667 lines"), "{out}");
    assert!(out.contains("flights-by-plane: 30959 actions"), "{out}");
    assert!(err.contains("no_actor 708"), "{err}");
    let planes = store(world.config(), "planes", "flights-by-plane");
    assert!(check_questions(&planes, "tailnum") > 10);
    planes.close().unwrap();
    let carriers = store(world.config(), "carriers", "flights-by-carrier");
    assert!(check_questions(&carriers, "carrier") > 10);
    carriers.close().unwrap();
}

#[test]
fn sending_everything_twice_changes_no_answer() {
    let world = World::new();
    let carriers: &[&str] = &["--only", "carrier"];
    done(world.backfill(&mapping(), &[KEPT, carriers].concat()));
    let (out, _) = done(world.backfill(&mapping(), &[KEPT, carriers, &["--restart"]].concat()));
    assert!(out.contains("flights-by-carrier: 31667 actions"), "{out}");
    let mut config = world.config();
    let broker = config.broker().unwrap();
    let end = |partition| broker.watermarks(&TopicPartition::new("flights-by-carrier", partition)).unwrap().high;
    assert_eq!((0..4).map(end).sum::<i64>(), 2 * 31_667);
    let app = store(config, "carriers", "flights-by-carrier");
    assert!(check_questions(&app, "carrier") > 10);
    app.close().unwrap();
}

const VISITS: &str = r#"
[feed]
name = "visits"
[[actions]]
name = "member"
actor = "/member"
verb = "view"
object = "/page"
timestamp = { pointer = "/at", format = "epoch-s" }
"#;

#[test]
fn the_next_run_sends_what_the_files_have_gained() {
    let world = World::new();
    let mapping = world.write("visits.toml", VISITS);
    let line = |n: u32| format!("{{\"member\":\"ann\",\"page\":\"p{n}\",\"at\":{}}}\n", 1_388_000_000 + n);
    let lines = |range: std::ops::RangeInclusive<u32>| range.map(line).collect::<String>();
    world.write("1.jsonl", &lines(1..=3));
    done(world.backfill(&mapping, &["1.jsonl"]));
    world.write("1.jsonl", &lines(1..=5));
    world.write("2.jsonl", &lines(6..=7));
    let (out, _) = done(world.backfill(&mapping, &["1.jsonl", "2.jsonl"]));
    assert!(out.starts_with("sent 4 lines") && out.contains(", 3 before"), "{out}");
    let mut config = world.config();
    let ids = ids(&mut config, "visits-member");
    assert_eq!(ids, (1..=7).map(|n| (format!("visits:{n}"), n)).collect::<Vec<_>>());
}

/// Ids and sequences in a topic, by sequence.
fn ids(config: &mut nowfold::Config, topic: &str) -> Vec<(String, i64)> {
    let (broker, codec) = (config.broker().unwrap(), nowfold::schemas::ActionCodec::new());
    let mut ids = Vec::new();
    for partition in (0..4).map(|partition| TopicPartition::new(topic, partition)) {
        let end = broker.watermarks(&partition).unwrap().high;
        let mut reader = broker.reader(&partition, 0, std::sync::Arc::new(|| {})).unwrap();
        let mut records = Vec::new();
        while reader.position() < end {
            reader.poll(100, &mut records).unwrap();
        }
        let actions = records.iter().map(|record| codec.read(record.value.as_ref().unwrap()).unwrap());
        ids.extend(actions.map(|action| (action.event_id.to_string(), action.sequence.unwrap())));
    }
    ids.sort_by_key(|(_, sequence)| *sequence);
    ids
}

#[test]
fn what_comes_too_late_is_counted_before_anything_is_sent() {
    let world = World::new();
    let mapping = world.write("visits.toml", VISITS);
    let line = |at: i64| format!("{{\"member\":\"ann\",\"page\":\"p\",\"at\":{at}}}\n");
    let (day, hour) = (86_400, 3_600);
    // The newest first: what follows by 97 h or more is too late; a millisecond less is not.
    world.write("f.jsonl", &[10 * day, 10 * day - 97 * hour + 1, 10 * day - 97 * hour, 5 * day].map(line).concat());
    world.write("future.jsonl", &line(32_503_680_000));
    let (out, err) = done(world.backfill(&mapping, &["f.jsonl", "future.jsonl", "--dry-run"]));
    assert_eq!(out, "");
    assert!(err.contains("late 2: 2 of 5 actions come 97h or more after a newer one"), "{err}");
    assert!(err.contains("future 1: "), "{err}");
    assert!(err.contains("expired 2: "), "{err}");
    assert!(err.ends_with("dry run: nothing was sent\n"), "{err}");
    done(world.backfill(&mapping, &["f.jsonl", "future.jsonl"]));
    // The store decides as the survey did.
    let app = store_of(hours(97), world.config(), "visits", "visits-member");
    for (end, n) in [(10 * day, 1), (10 * day - 96 * hour, 1), (10 * day - 97 * hour, 0), (5 * day, 0)] {
        assert_eq!(count_of(&app, "ann", end * 1_000, hours(2)), n, "{end}");
    }
    app.close().unwrap();
    // What is in the topic counts too: old history after new events is late.
    let (_, err) = done(world.backfill(&mapping, &["f.jsonl", "--progress", "other.json", "--dry-run"]));
    assert!(err.contains("late 2: "), "{err}");
    world.write("old.jsonl", &line(day));
    let (_, err) = done(world.backfill(&mapping, &["old.jsonl", "--progress", "other.json", "--dry-run"]));
    assert!(err.contains("late 1: "), "{err}");
}

#[test]
fn a_topic_that_is_gone_makes_the_backfill_begin_anew() {
    let world = World::new();
    let mapping = world.write("visits.toml", VISITS);
    world.write("f.jsonl", "{\"member\":\"ann\",\"page\":\"p\",\"at\":1388000000}\n");
    done(world.backfill(&mapping, &["f.jsonl"]));
    std::fs::remove_dir_all(world.path("log")).unwrap();
    let (out, err) = done(world.backfill(&mapping, &["f.jsonl"]));
    assert!(err.contains("beginning at the first line"), "{err}");
    assert!(out.starts_with("sent 1 lines"), "{out}");
}

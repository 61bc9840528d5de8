//! Processes of an application that are replaced one after the other under load, on a real Kafka: by some with other
//! features, by themselves with static membership, and over state directories of an older format.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use nowfold::kafka::{Kafka, KafkaConfig};

use super::rolling::{BOUND, Member, Version, Watch, await_shares, dirs};
use super::rolling_load::{Clicks, await_kinds};
use super::support::test_kafka;

/// Tasks that follow actions.
const EVENTS: &str = "2_";

fn kafka(bootstrap: &str) -> Kafka {
    Kafka::connect(KafkaConfig::new(bootstrap)).unwrap()
}

#[test]
fn processes_with_other_features_take_over_from_old_ones_without_a_wrong_or_missing_answer() {
    let Some(bootstrap) = test_kafka("rolling_upgrade") else { return };
    let (kafka, prefix, root) =
        (kafka(&bootstrap), format!("upgrade-{}", std::process::id()), tempfile::tempdir().unwrap());
    let [one, two] = dirs(root.path());
    let clicks = Clicks::start(kafka.clone(), &prefix, 1);
    let mut watch = Watch::new(clicks.truths.clone());
    let [first, second] = [&one, &two].map(|dir| Member::start(&prefix, Version::Old, dir, None));
    await_shares(&mut watch, &[&first, &second]);
    let only_new = BTreeSet::from(["jobs", "likes"]);
    assert_eq!(watch.settle(&[&first, &second]), only_new, "old processes say that they do not know a feature");

    // The new one takes over the place, and the directory, of the old one.
    first.stop();
    let first = Member::start(&prefix, Version::New, &one, None);
    await_shares(&mut watch, &[&second, &first]);
    assert!(watch.settle(&[&second, &first]).is_subset(&only_new), "what both know is answered by either");

    let foreign = Member::start(&prefix, Version::Foreign, &root.path().join("foreign"), None);
    watch.until(&[&second, &first], || "it is not refused".into(), || foreign.said().refused.is_some());
    let refused = foreign.said().refused.unwrap();
    assert!(refused.starts_with("NF125") && refused.contains("activity-of-others"), "{refused}");
    foreign.stop();
    watch.settle(&[&second, &first]);

    second.stop();
    watch.settle(&[&first]);
    let second = Member::start(&prefix, Version::New, &two, None);
    await_shares(&mut watch, &[&first, &second]);
    assert_eq!(watch.settle(&[&first, &second]), BTreeSet::new(), "all processes know all features");

    let kinds = clicks.finish();
    watch.finish(&[&first, &second]);
    await_kinds(&kafka, &prefix, &kinds);
    report("changed features", &watch);
    [first, second].into_iter().for_each(Member::stop);
}

#[test]
fn a_rolling_restart_with_static_membership_moves_no_task_and_misses_no_answer() {
    let Some(bootstrap) = test_kafka("rolling_upgrade") else { return };
    let (kafka, prefix, root) =
        (kafka(&bootstrap), format!("static-{}", std::process::id()), tempfile::tempdir().unwrap());
    let dirs = BTreeMap::from([("one", root.path().join("one")), ("two", root.path().join("two"))]);
    let clicks = Clicks::start(kafka.clone(), &prefix, 2);
    let mut watch = Watch::new(clicks.truths.clone());
    let start = |name: &'static str| Member::start(&prefix, Version::Old, &dirs[name], Some(name));
    let mut members = ["one", "two"].map(start);
    await_shares(&mut watch, &[&members[0], &members[1]]);
    watch.settle(&[&members[0], &members[1]]);
    let mut from_disk = 0;
    // Each in order, then each by force.
    for (name, end) in
        [("one", Member::stop as fn(Member)), ("two", Member::stop), ("one", Member::kill), ("two", Member::kill)]
    {
        let [one, two] = members;
        let (leaving, staying) = if name == "one" { (one, two) } else { (two, one) };
        let (had, of_the_other) = (leaving.said().has(), staying.said().tasks);
        end(leaving);
        let again = start(name);
        let back = || again.said().has() == had && again.said().state == "running";
        watch.until(&[&staying, &again], || format!("{name} had {had:?} and says {:?}", again.said()), back);
        watch.settle(&[&staying, &again]);
        assert_eq!(staying.said().tasks, of_the_other, "the other process keeps its tasks all the time");
        assert_eq!(again.said().tasks.iter().rfind(|tasks| !tasks.is_empty()), Some(&had), "it gets its own back");
        let (local, _) = again.said().restored;
        // A process may have got tasks of other parts alone.
        let has_events = had.iter().any(|task| task.starts_with(EVENTS));
        assert_eq!(local > 0, has_events, "{name} reads its state directory: {:?}", again.said());
        from_disk += local;
        members = if name == "one" { [again, staying] } else { [staying, again] };
    }
    assert!(from_disk > 0, "some had events");
    let kinds = clicks.finish();
    watch.finish(&[&members[0], &members[1]]);
    await_kinds(&kafka, &prefix, &kinds);
    report("static membership", &watch);
    members.into_iter().for_each(Member::stop);
}

/// Turns the copies of event logs in a state directory into what the first format left: headers without a checksum. The
/// fixtures of `framework/disk` hold that this is the only difference.
fn as_format_1(dir: &Path) -> usize {
    let (mut todo, mut n_segments) = (vec![dir.to_owned()], 0);
    while let Some(at) = todo.pop() {
        for path in std::fs::read_dir(at).unwrap().map(|entry| entry.unwrap().path()) {
            if path.is_dir() {
                todo.push(path);
            } else if path.to_string_lossy().ends_with("-actions/origin") {
                let origin = std::fs::read_to_string(&path).unwrap();
                std::fs::write(&path, origin.replacen("format 2", "format 1", 1)).unwrap();
            } else if path.extension().is_some_and(|extension| extension == "seg") {
                let mut bytes = std::fs::read(&path).unwrap();
                drop(bytes.splice(8..16, [1, 0, 0, 0, 0, 0, 0, 0]));
                std::fs::write(&path, bytes).unwrap();
                n_segments += 1;
            }
        }
    }
    n_segments
}

#[test]
fn processes_take_over_state_directories_of_an_older_format_beside_old_ones() {
    let Some(bootstrap) = test_kafka("rolling_upgrade") else { return };
    let kafka = kafka(&bootstrap);
    let (prefix, root) = (format!("format-{}", std::process::id()), tempfile::tempdir().unwrap());
    let dirs = dirs(root.path());
    let clicks = Clicks::start(kafka.clone(), &prefix, 3);
    let mut watch = Watch::new(clicks.truths.clone());
    let start = |i: usize| Member::start(&prefix, Version::Old, &dirs[i], Some(["one", "two"][i]));
    let (mut members, mut n_older) = ([0, 1].map(start), 0);
    await_shares(&mut watch, &[&members[0], &members[1]]);
    watch.settle(&[&members[0], &members[1]]);
    for i in [0, 1] {
        let [one, two] = members;
        let (leaving, staying) = if i == 0 { (one, two) } else { (two, one) };
        leaving.stop();
        let n_segments = as_format_1(&dirs[i]);
        n_older += n_segments;
        let again = start(i);
        await_shares(&mut watch, &[&staying, &again]);
        watch.settle(&[&staying, &again]);
        let (local, _) = again.said().restored;
        assert_eq!(local > 0, n_segments > 0, "the older format is read: {:?}", again.said());
        members = if i == 0 { [again, staying] } else { [staying, again] };
    }
    let kinds = clicks.finish();
    watch.finish(&[&members[0], &members[1]]);
    await_kinds(&kafka, &prefix, &kinds);
    report("older format", &watch);
    assert!(n_older > 0, "there are copied event logs");
    members.into_iter().for_each(Member::stop);
}

/// How well the members were served while processes came and went.
fn report(what: &str, watch: &Watch) {
    let (n, longest) = (watch.n_answers, watch.longest_silence);
    println!("{what}: {n} answers, none wrong; no member was without one for longer than {longest:?}");
    assert!(n > 500 && longest < BOUND);
}

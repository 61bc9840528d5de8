//! The limit of an actor's events: which go, and that answers say so.

use std::collections::BTreeSet;

use nowfold_core::time::{Timestamp, hours, minutes};
use nowfold_operators::answer::Answer;
use nowfold_operators::chain::{Admission, ChainConfig};
use nowfold_operators::feature::{Window, feature};
use nowfold_schemas::action::{Action, Op};

use crate::support::{HOUR, Random, Store, action, n_cases};

fn store(max: usize) -> Store {
    let mut config = ChainConfig::new(hours(97));
    config.max_events_per_actor = Some(max);
    Store::new(&config, [feature("day").count().within(hours(24)), feature("all").count().within(hours(96))])
}

fn ask(store: &Store, hour: i64) -> Answer {
    store.features.query("m").as_of(Timestamp::from_millis(hour * HOUR)).get().unwrap()
}

#[test]
fn the_oldest_in_order_go_whatever_comes_first() {
    let events = [action(50.0, "a"), action(90.0, "b"), action(95.0, "c"), action(95.0, "d").sequence(1)];
    for order in [[0, 1, 2, 3], [3, 2, 1, 0], [2, 0, 3, 1]] {
        let mut store = store(2);
        for i in order {
            store.apply(&events[i]);
        }
        let rows = store.features.actions("m").as_of(Timestamp::from_millis(100 * HOUR)).get().unwrap();
        assert_eq!(rows.actions.iter().map(|row| &*row.event_id).collect::<Vec<_>>(), ["d", "c"], "{order:?}");
        assert!(rows.envelope.truncated && !rows.envelope.complete);
        assert_eq!((store.chains.len(), store.chains.counters().capped), (2, 2));
        store.chains.verify().unwrap();
    }
}

#[test]
fn an_answer_is_truncated_only_where_a_window_reaches_back_to_what_went() {
    let mut store = store(2);
    for (hour, id) in [(70.0, "a"), (90.0, "b"), (95.0, "c")] {
        store.apply(&action(hour, id));
    }
    let day = |hour| {
        let query = store.features.query("m").select(["day"]).as_of(Timestamp::from_millis(hour * HOUR));
        let envelope = query.get().unwrap().envelope;
        (envelope.truncated, envelope.complete)
    };
    assert_eq!(day(93), (true, false), "69 < 70");
    assert_eq!(day(94), (false, true), "the event that went sits on the open edge");
    let all = ask(&store, 100);
    assert_eq!((all.envelope.truncated, all.count("all").unwrap()), (true, 2));
    assert!(!store.features.query("other").get().unwrap().envelope.truncated);
}

#[test]
fn what_went_is_forgotten_when_it_would_have_expired() {
    let mut store = store(1);
    store.apply(&action(10.0, "a"));
    store.apply(&action(50.0, "b"));
    assert_eq!(store.apply(&action(20.0, "c")), Admission::Capped);
    let envelope = |store: &Store| ask(store, 100).envelope;
    assert!(envelope(&store).truncated);
    store.apply(&Action::new("other", "apply", "x").at_ms(117 * HOUR).id("x"));
    let after = ask(&store, 117).envelope;
    assert!(!after.truncated && after.complete, "it lies at the floor");
    store.apply(&Action::new("other", "apply", "y").at_ms(400 * HOUR).id("y"));
    assert!(store.chains.maintain(usize::MAX));
    assert_eq!((store.chains.len(), store.chains.actors()), (1, 1));
}

#[test]
fn what_is_retracted_and_erased_takes_up_no_room_in_any_order() {
    let (gone, a, b) = (action(70.0, "c"), action(80.0, "a"), action(90.0, "b"));
    let mut erase = action(75.0, "e");
    erase.op = Op::Erase;
    let log = [gone.clone(), gone.retract(), erase, a, b];
    let digest = |order: [usize; 5]| {
        let mut store = store(2);
        for i in order {
            store.apply(&log[i]);
        }
        store.chains.digest()
    };
    let plain = digest([0, 1, 2, 3, 4]);
    for order in [[1, 2, 0, 3, 4], [3, 4, 0, 1, 2], [2, 1, 3, 0, 4]] {
        assert_eq!(digest(order), plain, "{order:?}");
    }
}

#[test]
fn a_retraction_makes_no_room_in_any_order() {
    let log = [action(80.0, "a"), action(90.0, "b"), action(95.0, "c"), action(95.0, "c").retract()];
    let mut digests = BTreeSet::new();
    for order in [[0, 1, 2, 3], [3, 2, 1, 0], [0, 3, 1, 2], [2, 3, 1, 0]] {
        let mut store = store(2);
        for i in order {
            store.apply(&log[i]);
        }
        assert_eq!(ask(&store, 100).count("all").unwrap(), 1, "{order:?}");
        digests.insert(store.chains.digest().to_string());
    }
    assert_eq!(digests.len(), 1);
}

#[test]
fn an_erasure_takes_along_what_the_limit_knew() {
    let mut store = store(1);
    store.apply(&action(80.0, "a"));
    store.apply(&action(90.0, "b"));
    let mut erase = Action::new("m", "", "").at_ms(85 * HOUR);
    erase.op = Op::Erase;
    store.apply(&erase);
    let answer = ask(&store, 100);
    assert_eq!((answer.count("all").unwrap(), answer.envelope.truncated), (1, false));
}

/// Of all events that came in time, retracted or not, the newest in order; of those the ones not retracted.
fn expected(records: &[Action], max: usize) -> Vec<String> {
    let acts = || records.iter().filter(|action| action.op == Op::Act);
    let newest = acts().filter_map(|action| action.timestamp).max().map_or(0, Timestamp::as_millis);
    let key = |action: &Action| {
        let t = action.timestamp.map_or(0, Timestamp::as_millis);
        (t, action.sequence.unwrap_or(0), action.event_id.to_string())
    };
    let mut keys: BTreeSet<_> = acts().map(key).filter(|(t, ..)| *t > newest - 100 * 60_000).collect();
    while keys.len() > max {
        keys.pop_first();
    }
    let gone = |id: &str| records.iter().any(|action| action.op == Op::Retract && *action.event_id == *id);
    keys.into_iter().rev().map(|(.., id)| id).filter(|id| !gone(id)).collect()
}

#[test]
fn law_2_the_same_events_stay_in_any_order() {
    for seed in 0..n_cases(30_000) {
        let mut random = Random(8 << 40 | seed);
        let max = random.index(40) + 1;
        let mut config = ChainConfig::new(minutes(100));
        config.max_events_per_actor = Some(max);
        let most = if random.one_in(50) { 400 } else { 30 };
        let n = random.index(most) + 1;
        let mut records: Vec<Action> = Vec::new();
        for id in 0..n {
            if !records.is_empty() && random.one_in(8) {
                let again = random.pick(&records).clone();
                records.push(if random.one_in(2) && again.op == Op::Act { again.retract() } else { again });
                continue;
            }
            let t = 1_000 * 60_000 + i64::try_from(random.below(150)).unwrap() * 60_000;
            let action = Action::new("m", *random.pick(&["view", "apply"]), "o").at_ms(t).id(format!("id-{id}"));
            records.push(action.sequence(i64::try_from(random.below(3)).unwrap()));
        }
        let mut digest = None;
        for round in 0..4 {
            let mut store = Store::new(&config, [feature("n").count().within(minutes(90))]);
            for action in &records {
                store.apply(action);
                if round == 1 {
                    store.chains.maintain(usize::MAX);
                }
            }
            store.chains.verify().unwrap_or_else(|broken| panic!("case {seed}: {broken}\n{records:#?}"));
            let now = store.chains.stream_time();
            let rows = store.features.actions("m").limit(1_000).as_of(now).within(minutes(90)).get().unwrap();
            let seen: Vec<_> = rows.actions.iter().map(|row| row.event_id.to_string()).collect();
            let lower = now.as_millis() - 90 * 60_000;
            let inside = |id: &String| {
                let mut acts = records.iter().filter(|action| action.op == Op::Act && *action.event_id == **id);
                acts.next().and_then(|action| action.timestamp).is_some_and(|t| t.as_millis() > lower)
            };
            let wanted: Vec<_> = expected(&records, max).into_iter().filter(inside).collect();
            assert_eq!(seen, wanted, "case {seed}, at most {max}: {records:#?}");
            let state = (store.chains.digest().hash, rows.envelope.truncated, rows.envelope.complete);
            assert_eq!(*digest.get_or_insert(state), state, "case {seed}, at most {max}: {records:#?}");
            random.shuffle(&mut records);
        }
    }
}

/// Whatever the kind of window: an answer that would need events that went says so.
#[test]
fn windows_of_every_kind_say_that_events_went() {
    let mut store = store(2);
    for (hour, id) in [(70.0, "a"), (90.0, "b"), (95.0, "c")] {
        store.apply(&action(hour, id));
    }
    let cases = [
        (Window::sliding(hours(24)).offset(hours(2)), false),
        (Window::sliding(hours(24)).offset(hours(7)), true),
        (Window::last(2), false),
        (Window::last(3), true),
        (Window::last(3).within(hours(24)), false),
        (Window::tumbling(hours(24)), false),
        (Window::tumbling(hours(24)).previous(), false),
        (Window::tumbling(hours(30)).previous(), true),
        (Window::session(hours(6)), false),
        (Window::session(hours(20)), true),
    ];
    for (window, truncated) in cases {
        let query = store.features.query("m").adhoc(feature("f").count().window(window));
        let envelope = query.as_of(Timestamp::from_millis(100 * HOUR)).get().unwrap().envelope;
        assert_eq!((envelope.truncated, envelope.complete), (truncated, !truncated), "{window}");
    }
}

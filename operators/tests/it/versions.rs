//! Latest-wins: versions of an event, in any order of arrival.

use std::collections::{BTreeMap, BTreeSet};

use nowfold_core::time::{Timestamp, hours, minutes};
use nowfold_operators::chain::{Admission, ChainConfig, Dedup};
use nowfold_operators::feature::feature;
use nowfold_schemas::action::{Action, Attribute, Op};

use crate::support::{HOUR, Random, Store, action, n_cases};

fn config() -> ChainConfig {
    let mut config = ChainConfig::new(hours(97));
    config.dedup = Dedup::LatestWins;
    config
}

fn store() -> Store {
    Store::new(
        &config(),
        [
            feature("n").count().within(hours(96)),
            feature("sum").sum("object.x").within(hours(96)),
            feature("verbs").count_by("verb").within(hours(96)),
        ],
    )
}

fn version(hour: f64, verb: &str, sequence: i64, x: f64) -> Action {
    let version = Action { verb: verb.into(), ..action(hour, "a") };
    version.sequence(sequence).object_attribute("x", Attribute::Float(x))
}

/// The JSON of the features of an answer.
fn values(store: &Store, hour: i64) -> serde_json::Value {
    let answer = store.features.query("m").as_of(Timestamp::from_millis(hour * HOUR)).get().unwrap();
    serde_json::to_value(&answer).unwrap()["features"].clone()
}

#[test]
fn the_higher_sequence_wins_with_all_it_says_whatever_comes_first() {
    let versions = [version(90.0, "view", 1, 1.5), version(91.0, "apply", 2, 2.5)];
    for order in [[0, 1], [1, 0]] {
        let mut store = store();
        let outcomes = order.map(|i: usize| store.apply(&versions[i]).reason());
        assert_eq!(outcomes, [["admitted", "replaced"], ["admitted", "duplicate"]][order[0]]);
        let values = values(&store, 100);
        assert_eq!((&values["n"]["value"], &values["sum"]["value"]), (&1.into(), &2.5.into()));
        assert_eq!(values["verbs"]["value"], serde_json::json!({"apply": 1}));
        store.chains.verify().unwrap();
    }
}

#[test]
fn of_equal_sequences_the_first_in_the_log_wins() {
    let mut store = store();
    store.apply(&version(90.0, "view", 1, 1.0));
    assert_eq!(store.apply(&version(91.0, "apply", 1, 2.0)), Admission::Duplicate);
    assert_eq!(values(&store, 100)["verbs"]["value"], serde_json::json!({"view": 1}));
    assert_eq!((store.chains.counters().duplicate, store.chains.counters().admitted), (1, 1));
}

/// The later version says that the event happened before all that is kept: then it is not seen at all.
#[test]
fn a_version_that_has_expired_does_not_let_an_earlier_one_come_back() {
    let (early, late) = (version(3.5, "view", 1, 1.0), version(2.7, "view", 2, 2.0));
    let tick = Action::new("other", "apply", "x").at_ms(100 * HOUR).id("tick");
    for order in [[&early, &late, &tick], [&late, &early, &tick], [&late, &tick, &early], [&early, &tick, &late]] {
        let mut store = store();
        for action in order {
            store.apply(action);
        }
        assert_eq!(values(&store, 99)["n"]["value"], 0, "{order:?}");
        assert!(store.chains.maintain(usize::MAX));
        assert_eq!(store.chains.digest().n_events, 1);
        store.chains.verify().unwrap();
    }
}

#[test]
fn what_was_kept_to_tell_versions_apart_goes_in_the_end() {
    let mut store = store();
    store.apply(&version(3.0, "view", 1, 1.0));
    store.apply(&Action::new("other", "apply", "x").at_ms(200 * HOUR).id("tick"));
    assert!(store.chains.maintain(usize::MAX));
    assert_eq!((store.chains.len(), store.chains.actors()), (1, 1));
}

/// Versions of up to twelve events in one chain or several, with repeats and retractions.
fn records(random: &mut Random) -> Vec<Action> {
    let mut records: Vec<Action> = Vec::new();
    let n_events = random.below(12) + 1;
    for event in 0..n_events {
        let base = 1_000 * 60_000 + i64::try_from(random.below(130)).unwrap() * 60_000;
        for sequence in 0..=i64::try_from(random.below(4)).unwrap() {
            let t = base + i64::try_from(random.below(20)).unwrap() * 60_000;
            let verb = *random.pick(&["view", "apply"]);
            let action = Action::new("m", verb, format!("o{}", random.below(3))).at_ms(t).id(format!("e{event}"));
            records.push(action.sequence(sequence).object_attribute("x", Attribute::Float(random.float())));
        }
    }
    for _ in 0..random.below(4) {
        let again = random.pick(&records).clone();
        records.push(if random.one_in(2) { again.retract() } else { again });
    }
    records
}

/// The obvious model: of each id that is not retracted the version with the highest sequence, if it has not expired.
fn expected(records: &[Action]) -> BTreeSet<(i64, String, String)> {
    let newest = records.iter().filter(|action| action.op == Op::Act).filter_map(|action| action.timestamp).max();
    let floor = newest.map_or(0, Timestamp::as_millis) - 100 * 60_000;
    let retracted: BTreeSet<_> =
        records.iter().filter(|action| action.op == Op::Retract).map(|action| &*action.event_id).collect();
    let mut winners: BTreeMap<&str, &Action> = BTreeMap::new();
    for action in records.iter().filter(|action| action.op == Op::Act) {
        let winner = winners.entry(&action.event_id).or_insert(action);
        if action.sequence > winner.sequence {
            *winner = action;
        }
    }
    let live = winners.values().filter(|action| !retracted.contains(&*action.event_id));
    let row = |action: &&Action| {
        (action.timestamp.map_or(0, Timestamp::as_millis), action.event_id.to_string(), action.verb.to_string())
    };
    live.map(row).filter(|(t, ..)| *t > floor).collect()
}

#[test]
fn law_2_versions_mean_the_same_in_any_order() {
    let mut config = ChainConfig::new(minutes(100));
    (config.dedup, config.version_span) = (Dedup::LatestWins, minutes(20));
    let features =
        || [feature("sum").sum("object.x").within(minutes(90)), feature("mean").mean("object.x").within(minutes(90))];
    for seed in 0..n_cases(30_000) {
        let mut random = Random(7 << 40 | seed);
        let mut records = records(&mut random);
        let mut first: Option<(String, u64)> = None;
        for round in 0..4 {
            let mut store = Store::new(&config, features());
            for action in &records {
                store.apply(action);
                if round == 1 {
                    store.features.of("m").unwrap();
                    store.chains.maintain(usize::MAX);
                }
            }
            store.chains.verify().unwrap_or_else(|broken| panic!("case {seed}: {broken}\n{records:#?}"));
            let now = store.chains.stream_time();
            let rows = store.features.actions("m").limit(1_000).as_of(now).within(minutes(90)).get().unwrap();
            let rows = rows.actions.iter();
            let seen: BTreeSet<_> =
                rows.map(|row| (row.timestamp.as_millis(), row.event_id.to_string(), row.verb.to_string())).collect();
            let lower = now.as_millis() - 90 * 60_000;
            let wanted: BTreeSet<_> = expected(&records).into_iter().filter(|(t, ..)| *t > lower).collect();
            assert_eq!(seen, wanted, "case {seed}: {records:#?}");
            let state = (shown_at(&store, now), store.chains.digest().hash);
            assert_eq!(*first.get_or_insert_with(|| state.clone()), state, "case {seed}: {records:#?}");
            random.shuffle(&mut records);
        }
    }
}

fn shown_at(store: &Store, now: Timestamp) -> String {
    let answer = store.features.query("m").as_of(now).get().unwrap();
    serde_json::to_value(&answer).unwrap()["features"].to_string()
}

/// A version that lost takes up room; when it comes again after the one that won was cut, it does so once.
#[test]
fn a_version_that_comes_back_counts_once() {
    let mut config = config();
    config.max_events_per_actor = Some(2);
    let mut store = Store::new(&config, [feature("n").count().within(hours(96))]);
    store.apply(&version(50.0, "view", 2, 1.0));
    assert_eq!(store.apply(&version(80.0, "view", 1, 1.0)), Admission::Duplicate);
    store.apply(&action(90.0, "b"));
    assert!(store.apply(&version(80.0, "view", 1, 1.0)).is_admitted(), "the version that won was cut");
    let n = store.features.query("m").as_of(Timestamp::from_millis(100 * HOUR)).get().unwrap().count("n").unwrap();
    assert_eq!(n, 2);
}

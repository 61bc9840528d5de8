//! Law 6 of `docs/semantics.md`, section 8: explanations list the events that made a value, and name why others did not.

use std::collections::BTreeMap;

use nowfold_core::time::{Timestamp, hours, minutes};
use nowfold_operators::chain::{ChainConfig, Dedup};
use nowfold_operators::explain::ExplainedWindow;
use nowfold_operators::feature::{Feature, Window, attr, feature};
use nowfold_schemas::action::{Action, Attribute, Op};

use crate::support::{HOUR, Random, Store, action, n_cases};

const MINUTE: i64 = 60_000;

fn store() -> Store {
    Store::new(
        &ChainConfig::new(hours(97)),
        [
            feature("n").count().verb("apply").within([hours(1), hours(24)]),
            feature("sum").sum("object.x").within(hours(24)),
        ],
    )
}

fn ids(window: &ExplainedWindow) -> Vec<&str> {
    window.events.iter().map(|event| &*event.event_id).collect()
}

fn reasons(window: &ExplainedWindow) -> Vec<(&str, &str)> {
    window.passed_over.iter().map(|passed| (&*passed.action.event_id, passed.reason)).collect()
}

fn at(hour: i64) -> Timestamp {
    Timestamp::from_millis(hour * HOUR)
}

#[test]
fn the_events_of_each_window_are_listed_newest_first_with_what_was_looked_at() {
    let mut store = store();
    for (hour, id, x) in [(80.0, "a", 1), (99.5, "b", 2), (98.0, "c", 4)] {
        store.apply(&action(hour, id).object_attribute("x", Attribute::Int(x)));
    }
    let explained = store.features.explain("n", "m").as_of(at(100)).get().unwrap();
    let windows: Vec<_> = explained.windows.iter().map(|window| (&*window.result.label, ids(window))).collect();
    assert_eq!(windows, [("1h", vec!["b"]), ("24h", vec!["b", "c", "a"])]);
    assert!(explained.envelope.found && !explained.envelope.truncated && explained.dropped.is_empty());
    let sum = store.features.explain("sum", "m").as_of(at(100)).get().unwrap();
    let shown = serde_json::to_value(&sum.windows[0]).unwrap();
    assert_eq!(
        (&shown["value"], &shown["used"], &shown["events"][0]["selected"]["object.x"]),
        (&7.into(), &3.into(), &2.into())
    );
    assert_eq!((sum.windows[0].after, sum.windows[0].until), (at(76), at(100)));
}

#[test]
fn events_of_the_window_that_did_not_count_say_why() {
    let mut store = store();
    store.apply(&action(99.0, "a").object_attribute("x", Attribute::Int(1)));
    store.apply(&action(99.1, "b"));
    store.apply(&Action { verb: "view".into(), ..action(99.2, "c") });
    store.apply(&action(99.3, "d").object_attribute("x", Attribute::Text("many".into())));
    let window =
        |feature: Feature| store.features.explain(feature, "m").as_of(at(100)).get().unwrap().windows.swap_remove(0);
    let sum = window(feature("x").sum("object.x").verb("apply").within(hours(24)));
    assert_eq!(ids(&sum), ["a"]);
    assert_eq!(reasons(&sum), [("d", "missing_attribute"), ("c", "verb"), ("b", "missing_attribute")]);
    let last = window(feature("x").last(1, "object").within(hours(24)));
    assert_eq!((ids(&last), reasons(&last).len()), (vec!["d"], 3));
    assert!(reasons(&last).iter().all(|(_, reason)| *reason == "not_among_newest"));
    let filtered = window(feature("x").count().filter(attr("object").eq("job-a")).within(hours(24)));
    assert_eq!(
        (ids(&filtered), reasons(&filtered)),
        (vec!["a"], vec![("d", "filter"), ("c", "filter"), ("b", "filter")])
    );
}

#[test]
fn what_is_not_kept_says_why() {
    let mut store = store();
    store.apply(&action(10.0, "old"));
    store.apply(&action(99.0, "a"));
    store.apply(&action(99.0, "a"));
    store.apply(&action(1.0, "late"));
    store.apply_at(&action(500.0, "future"), 100 * HOUR);
    store.apply(&action(99.0, "gone"));
    store.apply(&action(99.0, "gone").retract());
    store.apply(&action(99.0, "gone"));
    let explained = store.features.explain("n", "m").as_of(at(100)).get().unwrap();
    let dropped: Vec<_> = explained.dropped.iter().map(|dropped| (&*dropped.event_id, dropped.reason)).collect();
    assert_eq!(
        dropped,
        [
            ("gone", "retract_dropped"),
            ("gone", "retracted"),
            ("future", "future_quarantined"),
            ("late", "late_dropped"),
            ("a", "duplicate")
        ]
    );
    assert_eq!((explained.dropped[3].offset, explained.dropped[3].timestamp), (3, Some(at(1))));
    assert!(store.features.explain("n", "other").get().unwrap().dropped.is_empty());
}

/// Nothing is told of what was erased but that it was.
#[test]
fn an_erasure_shows_and_what_it_took_does_not() {
    let mut store = store();
    store.apply(&action(99.0, "secret"));
    store.apply(&action(99.0, "secret"));
    let mut erase = Action::new("m", "", "").at_ms(100 * HOUR);
    erase.op = Op::Erase;
    store.apply(&erase);
    store.apply(&action(99.0, "secret"));
    let explained = store.features.explain("n", "m").as_of(at(100)).get().unwrap();
    let dropped: Vec<_> = explained.dropped.iter().map(|dropped| (dropped.reason, dropped.n)).collect();
    assert_eq!(dropped, [("erase_dropped", 1), ("erased", 1)]);
    assert!(!serde_json::to_string(&explained).unwrap().contains("secret"));
}

#[test]
fn earlier_versions_and_what_a_limit_took_show() {
    let mut config = ChainConfig::new(hours(97));
    (config.dedup, config.max_events_per_actor) = (Dedup::LatestWins, Some(2));
    let mut store = Store::new(&config, [feature("n").count().within(hours(24))]);
    store.apply(&action(97.0, "a").sequence(1));
    store.apply(&action(98.0, "a").sequence(2));
    store.apply(&action(99.0, "b"));
    store.apply(&action(99.5, "c"));
    let explained = store.features.explain("n", "m").as_of(at(100)).get().unwrap();
    let dropped: Vec<_> =
        explained.dropped.iter().map(|dropped| (&*dropped.event_id, dropped.reason, dropped.n)).collect();
    assert_eq!(dropped, [("a", "replaced", 1), ("a", "capped", 2)], "the earlier version took up room, too");
    assert!(explained.envelope.truncated && !explained.envelope.complete);
}

#[test]
fn a_list_that_is_not_whole_says_so_and_costs_little() {
    let mut store = store();
    for i in 0..5_000 {
        store.apply(&Action::new("m", "apply", "x").at_ms(99 * HOUR + i).id(format!("{i}")));
    }
    let explained = store.features.explain("n", "m").as_of(at(100)).limit(3).get().unwrap();
    let window = explained.window("24h").unwrap();
    assert_eq!((ids(window), window.result.used), (vec!["4999", "4998", "4997"], 5_000));
    assert!(window.truncated && explained.envelope.truncated);
}

#[test]
fn errors_are_those_of_other_questions() {
    let store = store();
    assert_eq!(store.features.explain("nope", "m").get().unwrap_err().code(), "NF011");
    let long = feature("long").count().within(hours(100));
    assert_eq!(store.features.explain(long, "m").get().unwrap_err().code(), "NF014");
}

fn features() -> Vec<Feature> {
    let kinds = || {
        [
            Window::sliding(minutes(40)),
            Window::sliding(minutes(30)).end_excluded(),
            Window::sliding(minutes(30)).offset(minutes(20)),
            Window::last(4),
            Window::last(3).within(minutes(30)),
            Window::tumbling(minutes(30)),
            Window::tumbling(minutes(30)).previous(),
            Window::session(minutes(7)),
        ]
    };
    let all = |suffix: &str| {
        let named = |name: &str| feature(format!("{name} {suffix}"));
        [
            named("n").count(),
            named("applies").count().verb("apply"),
            named("by").count_by("object.kind"),
            named("sum").sum("object.price").verbs(["apply", "view"]),
            named("mean").mean("object.price"),
            named("taste").weighted_mean("object.price", [("apply", 1.0), ("dismiss", -0.5)]),
            named("objects").distinct_count("object"),
            named("last").last(2, "object.kind"),
            named("rows").actions(["object"]).limit(3),
            named("some").sum("object.price").filter(attr("object.kind").eq("x")),
        ]
    };
    let every = all("every").into_iter().map(|feature| feature.windows(kinds()));
    let plain = all("plain").into_iter().map(|feature| feature.within([minutes(7), minutes(40), minutes(90)]));
    every.chain(plain).collect()
}

/// The events that are listed, put alone into an empty store, give the value again. Prices are whole, so that sums are
/// exact whatever is left out.
#[test]
fn law_6_the_listed_events_alone_give_the_value() {
    let config = ChainConfig::new(minutes(100));
    for seed in 0..n_cases(300).min(300) {
        let mut random = Random(9 << 40 | seed);
        let mut store = Store::new(&config, features());
        let mut events: BTreeMap<String, Action> = BTreeMap::new();
        for id in 0..random.below(40) + 1 {
            let t = 1_000 * MINUTE + i64::try_from(random.below(120)).unwrap() * MINUTE;
            let verb = *random.pick(&["apply", "view", "dismiss"]);
            let mut action = Action::new("m", verb, format!("o{}", random.below(4))).at_ms(t).id(format!("id-{id}"));
            if !random.one_in(4) {
                action = action.object_attribute("price", Attribute::Int(i64::try_from(random.below(9)).unwrap()));
            }
            if !random.one_in(4) {
                action = action.object_attribute("kind", Attribute::Text((*random.pick(&["x", "y"])).into()));
            }
            store.apply(&action);
            events.insert(format!("id-{id}"), action);
        }
        let as_of = Timestamp::from_millis(
            store.chains.stream_time().as_millis() - i64::try_from(random.below(20)).unwrap() * MINUTE,
        );
        let names: Vec<_> = store.features.registered().unwrap().names().map(str::to_owned).collect();
        for name in names {
            let explained = store.features.explain(name.as_str(), "m").as_of(as_of).limit(1_000).get().unwrap();
            let answer = store.features.query("m").as_of(as_of).select([name.as_str()]).get().unwrap();
            for (window, result) in explained.windows.iter().zip(&answer.features[0].windows) {
                let what = || format!("case {seed}: {name} {} as of {as_of}: {:#?}", result.label, window);
                assert_eq!(&window.result, result, "{}", what());
                assert_eq!(window.events.len() as u64, result.used, "{}", what());
                assert!(!window.truncated, "{}", what());
                let mut alone = Store::new(&config, features());
                // What a session or the last few hold is a matter of all their events, also of those without the attribute.
                let by_rows = ["session", "last"].iter().any(|kind| result.label.starts_with(kind));
                let members =
                    window.passed_over.iter().filter(|passed| by_rows && !["verb", "filter"].contains(&passed.reason));
                for event in window.events.iter().chain(members.map(|passed| &passed.action)) {
                    alone.apply(&events[&*event.event_id]);
                }
                let again = alone.features.query("m").as_of(as_of).select([name.as_str()]).get().unwrap();
                assert_eq!(again.window(&name, &result.label).unwrap().value, result.value, "{}", what());
                let lies_inside =
                    |action: &Action| action.timestamp.is_some_and(|t| window.after < t && t <= window.until);
                let inside = events.values().filter(|action| lies_inside(action)).count();
                assert!(window.events.len() + window.passed_over.len() <= inside, "{}", what());
            }
        }
    }
}

//! The limit of a partition's memory: it holds, the oldest events go, and answers that miss some say so.

use std::collections::BTreeMap;

use nowfold_core::time::{Timestamp, hours, minutes};
use nowfold_operators::chain::{Admission, ChainConfig, Dedup, MemoryLimit, WhenFull};
use nowfold_operators::feature::feature;
use nowfold_schemas::action::Action;

use crate::support::{HOUR, Random, Store, n_cases};

const SECOND: i64 = 1_000;

fn config(bytes: usize, when_full: WhenFull) -> ChainConfig {
    let mut config = ChainConfig::new(hours(97));
    config.memory_limit = Some(MemoryLimit { bytes, when_full });
    config
}

fn store(config: &ChainConfig) -> Store {
    Store::new(config, [feature("hour").count().within(hours(1)), feature("all").count().within(hours(96))])
}

/// The `n`th event of a flood: an actor of its own every 10 ms.
fn flood(n: i64) -> Action {
    Action::new(format!("actor-{n}"), "view", "x").at_ms(500 * HOUR + n * 10).id(format!("e{n}"))
}

/// Whether the day's count of an actor is complete, truncated, and how much it is.
fn ask(store: &Store, actor: &str, now: i64) -> (bool, bool, u64) {
    let answer = store.features.query(actor).select(["hour"]).as_of(Timestamp::from_millis(now)).get().unwrap();
    (answer.envelope.complete, answer.envelope.truncated, answer.count("hour").unwrap())
}

#[test]
fn a_million_new_actors_a_minute_take_no_more_memory_than_they_may() {
    let limit = 4 << 20;
    let mut store = store(&config(limit, WhenFull::DropOldest));
    let (mut most, mut most_measured) = (0, 0);
    for n in 0..100_000 {
        let action = flood(n);
        let admission =
            store.apply(&Action { timestamp: Some(Timestamp::from_millis(500 * HOUR + n * 60 / 1_000)), ..action });
        assert!(matches!(admission, Admission::Admitted { .. } | Admission::Shed), "{admission:?}");
        most = most.max(store.chains.bytes());
        if n % 5_000 == 0 {
            most_measured = most_measured.max(store.chains.memory().total());
        }
    }
    assert!(most < limit + 65_536, "{most} bytes");
    println!("limit {limit}, estimated at most {most}, measured at most {most_measured}");
    assert!(most_measured < 2 * limit as u64, "{most_measured} bytes measured");
    assert!(store.chains.counters().shed > 50_000, "{:?}", store.chains.counters());
    store.chains.verify().unwrap();
}

#[test]
fn the_oldest_go_and_answers_that_reach_back_to_them_say_so() {
    let mut store = store(&config(2 << 20, WhenFull::DropOldest));
    let n = 60_000;
    for n in 0..n {
        assert!(store.apply(&flood(n)).is_admitted(), "{n}");
    }
    let (now, shed) = (500 * HOUR + n * 10, store.chains.shed_until().unwrap().as_millis());
    assert!(shed > 500 * HOUR && shed < now, "{shed}");
    for n in (0..n).step_by(997) {
        let t = 500 * HOUR + n * 10;
        let count = u64::from(t > shed);
        assert_eq!(ask(&store, &format!("actor-{n}"), now), (false, true, count), "{n}: the window reaches back");
        assert_eq!(ask(&store, &format!("actor-{n}"), shed + HOUR), (true, false, count), "{n}: it does not");
    }
    assert_eq!(ask(&store, "nobody", now), (false, true, 0), "what went may have been anyone's");
    store.chains.verify().unwrap();
}

#[test]
fn without_leave_to_drop_the_event_is_refused_and_answers_say_that_it_is_missing() {
    let mut store = store(&config(100_000, WhenFull::Stop));
    let refused = (0..).find(|n| store.apply(&flood(*n)) == Admission::Full).unwrap();
    assert!(refused > 100, "{refused}");
    assert_eq!(store.chains.counters().shed, 0);
    let now = 500 * HOUR + refused * 10;
    assert_eq!(ask(&store, &format!("actor-{refused}"), now), (false, true, 0));
    assert_eq!(ask(&store, "actor-0", now), (false, true, 1), "nothing that was there has gone");
}

#[test]
fn what_has_expired_makes_room_first() {
    let mut store = store(&config(100_000, WhenFull::Stop));
    let full = (0..).find(|n| store.apply(&flood(*n)) == Admission::Full).unwrap();
    let later = Action::new("late", "view", "x").at_ms(700 * HOUR).id("late");
    assert_eq!(store.apply(&later), Admission::Full, "stream time stands still as long as nothing comes in");
    // Below the limit, time goes on.
    let mut store = self::store(&config(100_000, WhenFull::Stop));
    (0..full - 10).for_each(|n| assert!(store.apply(&flood(n)).is_admitted()));
    assert!(store.apply(&later).is_admitted());
    let more =
        (0..full / 2).map(|n| Action::new(format!("b{n}"), "view", "x").at_ms(700 * HOUR + n).id(format!("b{n}")));
    more.for_each(|action| assert!(store.apply(&action).is_admitted()));
}

#[test]
fn events_of_one_moment_that_find_no_room_are_not_kept() {
    let mut store = store(&config(50_000, WhenFull::DropOldest));
    let at = |n: i64, t: i64| Action::new(format!("a{n}"), "view", "x").at_ms(t).id(format!("e{n}"));
    let admissions: Vec<_> = (0..1_000).map(|n| store.apply(&at(n, 500 * HOUR))).collect();
    assert!(admissions.iter().any(|admission| admission.is_admitted()) && admissions.contains(&Admission::Shed));
    assert_eq!(ask(&store, "a0", 500 * HOUR), (false, true, 1));
    assert_eq!(ask(&store, "a999", 500 * HOUR), (false, true, 0));
    assert!(store.apply(&at(2_000, 500 * HOUR + 60 * SECOND)).is_admitted(), "a later event makes the moment go");
    assert_eq!(ask(&store, "a2000", 500 * HOUR + 60 * SECOND), (false, true, 1));
    assert_eq!(ask(&store, "a0", 500 * HOUR + 60 * SECOND), (false, true, 0));
}

#[test]
fn an_event_that_comes_after_its_time_went_is_dropped() {
    let mut store = store(&config(50_000, WhenFull::DropOldest));
    (0..3_000).for_each(|n| _ = store.apply(&flood(n)));
    assert!(store.chains.shed_until().is_some());
    let late = Action::new("m", "view", "x").at_ms(500 * HOUR + 1).id("late");
    let before = store.chains.counters().shed;
    assert_eq!(store.apply(&late), Admission::Shed);
    assert_eq!(store.chains.counters().shed, before + 1);
    assert!(store.chains.drops_of("m").is_empty(), "a flood would push out what else was dropped");
}

#[test]
fn a_later_version_from_the_time_that_went_takes_its_event_along() {
    let mut config = config(500_000, WhenFull::DropOldest);
    config.dedup = Dedup::LatestWins;
    let mut store = store(&config);
    (0..6_000).for_each(|n| _ = store.apply(&flood(n)));
    let now = 500 * HOUR + 60 * SECOND;
    let first = Action::new("m", "view", "x").at_ms(now).id("v").sequence(1);
    assert!(store.apply(&first).is_admitted());
    let moved = Action::new("m", "view", "x").at_ms(500 * HOUR + 1).id("v").sequence(2);
    assert_eq!(store.apply(&moved), Admission::Shed);
    assert_eq!(ask(&store, "m", now).2, 0, "its newest version lies where all went");
    store.chains.verify().unwrap();
}

/// Law 5: an answer that misses an event says so, and one that does not say so is that of a store without a limit.
#[test]
fn law_5_answers_that_miss_events_say_so() {
    for case in 0..n_cases(20_000) / 100 {
        let mut random = Random(9 << 40 | case);
        let mut limited = ChainConfig::new(minutes(100));
        let when_full = if random.one_in(3) { WhenFull::Stop } else { WhenFull::DropOldest };
        limited.memory_limit = Some(MemoryLimit { bytes: 3_000 + random.index(30_000), when_full });
        limited.max_events_per_actor = random.one_in(3).then(|| 1 + random.index(20));
        let mut free = limited.clone();
        free.memory_limit = None;
        let wanted = [feature("n").count().within(minutes(5)), feature("far").count().within(minutes(90))];
        let (mut limited, mut free) = (Store::new(&limited, wanted.clone()), Store::new(&free, wanted));
        let mut time = 0_i64;
        let mut seen = BTreeMap::new();
        for n in 0..300 + random.index(500) {
            time += i64::try_from(random.below(20)).unwrap() * SECOND;
            let (actor, back) = (format!("a{}", random.below(60)), i64::try_from(random.below(40)).unwrap() * SECOND);
            let action = Action::new(&*actor, "view", "x").at_ms(9 * HOUR + time - back).id(format!("e{n}"));
            let action = if random.one_in(20) { action.retract() } else { action };
            limited.apply(&action);
            free.apply(&action);
            *seen.entry(actor).or_insert(0) += 1;
            if random.one_in(40) {
                limited.chains.maintain(random.index(5));
            }
        }
        let now = free.chains.stream_time();
        for actor in seen.keys() {
            for select in ["n", "far"] {
                let [limited, free] = [&limited, &free].map(|store| {
                    let answer = store.features.query(actor).select([select]).as_of(now).get().unwrap();
                    (answer.count(select).unwrap(), answer.envelope.truncated, answer.envelope.complete)
                });
                assert!(limited.0 <= free.0, "case {case}: {actor} {select}: more than there are");
                assert!(
                    limited == free || (limited.1 && !limited.2),
                    "case {case}: {actor} {select}: {limited:?} {free:?}"
                );
            }
        }
        limited.chains.verify().unwrap_or_else(|broken| panic!("case {case}: {broken}"));
    }
}

#[test]
fn the_same_log_gives_the_same_state() {
    let digest = || {
        let mut store = store(&config(200_000, WhenFull::DropOldest));
        (0..9_000).for_each(|n| _ = store.apply(&flood(n)));
        (store.chains.digest(), store.chains.shed_until(), store.chains.counters())
    };
    assert_eq!(digest(), digest());
}

//! Random cases of the numerical aggregates with the store's answers, one JSON object a line, for `tests/numpy/check.py`:
//! `cargo xtask numpy`.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test by another name: it fails by panicking")]

#[path = "../tests/differential/random.rs"]
#[expect(dead_code, reason = "the tests use all of it")]
mod random;

use std::io::{BufWriter, Write};
use std::sync::Arc;

use nowfold_core::names::StoreName;
use nowfold_core::query::{Lag, PartitionHandle, ProgressCell, Readiness, StoreHub};
use nowfold_core::time::{Clock, Timestamp, hours, millisecs};
use nowfold_operators::chain::{Appended, ChainConfig, EventChains};
use nowfold_operators::feature::{Feature, FeatureSet, Normalize, feature};
use nowfold_operators::features::Features;
use nowfold_schemas::action::{Action, Attribute};
use random::Random;
use serde_json::{Value, json};

const NOW: i64 = 1_700_000_000_000;
const MINUTE: i64 = 60_000;
const VERBS: [&str; 3] = ["apply", "dismiss", "view"];
const DIM: usize = 3;

/// A clock that stands still.
#[derive(Debug)]
struct Still;

impl Clock for Still {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(NOW)
    }
}

/// One event as the case tells it.
#[derive(Clone, Debug)]
struct Event {
    t: i64,
    verb: &'static str,
    x: Option<f64>,
    vector: Option<Vec<f32>>,
}

fn main() {
    let mut words = std::env::args().skip(1);
    let number = |word: Option<String>, default: u64| word.map_or(default, |word| word.parse().unwrap());
    let n = number(words.next(), 5_000);
    let random = &mut Random(number(words.next(), 1));
    let mut out = BufWriter::new(std::io::stdout().lock());
    for _ in 0..n {
        for line in case(random) {
            writeln!(out, "{line}").unwrap();
        }
    }
    out.flush().unwrap();
}

/// One set of events, asked for every aggregate.
fn case(random: &mut Random) -> Vec<Value> {
    let events: Vec<Event> = (0..random.index(120)).map(|_| event(random)).collect();
    let window = random.between(1, 100) * MINUTE;
    let as_of = NOW - random.between(0, 20) * MINUTE;
    let features = features(&events);
    let told: Vec<Value> = events.iter().map(|event| json!([event.t, event.verb, event.x, event.vector])).collect();
    let ask = |(aggregate, parameters, feature): (&str, Value, Feature)| {
        let feature = feature.within(millisecs(window.unsigned_abs()));
        let answer = features.query("m").adhoc(feature).as_of(Timestamp::from_millis(as_of)).get().unwrap();
        let answer = serde_json::to_value(answer.value("f").unwrap()).unwrap();
        json!({"aggregate": aggregate, "parameters": parameters, "as_of": as_of, "window": window, "events": told, "answer": answer})
    };
    asked(random).into_iter().map(ask).collect()
}

/// Every aggregate, by the name that the checker knows, with its parameters.
fn asked(random: &mut Random) -> Vec<(&'static str, Value, Feature)> {
    let weights = VERBS.map(|verb| (verb, random.between(-2, 2) as f64 / 2.0));
    let by_verb = json!({"weights": weights.iter().map(|(verb, weight)| ((*verb).to_owned(), json!(weight))).collect::<serde_json::Map<_, _>>()});
    // Halves and quarters are exact, so that no rounding of p n decides about a rank.
    let p = random.between(0, 8) as f64 / 8.0;
    let minutes = random.between(1, 120);
    let (half_life, half) = (millisecs((minutes * MINUTE).unsigned_abs()), json!({"half_life": minutes * MINUTE}));
    let f = || feature("f");
    vec![
        ("sum", json!({}), f().sum("verb.x")),
        ("mean", json!({}), f().mean("verb.x")),
        ("weighted_mean", by_verb.clone(), f().weighted_mean("verb.x", weights)),
        ("min", json!({}), f().min("verb.x")),
        ("max", json!({}), f().max("verb.x")),
        ("var_pop", json!({}), f().var_pop("verb.x")),
        ("var_sample", json!({}), f().var_sample("verb.x")),
        ("stddev_pop", json!({}), f().stddev_pop("verb.x")),
        ("stddev_sample", json!({}), f().stddev_sample("verb.x")),
        ("quantile", json!({ "p": p }), f().quantile(p, "verb.x")),
        ("decay_count", half.clone(), f().decay_count(half_life)),
        ("decay_sum", half.clone(), f().decay_sum("verb.x", half_life)),
        ("decay_mean", half.clone(), f().decay_mean("verb.x", half_life)),
        ("vec_sum", json!({}), f().vec_sum("object.v")),
        ("vec_mean", json!({}), f().mean("object.v")),
        ("vec_min", json!({}), f().vec_min("object.v")),
        ("vec_max", json!({}), f().vec_max("object.v")),
        ("vec_decay_mean", half, f().vec_decay_mean("object.v", half_life)),
        ("vec_weighted_mean", by_verb, f().weighted_mean("object.v", weights)),
        ("vec_dispersion", json!({}), f().vec_dispersion("object.v")),
        ("vec_unit_mean", json!({}), f().vec_mean("object.v").normalize(Normalize::Both)),
    ]
}

#[expect(clippy::cast_possible_truncation, reason = "any number will do")]
fn event(random: &mut Random) -> Event {
    Event {
        t: NOW - random.between(0, 110 * MINUTE),
        verb: VERBS[random.index(VERBS.len())],
        x: (!random.one_in(6)).then(|| number(random)),
        vector: (!random.one_in(6)).then(|| (0..DIM).map(|_| number(random) as f32).collect()),
    }
}

/// Mostly of one magnitude; some equal each other.
fn number(random: &mut Random) -> f64 {
    match random.below(10) {
        0 => random.float(),
        1 => 1.5,
        _ => random.between(-1_000_000, 1_000_000) as f64 / 1e4,
    }
}

/// A store that holds the events.
fn features(events: &[Event]) -> Features {
    let config = ChainConfig::new(hours(97)).vector_dim("object.v", DIM);
    let (chains, progress) = (Arc::new(EventChains::new(config.clone())), Arc::new(ProgressCell::restoring()));
    for (number, event) in events.iter().enumerate() {
        let mut action = Action::new("m", event.verb, "o").at_ms(event.t).id(format!("e{number}"));
        if let Some(x) = event.x {
            action = action.verb_attribute("x", x);
        }
        if let Some(vector) = &event.vector {
            action = action.object_attribute("v", Attribute::Vector(vector.as_slice().into()));
        }
        let appended = Appended::new(i64::try_from(number).unwrap(), Timestamp::from_millis(NOW));
        assert!(chains.apply(&action, appended).is_admitted());
    }
    progress.update(|progress| {
        progress.readiness = Readiness::Running;
        progress.lag = Lag::None;
        progress.known_at = Timestamp::from_millis(NOW);
    });
    let (hub, store) = (Arc::new(StoreHub::new()), StoreName::from("activity"));
    let set = FeatureSet::compile("activity", &config, []).unwrap();
    hub.declare(store.clone(), "actions".into(), 1, Arc::new(set));
    hub.open(&store, 0, &PartitionHandle { reader: chains, progress });
    Features::new(hub, Arc::new(Still), "activity")
}

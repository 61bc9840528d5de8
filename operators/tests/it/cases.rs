//! Random logs of actions, small and full of edges, and the features that are asked of them.

use std::ops::Range;
use std::sync::LazyLock;

use nowfold_core::time::{Timestamp, millisecs, minutes};
use nowfold_operators::chain::ChainConfig;
use nowfold_operators::feature::{Feature, feature};
use nowfold_schemas::action::{Action, Attribute, Op};

use crate::oracle::hash;
use crate::support::Random;

pub(crate) const MINUTE: i64 = 60_000;
pub(crate) const BASE: i64 = 1_000 * MINUTE;
pub(crate) const RETENTION: i64 = 100 * MINUTE;
pub(crate) const SKEW: i64 = 5 * MINUTE;
pub(crate) const TOPIC_RETENTION: i64 = 150 * MINUTE;
pub(crate) const WINDOWS: [i64; 3] = [7 * MINUTE, 40 * MINUTE, 90 * MINUTE];
pub(crate) const VERBS: [&str; 3] = ["apply", "dismiss", "view"];
pub(crate) const ACTORS: [&str; 2] = ["a", "b"];
pub(crate) const WEIGHTS: [(&str, f64); 2] = [("dismiss", -0.3), ("apply", 1.0)];

/// A log, and questions `(actor, as_of)`.
#[derive(Clone, Debug, Default)]
pub(crate) struct Case {
    /// Actions with the append times of their records.
    pub(crate) records: Vec<(Action, i64)>,
    pub(crate) questions: Vec<(&'static str, i64)>,
    pub(crate) dim: Option<usize>,
}

/// Event ids in turn: one that cuts super-blocks, one that just does not, one that cuts blocks, one that just does not,
/// and one that is far from it.
static IDS: LazyLock<Vec<String>> = LazyLock::new(|| {
    let ids = |zeros: Range<u32>| {
        let fits = move |id: &String| zeros.contains(&hash(id.as_bytes()).trailing_zeros());
        (0..).map(|n| format!("id-{n}")).filter(fits)
    };
    let mut kinds = [ids(12..65), ids(11..12), ids(6..7), ids(5..6), ids(0..5)];
    (0..160).flat_map(|_| kinds.each_mut().map(|kind| kind.next().unwrap())).collect()
});

pub(crate) fn config(dim: Option<usize>) -> ChainConfig {
    let mut config = ChainConfig::new(minutes(100));
    config.topic_retention = minutes(150);
    match dim {
        Some(dim) => config.vector_dim("object.vector", dim),
        None => config,
    }
}

pub(crate) fn features() -> Vec<Feature> {
    features_over(&WINDOWS)
}

pub(crate) fn features_over(windows_ms: &[i64]) -> Vec<Feature> {
    let all = || windows_ms.iter().map(|ms| millisecs(ms.unsigned_abs())).collect::<Vec<_>>();
    vec![
        feature("n").count().within(all()),
        feature("n_apply").count().verb("apply").within(all()),
        feature("by_verb").count_by("verb").within(all()),
        feature("by_kind").count_by("object.kind").cap(2).within(all()),
        feature("sum").sum("object.price").within(all()),
        feature("mean").mean("object.price").verbs(["view", "apply"]).within(all()),
        feature("vector").mean("object.vector").within(all()),
        feature("taste").weighted_mean("object.vector", WEIGHTS).within(all()),
        feature("worth").weighted_mean("object.price", WEIGHTS).within(all()),
        feature("objects").distinct_count("object").within(all()),
        feature("kinds").distinct_count("object.kind").verbs(["dismiss"]).within(all()),
        feature("last").last(3, "object").within(all()),
        feature("last_kind").last(2, "object.kind").verbs(["view", "dismiss"]).within(all()),
        feature("recent").actions(["object.price"]).limit(4).within(all()),
    ]
}

/// What a case's actions have in common: a third of the cases put everything into one chain.
struct Shape {
    actors: &'static [&'static str],
    verbs: &'static [&'static str],
    minutes: u64,
}

impl Shape {
    fn random(random: &mut Random) -> Self {
        if random.one_in(3) {
            let minutes = *random.pick(&[10, 60, 250]);
            return Self { actors: &ACTORS[..1], verbs: &VERBS[..1], minutes };
        }
        Self { actors: &ACTORS, verbs: &VERBS, minutes: 250 }
    }
}

fn n_records(random: &mut Random) -> usize {
    if random.one_in(200) { 400 } else { random.index(24) + 1 }
}

/// A case for the oracle: anything may happen.
pub(crate) fn any(random: &mut Random) -> Case {
    let (n, shape) = (n_records(random), Shape::random(random));
    let n_ids = if n > 24 { IDS.len() } else { 40 };
    let mut records: Vec<(Action, i64)> = Vec::new();
    for _ in 0..n {
        let mut action = {
            let id = &IDS[random.index(n_ids)];
            any_action(random, &shape, id)
        };
        if action.op == Op::Retract && !records.is_empty() && random.one_in(2) {
            let earlier = &random.pick(&records).0;
            (action.actor, action.event_id) = (earlier.actor.clone(), earlier.event_id.clone());
        }
        let t = action.timestamp.map_or(0, Timestamp::as_millis);
        let append = match random.below(20) {
            0 => t - SKEW + i64::try_from(random.below(3)).unwrap() - 1,
            1 => t,
            2 => BASE + 600 * MINUTE,
            _ => BASE + 300 * MINUTE,
        };
        records.push((action, append));
    }
    let dim = random.one_in(2).then_some(2);
    let questions = questions(random, &records);
    Case { records, questions, dim }
}

/// A case whose records mean the same in any order: an id has one content, and nothing depends on append times.
pub(crate) fn orderless(random: &mut Random) -> Case {
    let (n, shape) = (n_records(random), Shape::random(random));
    let append = BASE + 300 * MINUTE;
    let mut records: Vec<(Action, i64)> = Vec::new();
    for id in &IDS[..n] {
        let again = (!records.is_empty() && random.one_in(5)).then(|| random.pick(&records).0.clone());
        let action = match again {
            Some(action) if action.op == Op::Act && random.one_in(3) => Action { op: Op::Retract, ..action },
            Some(action) => action,
            None => any_action(random, &shape, id),
        };
        records.push((action, append));
    }
    let questions = questions(random, &records);
    Case { records, questions, dim: Some(2) }
}

fn any_action(random: &mut Random, shape: &Shape, id: &str) -> Action {
    let (actor, verb) = (*random.pick(shape.actors), *random.pick(shape.verbs));
    let mut action = Action::new(actor, verb, format!("o{}", random.below(6))).id(id);
    let jitter = i64::try_from(random.below(3)).unwrap() - 1;
    let span = if random.one_in(3) { 10 } else { shape.minutes };
    let minute = i64::try_from(random.below(span)).unwrap();
    action.timestamp = Some(Timestamp::from_millis(BASE + minute * MINUTE + jitter));
    action.sequence = random.one_in(2).then(|| i64::try_from(random.below(3)).unwrap());
    action.op = match random.below(25) {
        0..=1 => Op::Retract,
        2 if random.one_in(2) => Op::Erase,
        _ => Op::Act,
    };
    for (name, value) in [("price", price(random)), ("vector", vector(random)), ("kind", kind(random))] {
        if let Some(value) = value {
            action = action.object_attribute(name, value);
        }
    }
    action
}

/// Mostly floats, whose sums round; seldom a number so large that nothing else in the sum would show.
fn price(random: &mut Random) -> Option<Attribute> {
    Some(match random.below(20) {
        0..=2 => Attribute::Int(i64::try_from(random.below(100)).unwrap()),
        3 if random.one_in(10) => Attribute::Int(i64::MAX),
        4 => Attribute::Text("free".into()),
        5 => Attribute::Null,
        6 => Attribute::Float(f64::NAN),
        7 => return None,
        _ => Attribute::Float(random.float()),
    })
}

fn vector(random: &mut Random) -> Option<Attribute> {
    #[expect(clippy::cast_possible_truncation, reason = "any number will do")]
    let mut values = |n: usize| -> Attribute { Attribute::Vector((0..n).map(|_| random.float() as f32).collect()) };
    let (two, three) = (values(2), values(3));
    Some(match random.below(20) {
        0 => three,
        1 => Attribute::Vector([f32::NAN, 1.0].into()),
        2 => Attribute::Vector([].into()),
        3..=6 => return None,
        _ => two,
    })
}

fn kind(random: &mut Random) -> Option<Attribute> {
    Some(match random.below(8) {
        0 => return None,
        1 => Attribute::Null,
        2 => Attribute::Int(7),
        3 => Attribute::Bool(true),
        n => Attribute::Text(["x", "y", "z", "other"][usize::try_from(n - 4).unwrap()].into()),
    })
}

/// Instants at and around the edges of windows over the events.
fn questions(random: &mut Random, records: &[(Action, i64)]) -> Vec<(&'static str, i64)> {
    let mut questions = Vec::new();
    for _ in 0..2 {
        let t = random.pick(records).0.timestamp.map_or(BASE, Timestamp::as_millis);
        let shift = [0, WINDOWS[0], WINDOWS[1], WINDOWS[2], RETENTION][random.index(5)];
        questions.push((*random.pick(&ACTORS), t + shift + i64::try_from(random.below(3)).unwrap() - 1));
    }
    questions
}

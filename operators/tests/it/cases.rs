//! Random logs of actions, small and full of edges, and the features that are asked of them.

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

/// Event ids in turn: one that cuts super-blocks, one that cuts blocks, three that do not.
static IDS: LazyLock<Vec<String>> = LazyLock::new(|| {
    let ids = |zeros: std::ops::Range<u32>| {
        let zeros = move |id: &String| zeros.contains(&hash(id.as_bytes()).trailing_zeros());
        (0..).map(|n| format!("id-{n}")).filter(zeros)
    };
    let (mut supers, mut cuts, mut plain) = (ids(12..65), ids(6..12), ids(0..6));
    let mut five = || [supers.next(), cuts.next(), plain.next(), plain.next(), plain.next()].map(Option::unwrap);
    (0..160).flat_map(|_| five()).collect()
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

/// A case for the oracle: anything may happen.
pub(crate) fn any(random: &mut Random) -> Case {
    let n = if random.one_in(200) { 400 } else { random.below(24) + 1 };
    let n_ids = if n > 24 { IDS.len() } else { 40 };
    let mut records = Vec::new();
    for _ in 0..n {
        let id = &IDS[random.index(n_ids)];
        let action = any_action(random, id);
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
    let n = if random.one_in(200) { 400 } else { random.below(24) + 1 };
    let append = BASE + 300 * MINUTE;
    let mut records: Vec<(Action, i64)> = Vec::new();
    for i in 0..usize::try_from(n).unwrap() {
        let again = (i > 0 && random.one_in(5)).then(|| random.pick(&records).0.clone());
        let action = match again {
            Some(action) if action.op == Op::Act && random.one_in(3) => Action { op: Op::Retract, ..action },
            Some(action) => action,
            None => any_action(random, &IDS[i]),
        };
        records.push((action, append));
    }
    let questions = questions(random, &records);
    Case { records, questions, dim: Some(2) }
}

fn any_action(random: &mut Random, id: &str) -> Action {
    let mut action = Action::new(*random.pick(&ACTORS), *random.pick(&VERBS), format!("o{}", random.below(6))).id(id);
    let jitter = i64::try_from(random.below(3)).unwrap() - 1;
    let span = if random.one_in(3) { 10 } else { 250 };
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

fn price(random: &mut Random) -> Option<Attribute> {
    Some(match random.below(10) {
        0..=1 => Attribute::Int(i64::try_from(random.below(100)).unwrap()),
        2 => Attribute::Int(i64::MAX),
        3 => Attribute::Text("free".into()),
        4 => Attribute::Null,
        5 => Attribute::Float(f64::NAN),
        6 => return None,
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

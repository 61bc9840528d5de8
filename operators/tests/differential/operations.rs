//! Random operations, full of edges: ids that cut blocks, times around the ends of windows, repeats, undoings.

use nowfold_core::time::Timestamp;
use nowfold_schemas::action::{Action, Attribute, Op};

use super::hash::xxh64;
use super::model::Settings;
use super::question::Question;
use super::questions::{self, LENGTHS};
use super::random::Random;

pub(crate) const MINUTE: i64 = 60_000;
pub(crate) const BASE: i64 = 1_000 * MINUTE;
pub(crate) const RETENTION: i64 = 100 * MINUTE;
pub(crate) const SKEW: i64 = 5 * MINUTE;
pub(crate) const TOPIC_RETENTION: i64 = 150 * MINUTE;
pub(crate) const VERBS: [&str; 3] = ["apply", "dismiss", "view"];
pub(crate) const ACTORS: [&str; 2] = ["a", "b"];

/// One thing that is done to a store and to the oracle.
#[derive(Clone, Debug)]
pub(crate) enum Operation {
    /// A record with the time at which it was appended.
    Apply(Action, i64),
    /// A record without a value.
    EraseAll {
        actor: &'static str,
        append: i64,
    },
    /// Prunes all that is due.
    Prune,
    /// Rebuilds the store from its log.
    Restart,
    Ask(Question),
}

/// A store's settings, and what happens to it.
#[derive(Clone, Debug)]
pub(crate) struct Case {
    pub(crate) settings: Settings,
    pub(crate) operations: Vec<Operation>,
}

impl Case {
    pub(crate) fn settings(random: &mut Random) -> Settings {
        let dim = random.one_in(2).then_some(2);
        let versions = random.one_in(4).then_some(20 * MINUTE);
        let cap = random.one_in(4).then(|| 1 + random.index(20));
        Settings { retention: RETENTION, skew: SKEW, topic_retention: TOPIC_RETENTION, dim, versions, cap }
    }
}

/// What the operations of a case have in common.
#[derive(Debug)]
struct Shape {
    actors: &'static [&'static str],
    verbs: &'static [&'static str],
    /// Times of events spread over this many minutes.
    minutes: i64,
    /// Minutes that the middle of those moves on with every operation.
    pace: f64,
    n_ids: usize,
}

impl Shape {
    fn random(random: &mut Random, n: usize) -> Self {
        let one_chain = random.one_in(3);
        let (actors, verbs) = if one_chain { (&ACTORS[..1], &VERBS[..1]) } else { (&ACTORS[..], &VERBS[..]) };
        let minutes = *random.pick(&[10, 60, 90, 250]);
        let pace = [0.0, 0.0, 0.5, 2.0][random.index(4)];
        Self { actors, verbs, minutes, pace, n_ids: if n > 100 || random.one_in(3) { usize::MAX } else { 40 } }
    }
}

/// A case; one in a few hundred is large enough for super-blocks and an index of ids.
pub(crate) fn case(random: &mut Random) -> Case {
    let n = match random.below(300) {
        0 => 3_000,
        1..=9 => 500,
        _ => 10 + random.index(110),
    };
    case_of(random, n)
}

/// A case of `n` operations.
pub(crate) fn case_of(random: &mut Random, n: usize) -> Case {
    let shape = Shape::random(random, n);
    let settings = Case::settings(random);
    let ids = Ids::new(shape.n_ids.min(n + 40));
    let mut operations = Vec::with_capacity(n);
    let mut actions: Vec<Action> = Vec::new();
    for number in 0..n {
        #[expect(clippy::cast_possible_truncation, reason = "a case lasts some thousand minutes")]
        let middle = BASE + (number as f64 * shape.pace) as i64 * MINUTE;
        operations.push(match random.below(1_000) {
            0..=2 => Operation::Restart,
            3..=19 => Operation::Prune,
            20..=22 => {
                let actor = *random.pick(shape.actors);
                Operation::EraseAll { actor, append: middle }
            }
            23..=349 => Operation::Ask(questions::question(random, shape.actors, &actions)),
            _ => {
                let (action, append) = record(random, &shape, &ids, middle, &actions);
                actions.push(action.clone());
                Operation::Apply(action, append)
            }
        });
    }
    Case { settings, operations }
}

/// Records that mean the same in any order: an id has one content, and nothing depends on append times.
pub(crate) fn orderless(random: &mut Random) -> Vec<(Action, i64)> {
    let n = if random.one_in(200) { 400 } else { 1 + random.index(24) };
    let shape = Shape { pace: 0.0, ..Shape::random(random, n) };
    let mut records: Vec<(Action, i64)> = Vec::new();
    for id in &Ids::new(n).0 {
        let again = (!records.is_empty() && random.one_in(5)).then(|| random.pick(&records).0.clone());
        let action = match again {
            Some(action) if action.op == Op::Act && random.one_in(3) => Action { op: Op::Retract, ..action },
            Some(action) => action,
            None => action(random, &shape, id, BASE),
        };
        records.push((action, BASE + 300 * MINUTE));
    }
    records
}

/// Event ids in turn: one that cuts super-blocks, one that just does not, one that cuts blocks, one that just does not,
/// and one that is far from it.
struct Ids(Vec<String>);

impl Ids {
    fn new(n: usize) -> Self {
        static ALL: std::sync::LazyLock<Vec<String>> = std::sync::LazyLock::new(|| {
            let ids = |zeros: std::ops::Range<u32>| {
                let fits = move |id: &String| zeros.contains(&xxh64(id.as_bytes()).trailing_zeros());
                (0..).map(|n| format!("id-{n}")).filter(fits)
            };
            let mut kinds = [ids(12..65), ids(11..12), ids(6..7), ids(5..6), ids(0..5)];
            (0..160).flat_map(|_| kinds.each_mut().map(|kind| kind.next().unwrap())).collect()
        });
        let plain = (0..n.saturating_sub(ALL.len())).map(|n| format!("plain-{n}"));
        Self(ALL.iter().take(n).cloned().chain(plain).collect())
    }
}

fn record(random: &mut Random, shape: &Shape, ids: &Ids, middle: i64, earlier: &[Action]) -> (Action, i64) {
    let id = random.pick(&ids.0);
    let mut action = action(random, shape, id, middle);
    if !earlier.is_empty() && (action.op == Op::Retract || random.one_in(20)) && random.one_in(2) {
        let repeated = random.pick(earlier);
        (action.actor, action.event_id) = (repeated.actor.clone(), repeated.event_id.clone());
        if random.one_in(2) {
            action = Action { op: action.op, ..repeated.clone() };
        }
    }
    let t = action.timestamp.map_or(0, Timestamp::as_millis);
    let append = match random.below(20) {
        0 => t - SKEW + random.between(-1, 1),
        1 => t,
        2 => middle + 600 * MINUTE,
        _ => middle + 300 * MINUTE,
    };
    (action, append)
}

fn action(random: &mut Random, shape: &Shape, id: &str, middle: i64) -> Action {
    let (actor, verb) = (*random.pick(shape.actors), *random.pick(shape.verbs));
    let mut action = Action::new(actor, verb, format!("o{}", random.below(6))).id(id);
    let span = if random.one_in(3) { 10 } else { shape.minutes };
    let ahead = if random.one_in(300) { RETENTION } else { 0 };
    let t = middle + random.between(0, span - 1) * MINUTE + random.between(-1, 1) + ahead;
    action.timestamp = (!random.one_in(200)).then(|| Timestamp::from_millis(t));
    action.sequence = random.one_in(2).then(|| random.between(0, 2));
    action.op = match random.below(60) {
        0..=3 => Op::Retract,
        4 if random.one_in(4) => Op::Erase,
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
        0..=2 => Attribute::Int(random.between(0, 99)),
        3 if random.one_in(10) => Attribute::Int(i64::MAX),
        4 => Attribute::Text("free".into()),
        5 => Attribute::Null,
        6 => Attribute::Float([f64::NAN, f64::INFINITY][random.index(2)]),
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

/// An instant at or next to an edge of a window over one of the events.
pub(crate) fn instant(random: &mut Random, earlier: &[Action]) -> i64 {
    let t = if earlier.is_empty() { None } else { random.pick(earlier).timestamp };
    let shift = if random.one_in(2) { *random.pick(&LENGTHS) } else { *random.pick(&[0, RETENTION, 30 * MINUTE]) };
    t.map_or(BASE, Timestamp::as_millis) + shift + random.between(-1, 1)
}

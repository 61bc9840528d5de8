//! Random questions: every kind of window with every aggregate.

use nowfold_schemas::action::{Action, Attribute};

use super::operations::{MINUTE, VERBS, instant};
use super::question::{Aggregate, Ask, Comparison, Predicate, Question, Window};
use super::random::Random;

/// Lengths of windows.
pub(crate) const LENGTHS: [i64; 4] = [MINUTE, 7 * MINUTE, 40 * MINUTE, 90 * MINUTE];

/// A question about an actor, with one to three features.
pub(crate) fn question(random: &mut Random, actors: &[&'static str], earlier: &[Action]) -> Question {
    let asks = (0..1 + random.index(3)).map(|_| ask(random)).collect();
    let actor = *random.pick(actors);
    Question { actor, as_of: instant(random, earlier), asks }
}

fn ask(random: &mut Random) -> Ask {
    let aggregate = aggregate(random);
    let verbs = match &aggregate {
        Aggregate::WeightedMean { weights, .. } => Some(weights.iter().map(|(verb, _)| *verb).collect()),
        _ => [None, None, Some(vec![VERBS[0]]), Some(vec![VERBS[2], VERBS[0]])][random.index(4)].clone(),
    };
    let predicate = random.one_in(2).then(|| predicate(random, 2));
    let mut windows: Vec<Window> = Vec::new();
    for _ in 0..1 + random.index(3) {
        let window = window(random);
        if !windows.contains(&window) {
            windows.push(window);
        }
    }
    Ask { windows, aggregate, verbs, predicate }
}

/// No window reaches back further than retention less the slack.
fn window(random: &mut Random) -> Window {
    let length = *random.pick(&LENGTHS);
    match random.below(8) {
        0 | 1 => Window::Sliding { length, offset: 0, end_excluded: false },
        2 => {
            let offset = random.between(0, 90 * MINUTE - length);
            let offset = if random.one_in(2) { offset } else { 0 };
            Window::Sliding { length, offset, end_excluded: random.one_in(2) }
        }
        3 => Window::Last { n: 1 + random.index(12), within: None },
        4 => Window::Last { n: 1 + random.index(12), within: Some(length) },
        5 | 6 => {
            let previous = random.one_in(2);
            let length = if previous { length.min(40 * MINUTE) } else { length };
            let from = if random.one_in(2) { random.between(0, length - 1) } else { 0 };
            Window::Tumbling { length, from, previous }
        }
        _ => Window::Session { gap: *random.pick(&[1, MINUTE, 2 * MINUTE, 7 * MINUTE]) },
    }
}

/// A condition, nested up to a depth.
fn predicate(random: &mut Random, depth: u32) -> Predicate {
    let path = *random.pick(&["actor", "verb", "object", "object.kind", "object.price", "object.never"]);
    let parts = |random: &mut Random| (0..random.index(4)).map(|_| predicate(random, depth - 1)).collect();
    match random.below(if depth == 0 { 4 } else { 7 }) {
        0 | 1 => {
            use Comparison::{AtLeast, AtMost, Equal, Greater, Less, NotEqual};
            let comparison = *random.pick(&[Equal, NotEqual, Less, AtMost, Greater, AtLeast]);
            Predicate::Is(path, comparison, literal(random))
        }
        2 => Predicate::In(path, (0..1 + random.index(3)).map(|_| literal(random)).collect()),
        3 => Predicate::IsNull(path),
        4 => Predicate::All(parts(random)),
        5 => Predicate::Any(parts(random)),
        _ => Predicate::Not(Box::new(predicate(random, depth - 1))),
    }
}

/// Something that events may hold, so that conditions divide them.
fn literal(random: &mut Random) -> Attribute {
    match random.below(7) {
        0 => Attribute::Bool(random.one_in(2)),
        1 => Attribute::Int(random.between(0, 99)),
        2 => Attribute::Int(7),
        3 => Attribute::Float(random.float()),
        4 => Attribute::Float(random.between(-3, 30) as f64),
        5 => Attribute::Text((*random.pick(&["a", "view", "apply", "o1", "o3"])).into()),
        _ => Attribute::Text((*random.pick(&["x", "y", "free"])).into()),
    }
}

fn aggregate(random: &mut Random) -> Aggregate {
    let path = *random.pick(&["object.price", "object.vector"]);
    let any = *random.pick(&["verb", "object", "object.kind"]);
    match random.below(8) {
        0 => Aggregate::Count,
        1 => Aggregate::CountBy { path: any, cap: 1 + random.index(4) },
        2 => Aggregate::Sum { path: "object.price" },
        3 => Aggregate::Mean { path },
        4 => Aggregate::WeightedMean { path, weights: vec![("dismiss", -0.3), ("apply", 1.0)] },
        5 => Aggregate::DistinctCount { path: any, cap: if random.one_in(5) { 2 } else { 100 } },
        6 => Aggregate::Last { k: 1 + random.index(4), path: any },
        _ => Aggregate::Actions { limit: 1 + random.index(5), select: vec!["object.price", "object.kind"] },
    }
}

//! Random questions: every kind of window with every aggregate.

use nowfold_schemas::action::{Action, Attribute};

use super::operations::{MINUTE, VERBS, instant};
use super::question::{Aggregate, Ask, Comparison, Pool, Predicate, Question, Unit, Window};
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
        weighted if weighted.weights().is_some() => {
            weighted.weights().map(|weights| weights.iter().map(|(verb, _)| *verb).collect())
        }
        _ => [None, None, Some(vec![VERBS[0]]), Some(vec![VERBS[2], VERBS[0]])][random.index(4)].clone(),
    };
    let predicate = random.one_in(2).then(|| predicate(random, 2));
    let mut windows: Vec<Window> = Vec::new();
    let n_windows = if matches!(aggregate, Aggregate::Trend { .. }) { 1 } else { 1 + random.index(3) };
    while windows.len() < n_windows {
        let window = window(random);
        let twice = windows.contains(&window) || aggregate == (Aggregate::Trend { denominator: window });
        if !twice && Aggregate::is_offered(aggregate.name(), window.kind()) {
            windows.push(window);
        }
    }
    Ask { windows, aggregate, verbs, predicate }
}

/// No window reaches back further than retention less the slack.
fn window(random: &mut Random) -> Window {
    let length = *random.pick(&LENGTHS);
    match random.below(9) {
        0 | 1 => Window::Sliding { length, offset: 0, end_excluded: false },
        2 | 7 => {
            let length = length.min(40 * MINUTE);
            let offset = if random.one_in(3) { 0 } else { random.between(1, 90 * MINUTE - length) };
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
    let (numbers, vectors) = ("object.price", "object.vector");
    let both = *random.pick(&[numbers, vectors]);
    let any = *random.pick(&["verb", "object", "object.kind"]);
    let by = *random.pick(&["verb", "object", "object.kind"]);
    let weights = vec![("dismiss", -0.3), ("apply", 1.0)];
    let half_life = *random.pick(&[1, MINUTE, 30 * MINUTE]);
    let (few, k) = (if random.one_in(5) { 2 } else { 100 }, 1 + random.index(4));
    let unit = Unit { before: random.one_in(3), after: random.one_in(3) };
    let distinct_by = random.one_in(3).then_some(by);
    let name = *random.pick(&Aggregate::NAMES);
    match name {
        "count" => Aggregate::Count,
        "exists" => Aggregate::Exists,
        "recency" => Aggregate::Recency,
        "rate" => Aggregate::Rate,
        "trend" => Aggregate::Trend { denominator: window(random) },
        "session_count" => Aggregate::SessionCount { gap: *random.pick(&[1, MINUTE, 7 * MINUTE]) },
        "count_by" => Aggregate::CountBy { path: any, cap: k },
        "distinct_count" => Aggregate::DistinctCount { path: any, cap: few },
        "top_n" => Aggregate::TopN { n: k, path: any },
        "ratio_top1" => Aggregate::RatioTop1 { path: any },
        "last" | "first" => Aggregate::Listed { name, k, path: any, distinct_by },
        "last_value" | "first_value" => Aggregate::Listed { name, k: 1, path: any, distinct_by },
        "actions" => Aggregate::Actions { limit: k, select: vec![numbers, "object.kind"], distinct_by },
        "sum" => Aggregate::Sum { path: numbers },
        "mean" => Aggregate::Mean { path: both },
        "weighted_mean" => Aggregate::WeightedMean { path: both, weights },
        "min" => Aggregate::Min { path: numbers },
        "max" => Aggregate::Max { path: numbers },
        "var_pop" | "var_sample" | "stddev_pop" | "stddev_sample" => Aggregate::Spread { name, path: numbers },
        "quantile" => {
            let p = *random.pick(&[0.0, 0.1, 0.25, 0.5, 0.9, 0.99, 1.0]);
            Aggregate::Quantile { p, path: numbers, cap: few }
        }
        "top_k" => Aggregate::TopK { k, path: numbers },
        "sum_by" | "mean_by" => Aggregate::By { name, path: numbers, by, cap: few, unit: Unit::default() },
        "vec_mean_by" => Aggregate::By { name, path: vectors, by, cap: few, unit },
        "decay_count" | "decay_sum" | "decay_mean" => Aggregate::Decay { name, path: numbers, half_life },
        "vec_dispersion" => Aggregate::Dispersion { path: vectors },
        "vec_sum" => Aggregate::Pool { pool: Pool::Sum, path: vectors, unit },
        "vec_mean" => Aggregate::Pool { pool: Pool::Mean, path: vectors, unit },
        "vec_min" => Aggregate::Pool { pool: Pool::Min, path: vectors, unit },
        "vec_max" => Aggregate::Pool { pool: Pool::Max, path: vectors, unit },
        "vec_decay_mean" => Aggregate::Pool { pool: Pool::DecayMean { half_life }, path: vectors, unit },
        "vec_weighted_mean" => Aggregate::Pool { pool: Pool::WeightedMean { weights }, path: vectors, unit },
        other => panic!("{other} is never asked"),
    }
}

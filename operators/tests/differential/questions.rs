//! Random questions: every kind of window with every aggregate.

use nowfold_schemas::action::Action;

use super::operations::{MINUTE, VERBS, instant};
use super::question::{Aggregate, Ask, Question, Window};
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
    let mut windows: Vec<Window> = Vec::new();
    for _ in 0..1 + random.index(3) {
        let window = window(random);
        if !windows.contains(&window) {
            windows.push(window);
        }
    }
    Ask { windows, aggregate, verbs, predicate: None }
}

fn window(random: &mut Random) -> Window {
    let length = *random.pick(&LENGTHS);
    Window::Sliding { length }
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

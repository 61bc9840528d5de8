//! Makes a failing case smaller.

use super::coverage::Coverage;
use super::operations::{Case, Operation};
use super::world;

/// Leaves out operations, in ever smaller stretches, as long as the case still fails; then features and windows.
pub(crate) fn shrink(mut case: Case) -> Case {
    let mut stretch = case.operations.len() / 2;
    while stretch > 0 {
        let mut at = 0;
        while at < case.operations.len() {
            let mut smaller = case.clone();
            smaller.operations.drain(at..case.operations.len().min(at + stretch));
            if fails(&smaller) { case = smaller } else { at += stretch }
        }
        stretch /= 2;
    }
    for at in 0..case.operations.len() {
        while let Some(smaller) = simpler(&case.operations[at]).into_iter().find_map(|simpler| {
            let mut smaller = case.clone();
            smaller.operations[at] = simpler;
            fails(&smaller).then_some(smaller)
        }) {
            case = smaller;
        }
    }
    case
}

fn fails(case: &Case) -> bool {
    world::attempt(case, &mut Coverage::default()).is_err()
}

/// The same question with a feature or a window less.
fn simpler(operation: &Operation) -> Vec<Operation> {
    let Operation::Ask(question) = operation else { return Vec::new() };
    let mut simpler = Vec::new();
    for (number, ask) in question.asks.iter().enumerate() {
        if question.asks.len() > 1 {
            let mut fewer = question.clone();
            fewer.asks.remove(number);
            simpler.push(Operation::Ask(fewer));
        }
        for window in 0..ask.windows.len() {
            if ask.windows.len() > 1 {
                let mut fewer = question.clone();
                fewer.asks[number].windows.remove(window);
                simpler.push(Operation::Ask(fewer));
            }
        }
    }
    simpler
}

//! The canonical order of sums (`docs/semantics.md`, section 4), action by action.

use super::gather::Hit;
use super::input::{Input, Part};

/// Folds actions of one verb: in each block in order, blocks of a super-block newest first, super-blocks newest first.
pub(crate) fn fold<'a, T>(
    hits: &[Hit<'a>],
    init: impl Fn() -> T,
    mut add: impl FnMut(&mut T, &Hit<'a>),
    mut merge: impl FnMut(&mut T, T),
) -> T {
    let mut all = init();
    for super_block in hits.chunk_by(|a, b| a.super_block == b.super_block) {
        let mut within = init();
        for block in super_block.chunk_by(|a, b| a.block == b.block) {
            let mut sum = init();
            block.iter().rev().for_each(|hit| add(&mut sum, hit));
            merge(&mut within, sum);
        }
        merge(&mut all, within);
    }
    all
}

impl<'s, 'a> Input<'s, 'a> {
    /// Folds the whole window: each verb by [`fold`], then verbs in byte order.
    pub(crate) fn fold<T>(
        &self,
        init: impl Fn() -> T,
        mut add: impl FnMut(&mut T, &'a str, &Hit<'a>),
        mut merge: impl FnMut(&mut T, T),
    ) -> T {
        let mut all = init();
        for Part { verb, hits } in &self.parts {
            let verb_sum = fold(hits, &init, |sum, hit| add(sum, verb, hit), &mut merge);
            merge(&mut all, verb_sum);
        }
        all
    }

    /// The canonical sum of one number per action; actions without one add nothing.
    pub(crate) fn sum(&self, mut term: impl FnMut(&'a str, &Hit<'a>) -> Option<f64>) -> f64 {
        let add = |sum: &mut f64, verb, hit: &Hit<'a>| *sum += term(verb, hit).unwrap_or(0.0);
        self.fold(|| 0.0, add, |sum, part| *sum += part)
    }
}

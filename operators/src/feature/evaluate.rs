//! The evaluator: one reverse pass over each chain of an actor answers all windows of all features.

use super::aggregate::Running;
use super::plan::Plan;
use super::result::FeatureResult;
use super::scan::Scan;
use crate::chain::{ColumnSum, EventChains, Mark, VerbChain, View};
use nowfold_core::time::Timestamp;

/// What an evaluation found.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Evaluated {
    pub(crate) features: Vec<FeatureResult>,
    /// Whether the actor has any visible event up to `as_of`.
    pub(crate) found: bool,
    /// Whether every window lies above the floor.
    pub(crate) complete: bool,
    /// How far the partition was at that moment.
    pub(crate) mark: Mark,
}

impl EventChains {
    /// Evaluates a plan for one actor as of `as_of`, at one moment of the partition.
    pub(crate) fn evaluate(&self, actor: &str, plan: &Plan, as_of: Timestamp, log_floor: Timestamp) -> Evaluated {
        self.read(actor, |view| evaluate(&view, plan, as_of.as_millis(), log_floor.as_millis()))
    }
}

fn evaluate(view: &View<'_>, plan: &Plan, as_of: i64, log_floor: i64) -> Evaluated {
    let floor = view.floor.max(log_floor);
    let lower = plan.windows_ms.iter().map(|window| as_of.saturating_sub(*window));
    let complete = lower.clone().all(|bound| bound >= floor);
    let bounds: Vec<_> = lower.map(|bound| bound.max(floor)).collect();
    let mut running: Vec<_> = plan.features.iter().map(|planned| Running::new(planned, &bounds, view.names)).collect();
    let mut sums = vec![Vec::new(); plan.sums.len()];
    for verb in view.chains {
        chain(view, plan, verb, as_of, &bounds, &mut running, &mut sums);
    }
    let found = view.chains.iter().any(|verb| verb.chain.after(floor) < verb.chain.after(as_of));
    let features = running
        .into_iter()
        .map(|running| FeatureResult { name: running.planned().name.clone(), windows: running.finish(view.names) });
    Evaluated { features: features.collect(), found, complete, mark: view.mark }
}

fn chain<'a>(
    view: &View<'a>,
    plan: &Plan,
    verb: &'a VerbChain,
    as_of: i64,
    bounds: &[i64],
    running: &mut [Running<'a>],
    sums: &mut [Vec<ColumnSum>],
) {
    if !running.iter().any(|feature| feature.planned().matches(&verb.verb)) {
        return;
    }
    let scan = Scan::new(&verb.verb, &verb.chain, as_of, bounds);
    if scan.is_empty() {
        return;
    }
    let mut features: Vec<_> = running.iter_mut().filter(|feature| feature.planned().matches(scan.verb)).collect();
    for (number, (planned, sums)) in plan.sums.iter().zip(sums.iter_mut()).enumerate() {
        sums.clear();
        if features.iter().any(|feature| feature.planned().sum() == Some(number))
            && let Some(column) = view.names.column(planned.side, &planned.name)
        {
            scan.sum(column, planned, sums);
        }
    }
    for feature in &mut features {
        let sums = feature.planned().sum().and_then(|number| sums.get(number));
        feature.chain(&scan, sums.map_or(&[], Vec::as_slice));
    }
    let mut visitors: Vec<_> = features.into_iter().filter_map(Running::visitor).collect();
    visitors.iter_mut().for_each(|visitor| visitor.enter());
    if !visitors.is_empty() {
        for (key, row) in scan.newest_first() {
            visitors.retain_mut(|visitor| visitor.visit(scan.verb, key, row).is_continue());
            if visitors.is_empty() {
                break;
            }
        }
    }
}

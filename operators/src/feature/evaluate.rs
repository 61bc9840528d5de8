//! The evaluator: one reverse pass over each chain of an actor answers all windows of all features.

use nowfold_core::time::Timestamp;

use super::aggregate::{Running, Visitor};
use super::late::LateCells;
use super::plan::{Answered, Plan};
use super::result::FeatureResult;
use super::rows::Question;
use super::scan::Scan;
use crate::chain::{ColumnSum, EventChains, Mark, VerbChain, View};

/// What an evaluation found.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Evaluated {
    pub(crate) features: Vec<FeatureResult>,
    /// Whether the actor has any visible event up to `as_of`.
    pub(crate) found: bool,
    /// Whether every window lies above the floor.
    pub(crate) complete: bool,
    /// Whether a window reaches back to events that went since the actor had more than it may.
    pub(crate) truncated: bool,
    /// How far the partition was at that moment.
    pub(crate) mark: Mark,
}

impl EventChains {
    /// Evaluates a plan for one actor as of `as_of`, at one moment of the partition.
    pub(crate) fn evaluate(&self, actor: &str, plan: &Plan, as_of: Timestamp, log_floor: Timestamp) -> Evaluated {
        self.read(actor, |view| evaluate(&view, actor, plan, as_of.as_millis(), log_floor.as_millis()))
    }

    /// The same as of several instants, all at one moment of the partition; one result each.
    pub(crate) fn evaluate_timeline(
        &self,
        actor: &str,
        plan: &Plan,
        instants: &[Timestamp],
        log_floor: Timestamp,
    ) -> Vec<Evaluated> {
        let as_of =
            |view: &View<'_>, as_of: &Timestamp| evaluate(view, actor, plan, as_of.as_millis(), log_floor.as_millis());
        self.read(actor, |view| instants.iter().map(|instant| as_of(&view, instant)).collect())
    }
}

/// Evaluates a plan for the actor of a view.
pub(crate) fn evaluate(view: &View<'_>, actor: &str, plan: &Plan, as_of: i64, log_floor: i64) -> Evaluated {
    let floor = view.floor.max(log_floor);
    let mut pass = Pass::new(view, plan, as_of, (floor, log_floor));
    if !plan.features.is_empty() {
        view.chains.iter().for_each(|verb| pass.chain(*verb));
    }
    let question = Question { view, actor, as_of, floor, reach: view.reach(floor), late: plan.late.as_ref() };
    let (by_rows, complete) = plan.rows.evaluate(question);
    let mut evaluated = pass.finish();
    evaluated.complete &= complete;
    evaluated.truncated |= !complete && view.is_cut(log_floor);
    if by_rows.is_empty() {
        return evaluated;
    }
    let (mut by_sums, mut by_rows) = (evaluated.features.into_iter(), by_rows.into_iter());
    // Each kind is answered in the order of its features, so the next one is always the one asked for.
    let features = plan.places.iter().filter_map(|place| match place {
        Answered::BySums => by_sums.next(),
        Answered::ByRows => by_rows.next(),
    });
    evaluated.features = features.collect();
    evaluated
}

/// One evaluation under way.
struct Pass<'a> {
    view: &'a View<'a>,
    plan: &'a Plan,
    as_of: i64,
    /// Events at or before this time are invisible.
    floor: i64,
    /// The open lower ends of the plan's windows, no lower than the floor.
    bounds: Vec<i64>,
    complete: bool,
    truncated: bool,
    running: Vec<Running<'a>>,
    /// Sums of the present chain by [`Plan::sums`].
    sums: Vec<Vec<ColumnSum>>,
    /// What was looked up of attributes that join late, by [`Plan::sums`].
    late: Vec<Option<LateCells<'a>>>,
}

impl<'a> Pass<'a> {
    fn new(view: &'a View<'a>, plan: &'a Plan, as_of: i64, (floor, log_floor): (i64, i64)) -> Self {
        let lower = || plan.windows_ms.iter().map(|window| as_of.saturating_sub(*window));
        let reach = view.reach(floor);
        let complete = lower().all(|bound| bound >= reach);
        let truncated = view.is_cut(log_floor) && !complete;
        let bounds: Vec<_> = lower().map(|bound| bound.max(floor)).collect();
        let running = plan.features.iter().map(|planned| Running::new(planned, &bounds, view.names)).collect();
        let sums = plan.sums.iter().map(|sum| Vec::with_capacity(sum.edges.len())).collect();
        let late = plan
            .sums
            .iter()
            .map(|sum| plan.late.as_ref().filter(|_| sum.is_late).map(|join| LateCells::new(join, &sum.name)));
        Self { view, plan, as_of, floor, bounds, complete, truncated, running, sums, late: late.collect() }
    }

    fn chain(&mut self, verb: VerbChain<'a>) {
        if !self.running.iter().any(|feature| feature.planned().matches(verb.verb)) {
            return;
        }
        let scan = Scan::new(verb.verb, verb.chain, self.as_of, &self.bounds);
        if scan.is_empty() {
            return;
        }
        self.sum(&scan);
        for feature in self.running.iter_mut().filter(|feature| feature.planned().matches(scan.verb)) {
            let sums = feature.planned().sum().and_then(|number| self.sums.get(number));
            feature.chain(&scan, sums.map_or(&[], Vec::as_slice));
        }
        self.visit(&scan);
    }

    /// Computes the sums that any feature wants of this chain.
    fn sum(&mut self, scan: &Scan<'a>) {
        let planned = self.plan.sums.iter().zip(&mut self.sums).zip(&mut self.late);
        for (number, ((planned, sums), late)) in planned.enumerate() {
            sums.clear();
            let mut users = self.running.iter().map(Running::planned).filter(|planned| planned.sum() == Some(number));
            if !users.any(|planned| planned.matches(scan.verb)) {
                continue;
            }
            if let Some(cells) = late {
                scan.sum_late(cells, planned, sums);
            } else if let Some(column) = self.view.names.column(planned.side, &planned.name) {
                scan.sum(column, planned, sums);
            }
        }
    }

    /// Shows the events to those features that look at single ones, until none wants more.
    fn visit(&mut self, scan: &Scan<'a>) {
        let features = self.running.iter_mut().filter(|feature| feature.planned().matches(scan.verb));
        let mut visitors: Vec<&mut dyn Visitor<'a>> = features.filter_map(Running::visitor).collect();
        if visitors.is_empty() {
            return;
        }
        visitors.iter_mut().for_each(|visitor| visitor.enter());
        for (key, row) in scan.newest_first() {
            visitors.retain_mut(|visitor| visitor.visit(scan.verb, key, row).is_continue());
            if visitors.is_empty() {
                return;
            }
        }
    }

    fn finish(self) -> Evaluated {
        let chains = self.view.chains.iter().map(|verb| verb.chain);
        let found = chains.clone().any(|chain| chain.after(self.floor) < chain.after(self.as_of));
        let features = self.running.into_iter().map(|running| FeatureResult {
            name: running.planned().name.clone(),
            late_joined: running.planned().sum().and_then(|sum| self.plan.sums.get(sum)).is_some_and(|sum| sum.is_late),
            windows: running.finish(self.view.names, self.as_of),
        });
        let (complete, truncated) = (self.complete, self.truncated);
        Evaluated { features: features.collect(), found, complete, truncated, mark: self.view.mark }
    }
}

//! A store and the oracle side by side.

use nowfold_core::time::millisecs;
use nowfold_operators::answer::Answer;
use nowfold_operators::chain::{Admission, ChainConfig, Dedup};
use nowfold_schemas::action::{Action, Op};

use super::coverage::Coverage;
use super::events::Event;
use super::expect::expect;
use super::model::{Model, Settings};
use super::operations::{Case, Operation};
use super::question::Question;
use super::translate;
use super::value::Got;
use crate::support::Store;

/// Carries a case out on both sides. A failure says which operation it was and how the answers differ; a panic is one too.
pub(crate) fn attempt(case: &Case, coverage: &mut Coverage) -> Result<(), String> {
    let attempt = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| run(case, coverage)));
    attempt.unwrap_or_else(|_| Err("it panics".to_owned()))
}

fn run(case: &Case, coverage: &mut Coverage) -> Result<(), String> {
    let mut world = World::new(&case.settings);
    for (number, operation) in case.operations.iter().enumerate() {
        world.carry_out(operation, coverage).map_err(|error| format!("operation {number}: {error}"))?;
    }
    world.store.chains.verify()
}

struct World {
    store: Store,
    model: Model,
    /// Every record so far: an action, or the erasure of an actor, with its append time.
    log: Vec<(Action, i64)>,
}

impl World {
    fn new(settings: &Settings) -> Self {
        Self { store: store(settings), model: Model::new(settings.clone()), log: Vec::new() }
    }

    fn carry_out(&mut self, operation: &Operation, coverage: &mut Coverage) -> Result<(), String> {
        coverage.operation(operation);
        match operation {
            Operation::Apply(action, append) => self.apply(action, *append, coverage),
            Operation::EraseAll { actor, append } => {
                let action = Action { op: Op::Erase, ..Action::new(*actor, "", "") };
                self.apply(&action, *append, coverage)
            }
            Operation::Prune => {
                self.store.chains.maintain(usize::MAX);
                self.store.chains.verify()
            }
            Operation::Restart => self.restart(),
            Operation::Ask(question) => self.ask(question, coverage),
        }
    }

    fn apply(&mut self, action: &Action, append: i64, coverage: &mut Coverage) -> Result<(), String> {
        self.log.push((action.clone(), append));
        let got = outcome(apply(&mut self.store, action, append));
        let want = self.model.apply(action, append);
        coverage.outcome(want.0);
        if got == want { Ok(()) } else { Err(format!("the outcome is {got:?} instead of {want:?}")) }
    }

    /// A store that reads the log again is equal to the one that read it first.
    fn restart(&mut self) -> Result<(), String> {
        let mut again = store(&self.model.settings);
        for (action, append) in &self.log {
            apply(&mut again, action, *append);
        }
        let same = again.chains.digest() == self.store.chains.digest();
        self.store = again;
        if same { Ok(()) } else { Err("the digest is another one after a restart".to_owned()) }
    }

    fn ask(&self, question: &Question, coverage: &mut Coverage) -> Result<(), String> {
        let answer = translate::ask(&self.store.features, question)?;
        let whole = compare(&self.model, question, &answer, coverage)?;
        self.envelope(question, &answer, whole)
    }

    fn envelope(&self, question: &Question, answer: &Answer, whole: Whole) -> Result<(), String> {
        let floor = self.model.read_floor();
        let visible = |event: &&Event| event.t > floor && event.t <= question.as_of;
        let found = self.model.events.iter().filter(visible).any(|event| event.actor == question.actor);
        let envelope = &answer.envelope;
        let got = (envelope.found, envelope.complete, envelope.truncated);
        let want = (found, whole.complete, whole.truncated);
        if got == want { Ok(()) } else { Err(format!("(found, complete, truncated) is {got:?} instead of {want:?}")) }
    }
}

/// Whether all windows of an answer are complete, and whether the limit of the actor's events took something from any.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Whole {
    pub(crate) complete: bool,
    pub(crate) truncated: bool,
}

/// Compares the values of an answer with those of the oracle.
pub(crate) fn compare(
    model: &Model,
    question: &Question,
    answer: &Answer,
    coverage: &mut Coverage,
) -> Result<Whole, String> {
    let mut whole = Whole { complete: true, truncated: false };
    for (number, ask) in question.asks.iter().enumerate() {
        for window in &ask.windows {
            let expected = expect(model, question.actor, ask, *window, question.as_of);
            let got: Got = translate::got(answer, number, ask, *window)?;
            coverage.answer(ask, *window, &expected);
            whole.complete &= expected.complete;
            whole.truncated |= expected.truncated;
            expected.compare(&got).map_err(|error| format!("{ask:?} in {window:?}: {error}"))?;
        }
    }
    Ok(whole)
}

/// A store with these settings.
pub(crate) fn store(settings: &Settings) -> Store {
    let ms = |ms: i64| millisecs(ms.unsigned_abs());
    let mut config = ChainConfig::new(ms(settings.retention));
    config.topic_retention = ms(settings.topic_retention);
    config.max_events_per_actor = settings.cap;
    if let Some(span) = settings.versions {
        config.dedup = Dedup::LatestWins;
        config.version_span = ms(span);
    }
    let config = settings.dim.into_iter().fold(config, |config, dim| config.vector_dim("object.vector", dim));
    Store::new(&config, [])
}

/// Every other erasure without a time goes the way of a record without a value.
fn apply(store: &mut Store, action: &Action, append: i64) -> Admission {
    if action.op == Op::Erase && action.verb.is_empty() {
        let appended = store.appended(append);
        return store.chains.erase(&action.actor, appended);
    }
    store.apply_at(action, append)
}

fn outcome(admission: Admission) -> (&'static str, u32) {
    let faults = admission.faults();
    (admission.reason(), faults.bad_vector + faults.bad_number)
}

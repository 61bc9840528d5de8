//! Random logs and questions about them, from the generator of the differential runs.

use nowfold_schemas::action::Action;

use crate::differential::model::{Model, Settings};
use crate::differential::operations::{self, ACTORS, Case, Operation};
use crate::differential::question::Question;
use crate::differential::questions::question;
use crate::differential::world;
use crate::support::{Random, Store};

/// A log, and questions about it.
#[derive(Clone, Debug)]
pub(crate) struct Log {
    pub(crate) settings: Settings,
    /// Actions with the append times of their records.
    pub(crate) records: Vec<(Action, i64)>,
    pub(crate) questions: Vec<Question>,
}

impl Log {
    /// Anything may happen in it. It has a record and a question at least.
    pub(crate) fn any(random: &mut Random) -> Self {
        let n = if random.one_in(200) { 400 } else { 4 + random.index(30) };
        let Case { settings, operations } = operations::case_of(random, n);
        let (mut records, mut questions) = (Vec::new(), Vec::new());
        for operation in operations {
            match operation {
                Operation::Apply(action, append) => records.push((action, append)),
                Operation::Ask(question) => questions.push(question),
                _ => {}
            }
        }
        questions.truncate(3);
        if records.is_empty() || questions.is_empty() {
            Self::any(random)
        } else {
            Self { settings, records, questions }
        }
    }

    /// Its records mean the same in any order: an id has one content, and nothing depends on append times.
    pub(crate) fn orderless(random: &mut Random) -> Self {
        let settings = Settings { dim: Some(2), versions: None, ..Case::settings(random) };
        let records = operations::orderless(random);
        let actions: Vec<Action> = records.iter().map(|(action, _)| action.clone()).collect();
        let questions = (0..2).map(|_| question(random, &ACTORS, &actions)).collect();
        Self { settings, records, questions }
    }

    /// A store that knows nothing yet.
    pub(crate) fn store(&self) -> Store {
        world::store(&self.settings)
    }

    /// The oracle after the first `n` records.
    pub(crate) fn model(&self, n: usize) -> Model {
        let mut model = Model::new(self.settings.clone());
        for (action, append) in &self.records[..n] {
            model.apply(action, *append);
        }
        model
    }
}

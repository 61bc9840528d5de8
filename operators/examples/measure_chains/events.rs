//! The actions that are inserted.

use std::sync::Arc;

use nowfold_schemas::action::{Action, Attribute};

use super::options::Options;
use super::random::Random;

pub(crate) const HOUR: u64 = 3_600_000;
pub(crate) const NOW: u64 = 400_000 * HOUR;
const VERBS: [&str; 4] = ["apply", "view", "save", "dismiss"];

/// Different vectors where events share them.
const POOL: usize = 20_000;

/// Where the vectors of events come from.
pub(crate) enum Vectors {
    /// Every event has its own.
    Own(usize),
    /// One of a few, which events hold copies of, as if they had been read from a log.
    Shared(Vec<Arc<[f32]>>),
}

impl Vectors {
    pub(crate) fn new(shared: bool, dim: usize, random: &mut Random) -> Self {
        if shared { Self::Shared((0..POOL).map(|_| random.vector(dim)).collect()) } else { Self::Own(dim) }
    }

    pub(crate) fn next(&self, random: &mut Random) -> Arc<[f32]> {
        match self {
            Self::Own(dim) => random.vector(*dim),
            Self::Shared(pool) => Arc::from(&**random.pick(pool)),
        }
    }
}

/// Events of one actor over the last 96 hours, in order of time.
pub(crate) fn of_one(options: &Options, actor: &str, n: u64, random: &mut Random) -> Vec<Action> {
    let t = |i: u64| NOW - 96 * HOUR + (i + 1) * 96 * HOUR / n;
    (0..n).map(|i| action(options, actor, t(i), i, random.vector(options.dim), random)).collect()
}

pub(crate) fn action(
    options: &Options,
    actor: &str,
    t: u64,
    number: u64,
    vector: Arc<[f32]>,
    random: &mut Random,
) -> Action {
    let action =
        Action::new(actor, VERBS[usize::try_from(random.below(4)).unwrap()], format!("job-{}", random.below(200_000)))
            .at_ms(t.cast_signed())
            .id(format!("event-{number}"))
            .sequence(number.cast_signed())
            .object_attribute("embedding", Attribute::Vector(vector));
    (0..options.texts).fold(action, |action, text| {
        action.object_attribute(format!("text{text}"), Attribute::from(format!("value {}", random.below(100))))
    })
}

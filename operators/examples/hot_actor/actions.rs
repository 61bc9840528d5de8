//! The actions of the actor, and the stores that keep them.

use std::sync::Arc;

use nowfold_core::time::hours;
use nowfold_operators::chain::{ChainConfig, Dedup};
use nowfold_schemas::action::{Action, Attribute};

pub(crate) const HOUR: i64 = 3_600_000;
pub(crate) const NOW: i64 = 400_000 * HOUR;
const DIM: usize = 64;

/// Actions that are made together.
pub(crate) const AT_ONCE: usize = 1_000;

/// What the events carry and how they are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Nothing but verb, object, time and id.
    Plain,
    /// A float whose sums round.
    Floats,
    /// An embedding, which that of 20,000 objects is.
    Vectors,
    /// The same, at most 100,000 of them.
    Capped,
    /// The same, with versions.
    Versions,
}

impl Kind {
    pub(crate) const ALL: [Self; 5] = [Self::Plain, Self::Floats, Self::Vectors, Self::Capped, Self::Versions];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Floats => "floats",
            Self::Vectors => "vectors",
            Self::Capped => "capped",
            Self::Versions => "versions",
        }
    }

    pub(crate) fn config(self) -> ChainConfig {
        let mut config = ChainConfig::new(hours(97));
        match self {
            Self::Capped => config.max_events_per_actor = Some(100_000),
            Self::Versions => config.dedup = Dedup::LatestWins,
            Self::Plain | Self::Floats | Self::Vectors => {}
        }
        config
    }

    /// `n` actions over the last 96 hours in any order, some at a time: as if they had just been decoded, they lie in the
    /// cache when they are inserted. Each is of the actor that has its number.
    pub(crate) fn actions(self, n: usize, actor: impl Fn(usize) -> String) -> impl Iterator<Item = Vec<Action>> {
        let mut random = fastrand::Rng::with_seed(7);
        let vector = |random: &mut fastrand::Rng| (0..DIM).map(|_| random.f32() - 0.5).collect();
        let pool: Vec<Arc<[f32]>> = (0..20_000).map(|_| vector(&mut random)).collect();
        let mut numbers: Vec<_> = (0..n).collect();
        random.shuffle(&mut numbers);
        let mut action = move |number: usize| {
            let t = NOW - 96 * HOUR + i64::try_from(number).unwrap() * 96 * HOUR / i64::try_from(n).unwrap();
            let (object, verb) = (random.usize(..pool.len()), ["apply", "view", "save"][random.usize(..3)]);
            let action = Action::new(actor(number), verb, format!("job-{object}")).at_ms(t + 1);
            let action = action.id(format!("event-{number}")).sequence(i64::try_from(number).unwrap());
            match self {
                Self::Plain => action,
                Self::Floats => action.verb_attribute("price", Attribute::Float(random.f64() * 100.0)),
                _ => action.object_attribute("embedding", Attribute::Vector(Arc::from(&*pool[object]))),
            }
        };
        let mut numbers = numbers.into_iter();
        std::iter::from_fn(move || {
            let some: Vec<_> = numbers.by_ref().take(AT_ONCE).map(&mut action).collect();
            (!some.is_empty()).then_some(some)
        })
    }

    /// The attribute that features take the mean of.
    pub(crate) fn attribute(self) -> &'static str {
        match self {
            Self::Plain | Self::Floats => "verb.price",
            _ => "object.embedding",
        }
    }
}

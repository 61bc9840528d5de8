//! What every question may say: when, how fresh, and in which form.

use std::future::Future;
use std::time::Duration;

use nowfold_core::query::QueryError;
use nowfold_core::time::Timestamp;
use nowfold_operators::features::Features;
use nowfold_operators::position::Position;
use tokio::time::Instant;

use crate::app::Shared;
use crate::params::Params;
use crate::problem::Problem;
use crate::text;
use crate::vectors::Vectors;

/// Parameters that every question takes.
pub(crate) const OPTIONS: &[&str] = &["as_of", "at_least", "wait", "max_lag", "vectors"];

/// How often a question that waits looks whether the store has moved on.
pub(crate) const LOOK: Duration = Duration::from_millis(2);

/// What every question may say.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Options {
    pub(crate) as_of: Option<Timestamp>,
    pub(crate) at_least: Option<Position>,
    pub(crate) wait: Duration,
    pub(crate) max_lag: Option<Duration>,
    pub(crate) vectors: Vectors,
}

/// Hands the options to a query of the handle, of whichever kind.
macro_rules! refine {
    ($query:expr, $options:expr) => {{
        let (mut query, options) = ($query, $options);
        if let Some(as_of) = options.as_of {
            query = query.as_of(as_of);
        }
        if let Some(position) = &options.at_least {
            query = query.at_least(position);
        }
        if let Some(max_lag) = options.max_lag {
            query = query.allow_stale(max_lag);
        }
        query
    }};
}
pub(crate) use refine;

impl Options {
    pub(crate) fn read(params: &Params, shared: &Shared, features: &Features) -> Result<Self, Problem> {
        let at_least = params.parsed("at_least", str::parse::<Position>)?;
        let options = Self {
            as_of: params.parsed("as_of", text::instant)?,
            at_least,
            wait: params.parsed("wait", text::duration)?.unwrap_or(shared.app.limits.wait),
            max_lag: params.parsed("max_lag", text::duration)?,
            vectors: params.parsed("vectors", str::parse::<Vectors>)?.unwrap_or_default(),
        };
        options.check(shared, features)?;
        Ok(options)
    }

    /// Refuses a position that says nothing about the store, and a wait that leaves no time to answer.
    pub(crate) fn check(&self, shared: &Shared, features: &Features) -> Result<(), Problem> {
        let longest = shared.app.limits.longest_wait();
        if self.wait > longest {
            return Err(Problem::invalid(format!("wait is {:?}; wait at most {longest:?}", self.wait)));
        }
        let Some(position) = &self.at_least else { return Ok(()) };
        let store = features.store().as_str();
        let (topic, n) = shared.app.hub.with_store(store, |_, entry| (entry.topic.clone(), entry.n_partitions))?;
        match position.iter().find(|(at, _)| at.topic != topic || !(0..n).contains(&at.partition)) {
            Some((at, _)) => Err(Problem::invalid(format!(
                "at_least names {at}, but store {store:?} follows {topic}-0 to {topic}-{}; give the position of an answer",
                n - 1
            ))),
            None => Ok(()),
        }
    }
}

/// Asks until the store has come to the position that the question requires, as long as it may wait.
pub(crate) fn until_fresh<T>(
    wait: Duration,
    mut ask: impl FnMut() -> Result<T, QueryError>,
) -> impl Future<Output = Result<T, QueryError>> {
    let deadline = Instant::now() + wait;
    async move {
        loop {
            match ask() {
                Err(QueryError::Behind { .. }) if Instant::now() < deadline => tokio::time::sleep(LOOK).await,
                other => return other,
            }
        }
    }
}

//! Whom a question is about: a store and an actor, from the path.

use std::sync::Arc;

use axum::extract::Path;
use axum::extract::rejection::PathRejection;
use axum::http::Uri;
use nowfold_core::query::QueryError;
use nowfold_operators::feature::FeatureSet;
use nowfold_operators::features::Features;
use nowfold_operators::{EraseError, MAX_ACTOR_BYTES};
use serde::Deserialize;

use crate::app::Shared;
use crate::problem::Problem;

/// The decoded parts of a path; the short form of a path has no store.
#[derive(Debug, Deserialize)]
pub(crate) struct Subject {
    pub(crate) store: Option<String>,
    #[serde(default)]
    pub(crate) actor: String,
}

impl Subject {
    /// Reads the path of a question about one actor.
    pub(crate) fn of_actor(path: Result<Path<Self>, PathRejection>) -> Result<Self, Problem> {
        let subject = Self::read(path)?;
        check_actor(&subject.actor)?;
        Ok(subject)
    }

    /// Reads the path of any question.
    pub(crate) fn read(path: Result<Path<Self>, PathRejection>) -> Result<Self, Problem> {
        path.map(|Path(subject)| subject).map_err(|error| Problem::invalid(format!("the path cannot be read: {error}")))
    }
}

/// Refuses an actor that no action can have.
pub(crate) fn check_actor(actor: &str) -> Result<(), QueryError> {
    let cause = match actor.len() {
        0 => "the actor is empty; name one".to_owned(),
        n if n > MAX_ACTOR_BYTES => format!("the actor has {n} bytes; actors have at most {MAX_ACTOR_BYTES}"),
        _ => return Ok(()),
    };
    Err(QueryError::Invalid { cause })
}

impl Shared {
    /// The handle on the store of this name, or on the only store of actions that there is.
    pub(crate) fn features(&self, store: Option<&str>) -> Result<Features, Problem> {
        let store = match store {
            Some(store) => store.to_owned(),
            None => self.only_store()?,
        };
        let (hub, clock) = (Arc::clone(&self.app.hub), Arc::clone(&self.app.clock));
        Ok(Features::new(hub, clock, store).owned_by(Arc::clone(&self.owner)))
    }

    fn only_store(&self) -> Result<String, Problem> {
        let hub = &self.app.hub;
        let mut stores = hub.store_names();
        stores.retain(|name| hub.with_store(name.as_str(), |_, entry| entry.queryable.is::<FeatureSet>()) == Ok(true));
        match stores.as_slice() {
            [only] => Ok(only.to_string()),
            [] => Err(Problem::invalid("no store of this application holds actions; materialize one")),
            [first, ..] => {
                let names: Vec<_> = stores.iter().map(AsRef::as_ref).collect();
                Err(Problem::invalid(format!(
                    "this application has the stores {}; name one, as in /v1/stores/{first}/actors/ACTOR/features",
                    names.join(", ")
                )))
            }
        }
    }

    /// An error of an erasure as the client shall see it.
    pub(crate) fn erase_problem(&self, error: EraseError, uri: &Uri) -> Problem {
        match error {
            EraseError::Query(error) => self.problem(error, uri),
            error => error.into(),
        }
    }

    /// An error of a question as the client shall see it.
    pub(crate) fn problem(&self, error: QueryError, uri: &Uri) -> Problem {
        let path = uri.path_and_query().map_or("/", |path| path.as_str());
        let takes_stale = uri.query().is_some_and(|query| query.split('&').any(|it| it.starts_with("max_lag=")));
        let standbys = match &error {
            QueryError::NotOwner { store, partition, .. } => self.app.hub.standbys_elsewhere(store, *partition),
            _ => Vec::new(),
        };
        Problem::from(error).with_standbys(&standbys, takes_stale).at(path, &self.app.state.get())
    }
}

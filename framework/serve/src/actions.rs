//! `GET .../actors/{actor}/actions`: what an actor did, the paper's own query.

use std::sync::Arc;
use std::time::Instant;

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::Uri;
use axum::response::Response;
use nowfold_operators::features::{ActionsQuery, Features};

use crate::answer;
use crate::app::Shared;
use crate::features::took_us;
use crate::options::{OPTIONS, Options, refine, until_fresh};
use crate::params::Params;
use crate::problem::Problem;
use crate::subject::Subject;
use crate::text;

/// Parameters of this path besides the options.
pub(crate) const PARAMS: &[&str] = &["verb", "within", "select", "limit"];

pub(crate) async fn get(
    State(shared): State<Arc<Shared>>,
    path: Result<Path<Subject>, PathRejection>,
    uri: Uri,
) -> Result<Response, Problem> {
    let started = Instant::now();
    let Subject { store, actor } = Subject::of_actor(path)?;
    let features = shared.features(store.as_deref())?;
    let params = Params::read(&uri, &[PARAMS, OPTIONS])?;
    let options = Options::read(&params, &shared, &features)?;
    let rows = Rows::read(&params, shared.app.limits.actions)?;
    let ask = || refine!(rows.query(&features, &actor), &options).get();
    let mut answer = until_fresh(options.wait, ask).await.map_err(|error| shared.problem(error, &uri))?;
    options.vectors.write_actions(&mut answer.actions);
    answer.envelope.took_us = Some(took_us(started));
    answer::json(&answer, shared.app.limits.answer_bytes)
}

/// Which actions, and what of each.
struct Rows {
    verbs: Vec<String>,
    within: Option<std::time::Duration>,
    select: Vec<String>,
    limit: Option<usize>,
}

impl Rows {
    fn read(params: &Params, most: usize) -> Result<Self, Problem> {
        let limit = |text: &str| match text.parse() {
            Ok(n) if (1..=most).contains(&n) => Ok(n),
            _ => Err(format!("{text:?} is not a number from 1 to {most}")),
        };
        Ok(Self {
            verbs: params.all("verb").map(str::to_owned).collect(),
            within: params.parsed("within", text::duration)?,
            select: params.list("select")?,
            limit: params.parsed("limit", limit)?,
        })
    }

    fn query<'a>(&self, features: &'a Features, actor: &str) -> ActionsQuery<'a> {
        let mut query = self.verbs.iter().fold(features.actions(actor), ActionsQuery::verb).select(&self.select);
        if let Some(window) = self.within {
            query = query.within(window);
        }
        if let Some(limit) = self.limit {
            query = query.limit(limit);
        }
        query
    }
}

//! `GET .../actors/{actor}/explain`: the events that made a value, and those that did not count.

use std::sync::Arc;
use std::time::Instant;

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::Uri;
use axum::response::Response;

use crate::answer;
use crate::app::Shared;
use crate::features::took_us;
use crate::options::{OPTIONS, Options, refine, until_fresh};
use crate::params::Params;
use crate::problem::Problem;
use crate::subject::Subject;

/// Parameters of this path besides the options.
pub(crate) const PARAMS: &[&str] = &["feature", "limit"];

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
    let feature = params.one("feature")?;
    let feature = feature.ok_or_else(|| Problem::invalid("explain needs a feature; write explain?feature=NAME"))?;
    let limit = params.parsed("limit", |text| limit(text, shared.app.limits.actions))?.unwrap_or(100);
    let ask = || refine!(features.explain(feature, &actor).limit(limit), &options).get();
    let mut explained = until_fresh(options.wait, ask).await.map_err(|error| shared.problem(error, &uri))?;
    for window in &mut explained.windows {
        options.vectors.write_explained(window);
    }
    explained.envelope.took_us = Some(took_us(started));
    answer::json(&explained, shared.app.limits.answer_bytes)
}

fn limit(text: &str, most: usize) -> Result<usize, String> {
    match text.parse() {
        Ok(n) if (1..=most).contains(&n) => Ok(n),
        _ => Err(format!("{text:?} is not a number from 1 to {most}")),
    }
}

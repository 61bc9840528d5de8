//! `GET .../actors/{actor}/features`: one actor's features.

use std::sync::Arc;
use std::time::Instant;

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::Uri;
use axum::response::Response;
use nowfold_operators::answer::Answer;
use nowfold_operators::feature::FeatureValue;

use crate::answer;
use crate::app::Shared;
use crate::options::{OPTIONS, Options, refine, until_fresh};
use crate::params::Params;
use crate::problem::Problem;
use crate::subject::Subject;

/// Parameters of this path besides the options.
pub(crate) const PARAMS: &[&str] = &["features"];

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
    let select = params.list("features")?;
    let ask = || refine!(features.query(&actor).select(&select), &options).get();
    let answer = until_fresh(options.wait, ask).await.map_err(|error| shared.problem(error, &uri))?;
    count_nulls(&answer, &[]);
    answer::json(&finished(answer, &options, started), shared.app.limits.answer_bytes)
}

/// The answer in the form asked for, with the time it took.
pub(crate) fn finished(mut answer: Answer, options: &Options, started: Instant) -> Answer {
    options.vectors.write_features(&mut answer.features);
    answer.envelope.took_us = Some(took_us(started));
    answer
}

pub(crate) fn took_us(started: Instant) -> u64 {
    u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX)
}

/// Counts registered features without a value. Names that a client chose are no labels: there may be any number.
pub(crate) fn count_nulls(answer: &Answer, adhoc: &[String]) {
    let registered = answer.features.iter().filter(|feature| !adhoc.iter().any(|name| **name == *feature.name));
    for feature in registered {
        if feature.windows.iter().any(|window| window.value == FeatureValue::None) {
            metrics::counter!("nowfold_query_nulls_total", "feature" => feature.name.to_string()).increment(1);
        }
    }
}

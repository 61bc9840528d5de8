//! `POST .../features`: actors × features in one call, and features that are not registered.

use std::sync::Arc;
use std::time::Instant;

use axum::body::Bytes;
use axum::extract::rejection::{BytesRejection, PathRejection};
use axum::extract::{Path, State};
use axum::http::{StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use nowfold_core::query::QueryError;
use nowfold_operators::answer::Answer;
use nowfold_operators::feature::Feature;
use nowfold_operators::features::Features;
use nowfold_operators::rfc3339;
use serde_json::json;

use crate::answer::Text;
use crate::app::Shared;
use crate::fault::{Fault, Part};
use crate::features::{count_nulls, finished, took_us};
use crate::options::{Options, refine};
use crate::params::Params;
use crate::problem::Problem;
use crate::question::Question;
use crate::subject::{Subject, check_actor};

/// For each actor its answer, or one for each instant.
type Asked = Vec<Result<Vec<Answer>, QueryError>>;

/// Actors answered before other requests get their turn: the server has one thread.
const TURN: usize = 16;

pub(crate) async fn post(
    State(shared): State<Arc<Shared>>,
    path: Result<Path<Subject>, PathRejection>,
    uri: Uri,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Problem> {
    let started = Instant::now();
    let Subject { store, .. } = Subject::read(path)?;
    let features = shared.features(store.as_deref())?;
    Params::read(&uri, &[])?;
    let body = body.map_err(|error| rejected(&error, shared.app.limits.body_bytes))?;
    let question = Question::read(&body, &shared, &features)?;
    Batch { shared: &shared, features: &features, question, uri: &uri, started }.answer().await
}

fn rejected(error: &BytesRejection, limit: usize) -> Problem {
    if error.status() == StatusCode::PAYLOAD_TOO_LARGE {
        return Fault::TooLong { part: Part::Body, limit }.into();
    }
    Problem::invalid("the body could not be read; send the whole of it")
}

struct Batch<'a> {
    shared: &'a Shared,
    features: &'a Features,
    question: Question,
    uri: &'a Uri,
    started: Instant,
}

impl Batch<'_> {
    async fn answer(self) -> Result<Response, Problem> {
        // One instant for all actors, whenever their turn comes.
        let as_of = self.question.options.as_of.unwrap_or_else(|| self.shared.app.clock.now());
        let options = Options { as_of: Some(as_of), ..self.question.options.clone() };
        let adhoc: Vec<_> = self.question.adhoc.iter().map(|feature| feature.name().to_owned()).collect();
        let mut text = Text::new(self.shared.app.limits.answer_bytes);
        text.push("{\"results\":[")?;
        for (turn, actors) in self.question.actors.chunks(TURN).enumerate() {
            tokio::task::yield_now().await;
            for (number, (actor, result)) in actors.iter().zip(self.ask(actors, &options).await?).enumerate() {
                text.push(if turn + number > 0 { "," } else { "" })?;
                match result {
                    Ok(answers) => self.write(&mut text, actor, answers, &options, &adhoc)?,
                    Err(error) => {
                        let error = self.shared.problem(error, self.uri);
                        text.push_json(&json!({ "actor": actor, "error": error }))?;
                    }
                }
            }
        }
        text.push("],\"as_of\":")?;
        text.push_json(&rfc3339(as_of))?;
        text.push(",\"owner\":")?;
        text.push_json(&self.shared.owner.as_ref())?;
        text.push(&format!(",\"took_us\":{}}}", took_us(self.started)))?;
        Ok(text.into_response())
    }

    /// One answer, or one for each instant.
    fn write(
        &self,
        text: &mut Text,
        actor: &str,
        answers: Vec<Answer>,
        options: &Options,
        adhoc: &[String],
    ) -> Result<(), Problem> {
        answers.iter().for_each(|answer| count_nulls(answer, adhoc));
        let mut answers = answers.into_iter().map(|answer| finished(answer, options, self.started));
        if self.question.timeline.is_some() {
            return text.push_json(&json!({ "actor": actor, "timeline": answers.collect::<Vec<_>>() }));
        }
        answers.try_for_each(|answer| text.push_json(&answer))
    }

    /// Answers for some actors, once the partitions of all have come to the position that the question requires, or
    /// the wait is over.
    async fn ask(&self, actors: &[String], options: &Options) -> Result<Asked, Problem> {
        loop {
            let results = self.ask_now(actors, options).map_err(|error| self.shared.problem(error, self.uri))?;
            let behind = results.iter().any(|result| matches!(result, Err(QueryError::Behind { .. })));
            if !behind || self.started.elapsed() >= options.wait {
                return Ok(results);
            }
            tokio::time::sleep(crate::options::LOOK).await;
        }
    }

    fn ask_now(&self, actors: &[String], options: &Options) -> Result<Asked, QueryError> {
        if self.question.timeline.is_some() || !self.question.scores.is_empty() {
            return Ok(actors
                .iter()
                .map(|actor| check_actor(actor).and_then(|()| self.ask_one(actor, options)))
                .collect());
        }
        let query = refine!(self.features.query_many(actors).select(&self.question.features), options);
        let query = self.question.adhoc.iter().cloned().fold(query, |query, feature: Feature| query.adhoc(feature));
        let answers = query.get()?.into_iter().map(|answer| answer.map(|answer| vec![answer]));
        Ok(actors.iter().zip(answers).map(|(actor, answer)| check_actor(actor).and(answer)).collect())
    }

    /// What only a question about one actor takes: scores and several instants.
    fn ask_one(&self, actor: &str, options: &Options) -> Result<Vec<Answer>, QueryError> {
        let query = refine!(self.features.query(actor).select(&self.question.features), options);
        let query = self.question.adhoc.iter().cloned().fold(query, |query, feature: Feature| query.adhoc(feature));
        let query =
            self.question.scores.iter().fold(query, |query, score| {
                query.score(&score.feature, score.metric(), score.candidates.iter().cloned())
            });
        match &self.question.timeline {
            Some(instants) => query.timeline(instants.iter().copied()),
            None => query.get().map(|answer| vec![answer]),
        }
    }
}

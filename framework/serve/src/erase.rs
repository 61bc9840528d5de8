//! `DELETE .../actors/{actor}`: erases an actor.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, Uri};
use axum::response::Response;
use nowfold_operators::erase::EraseLog;

use crate::answer;
use crate::app::Shared;
use crate::fault::Fault;
use crate::params::Params;
use crate::problem::Problem;
use crate::subject::Subject;
use crate::text;
use crate::token::Token;

/// Parameters of this path.
pub(crate) const PARAMS: &[&str] = &["up_to", "wait"];

/// How erasures are written, and who may ask for them.
#[derive(Clone)]
pub(crate) struct Erasures {
    pub(crate) log: EraseLog,
    pub(crate) token: Token,
}

pub(crate) async fn delete(
    State(shared): State<Arc<Shared>>,
    path: Result<Path<Subject>, PathRejection>,
    headers: HeaderMap,
    uri: Uri,
) -> Result<Response, Problem> {
    // Before anything is looked up, so that nothing is learnt without the secret.
    let erasures = shared.app.erasures.clone().ok_or(Fault::ReadOnly)?;
    if !erasures.token.admits(&headers) {
        return Err(Fault::Unauthorized.into());
    }
    let Subject { store, actor } = Subject::of_actor(path)?;
    let params = Params::read(&uri, &[PARAMS])?;
    let up_to = params.parsed("up_to", text::instant)?;
    let wait = wait(&params, &shared)?;
    let features = shared.features(store.as_deref())?.erasing_with(erasures.log);
    let features = features.pausing_with(Arc::new(std::thread::sleep));
    let erase = move || {
        let request = features.erase(&actor).wait_up_to(wait);
        up_to.into_iter().fold(request, |request, t| request.up_to(t)).run()
    };
    // The log may take its time; a thread of its own waits for it.
    let erased = tokio::task::spawn_blocking(erase).await.map_err(|_| Fault::Internal)?;
    let erased = erased.map_err(|error| shared.erase_problem(error, &uri))?;
    answer::json(&erased, shared.app.limits.answer_bytes)
}

/// How long to wait for the store: by default as long as leaves time to answer.
fn wait(params: &Params, shared: &Shared) -> Result<Duration, Problem> {
    let longest = shared.app.limits.longest_wait();
    match params.parsed("wait", text::duration)? {
        Some(wait) if wait > longest => Err(Problem::invalid(format!("wait is {wait:?}; wait at most {longest:?}"))),
        wait => Ok(wait.unwrap_or(longest)),
    }
}

//! Errors as clients read them: a status, and JSON with the code, the sentence, the next step and the details.

use std::time::Duration;

use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use nowfold_core::query::{QueryError, StandbyPlace};
use nowfold_operators::EraseError;
use nowfold_runtime::AppState;
use serde::ser::{Serialize, Serializer};
use serde_json::{Value, json};

use crate::answer::Text;
use crate::fault::Fault;

/// An error on its way to a client.
#[derive(Debug)]
pub(crate) struct Problem {
    pub(crate) status: StatusCode,
    /// In the order in which a person reads them.
    body: Vec<(&'static str, Value)>,
    headers: Vec<(HeaderName, HeaderValue)>,
    /// A standby that may answer instead of the owner.
    standby: Option<String>,
}

impl Problem {
    fn new(status: StatusCode, code: &str, message: String, next: &str) -> Self {
        let mut problem = Self { status, body: Vec::new(), headers: Vec::new(), standby: None };
        problem.add("code", json!(code));
        problem.add("message", json!(message));
        problem.add("next", json!(next));
        problem
    }

    /// A question that is not written as it should be.
    pub(crate) fn invalid(cause: impl Into<String>) -> Self {
        QueryError::Invalid { cause: cause.into() }.into()
    }

    fn add(&mut self, name: &'static str, value: Value) {
        self.body.push((name, value));
    }

    /// Names the copies of the partition that was asked for, nearest first. While it has no owner, a question that takes
    /// stale answers is sent on to the first.
    pub(crate) fn with_standbys(mut self, standbys: &[StandbyPlace], takes_stale: bool) -> Self {
        let place = |it: &StandbyPlace| json!({ "endpoint": it.endpoint, "lag_records": it.lag });
        if let Some(first) = standbys.first() {
            self.add("standbys", standbys.iter().map(place).collect());
            self.standby = Some(first.endpoint.clone()).filter(|_| takes_stale);
        }
        self
    }

    fn owner(&self) -> Option<&Value> {
        self.body.iter().find(|(name, _)| *name == "owner").map(|(_, owner)| owner)
    }

    fn header(&mut self, name: HeaderName, value: &str) {
        if let Ok(value) = HeaderValue::from_str(value) {
            self.headers.push((name, value));
        }
    }

    fn retry_after(mut self, after: Duration) -> Self {
        let seconds = after.as_secs().max(1);
        self.header(header::RETRY_AFTER, &seconds.to_string());
        self.add("retry_after_s", json!(seconds));
        self
    }

    /// Sends clients on to the partition's owner when it is known, else to a standby that may answer, at the same path. A partition without an owner is
    /// on its way while the application does not run, so asking again helps.
    pub(crate) fn at(mut self, path_and_query: &str, state: &AppState) -> Self {
        let Some(owner) = self.owner() else { return self };
        match owner.as_str().or(self.standby.as_deref()) {
            Some(owner) => {
                let scheme = if owner.contains("://") { "" } else { "http://" };
                let location = format!("{scheme}{}{path_and_query}", owner.trim_end_matches('/'));
                self.status = StatusCode::TEMPORARY_REDIRECT;
                self.header(header::LOCATION, &location);
                self
            }
            None if *state != AppState::Running => {
                self.status = StatusCode::SERVICE_UNAVAILABLE;
                self.retry_after(Duration::from_secs(1))
            }
            None => self,
        }
    }

    fn details(&mut self, error: &QueryError) {
        match error {
            QueryError::UnknownStore { store, .. } => self.add("store", json!(store)),
            QueryError::UnknownFeature { store, feature, .. } => {
                self.add("store", json!(store));
                self.add("feature", json!(feature));
            }
            QueryError::Restoring { store, partition, done, total, .. } => {
                self.add("store", json!(store));
                self.add("partition", json!(partition));
                self.add("done", json!(done));
                self.add("total", json!(total));
            }
            QueryError::Behind { store, partition, applied, wanted } => {
                self.add("store", json!(store));
                self.add("partition", json!(partition.to_string()));
                self.add("applied", json!(applied));
                self.add("wanted", json!(wanted));
            }
            QueryError::NotOwner { store, partition, owner } => {
                self.add("store", json!(store));
                self.add("partition", json!(partition));
                self.add("owner", json!(owner));
            }
            QueryError::WindowExceedsRetention { store, feature, .. } => {
                self.add("store", json!(store));
                self.add("feature", json!(feature));
            }
            _ => {}
        }
    }
}

fn status(error: &QueryError) -> StatusCode {
    match error {
        QueryError::UnknownStore { .. } | QueryError::UnknownFeature { .. } => StatusCode::NOT_FOUND,
        QueryError::Restoring { .. } | QueryError::Behind { .. } => StatusCode::SERVICE_UNAVAILABLE,
        QueryError::NotOwner { .. } => StatusCode::MISDIRECTED_REQUEST,
        _ => StatusCode::BAD_REQUEST,
    }
}

fn next(error: &QueryError) -> &'static str {
    match error {
        QueryError::UnknownStore { .. } => "ask one of the stores that /v1/stores lists",
        QueryError::UnknownFeature { .. } => "name registered features, or send this one's definition with POST",
        QueryError::Restoring { .. } => {
            "retry after the seconds of Retry-After, or accept stale answers with max_lag=5m"
        }
        QueryError::Behind { .. } => "retry, wait longer with wait=3s, or ask without at_least",
        QueryError::NotOwner { owner: Some(_), .. } => "ask the owner; with curl use -L",
        QueryError::NotOwner { owner: None, .. } => {
            "ask another instance of the application, or retry once it has settled"
        }
        QueryError::WindowExceedsRetention { .. } => "shorten the window, or raise the store's retention",
        QueryError::AsOfInFuture { .. } => "ask for a time that has come, or leave as_of out for now",
        _ => "correct the question; docs/guide/queries.md shows each with an example",
    }
}

impl From<QueryError> for Problem {
    fn from(error: QueryError) -> Self {
        let mut problem = Self::new(status(&error), error.code(), error.to_string(), next(&error));
        problem.details(&error);
        match &error {
            QueryError::Restoring { retry_after, .. } => problem.retry_after(*retry_after),
            QueryError::Behind { .. } => problem.retry_after(Duration::from_secs(1)),
            _ => problem,
        }
    }
}

impl From<EraseError> for Problem {
    fn from(error: EraseError) -> Self {
        let (status, next) = match error {
            EraseError::Query(error) => return error.into(),
            EraseError::NotWritten { .. } => (StatusCode::SERVICE_UNAVAILABLE, "nothing is erased; retry"),
            EraseError::NotApplied { .. } => {
                (StatusCode::SERVICE_UNAVAILABLE, "it will be applied; retry to be sure, which changes nothing else")
            }
            _ => (StatusCode::FORBIDDEN, "ask a running application's own server"),
        };
        let problem = Self::new(status, error.code(), error.to_string(), next);
        if error.is_retriable() { problem.retry_after(Duration::from_secs(1)) } else { problem }
    }
}

impl From<Fault> for Problem {
    fn from(fault: Fault) -> Self {
        let message = fault.to_string();
        let next = message.rsplit_once("; ").map_or("", |(_, next)| next).to_owned();
        let mut problem = Self::new(fault.status(), fault.code(), message, &next);
        if let Fault::Method { allowed, .. } = &fault {
            problem.header(header::ALLOW, allowed);
        }
        if fault == Fault::Unauthorized {
            problem.header(header::WWW_AUTHENTICATE, "Bearer");
        }
        if fault.ends_connection() {
            problem.header(header::CONNECTION, "close");
        }
        match fault {
            Fault::Busy { .. } => problem.retry_after(Duration::from_secs(1)),
            _ => problem,
        }
    }
}

impl Serialize for Problem {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.body.iter().map(|(name, value)| (name, value)))
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut body = Text::new(usize::MAX);
        // A list of names and values can always be written.
        let _ = body.push_json(&self);
        let mut response = (self.status, body).into_response();
        response.headers_mut().extend(self.headers);
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header_of(problem: Problem, name: HeaderName) -> String {
        problem.into_response().headers()[name].to_str().unwrap().to_owned()
    }

    fn not_owner(owner: Option<&str>) -> Problem {
        QueryError::NotOwner { store: "activity".into(), partition: 5, owner: owner.map(str::to_owned) }.into()
    }

    #[test]
    fn sends_a_client_on_to_the_owner_at_the_same_path() {
        for owner in ["10.0.0.2:7070", "http://10.0.0.2:7070/"] {
            let problem = not_owner(Some(owner)).at("/v1/actors/a%2Fb/features?as_of=1", &AppState::Running);
            assert_eq!(problem.status, StatusCode::TEMPORARY_REDIRECT);
            assert_eq!(header_of(problem, header::LOCATION), "http://10.0.0.2:7070/v1/actors/a%2Fb/features?as_of=1");
        }
    }

    #[test]
    fn sends_a_client_that_takes_stale_answers_on_to_a_standby_while_there_is_no_owner() {
        let places = [StandbyPlace { endpoint: "10.0.0.3:7070".to_owned(), lag: Some(7) }];
        let at = |owner, takes_stale| {
            let problem = not_owner(owner).with_standbys(&places, takes_stale);
            assert_eq!(json!(problem)["standbys"], json!([{ "endpoint": "10.0.0.3:7070", "lag_records": 7 }]));
            problem.at("/x?max_lag=5m", &AppState::Running)
        };
        assert_eq!(header_of(at(None, true), header::LOCATION), "http://10.0.0.3:7070/x?max_lag=5m");
        assert_eq!(header_of(at(Some("10.0.0.2:7070"), true), header::LOCATION), "http://10.0.0.2:7070/x?max_lag=5m");
        assert_eq!(at(None, false).status, StatusCode::MISDIRECTED_REQUEST);
    }

    #[test]
    fn lets_a_client_retry_while_partitions_move() {
        let moving = not_owner(None).at("/", &AppState::Rebalancing);
        assert_eq!(moving.status, StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(header_of(moving, header::RETRY_AFTER), "1");
        assert_eq!(not_owner(None).at("/", &AppState::Running).status, StatusCode::MISDIRECTED_REQUEST);
    }

    #[test]
    fn says_the_sentence_of_the_error_and_its_details() {
        let error = QueryError::UnknownStore { store: "x".to_owned(), known: "activity".to_owned() };
        let expected = json!({
            "code": "NF010", "message": error.to_string(), "store": "x",
            "next": "ask one of the stores that /v1/stores lists",
        });
        assert_eq!(json!(Problem::from(error)), expected);
    }

    #[test]
    fn what_a_client_wrote_is_no_next_step() {
        let fault = Fault::ForeignHost { host: "a; run this".to_owned() };
        let next = json!(Problem::from(fault))["next"].as_str().unwrap_or_default().to_owned();
        assert!(next.starts_with("ask it by its loopback address"), "{next}");
    }

    #[test]
    fn every_fault_begins_with_its_code_and_says_what_to_do() {
        let faults = [
            Fault::NoSuchPath,
            Fault::Method { method: "PUT".to_owned(), allowed: "GET" },
            Fault::TooLong { part: crate::fault::Part::Uri, limit: 1 },
            Fault::TooSlow { limit_ms: 1 },
            Fault::Busy { limit: 1 },
            Fault::AnswerTooLong { limit: 1 },
            Fault::ForeignHost { host: "x".to_owned() },
            Fault::NoTopology,
            Fault::Internal,
            Fault::Unauthorized,
            Fault::ReadOnly,
        ];
        for fault in faults {
            assert!(fault.to_string().starts_with(fault.code()), "{fault}");
            let body = json!(Problem::from(fault));
            assert!(body["next"].as_str().is_some_and(|next| !next.is_empty()), "{body}");
        }
    }
}

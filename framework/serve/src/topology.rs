//! `GET /v1/topology`: what runs, as text, Mermaid or JSON.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{Uri, header};
use axum::response::{IntoResponse, Response};

use crate::app::Shared;
use crate::fault::Fault;
use crate::params::Params;
use crate::problem::Problem;

/// Parameters of this path.
pub(crate) const PARAMS: &[&str] = &["format"];

pub(crate) async fn get(State(shared): State<Arc<Shared>>, uri: Uri) -> Result<Response, Problem> {
    let params = Params::read(&uri, &[PARAMS])?;
    let topology = shared.app.topology.as_ref().ok_or(Fault::NoTopology)?;
    let (kind, text) = match params.one("format")?.unwrap_or("text") {
        "text" => ("text/plain; charset=utf-8", topology.to_string()),
        "mermaid" => ("text/plain; charset=utf-8", topology.to_mermaid()),
        "json" => ("application/json", topology.to_json()),
        other => return Err(Problem::invalid(format!("format: there is no {other:?}; write text, mermaid or json"))),
    };
    Ok(([(header::CONTENT_TYPE, kind)], text).into_response())
}
